"""How much meosbackup holds, and whether it grows: each function gives a row of the table."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import Place
from tests.toolkit.running import Running, running
from tests.tools.bench.ground import change_all, fill_to, races
from tests.tools.bench.rows import Row

_TICKED = r"  (OK|WAIT|FAIL)    "


def peak_memory(folder: Path, megabytes: int) -> Iterator[Row]:
    """Measure the most memory that meosbackup takes for one batch of a large database."""
    with races(1) as (server, names):
        fill_to(server, names[0], megabytes)
        target = folder / "memory" / "drive"
        target.mkdir(parents=True)
        with running(Place(target.parent, target), server, "--once", "--any-disk", terminal=True) as day:
            peak = 0
            while day.process.poll() is None:
                peak = max(peak, _status(day, "VmHWM"))
                time.sleep(0.02)
        assert day.process.returncode == 0, day.text
        yield Row(
            f"peak memory, a database of {megabytes:,} MB, dump program not counted", "80 MB", peak <= 80_000,
            f"{peak / 1000:.0f} MB",
        )  # fmt: skip


def steadiness(folder: Path, ticks: int) -> Iterator[Row]:
    """Measure what meosbackup holds after 50 ticks, and after many more, at the shortest interval."""
    with races(2, runners=200) as (server, names):
        target = folder / "steady" / "drive"
        target.mkdir(parents=True)
        with (
            _changing(server, names[0]),
            running(Place(target.parent, target), server, "--interval", "1", "--any-disk", terminal=True) as day,
        ):
            for _ in range(50):
                day.expect(_TICKED)
            first = _held(day)
            for _ in range(ticks - 50):
                day.expect(_TICKED)
            last = _held(day)
            failures = sum("  FAIL  " in line for line in day.lines)
    yield Row(
        f"{ticks:,} ticks at the shortest interval: open files, threads, memory", f"as after 50: {_told(first)}",
        last[:2] == first[:2] and last[2] <= 1.05 * first[2] and not failures, _told(last),
    )  # fmt: skip


@contextmanager
def _changing(server: PrivateServer, name: str) -> Iterator[None]:
    """Change a race every other second, while it stays of the same size."""
    stop = threading.Event()

    def change() -> None:
        while not stop.wait(2):
            change_all(server, [name])

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _held(day: Running) -> tuple[int, int, int]:
    """Return how many files and threads meosbackup has between two ticks, and its memory in kB."""
    looks = []
    for _ in range(60):
        handles = len(list(Path(f"/proc/{day.process.pid}/fd").iterdir()))
        looks.append((handles, _status(day, "Threads"), _status(day, "VmRSS")))
        time.sleep(0.05)
    return min(look[0] for look in looks), min(look[1] for look in looks), min(look[2] for look in looks)


def _told(held: tuple[int, int, int]) -> str:
    return f"{held[0]}, {held[1]}, {held[2] / 1000:.1f} MB"


def _status(day: Running, key: str) -> int:
    """Read a figure of meosbackup's own process, without its children: memory in kB; 0 where it has ended."""
    try:
        text = Path(f"/proc/{day.process.pid}/status").read_text("ascii")
    except OSError:
        return 0
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{key}:")]
    return int(found[0]) if found else 0
