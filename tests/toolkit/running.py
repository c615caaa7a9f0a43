"""meosbackup at work in a process of its own, and what it says meanwhile."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import Place
from tests.toolkit.runs import STOPS_WITHIN, Completed, in_one_line, server_options, tool_environment, with_password
from tests.toolkit.waiting import PATIENCE, limit, wait_until

BELL = "\a"
_SYNCHRONIZE = 0x100000
"""The right to wait for a process's end."""
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_LAST_LINE = re.compile("^.*\r\x1b\\[K")
"""What stood in the terminal's last line before a line took its place."""


class Running:
    """meosbackup at work in a process of its own; `lines` is what it shows."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: BinaryIO, encoding: str = "utf-8") -> None:
        self.process = process
        self._encoding = encoding
        self.lines: list[str] = []
        self._seen = 0
        self._reader = threading.Thread(target=self._read, args=(screen,), daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that it showed so far."""
        return "\n".join(self.lines)

    @property
    def said(self) -> str:
        """All that it showed so far, in one line."""
        return in_one_line(self.text)

    def expect(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Wait for a line after the one that was expected last, and return it."""

        def found() -> int | None:
            lines = self.lines[self._seen :]
            return next((place for place, line in enumerate(lines) if re.search(pattern, line)), None)

        self._wait(lambda: found() is not None, f"a line {pattern!r}", seconds)
        place = found()
        assert place is not None, f"it ended without a line {pattern!r}:\n{self.text}"
        self._seen += place + 1
        return self.lines[self._seen - 1]

    def skip(self) -> None:
        """Expect nothing of what was shown so far."""
        self._seen = len(self.lines)

    def waits_for(self, words: str, times: int = 1) -> None:
        """Wait until it has said these words so many times, however they were broken into lines."""
        self._wait(lambda: self.said.count(words) >= times, repr(words), PATIENCE)
        assert self.said.count(words) >= times, f"it ended without {words!r}: {self.said}"

    def stop(self) -> float:
        """Stop it as Ctrl-C does, and return the seconds that it took to leave."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        seconds = time.monotonic() - began
        assert code == 0, self.ended()
        self._reader.join(PATIENCE)
        return seconds

    def press_ctrl_c(self) -> Completed:
        """Ask it to stop, and see that it does so in time."""
        assert self.stop() < limit(STOPS_WITHIN), self.said
        return self.ended()

    def ended(self) -> Completed:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return Completed([], code, self.text, "")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it do nothing for a while."""
        with frozen(self.process.pid):
            yield

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for a condition, or for the end and what was said last."""
        try:
            wait_until(lambda: condition() or not self._reader.is_alive(), what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error} in:\n{self.text}") from None

    def _read(self, screen: BinaryIO) -> None:
        with screen, suppress(OSError):  # Linux tells the end of a terminal so
            for line in screen:
                self.lines.append(_LAST_LINE.sub("", _COLOUR.sub("", line.decode(self._encoding))).rstrip())


@contextmanager
def running(
    place: Place,
    server: PrivateServer,
    *more: str | Path,
    terminal: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Have meosbackup at work until the block ends, perhaps in a terminal; no unexpected error may come from it."""
    reading, writing = _new_terminal() if terminal else os.pipe()
    # Its locks lie in the folder too.
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", *place.options, *server_options(server), *map(str, more)],
        env={**tool_environment(), "XDG_STATE_HOME": str(place.folder), "COLUMNS": "1000", **with_password(),
             **(env or {})},
        stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    with watched(process, reading) as tool:
        yield tool


@contextmanager
def watched(process: "subprocess.Popen[bytes]", reading: int, encoding: str = "utf-8") -> Iterator[Running]:
    """Read what a process of meosbackup shows until the block ends and it is killed; no unexpected error may come."""
    tool = Running(process, os.fdopen(reading, "rb"), encoding)
    try:
        yield tool
    finally:
        tool.kill()
    assert "Traceback" not in tool.text, tool.text
    assert "unexpected error" not in tool.text, tool.text


def runs(process_id: int) -> bool:
    """Tell whether a process is there and hasn't ended."""
    if sys.platform == "win32":  # there, what os.kill does to ask would end it
        handle = ctypes.windll.kernel32.OpenProcess(_SYNCHRONIZE, False, process_id)
        has_ended = not handle or ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == 0
        ctypes.windll.kernel32.CloseHandle(handle)
        return not has_ended
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def frozen(process_id: int | None) -> Iterator[None]:
    """Keep a process from doing anything until the block ends."""
    if sys.platform == "win32":
        pytest.skip("Windows freezes no process")
    assert process_id is not None
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def _new_terminal() -> tuple[int, int]:
    """Return the two ends of a new terminal: the person's, and the program's."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such terminals")
    return os.openpty()
