"""Everything that a person sees: lines, words, colour, bell. Nothing else prints."""

import logging
import math
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from meosbackup import wording
from meosbackup.errors import MeosBackupError
from meosbackup.text import NO_BREAK, SIMPLER, clean, columns, wrapped

if sys.platform == "win32":
    import winsound

log = logging.getLogger(__name__)

_RULE_WIDTH = 79
_COLOURS = {"OK": "green", "WAIT": "yellow", "NOTE": "yellow", "FAIL": "red", "ALARM": "red"}
_WORD_WIDTH = 5
_NAME_WIDTH = 14
_MARGIN = " " * 16
_RESULT_MARGIN = " " * (_WORD_WIDTH + 1)
_HEIGHT = 24
_REPEATED_LINES = 2
_BAR_WIDTH = 36
_ASKED_AGAIN = 2
_NARROW = 60
_PATIENCE = 0.1
_WHITE_ON_BLACK, _PLAIN = "\x1b[97;40m", "\x1b[0m"
_MOST_WAITING = 10_000
"""Lines that wait for a screen that stands still: a long day's, and more than any command prints."""


def begin(*, has_escapes: bool) -> None:
    """Replace letters that the terminal's code page doesn't have with simpler ones, in all output of the program.

    If the terminal doesn't understand escape codes, there are no colours and no bars.
    """
    _printer.has_escapes = has_escapes
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SIMPLER)


class Printer:
    """Writes texts in their order by a thread of its own, so that no work waits for a screen that stands still.

    Screens do: after Ctrl-S, while a Windows console's text is selected, behind a pager. If more than `most` texts
    wait, the oldest are dropped and counted. A screen that is gone takes everything in silence. With `at_once`, there
    is no thread.
    """

    def __init__(self, *, most: int = _MOST_WAITING, at_once: bool = False) -> None:
        self.has_escapes = True
        self._most = most
        self._at_once = at_once
        self._texts: deque[tuple[TextIO, str]] = deque()
        self._dropped = 0
        self._bar = self._shown_bar = ""
        self._bar_stream = sys.stdout
        self._thread: threading.Thread | None = None
        self._is_writing = False
        self._changed = threading.Condition()

    def put(self, stream: TextIO | None, text: str) -> None:
        """Have a text written, above the bar if one is shown."""
        if stream is None:  # the program was started without an output
            return
        with self._changed:
            self._texts.append((stream, text))
            if len(self._texts) > self._most:
                self._dropped += self._texts.popleft()[1].count("\n")
            self._go_on()

    def show_bar(self, stream: TextIO, bar: str) -> None:
        """Have this in the terminal's last line; nothing if it is empty."""
        with self._changed:
            self._bar_stream, self._bar = stream, bar
            self._go_on()

    def finish(self, seconds: float | None) -> bool:
        """Wait until everything is written, for `seconds` at most; return whether it is."""
        end = time.monotonic() + (math.inf if seconds is None else seconds)
        with self._changed:
            while self._is_writing or self._is_due():
                if time.monotonic() > end:
                    return False
                self._changed.wait(_PATIENCE)  # not for longer: on Windows, Ctrl-C can't interrupt it
            return True

    def _go_on(self) -> None:
        if self._at_once:
            while self._is_due():
                _write(*self._next(), self.has_escapes)
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="print", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due)
                stream, text = self._next()
                self._is_writing = True
            _write(stream, text, self.has_escapes)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _is_due(self) -> bool:
        return bool(self._texts) or self._bar != self._shown_bar

    def _next(self) -> tuple[TextIO, str]:
        """Return what is written next: a text, which removes the bar, or the bar."""
        is_elsewhere = bool(self._texts) and self._texts[0][0] is not self._bar_stream
        if not self._texts or (self._shown_bar and is_elsewhere):
            self._shown_bar = "" if self._texts else self._bar
            return self._bar_stream, f"\r\x1b[K{self._shown_bar}"
        stream, text = self._texts.popleft()
        erased, self._shown_bar = "\r\x1b[K" if self._shown_bar else "", ""
        lost, self._dropped = self._dropped, 0
        missing = f"… {lost:,} lines were not shown; they are in the log\n" if lost else ""
        return stream, erased + missing + text


_printer = Printer()


def finish(seconds: float | None = None) -> bool:
    """Wait until everything is printed, for `seconds` at most; return whether it is."""
    return _printer.finish(seconds)


