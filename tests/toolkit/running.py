"""meosbackup at work in a process of its own, and what it left on a drive."""

import hashlib
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.sessions import quoted
from meosbackup.store import inventory, spool
from tests.toolkit.drives import wait_for
from tests.toolkit.servers import query, server_options, with_password

PATIENCE = 30.0
"""Seconds after which a line that should have come counts as missing; generous, for a busy machine."""

STOPS_WITHIN = 3.0
BELL = "\a"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


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
            wait_for(lambda: found() is not None or self.process.poll() is not None, seconds)
        except TimeoutError:
            raise AssertionError(f"no line {pattern!r} within {seconds} s in:\n{self.text}") from None
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


def faults(root: Path) -> list[str]:
    """Read back all that claims to be whole on a drive, and return what is wrong with it."""
    found = inventory.find(root)
    wrong = [f"{folder}: {error}" for folder, error in found.doubtful]
    times = Counter(stored.batch.sequence for stored in found.batches)
    wrong += [f"sequence {sequence} is there {count} times" for sequence, count in times.items() if count > 1]
    expected = {path: sha256 for stored in found.batches for path, sha256 in _files(stored).items()}
    for path, sha256 in expected.items():
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{path} is not what it was")
    for path in root.rglob("*"):
        if not _NAME.fullmatch(path.name):
            wrong.append(f"{path} has a name that not every file system can hold")
        if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_nlink != 1:
            wrong.append(f"{path} is a hard link")
    return wrong


def _files(stored: StoredBatch) -> dict[Path, str | None]:
    """Return the files that a batch must have, and their SHA-256 where it is known."""
    files: dict[Path, str | None] = {stored.folder / names.GUIDE_FILE: None}
    for entry in stored.batch.databases:
        for part in (entry.dump, entry.reference, entry.meosxml):
            if part is not None:
                files[Path(os.path.normpath(stored.folder / part.file))] = part.sha256
    return files


def leftovers(root: Path) -> list[Path]:
    """Return what lies half copied on a drive."""
    return [*root.glob("*/*.partial"), *root.glob("*.partial")]


def waiting(spool_root: Path) -> list[StoredBatch]:
    """Return the batches that wait in a spool, though somebody be at work there."""
    while True:
        with suppress(OSError):
            return spool.waiting(inventory.find(spool_root))


def fill_reference_tables(server: PrivateServer, database: str, rows: int) -> None:
    """Put a national federation's runners into a race's list of runners: 90 bytes a row in a dump."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS digit" for digit in range(10))
    places = [10**power for power in range(len(str(rows - 1)))]
    number = " + ".join(f"{place} * d{place}.digit" for place in places)
    tables = " CROSS JOIN ".join(f"({digits}) AS d{place}" for place in places)
    query(
        server, f"INSERT INTO {quoted(database)}.dbrunner (Name, CardNo, Club, Nation, Sex, BirthYear, ExtId)"
        f" SELECT CONCAT('Löpare Förnamns-Namnson ', n), n, n MOD 1000, 'SWE', 'F', 1950 + n MOD 60, n"
        f" FROM (SELECT {number} AS n FROM {tables}) AS numbers WHERE n < %s", rows,
    )  # fmt: skip


def _new_terminal() -> tuple[int, int]:
    """Return the two ends of a new terminal: the person's, and the program's."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such terminals")
    return os.openpty()
