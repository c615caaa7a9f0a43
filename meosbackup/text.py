"""Text from others made fit to be shown: in one line, without invisible characters, cut to size, in any code page."""

import codecs
import re
import textwrap
import unicodedata
from collections.abc import Iterable
from itertools import accumulate

SIMPLER = "meosbackup.simpler"
"""The error handler for streams that replaces letters missing in a code page with simpler ones, or question marks."""

NO_BREAK = "\xa0"
_COMMAND = re.compile(r"`[^`]*`")
_SQL = re.compile(r"(?<=[:;] )(?:ALTER|CREATE|GRANT|REPAIR|SET) [^;]*;")
_BLANKS = re.compile(r"[^\S\xa0]+")

_SIMPLER = {"–": "-", "«": '"', "»": '"', "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ł": "l", "Ł": "L", "ß": "ss"}


def clean(text: str, width: int | None = None) -> str:
    """Return a text that can be shown on a screen or in a file, in one line; empty if nothing is left of it.

    White space of every kind becomes single spaces, but for the no-break spaces of `unbroken`. Whatever would control
    a terminal or change the direction of writing, can't be encoded or is invisible (Unicode's categories C*) becomes
    U+FFFD. `width` is in columns of the screen, of which a wide letter (Chinese, emoji) takes two; a wider text is cut
    and ends with `…`.
    """
    line = _BLANKS.sub(" ", text).strip()
    shown = line if line.isprintable() else "".join(map(_visible, line))
    if width is None or columns(shown) <= width:
        return shown
    ends = accumulate(columns(letter) for letter in shown)
    return "".join(letter for letter, end in zip(shown, ends, strict=True) if end < width).rstrip() + "…"


def unbroken(text: str) -> str:
    """Return a path or a command whose blanks are no-break spaces, so that it stays in one line where text is wrapped.

    The console prints them as blanks, so that what is copied from the screen can be pasted.
    """
    return text.replace(" ", NO_BREAK)


def wrapped(text: str, width: int, first: int, margin: str, whole: Iterable[str] = ()) -> str:
    """Break a text into lines of `width` letters at most, of which the first has `first` less; the others get a margin.

    What a person copies is never broken: what is unbroken, the texts in `whole`, and what is in back-ticks. SQL has
    lines of its own; what is longer than a line begins at its left edge.
    """
    for piece in sorted(whole, key=len, reverse=True):
        text = text.replace(piece, unbroken(piece))
    text = _COMMAND.sub(lambda found: unbroken(found[0]), text)
    parts = _SQL.sub(lambda found: f"\n{unbroken(found[0])}\n", text).split("\n")
    lines: list[str] = []
    for part in filter(None, map(str.strip, parts)):
        indent = margin if lines else " " * first
        lines += textwrap.wrap(
            part, width, initial_indent=indent, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        )  # fmt: skip
    return "\n".join([*lines[:1], *(line if len(line) <= width else line.lstrip(" ") for line in lines[1:])])[first:]


def columns(text: str) -> int:
    """Return how many columns of the screen a text takes at most (Unicode Standard Annex 11)."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _visible(letter: str) -> str:
    return "\ufffd" if unicodedata.category(letter)[0] == "C" else letter


def _width(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _simplified(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (_SIMPLER.get(letter) or unicodedata.normalize("NFKD", letter) for letter in missing)
    return "".join(text.encode("ascii", "ignore").decode() or "?" for text in plain), error.end


codecs.register_error(SIMPLER, _simplified)
