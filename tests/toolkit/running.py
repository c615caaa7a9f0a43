"""meosbackup at work in a process of its own, and what it left on a drive."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.runs import server_options, with_password
from tests.toolkit.waiting import PATIENCE, wait_until

BELL = "\a"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")


class Running:
    """meosbackup at work, in a process and a terminal of its own; `lines` is what it shows."""

    def __init__(self, server: PrivateServer, target: Path, folder: Path, *more: str | Path) -> None:
        """Start it; its spool, its log and its locks lie in `folder`. All races take part, since test data grow old."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MEOSBACKUP_")}
        master, terminal = _new_terminal()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meosbackup", "--target", target, "--spool", folder / "spool",
             "--log-file", folder / "log", *server_options(server), "--all-races", *map(str, more)],
            env={**environment, "XDG_STATE_HOME": str(folder), "COLUMNS": "1000", **with_password()},
            stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        self.lines: list[str] = []
        self._seen = 0
        self._reader = threading.Thread(target=self._read, args=(master,), daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that it showed so far."""
        return "\n".join(self.lines)

    def expect(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Wait for a line after the one that was expected last, and return it."""

        def found() -> int | None:
            lines = self.lines[self._seen :]
            return next((place for place, line in enumerate(lines) if re.search(pattern, line)), None)

        try:
            wait_until(lambda: found() is not None or self.process.poll() is not None, f"a line {pattern!r}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error} in:\n{self.text}") from None
        place = found()
        assert place is not None, f"it ended without a line {pattern!r}:\n{self.text}"
        self._seen += place + 1
        return self.lines[self._seen - 1]

    def skip(self) -> None:
        """Expect nothing of what was shown so far."""
        self._seen = len(self.lines)

    def stop(self) -> float:
        """Stop it as Ctrl-C does, and return the seconds that it took to leave."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0, self.text
        seconds = time.monotonic() - began
        self._reader.join(PATIENCE)
        return seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it do nothing for a while."""
        self.process.send_signal(signal.Signals["SIGSTOP"])
        try:
            yield
        finally:
            self.process.send_signal(signal.Signals["SIGCONT"])

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)

    def _read(self, master: int) -> None:
        with os.fdopen(master, "rb") as terminal, suppress(OSError):  # Linux tells the end so
            for line in terminal:
                self.lines.append(_COLOUR.sub("", line.decode("utf-8")).rstrip())


@contextmanager
def running(server: PrivateServer, target: Path, folder: Path, *more: str | Path) -> Iterator[Running]:
    """Have meosbackup at work until the block ends; no unexpected error may come from it."""
    day = Running(server, target, folder, *more)
    try:
        yield day
    finally:
        day.kill()
    assert "Traceback" not in day.text, day.text
    assert "unexpected error" not in day.text, day.text


def _new_terminal() -> tuple[int, int]:
    """Return the two ends of a new terminal: the person's, and the program's."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such terminals")
    return os.openpty()
