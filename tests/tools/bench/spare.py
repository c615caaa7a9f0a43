"""What a spare server costs, and what it saves: with and without one, both sides in turns.

python -m tests.tools.bench.spare 9

All servers are on this computer, so that they share its disk and its processors: on a race day they don't. Where a
writer's wait is measured, the spare server runs at the lowest priority for that reason.
"""

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from meosbackup import console
from meosbackup.batch.names import RESTORE_FILE
from meosbackup.commands.simulation import Laptop, run_laptops
from meosbackup.console import Console
from meosbackup.day.daemon import Day
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, private_server
from meosbackup.settings.model import Address
from meosbackup.store import inventory
from tests.toolkit.place import new_place, once
from tests.toolkit.programs import needed
from tests.toolkit.running import running
from tests.toolkit.runs import server_options
from tests.toolkit.servers import MEOS_PASSWORD, databases, make_pristine, query
from tests.tools.bench.ground import REGISTER, change_all, races
from tests.tools.bench.sides import begun_day
from tests.tools.bench.work import cpu, noting
from tests.tools.equality import SETTLED
from tests.tools.matrix import installations
from tests.tools.matrix.installations import Installation

_HEAD = ("what", "", "without", "with", "ratio", "aim", "")
_AIM = 1.1
_TICKED = r"^\d\d:\d\d:\d\d  (OK    race list|FAIL) "
_TICKS = 3
_LOWEST = 19
_SECONDS_A_RACE = 1
"""How much time a race gets in an interval: a feeding is then usually over before the next tick begins."""

T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """The seconds that a tick took until its batch was in the spool, and until its line.

    `fed` are those until the spare server had it, `cpu` and `server_cpu` the seconds of meosbackup and its children,
    and of the spare server, until then.
    """

    until_batch: float
    until_line: float
    fed: float
    cpu: float
    server_cpu: float


@click.command()
@click.argument("rounds", default=9)
@click.option("--server", "name", default=installations.OWN, show_default=True, type=click.Choice(installations.NAMES))
@click.option("--only", multiple=True, help="Measure these alone: ticks, waits, loss.")
def main(rounds: int, name: str, only: tuple[str, ...]) -> None:
    """Measure all, with such a server as the spare one, and print the table."""
    logging.disable(logging.WARNING)
    installation = installations.find(name)
    measurements: dict[str, Callable[[PrivateServer, Path], Iterator[tuple[str, ...]]]] = {
        "ticks, 3": lambda spare, folder: _ticks(spare, folder, rounds, 3),
        "ticks, 8": lambda spare, folder: _ticks(spare, folder, rounds, 8),
        "waits, 3": lambda spare, folder: _waits(spare, folder, rounds, 3),
        "waits, 8": lambda spare, folder: _waits(spare, folder, rounds, 8),
        "loss, 3": lambda spare, folder: _loss(spare, folder, rounds, installation, 3, REGISTER),
        "loss, 8": lambda spare, folder: _loss(spare, folder, rounds, installation, 8, 0),
    }
    found: list[tuple[str, ...]] = []
    for what, measure in measurements.items():
        if not only or any(part in what for part in only):
            with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder, _server(installation) as spare:
                for row in measure(spare, Path(folder)):
                    found.append(row)
                    click.echo("; ".join(filter(None, row)), err=True)
    Console().table(_HEAD, found)
    console.finish()


@contextmanager
def _server(installation: Installation) -> Iterator[PrivateServer]:
    with private_server(program=installation.server, options=installation.options) as server:
        make_pristine(server, {}, {})
        yield server


# A tick


def _ticks(spare: PrivateServer, folder: Path, rounds: int, count: int) -> Iterator[tuple[str, ...]]:
    made: list[float] = []
    turns: tuple[list[Spent], list[Spent]] = [], []
    for name in ("without", "with"):
        (folder / name).mkdir()
    with (
        races(count) as (server, names),
        begun_day(server, folder / "without", is_only_tick=False) as without,
        begun_day(server, folder / "with", is_only_tick=False, standby=_address(spare)) as having,
        noting(made),
    ):
        days = [(turns[0], without), (turns[1], having)]
        for _, day in days:
            _spent(day, spare, made)
        time.sleep(SETTLED)
        for number in range(rounds):
            for spent, day in days if number % 2 else reversed(days):
                change_all(server, names)
                spent.append(_spent(day, spare, made))
    what = f"a tick, {count} races of 1,500 runners changed"
    yield _line(what, "ms until in the spool", *_medians(turns, lambda spent: spent.until_batch), _AIM)
    yield _line("", "ms until its line", *_medians(turns, lambda spent: spent.until_line), _AIM)
    plain, fed = _medians(turns, lambda spent: spent.cpu)
    _, server_cpu = _medians(turns, lambda spent: spent.server_cpu)
    _, until_fed = _medians(turns, lambda spent: spent.fed - spent.until_batch)
    yield "a feeding of them", "ms", "", f"{until_fed:,.0f}", "", "", ""
    yield "", "ms of CPU a race", "", f"{(fed - plain) / count:,.0f}", "", "", ""
    yield "", "ms of the spare server's CPU a race", "", f"{server_cpu / count:,.0f}", "", "", ""


