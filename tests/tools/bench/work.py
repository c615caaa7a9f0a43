"""How much work a tick is, beside plain mysqldump: wall time, CPU and bytes to the drive, both sides in turns.

python -m tests.tools.bench.work 9

(a) is a plain mysqldump of each race in turn, straight onto the target. CPU is user and system time of meosbackup and
its children, without the server. Both sides write to a drive of their own, a file system in an image file.
"""

import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import click

from meosbackup import console
from meosbackup.batch.model import StoredBatch
from meosbackup.console import Console
from meosbackup.day.record import Record
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXT4, Slot, make_drive, slot, written_bytes
from tests.toolkit.servers import query
from tests.tools.bench.ground import REGISTER, races
from tests.tools.bench.sides import Plain, meosbackup_day
from tests.tools.equality import SETTLED

if sys.platform != "win32":
    import resource

_HEAD = ("what", "", "(a)", "meosbackup", "of (a)", "aim", "")
_DAY = 600
"""Ticks that the bytes of a day are reckoned for."""
_ALL_COUNTED = ("orunner", "ocard", "opunch", "oteam", "oclass", "oclub", "ocourse", "ocontrol")

Change = Callable[[PrivateServer, str], None]


@dataclass(frozen=True)
class Spent:
    """What one tick of one side took: seconds until its batch was in the spool, and until its end; seconds of CPU."""

    until_batch: float
    wall: float
    cpu: float


@dataclass(frozen=True)
class Turns:
    """What the turns of both sides took, and the bytes that each of them had written to its drive.

    `first_bytes` are those of meosbackup's first ticks, which had the reference tables to write.
    """

    plain: Sequence[Spent]
    ours: Sequence[Spent]
    plain_bytes: int
    our_bytes: int
    first_bytes: int

    def line(self, what: str, of: Callable[[Spent], float], aim: float | None, unit: str) -> tuple[str, ...]:
        """Return a line of the table: the medians of both sides."""
        plain, ours = (statistics.median(map(of, side)) * 1000 for side in (self.plain, self.ours))
        return _line(what, unit, plain, ours, aim)


@click.command()
@click.argument("rounds", default=9)
@click.option("--ticks", default=30, show_default=True, help="Ticks of the day with registers.")
@click.option("--only", multiple=True, help="Measure these alone: real, all, quiet, day.")
def main(rounds: int, ticks: int, only: tuple[str, ...]) -> None:
    """Measure all, and print the table."""
    logging.disable(logging.WARNING)
    measurements: dict[str, Callable[[Path], Iterator[tuple[str, ...]]]] = {
        "real": lambda folder: _real_minute(folder, rounds),
        "all": lambda folder: _all_changed(folder, rounds),
        "quiet": lambda folder: _quiet(folder, rounds),
        "day": lambda folder: _day(folder, ticks),
    }
    found: list[tuple[str, ...]] = []
    for name, measure in measurements.items():
        if not only or name in only:
            with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder:
                found += measure(Path(folder))
    Console().table(_HEAD, found)
    console.finish()


