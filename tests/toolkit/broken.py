"""What tests of bad input need: the tool run, what it said and left on the target, and things that are broken."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.runs import STOPS_WITHIN, Completed, in_one_line, run_meosbackup, server_options, with_password
from tests.toolkit.waiting import PATIENCE, limit, wait_until


@dataclass(frozen=True)
class Place:
    """Where a test's backups go; `options` are what each run needs so that it touches nothing else."""

    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "drive"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def options(self) -> list[str]:
        return ["--target", str(self.target), "--any-disk", "--spool", str(self.spool),
                "--log-file", str(self.folder / "meosbackup.log"), "--days", "36500"]  # fmt: skip

    @property
    def batches(self) -> list[Path]:
        """The folders on the target that pass for a batch, oldest first."""
        return sorted(path for path in self.target.glob("meosbackup/????-??-??/*") if ".partial" not in path.name)


def new_place(folder: Path) -> Place:
    """Make an empty target, and choose a spool that doesn't exist yet."""
    place = Place(folder)
    place.target.mkdir()
    return place


def once(
    place: Place,
    server: PrivateServer,
    *more: str | Path,
    env: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> Completed:
    """Make one batch of the server. What stands in `more` comes last, and goes before the usual options."""
    options = [option for option in place.options if option != "--all-races" or "--race" not in more]
    return run_meosbackup(
        *options, "--once", *server_options(server), *more, env={**with_password(), **(env or {})}, timeout=timeout
    )


class Running:
    """The tool in a process of its own, as in a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: Path) -> None:
        self._process = process
        self._screen = screen

    @property
    def said(self) -> str:
        """All that it said till now, in one line."""
        return in_one_line(self._screen.read_text("utf-8"))

    def waits_for(self, words: str, times: int = 1) -> None:
        """Wait until it has said these words."""
        wait_until(lambda: self.said.count(words) >= times or self._process.poll() is not None, words)
        assert self.said.count(words) >= times, f"it ended without {words!r}: {self.said}"

    def press_ctrl_c(self) -> Completed:
        """Ask it to stop, and see that it does so in time."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        ended = self.ended()
        assert time.monotonic() - began < limit(STOPS_WITHIN), self.said
        return ended

    def ended(self) -> Completed:
        """Wait for its end."""
        code = self._process.wait(PATIENCE)
        return Completed([], code, self._screen.read_text("utf-8"), "")


@contextmanager
def running(place: Place, server: PrivateServer, *more: str | Path) -> Iterator[Running]:
    """Run the tool in the background; it is gone after the block."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEOSBACKUP_")}
    screen = place.folder / "screen"
    with screen.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "meosbackup", *place.options, *server_options(server), *map(str, more)],
            env={**environment, "PYTHONUTF8": "1", **with_password()},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Running(process, screen)
    finally:
        process.kill()
        process.wait()


def in_terminal(place: Place, server: PrivateServer, *arguments: str | Path) -> str:
    """Run the tool in a terminal, where nothing is taken out of what it writes; return every letter of that."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    options = [option for option in place.options if option != "--all-races" or "--race" not in arguments]
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", *map(str, arguments), *options, *server_options(server)],
        env={**os.environ, "PYTHONUTF8": "1", **with_password()},
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while piece := os.read(controller, 1 << 16):
            written += piece
    except OSError:  # how Linux tells that nobody writes any more
        pass
    finally:
        os.close(controller)
        process.wait(PATIENCE)
    return written.decode("utf-8")