def _spent(day: Day, spare: PrivateServer, made: list[float]) -> Spent:
    made.clear()
    began, own, servers = time.perf_counter(), cpu(), _cpu_of(spare)
    day.ticks.tick(datetime.now().astimezone().replace(microsecond=0))
    until_line = time.perf_counter() - began
    if day.ticks.spare is not None:
        day.ticks.spare.thread.settled(None)
    fed = time.perf_counter() - began
    return Spent(made[0] - began, until_line, fed, cpu() - own, _cpu_of(spare) - servers)


def _cpu_of(server: PrivateServer) -> float:
    """Return the seconds of user and system time that a server has taken."""
    if sys.platform == "win32":  # nothing there tells it
        return 0.0
    fields = Path(f"/proc/{server.process_id}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


# Writers


def _waits(spare: PrivateServer, folder: Path, rounds: int, count: int) -> Iterator[tuple[str, ...]]:
    turns: tuple[list[float], list[float]] = [], []
    with races(count) as (server, names):
        if sys.platform != "win32" and spare.process_id is not None:
            os.setpriority(os.PRIO_PROCESS, spare.process_id, _LOWEST)  # which each new session inherits
        for number in range(rounds):
            for place in (0, 1) if number % 2 else (1, 0):
                options = ["--standby", str(_address(spare))] if place else []
                turns[place].append(_longest_wait(server, names, options, folder / f"{number}-{place}"))
    yield _line(f"a writer's longest wait, {count} races", "ms", *_medians(turns, lambda wait: wait), _AIM)


def _longest_wait(server: PrivateServer, names: Sequence[str], options: Sequence[str], folder: Path) -> float:
    """Have a laptop at work on each race for some ticks; return the longest time that a change took."""
    folder.mkdir()
    interval = str(_SECONDS_A_RACE * len(names))
    with (
        running(new_place(folder), server, "--interval", interval, *options) as day,
        run_laptops(server, names, threading.Event(), pause=0.05) as laptops,
    ):
        for _ in range(2):
            day.expect(_TICKED)
        for laptop in laptops:
            laptop.longest_wait = 0.0
        for _ in range(_TICKS):
            day.expect(_TICKED)
        return max(laptop.longest_wait for laptop in laptops)


# The race server is lost


def _loss(
    spare: PrivateServer, folder: Path, rounds: int, installation: Installation, count: int, register: int
) -> Iterator[tuple[str, ...]]:  # fmt: skip
    """Measure how long a lost race server takes until a card is read out elsewhere, without what people need for it."""
    turns: tuple[list[float], list[float]] = [], []
    with races(count, register=register) as (server, names), _server(installation) as empty:
        place = new_place(folder)
        assert once(place, server, "--standby", str(_address(spare))).returncode == 0
        newest = inventory.find(place.root).newest
        assert newest is not None
        for number in range(rounds):
            race = names[number % count]
            for seconds, goal in zip(turns, (empty, spare), strict=True):
                for database in databases(empty):
                    query(empty, f"DROP DATABASE {quoted(database)}")
                began = time.perf_counter()
                server.kill()
                if goal is empty:
                    _restore_by_hand(empty, newest.folder)
                with closing(Laptop(goal, race)) as laptop:
                    laptop.read_card()
                seconds.append(time.perf_counter() - began)
                server.start()
    what = f"from the loss of the race server to the next card, {count} races"
    yield _line(f"{what}, {register:,} in each register", "ms; without: restore.sql by hand",
                *_medians(turns, lambda wait: wait), None)  # fmt: skip


def _restore_by_hand(server: PrivateServer, folder: Path) -> None:
    """Restore a batch as RESTORE.txt says."""
    with (folder / RESTORE_FILE).open("rb") as statements:
        subprocess.run(
            [needed("mysql"), *server_options(server), "--default-character-set=utf8mb4"], stdin=statements,
            cwd=folder, env={**os.environ, "MYSQL_PWD": MEOS_PASSWORD}, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip


# Figures


def _address(server: PrivateServer) -> Address:
    return Address(server.host, server.port)


def _medians(turns: tuple[list[T], list[T]], of: Callable[[T], float]) -> tuple[float, float]:
    """Return the medians of both sides, in milliseconds."""
    without, having = (statistics.median(map(of, side)) * 1000 for side in turns)
    return without, having


def _line(what: str, unit: str, without: float, having: float, aim: float | None) -> tuple[str, ...]:
    judged = ("", "") if aim is None else (f"{aim}", "reached" if having <= aim * without else "NOT reached")
    return what, unit, f"{without:,.0f}", f"{having:,.0f}", f"{having / without:.3f}", *judged


if __name__ == "__main__":
    main()
