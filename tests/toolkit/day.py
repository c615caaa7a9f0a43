"""A race day for tests: the folders of its runs, a terminal for the tool, dump programs that dawdle, pasted lines."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from meosbackup.batch import names
from meosbackup.batch.model import Batch, Entry, StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory
from tests.toolkit.servers import MEOS_PASSWORD, query, run_meosbackup, server_options, with_password

Found = TypeVar("Found")

PATIENCE = 40.0
"""Seconds after which a test gives up waiting for what should come at once; generous, for a busy machine."""

_COLUMNS, _ROWS = 200, 60


def wait_until(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Look again and again, until the condition gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.03)
    return found


def needed(program: str) -> str:
    """Return a program's path; without the program the test is skipped, but not on CI."""
    path = shutil.which(program)
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{program} is not installed")
    assert path is not None, f"{program} is not installed"
    return path


class Screen:
    """The tool in a real terminal of its own (a tmux that belongs to this test alone)."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    @property
    def text(self) -> str:
        """All that was ever shown."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    @property
    def words(self) -> str:
        """All that was ever shown, with single blanks, so that it doesn't matter where lines were broken."""
        return " ".join(self.text.split())

    @property
    def process_id(self) -> int:
        return int(self._ask("pane_pid"))

    @property
    def rang(self) -> bool:
        """Whether the bell was rung."""
        return self._ask("window_bell_flag") == "1"

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Wait until a pattern is found so many times in the words that were shown, and return what was found."""
        try:
            return wait_until(
                lambda: found if len(found := re.findall(pattern, self.words)) >= times else [], f"{pattern!r}"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text.rstrip()}") from None

    def wait_for_end(self) -> tuple[int, float]:
        """Wait until the tool has left; return its exit code, and the seconds that it took."""
        began = time.monotonic()
        code = wait_until(self._exit_code, "the end of the tool")
        return int(code), time.monotonic() - began

    def _exit_code(self) -> str:
        # tmux 3.3 sometimes overlooks that a program has ended, until it is told of another one.
        if sys.platform != "win32":
            os.kill(int(self._ask("pid")), signal.SIGCHLD)
        return self._ask("pane_dead_status") or self._ask("pane_dead_signal")

    def _ask(self, variable: str) -> str:
        return self._tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments], check=True, capture_output=True, encoding="utf-8"
        ).stdout


@dataclass(frozen=True)
class Day:
    """A server, and a folder for everything that the tool writes on a day."""

    server: PrivateServer
    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "drive"

    @property
    def root(self) -> Path:
        return drive.root(self.target)

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def log(self) -> Path:
        return self.folder / "meosbackup.log"

    def arguments(self, *more: str | Path) -> list[str]:
        """Return the command line of a day; all races take part unless `more` says which, since test data grow old."""
        self.target.mkdir(exist_ok=True)
        races = [] if {"--days", "--race", "--all-races"} & {str(argument) for argument in more} else ["--all-races"]
        return [
            "--target", str(self.target), "--any-disk", "--spool", str(self.spool), "--log-file", str(self.log),
            *server_options(self.server), *races, *map(str, more),
        ]  # fmt: skip

    def once(
        self, *more: str | Path, env: Mapping[str, str] | None = None, expected: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Make one batch, and see that it ends with the exit code that is expected."""
        result = run_meosbackup(*self.arguments("--once", *more), env={**with_password(), **(env or {})})
        assert result.returncode == expected, result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        assert "unexpected error" not in result.stdout + result.stderr
        return result

    @contextmanager
    def terminal(
        self, *more: str | Path, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> Iterator[Screen]:
        """Run the tool in a terminal until it leaves or the block ends."""
        needed("tmux")
        command = [*prefix, sys.executable, "-m", "meosbackup", *self.arguments(*more)]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MEOSBACKUP_") and name != "TMUX"
        }
        # Not below the test's folder, whose path may be too long for a socket.
        with tempfile.TemporaryDirectory(prefix="tmux-") as short:
            socket, settings = Path(short, "socket"), Path(short, "tmux.conf")
            settings.write_text(
                "set -g remain-on-exit on\nset -g history-limit 100000\nset -g monitor-bell on\n", "utf-8"
            )
            subprocess.run(
                ["tmux", "-u", "-S", socket, "-f", settings, "new-session", "-d", "-x", str(_COLUMNS), "-y", str(_ROWS),
                 *command],
                env={**environment, "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", **with_password(), **(env or {})},
                check=True,
            )  # fmt: skip
            screen = Screen(socket)
            try:
                yield screen
                assert "Traceback" not in screen.text
                assert "unexpected error" not in screen.words
            finally:
                subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, capture_output=True)

    def batches(self) -> list[Batch]:
        """Return the batches on the target, oldest first."""
        return [stored.batch for stored in self.stored()]

    def stored(self) -> list[StoredBatch]:
        """Return the batches on the target with their folders, oldest first; nothing there is doubtful."""
        found = inventory.find(self.root)
        assert found.doubtful == ()
        return list(found.batches)

    def reference_files(self) -> set[str]:
        """Return the names of the dumps of reference tables on the target."""
        return {path.name for path in (self.root / names.REFERENCE_FOLDER).iterdir()}

    def leftovers(self) -> list[str]:
        """Return what is half done on the target or in the spool, and the processes that are still at work there."""
        partial = [*self.target.rglob("*.partial*"), *self.spool.glob("work-*"), *self.spool.rglob("*.partial*")]
        return [*map(str, partial), *_processes_within(self.folder)]


