"""Everything that a person sees: lines, words, colour, bell. Nothing else prints."""

import re
import shutil
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

import click

from meosbackup.errors import MeosBackupError
from meosbackup.text import NO_BREAK, SIMPLER, clean, columns

_RULE_WIDTH = 79
_COLOURS = {"OK": "green", "WAIT": "yellow", "NOTE": "yellow", "FAIL": "red"}
_WORD_WIDTH = 5
_NAME_WIDTH = 14
_MARGIN = " " * 16
_RESULT_MARGIN = " " * (_WORD_WIDTH + 1)
_HEIGHT = 24
_FAIL_LINES = 2
_BAR_WIDTH = 36
_ASKED_AGAIN = 2

# Without accents, since `_answer` removes them: English, Swedish, Danish, Norwegian, German, Dutch, Czech, Slovak,
# Polish, French, Spanish, Catalan, Italian, Portuguese, Finnish, Estonian, Latvian, Lithuanian, Hungarian, Romanian,
# Slovenian, Croatian, Turkish, Bulgarian, Russian, Ukrainian.
_YES = re.compile("y|yes|j|ja|jo|jah|jaa|joo|k|kylla|a|ano|t|tak|taip|o|oui|s|si|sim|i|igen|d|da|evet|д|да|т|так")
_NO = re.compile("n|no|nej|nei|nein|nee|ne|nie|non|nao|ei|nem|nu|hayir|н|не|нет|ні")