def _real_minute(folder: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    with races(8) as (server, names):
        turns = _in_turns(folder, server, names, rounds, _change_thirty)
    what = "8 races of 1,500 runners, 30 rows of each changed"
    yield turns.line(what, lambda spent: spent.wall, 0.7, "ms")
    yield turns.line("", lambda spent: spent.until_batch, 0.7, "ms until in the spool")
    yield turns.line("", lambda spent: spent.cpu, 2.0, "ms of CPU")


def _all_changed(folder: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    with races(8) as (server, names):
        turns = _in_turns(folder, server, names, rounds, _change_all)
    yield turns.line("8 races, every row changed", lambda spent: spent.until_batch, 1.0, "ms until in the spool")
    yield turns.line("", lambda spent: spent.wall, 1.5, "ms")
    yield turns.line("", lambda spent: spent.cpu, None, "ms of CPU")


def _quiet(folder: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    with races(30, runners=200) as (server, names):
        turns = _in_turns(folder, server, names, rounds, None)
    yield turns.line("30 races, none changed", lambda spent: spent.wall, 1 / 40, "ms")
    yield turns.line("", lambda spent: spent.cpu, 1 / 40, "ms of CPU")


def _day(folder: Path, ticks: int) -> Iterator[tuple[str, ...]]:
    with races(3, runners=200, register=REGISTER) as (server, names):
        turns = _in_turns(folder, server, names, ticks, _change_five)
    yield turns.line("3 races with registers, 5 rows of each changed a tick", lambda spent: spent.cpu, 0.5,
                     "ms of CPU a tick")  # fmt: skip
    yield _line("", f"MB to the drive in {_DAY} ticks", turns.plain_bytes / 1e6 * _DAY / ticks,
                (turns.first_bytes + turns.our_bytes * _DAY / ticks) / 1e6, 1 / 30)  # fmt: skip


def _change_thirty(server: PrivateServer, name: str) -> None:
    """Change what MeOS changes when it reads out 15 cards: their rows, the runners', and its counters."""
    for table in ("orunner", "ocard"):
        query(server, f"UPDATE {quoted(name)}.{table} SET Counter = Counter + 1 ORDER BY RAND() LIMIT 15")
    query(server, f"UPDATE {quoted(name)}.ocounter SET oRunner = oRunner + 15, oCard = oCard + 15")


def _change_all(server: PrivateServer, name: str) -> None:
    for table in _ALL_COUNTED:
        query(server, f"UPDATE {quoted(name)}.{table} SET Counter = Counter + 1")


def _change_five(server: PrivateServer, name: str) -> None:
    query(server, f"UPDATE {quoted(name)}.orunner SET Counter = Counter + 1 ORDER BY RAND() LIMIT 5")


def _in_turns(
    folder: Path, server: PrivateServer, names: Sequence[str], rounds: int, change: Change | None
) -> Turns:  # fmt: skip
    """Back the races up by both sides, so many times; change each race before that."""
    side = Plain()
    with _drive(folder / "plain") as plain_drive, _drive(folder / "ours") as our_drive:
        made: list[float] = []
        with meosbackup_day(server, our_drive.place) as back_up, noting(made):
            sides: tuple[list[Spent], list[Spent]] = [], []
            begun = written_bytes(our_drive)
            back_up()
            time.sleep(SETTLED)
            back_up()
            start = written_bytes(plain_drive), written_bytes(our_drive)
            for number in range(rounds):
                if change is not None:
                    for name in names:
                        change(server, name)
                acts = [(sides[0], lambda: side.back_up(server, names, plain_drive.place)), (sides[1], back_up)]
                for spent, act in acts if number % 2 else reversed(acts):
                    spent.append(_spent(act, made))
                plain_bytes, our_bytes = written_bytes(plain_drive) - start[0], written_bytes(our_drive) - start[1]
                shutil.rmtree(plain_drive.place, ignore_errors=True)  # the mount point itself stays
    return Turns(*sides, plain_bytes, our_bytes, start[1] - begun)


def _spent(act: Callable[[], None], made: list[float]) -> Spent:
    made.clear()
    began, before = time.perf_counter(), cpu()
    act()
    end = time.perf_counter()
    return Spent((made[0] if made else end) - began, end - began, cpu() - before)


def cpu() -> float:
    """Return the seconds of user and system time that this process and its children have taken."""
    if sys.platform != "win32":
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in both)
    return time.process_time()  # nor can a drive be plugged in there


@contextmanager
def noting(made: list[float]) -> Iterator[None]:
    """Note when a batch is in the spool."""
    original = Record.made

    def noted(record: Record, stored: StoredBatch) -> None:
        made.append(time.perf_counter())
        original(record, stored)

    with patch.object(Record, "made", noted):
        yield


@contextmanager
def _drive(folder: Path) -> Iterator[Slot]:
    folder.mkdir()
    with slot(folder) as stick:
        stick.plug(make_drive(EXT4, folder / "image", 8_192))
        yield stick


def _line(what: str, unit: str, plain: float, ours: float, aim: float | None) -> tuple[str, ...]:
    judged = ("", "") if aim is None else (f"{aim:.3f}", "reached" if ours <= aim * plain else "NOT reached")
    return what, unit, f"{plain:,.0f}", f"{ours:,.0f}", f"{ours / plain:.3f}", *judged


if __name__ == "__main__":
    main()