def dump_of(whole: Batch, database: str) -> Entry:
    """Return a batch's dump of a database."""
    [found] = [entry for entry in whole.databases if entry.database.lower() == database.lower()]
    return found


def dump_program(folder: Path, *, before: str = "", after: str = "") -> Path:
    """Make a dump program that runs lines of shell before and after it does what the real one does."""
    real = shutil.which("mysqldump") or needed("mariadb-dump")
    path = folder / "dump program"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *--help*|*--version*) exec {real} "$@";; esac\n'
        f'{before}\n{real} "$@"\ncode=$?\n{after}\nexit $code\n',
        "utf-8",
    )
    path.chmod(0o755)
    return path


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


def paste(command: str, folder: Path, home: Path, password: str = MEOS_PASSWORD) -> str:
    """Run a line in a terminal's bash, type the password wherever it is asked for; return what the screen shows."""
    if sys.platform == "win32":
        pytest.skip("these are the commands for Linux")
    master, terminal = os.openpty()
    # A terminal of its own, since mysql asks the terminal for a password, whatever its input is.
    process = subprocess.Popen(
        [needed("setsid"), "--ctty", "--wait", "bash", "-c", command], cwd=folder, stdin=terminal, stdout=terminal,
        stderr=terminal, env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    os.close(terminal)
    screen, typed = b"", 0
    with suppress(OSError):  # Linux tells the end so
        while piece := os.read(master, 4096):
            screen += piece
            while typed < screen.count(b"password: "):
                os.write(master, f"{password}\n".encode())
                typed += 1
    os.close(master)
    assert process.wait(PATIENCE) == 0, screen.decode()
    assert typed, screen.decode()
    return screen.decode()


def pasted_lines(guide: str, heading: str) -> list[str]:
    """Cut out of a RESTORE.txt the lines to paste below a heading, as a helper would find them."""
    lines = guide.split("\r\n")
    start = lines.index(heading) + 1
    end = next((place for place in range(start, len(lines)) if re.match("(STEP|PART) ", lines[place])), len(lines))
    return [line.removeprefix("    ") for line in lines[start:end] if line.startswith("    ")]


def list_race(server: PrivateServer, name: str, name_id: str, *, date: str = "", removed: int = 0) -> None:
    """Put a row on the race list."""
    query(
        server, "INSERT INTO meosmain.oevent (Name, Date, NameId, Removed) VALUES (%s, %s, %s, %s)",
        name, date, name_id, removed,
    )  # fmt: skip


def counts(server: PrivateServer, database: str) -> tuple[int, int, int, int]:
    """Return a race's entries, finished, cards and punches, as the server tells them."""

    def one(table: str, condition: str = "") -> int:
        [(number,)] = query(server, f"SELECT COUNT(*) FROM {database}.{table} WHERE Removed = 0{condition}")
        return int(number)

    return one("orunner"), one("orunner", " AND FinishTime > 0"), one("ocard"), one("opunch")


def last_change(server: PrivateServer, database: str) -> Any:
    """Return when a race's data last changed, as the server tells it: UTC, without a zone."""
    tables = ("oevent", "orunner", "oteam", "oclass", "oclub", "ocourse", "ocontrol", "ocard", "opunch")
    every = " UNION ALL ".join(f"SELECT CONVERT_TZ(Modified, @@time_zone, '+00:00') AS m FROM {database}.{table}"
                               for table in tables)  # fmt: skip
    [(newest,)] = query(server, f"SELECT MAX(m) FROM ({every}) AS every_table")
    return newest


def _processes_within(folder: Path) -> list[str]:
    """Return the processes that work in a folder, as dump programs do in their batch's; their folder may be gone."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            place = str((process / "cwd").readlink())
            if place.startswith(f"{folder}{os.sep}"):
                found.append(shlex.join((process / "cmdline").read_text("utf-8", "replace").split("\0")))
    return found
