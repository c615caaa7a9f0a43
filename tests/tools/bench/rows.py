"""How long meosbackup and the other sides take, and keep others waiting: each function gives rows of the table."""

import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from meosbackup.commands.simulation import run_laptops
from meosbackup.meos import signs
from meosbackup.meos.changes import REFERENCE_TABLES
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXT4, Slot, make_drive, slot
from tests.toolkit.place import Place
from tests.toolkit.running import running
from tests.toolkit.servers import query
from tests.tools.bench import sides
from tests.tools.bench.ground import REGISTER, races
from tests.tools.bench.sides import RIVALS, meosbackup_day
from tests.tools.equality import SETTLED

SLOW = 2e6
"""Bytes a second that a slow target takes."""

_CHANGED = r"  OK    race list "


@dataclass(frozen=True)
class Row:
    """One line of the table; `cells` tell for each side what it took, "" where that says nothing."""

    what: str
    aim: str
    is_reached: bool
    ours: str
    none: str = ""
    rivals: Sequence[str] = ("", "", "")
    ratio: float | None = None
    """What meosbackup took, as a part of what (a) took."""


# Waits


def longest_waits(folder: Path) -> Iterator[Row]:
    """Measure how long a laptop's change takes at most while its race is backed up to a slow target."""
    with races(1, runners=200, register=REGISTER) as (server, names):
        none, ours, others = _longest_waits(server, names, folder / "200")
        limit = max(1.5 * none, 0.025)
        yield Row(
            "longest wait of a writer, 200 runners, 200,000 in the register, slow target",
            f"1.5 x none or 25 ms: {_ms(limit)}", ours <= limit, _ms(ours), _ms(none), [_ms(wait) for wait in others],
            ours / others[0],
        )  # fmt: skip
    with races(1, register=REGISTER) as (server, names):
        none, ours, others = _longest_waits(server, names, folder / "1500")
        limit = _dump_seconds(server, names[0])
        yield Row(
            "the same, 1,500 runners", f"its race tables to /dev/null: {_ms(limit)}", ours <= limit, _ms(ours),
            _ms(none), [_ms(wait) for wait in others], ours / others[0],
        )  # fmt: skip


def _longest_waits(server: PrivateServer, names: Sequence[str], folder: Path) -> tuple[float, float, list[float]]:
    """Return the longest waits without a backup, with meosbackup, and with the others.

    Of the first two it is the median of three runs, in turns, since other work on a computer makes a laptop wait too.
    """
    folder.mkdir()
    with slot(folder) as stick:

        def six_batches() -> None:
            with running(Place(folder, stick.place), server, "--interval", "3", terminal=True) as day:
                for _ in range(6):
                    day.expect(_CHANGED)

        none, ours, others = [], [], []
        for number in range(3):
            none.append(_longest_wait(server, names, lambda: time.sleep(18)))
            with _slow(stick, folder / f"ours-{number}"):
                ours.append(_longest_wait(server, names, six_batches))
        for number, side in enumerate(RIVALS):
            with _slow(stick, folder / str(number)) as target:
                others.append(_longest_wait(server, names, lambda: side.back_up(server, names, target)))  # noqa: B023 - called at once
    return statistics.median(none), statistics.median(ours), others


@contextmanager
def _slow(stick: Slot, kept: Path) -> Iterator[Path]:
    kept.mkdir()
    stick.plug_passing_through(kept, bytes_per_second=SLOW)
    yield stick.place
    stick.leave()


def _longest_wait(server: PrivateServer, names: Sequence[str], backed_up: Callable[[], None]) -> float:
    """Have two laptops at work on each race while it is backed up; return the longest change, in seconds."""
    with run_laptops(server, [*names, *names], threading.Event(), pause=0.05) as laptops:
        time.sleep(2)
        for laptop in laptops:
            laptop.longest_wait = 0.0
        backed_up()
        # A change that waits counts as soon as it is made.
        made = [laptop.changes for laptop in laptops]
        while any(laptop.changes == before for laptop, before in zip(laptops, made, strict=True)):
            time.sleep(0.01)
        assert not any(laptop.failures for laptop in laptops)
        return max(laptop.longest_wait for laptop in laptops)


def _dump_seconds(server: PrivateServer, name: str) -> float:
    """Return how long a plain dump of a race's race tables takes that nothing holds up."""
    left_out = [f"--ignore-table={name}.{table}" for table in REFERENCE_TABLES]
    arguments = ["mysqldump", "--no-defaults", f"--socket={server.socket}", f"--user={server.user}", *left_out,
                 "--result-file=/dev/null", "--databases", name]  # fmt: skip
    return _median(lambda: subprocess.run(arguments, check=True), 9)


# Ticks


def quiet_tick(folder: Path) -> Iterator[Row]:
    """Measure a tick in which no race changed, with the server's times trusted and not, beside backups by the others.

    This server's times can be trusted: meosbackup takes it for one on Windows for a while.
    """
    with races(30, runners=200) as (server, names), _fast(folder / "quiet") as target, \
            meosbackup_day(server, target) as back_up:  # fmt: skip
        ours: dict[str | None, list[float]] = {None: [], "the server runs on Windows": []}
        for turn in range(4):
            for untimed, seconds in ours.items():
                with patch.object(signs, "untimed", return_value=untimed):
                    back_up()
                    time.sleep(SETTLED)
                    back_up()
                    seconds += [_seconds(back_up) for _ in range(10)]
            if turn == 1:
                others = [_backups(side, server, names, target, 3) for side in RIVALS]
        for untimed, seconds in ours.items():
            tick = statistics.median(seconds)
            yield Row(
                f"tick with 30 races, none changed{', times not trusted' if untimed else ''}",
                f"1/40 of (a): {_ms(others[0] / 40)}", tick <= others[0] / 40, _ms(tick), "",
                [_ms(each) for each in others], tick / others[0],
            )  # fmt: skip
        back_up()
        time.sleep(SETTLED)
        back_up()
        locks, asked = _logged(server, back_up)
        yield Row("locks that the server's general log tells of it", "none", locks == 0, str(locks))
        yield Row("statements that the server's general log tells of it", "3", asked <= 3, str(asked))


def _logged(server: PrivateServer, act: Callable[[], None]) -> tuple[int, int]:
    """Count what locks or reads a race's table while something is done, and all statements, as the server tells it."""
    query(server, "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    act()
    query(server, "SET GLOBAL general_log = OFF")
    [(locks, asked)] = query(
        server, "SELECT SUM(argument LIKE 'LOCK%' OR argument LIKE 'FLUSH%' OR argument LIKE '%FROM `meos\\_%'),"
        " COUNT(*) FROM mysql.general_log WHERE user_host LIKE 'meos%' AND command_type = 'Query'",
    )  # fmt: skip
    return int(locks), int(asked)


def _backups(side: sides.Side, server: PrivateServer, names: Sequence[str], target: Path, times: int) -> float:
    place = target / "others"
    place.mkdir(exist_ok=True)
    seconds = _median(lambda: side.back_up(server, names, place), times)
    shutil.rmtree(place)
    return seconds


@contextmanager
def _fast(folder: Path) -> Iterator[Path]:
    """Give a drive with a file system of its own, as fast as this computer's disk."""
    folder.mkdir()
    with slot(folder) as stick:
        stick.plug(make_drive(EXT4, folder / "image", 4096))
        yield stick.place


# Figures


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _median(act: Callable[[], object], times: int) -> float:
    return statistics.median(_seconds(act) for _ in range(times))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
