"""Text from others made fit to be shown: one line, nothing invisible, no longer than there is room."""

import unicodedata
from itertools import accumulate


def clean(text: str, width: int | None = None) -> str:
    """Return a text that can be shown on a screen or in a file, in one line; empty where nothing was left of it.

    White space of every kind becomes single blanks. What would steer a terminal or turn the direction of writing,
    and what can't be encoded or has no picture (Unicode's categories C*), becomes U+FFFD. `width` is in columns of
    a screen, of which a wide letter (Chinese, emoji) takes two; a text that is wider ends with `…`.
    """
    line = " ".join(text.split())
    shown = "".join("\ufffd" if unicodedata.category(letter)[0] == "C" else letter for letter in line)
    if width is None or columns(shown) <= width:
        return shown
    ends = accumulate(columns(letter) for letter in shown)
    return "".join(letter for letter, end in zip(shown, ends, strict=True) if end < width).rstrip() + "…"


def columns(text: str) -> int:
    """Return how many columns of a screen a text takes at most (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