def simplify_unprintable() -> None:
    """Replace letters that the terminal's code page doesn't have with simpler ones, in all output of the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SIMPLER)


class Console:
    """The screen. If `quiet`, only trouble and notes are shown. Each line is complete without colour, too."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._lock = threading.Lock()
        self._bar = ""
        if hasattr(self._stream, "reconfigure"):
            self._stream.reconfigure(errors=SIMPLER)

    def line(self, moment: datetime, word: str, text: str) -> None:
        """Print one line of the day: the time, a word such as OK or FAIL, and what happened."""
        if word == "OK" and self._quiet:
            return
        self._print(f"{moment:%H:%M:%S}  {_coloured(word)} {self._wrapped(text)}")

    def block(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print rows of a name and a text, aligned; a row without a name continues the one before."""
        if not self._quiet:
            for name, text in rows:
                self._print(f"{name:<{_NAME_WIDTH}}  {text}".rstrip())

    def say(self, text: str = "") -> None:
        """Print a sentence or a blank line."""
        if not self._quiet:
            self._print(text)

    def result(self, word: str, name: str, text: str) -> None:
        """Print one line of a list of checks."""
        if word != "FAIL" and self._quiet:
            return
        self._print(f"{_coloured(word)} {self._wrapped(f'{name}: {text}', _RESULT_MARGIN)}")

    def show(self, text: str) -> None:
        """Print what the user asked for, quiet or not."""
        self._print(text)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows of texts in columns below their head; nothing if there are no rows."""
        if rows:
            cleaned = [[clean(text) for text in row] for row in (head, *rows)]
            widths = [max(map(columns, column)) for column in zip(*cleaned, strict=True)]
            for row in cleaned:
                padded = (text + " " * (width - columns(text)) for text, width in zip(row, widths, strict=True))
                self._print("  ".join(padded).rstrip())

    @property
    def height(self) -> int:
        """How many lines the terminal has; those of an old terminal if the output goes elsewhere."""
        return shutil.get_terminal_size().lines if self._stream.isatty() else _HEIGHT

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show in the terminal's last line how much of `total` is done, until the block ends.

        Yields the function to call, from any thread, with the amount that each step did. Other lines appear above.
        """
        if self._quiet or not self._stream.isatty():
            yield lambda _: None
            return
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            with self._lock:
                done += more
                self._show_bar(_bar(label, done, total))

        try:
            yield advance
        finally:
            with self._lock:
                self._show_bar("")

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question and return the answer; yes counts in many languages, and no answer is a no."""
        prompt = f"{question} Type yes and press Enter: "
        for _ in range(1 + _ASKED_AGAIN):
            try:
                answer = _answer(click.prompt(prompt, default="no", show_default=False, prompt_suffix=""))
            except click.Abort:  # Ctrl-C, or nobody to ask
                self._print("")
                return False
            except UnicodeError:  # typed in another code page
                answer = None
            if answer is not None:
                return answer
            prompt = "That was neither yes nor no. Type yes or no and press Enter: "
        return False

    def alarm(self, moment: datetime, text: str, error: MeosBackupError) -> None:
        """Print a banner that says what happened, what it means and what to do, with the bell."""
        rule = click.style("=" * _RULE_WIDTH, fg="red")
        self._ring()
        self._print(rule)
        self._print(f"{moment:%H:%M:%S}  {_coloured('FAIL')} {self._wrapped(text)}")
        for sentence in (error.means, error.do):
            self._print(_MARGIN + self._wrapped(sentence))
        self._print(rule)

    def fail(self, moment: datetime, *sentences: str) -> None:
        """Print trouble that continues in two lines of the terminal at most, with the bell.

        The first two sentences are always printed, the first one cut short if need be; of the others, those that fit.
        """
        self._ring()
        self.line(moment, "FAIL", " ".join(self._fitting(sentences)))

    def _fitting(self, sentences: Sequence[str]) -> list[str]:
        """Return the sentences of `fail` that fit; all of them if the output isn't a terminal."""
        if not self._stream.isatty():
            return list(sentences)
        first, *rest = sentences
        while self._lines(first, *rest[:1]) > _FAIL_LINES and columns(first) > _NAME_WIDTH:
            first = clean(first, columns(first) - 1)
        chosen = [first, *rest[:1]]
        for sentence in rest[1:]:
            if self._lines(*chosen, sentence) <= _FAIL_LINES:
                chosen.append(sentence)
        return chosen

    def _lines(self, *sentences: str) -> int:
        return self._wrapped(" ".join(sentences)).count("\n") + 1

    def error(self, error: MeosBackupError) -> None:
        """Print the trouble that ends the program, to standard error."""
        parts = [*error.what.splitlines(), error.means, error.do]
        click.echo(click.style("meosbackup: ", fg="red") + clean(parts[0]).replace(NO_BREAK, " "), err=True)
        for part in parts[1:]:
            click.echo("  " + clean(part).replace(NO_BREAK, " "), err=True)

    def _wrapped(self, text: str, margin: str = _MARGIN) -> str:
        """Break a text that is longer than a line of the terminal, and indent the lines that follow.

        A path is never broken, so that it can be copied.
        """
        if not self._stream.isatty():
            return clean(text)
        width = max(40, shutil.get_terminal_size().columns - len(margin) - 1)
        return f"\n{margin}".join(textwrap.wrap(clean(text), width, break_on_hyphens=False, break_long_words=False))

    def _ring(self) -> None:
        if self._stream.isatty():
            self._print("\a", newline=False)

    def _print(self, text: str, *, newline: bool = True) -> None:
        with self._lock:
            bar = self._bar
            self._show_bar("")
            click.echo(text.replace(NO_BREAK, " "), file=self._stream, nl=newline)
            self._show_bar(bar)

    def _show_bar(self, bar: str) -> None:
        if bar != self._bar:
            click.echo(f"\r\x1b[K{bar}", file=self._stream, nl=False)
            self._bar = bar


def _answer(typed: str) -> bool | None:
    """Return whether an answer is a yes or a no; None if it is neither."""
    letters = unicodedata.normalize("NFKD", typed.casefold())
    word = "".join(letter for letter in letters if not unicodedata.combining(letter)).strip(" .!'\"")
    return True if _YES.fullmatch(word) else False if _NO.fullmatch(word) else None


def _bar(label: str, done: int, total: int) -> str:
    part = min(1.0, done / total) if total else 1.0
    return f"{label}  [{'#' * round(part * _BAR_WIDTH):-<{_BAR_WIDTH}}]  {part:4.0%}"


def _coloured(word: str) -> str:
    return click.style(f"{word:<{_WORD_WIDTH}}", fg=_COLOURS.get(word), bold=word == "FAIL")