class Console:
    """The screen. If `quiet`, only trouble and notes are shown. Each line is complete without colour, too.

    What is printed is in the log as well, but for tables and what the user asked for. The texts in `whole`, such as
    paths, are never broken over two lines. A `stream` that is named is written to at once.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None, whole: Iterable[str] = ()) -> None:
        self._stream = stream or sys.stdout
        self._printer = Printer(at_once=True) if stream else _printer
        self._quiet = quiet
        self._whole = tuple(whole)
        self._lock = threading.Lock()
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SIMPLER)

    def line(self, moment: datetime, word: str, text: str) -> None:
        """Print one line of the day: the time, a word such as OK or FAIL, and what happened."""
        if word != "OK" or not self._quiet:
            self._print(self._dated(moment, word, text))

    def block(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print rows of a name and a text, aligned; a row without a name continues the one before."""
        if not self._quiet:
            for name, text in rows:
                self._print(f"{name:<{_NAME_WIDTH}}  {self._wrapped(text)}".rstrip())

    def say(self, text: str = "", *, margin: str = "") -> None:
        """Print a sentence or a blank line; one that begins with blanks is printed as it is.

        All lines but the first begin with the `margin`.
        """
        if not self._quiet:
            self._print(text if text.startswith(" ") else self._wrapped(text, margin, first=0))

    def result(self, word: str, name: str, text: str) -> None:
        """Print one line of a list of checks."""
        if word == "FAIL" or not self._quiet:
            self._print(f"{_coloured(word)} {self._wrapped(f'{name}: {text}', _RESULT_MARGIN)}")

    def show(self, text: str) -> None:
        """Print what the user asked for, quiet or not."""
        self._printer.put(self._stream, text.replace(NO_BREAK, " ") + "\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows of texts in columns below their head; nothing if there are no rows."""
        if rows:
            cleaned = [[clean(text) for text in row] for row in (head, *rows)]
            widths = [max(map(columns, column)) for column in zip(*cleaned, strict=True)]
            for row in cleaned:
                padded = (text + " " * (width - columns(text)) for text, width in zip(row, widths, strict=True))
                self.show("  ".join(padded).rstrip())

    def drawing(self, rows: Sequence[str]) -> None:
        """Print rows of blocks in white on black, in whatever colours the terminal is; nothing if they don't fit."""
        room = shutil.get_terminal_size()
        fits = len(rows) < room.lines and max(map(len, rows)) < room.columns
        if not self._quiet and self._is_terminal and self._printer.has_escapes and fits and _has_blocks(self._stream):
            for row in rows:
                self.show(f"{_WHITE_ON_BLACK}{row}{_PLAIN}")

    @property
    def height(self) -> int:
        """How many lines the terminal has; those of an old terminal if the output goes elsewhere."""
        return shutil.get_terminal_size().lines if self._is_terminal else _HEIGHT

    @property
    def _is_terminal(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show in the terminal's last line how much of `total` is done, until the block ends.

        Yields the function to call, from any thread, with the amount that each step did. Other lines appear above.
        """
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            with self._lock:
                done += more
                show(_bar(label, done, total))

        with self._last_line() as show:
            yield advance

    @contextmanager
    def status_line(self) -> Iterator[Callable[[Sequence[str]], None]]:
        """Have a status stay in the terminal's last line until the block ends.

        Yields the function to call with the parts of the status, the most important first: as many as fit are shown.
        Other lines appear above. Only a real terminal has a status, and none if `quiet`.
        """

        def show_parts(parts: Sequence[str]) -> None:
            room = shutil.get_terminal_size().columns - 1
            fitting = (", ".join(parts[:count]) for count in range(len(parts), 0, -1))
            show(next((text for text in map(clean, fitting) if columns(text) <= room), ""))

        with self._last_line() as show:
            yield show_parts

    @contextmanager
    def _last_line(self) -> Iterator[Callable[[str], None]]:
        """Yield the function that shows a text in the terminal's last line, if there is one, until the block ends."""
        if self._quiet or not self._is_terminal or not self._printer.has_escapes:
            yield lambda _: None
            return
        try:
            yield lambda text: self._printer.show_bar(self._stream, text)
        finally:
            self._printer.show_bar(self._stream, "")

    def ask(self, question: str) -> bool:
        """Ask a yes-or-no question and return the answer; yes counts in many languages, and no answer is a no."""
        self._printer.finish(None)
        prompt = f"{question} Type yes and press Enter: "
        for _ in range(1 + _ASKED_AGAIN):
            try:
                answer = wording.answer(click.prompt(prompt, default="no", show_default=False, prompt_suffix=""))
            except (click.Abort, KeyboardInterrupt):  # or nobody to ask
                self._print("")
                return False
            except UnicodeError:  # typed in another code page
                answer = None
            if answer is not None:
                return answer
            prompt = "Not understood. Type yes or no and press Enter: "
        return False

    def banner(self, moment: datetime, word: str, *paragraphs: str) -> None:
        """Print a banner with the bell: the time and the word, then what happened, what it means and what to do."""
        rule = click.style("=" * _RULE_WIDTH, fg="red")
        first, *others = paragraphs
        head = self._dated(moment, word, first)
        below = (self._indented(self._wrapped(paragraph), _MARGIN) for paragraph in others)
        self._print("\n".join([rule, head, *below, rule]), rings=True)

    def repeat(self, moment: datetime, word: str, *sentences: str) -> None:
        """Print what continues after a banner, in two lines of the terminal at most, with the bell.

        The first two sentences are always printed, the first one cut short if need be; of the others, those that fit.
        """
        self._print(self._dated(moment, word, " ".join(self._fitting(sentences))), rings=True)

    def _fitting(self, sentences: Sequence[str]) -> list[str]:
        """Return the sentences of `repeat` that fit; all of them if the output isn't a terminal."""
        if not self._is_terminal:
            return list(sentences)
        first, *rest = sentences
        while self._lines(first, *rest[:1]) > _REPEATED_LINES and columns(first) > _NAME_WIDTH:
            first = clean(first, columns(first) - 1)
        chosen = [first, *rest[:1]]
        for sentence in rest[1:]:
            if self._lines(*chosen, sentence) <= _REPEATED_LINES:
                chosen.append(sentence)
        return chosen

    def _lines(self, *sentences: str) -> int:
        return self._wrapped(" ".join(sentences)).count("\n") + 1

    def error(self, error: MeosBackupError) -> None:
        """Print the trouble that ends the program, to standard error."""
        name = "meosbackup: "
        parts = [*error.what.splitlines(), error.means, error.do]
        said = [self._wrapped(parts[0], "  ", len(name), stream=sys.stderr)]
        said += [f"  {self._wrapped(part, '  ', stream=sys.stderr)}" for part in parts[1:]]
        text = click.style(name, fg="red") + "\n".join(said)
        self._printer.put(sys.stderr, text.replace(NO_BREAK, " ") + "\n")

    def _wrapped(
        self, text: str, margin: str = _MARGIN, first: int | None = None, *, stream: TextIO | None = None
    ) -> str:  # fmt: skip
        """Break a text that is longer than a line of the terminal, and indent the lines that follow.

        Before its first line there are `first` letters, or as many as in the margin.

        A path or a command is never broken, so that it can be copied.
        """
        if not (stream.isatty() if stream else self._is_terminal):
            return clean(text)
        columns = shutil.get_terminal_size().columns - 1
        before = len(margin) if first is None else first
        return wrapped(clean(text), columns, before, margin if columns >= _NARROW else margin[:2], self._whole)

    def _dated(self, moment: datetime, word: str, text: str) -> str:
        return f"{moment:%H:%M:%S}  {_coloured(word)} {self._wrapped(text)}"

    def _indented(self, text: str, margin: str) -> str:
        """Put a margin before a text, unless its first line is longer than one of the terminal, to be copied."""
        first = text.partition("\n")[0]
        fits = not self._is_terminal or len(margin + first) < shutil.get_terminal_size().columns
        return (margin if fits else "") + text

    def _print(self, text: str, *, rings: bool = False) -> None:
        log.info("shown: %s", " ".join(click.unstyle(text).split()))
        bell = _ring() if rings and self._is_terminal and not self._quiet else ""
        self.show(bell + text)


def _write(stream: TextIO, text: str, has_escapes: bool) -> None:
    """Write to a stream, without colours unless it `has_escapes`.

    If it is gone (a pager that was quit, a closed window), it leads nowhere from now on.
    """
    try:
        click.echo(text, file=stream, nl=False, color=None if has_escapes else False)
    except Exception:  # whatever it is, it must not end the thread
        log.info("nothing can be shown any more", exc_info=True)
        # So does what it still holds, which Python writes when the program ends.
        with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def _has_blocks(stream: TextIO) -> bool:
    try:
        "▀▄█".encode(stream.encoding)
    except UnicodeError:
        return False
    return True


def _ring() -> str:
    """Make a sound without waiting for it, or return what makes the terminal do so."""
    if sys.platform == "win32":  # there, most terminals have their bell muted
        threading.Thread(target=_sound, name="sound", daemon=True).start()
        return ""
    return "\a"


if sys.platform == "win32":

    def _sound() -> None:
        with suppress(RuntimeError):  # a computer without a sound
            winsound.MessageBeep(winsound.MB_ICONHAND)


def _bar(label: str, done: int, total: int) -> str:
    part = min(1.0, done / total) if total else 1.0
    return f"{label}  [{'#' * round(part * _BAR_WIDTH):-<{_BAR_WIDTH}}]  {part:4.0%}"


def _coloured(word: str) -> str:
    return click.style(f"{word:<{_WORD_WIDTH}}", fg=_COLOURS.get(word), bold=_COLOURS.get(word) == "red")
