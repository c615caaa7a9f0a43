"""What it costs not to trust the times of a server's tables: both ways in turns, on one server.

python -m tests.tools.bench.signs
"""

import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from meosbackup.commands.simulation import run_laptops
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.servers import query
from tests.tools.bench.ground import races
from tests.tools.bench.sides import meosbackup_day

_CALM = 2.2
"""Seconds after which nothing that happened before is in doubt."""

_TURNS = 5
_WAYS = ("OFF", "ON")
"""The values of myisam_use_mmap: with it, times aren't trusted."""


@click.command()
def main() -> None:
    """Print how long a tick takes, and how long laptops wait, with times trusted and not."""
    logging.disable(logging.WARNING)
    click.echo(f"{'milliseconds':<52} {'trusted':>8} {'not':>8} {'ratio':>6}")
    with races(30, runners=200) as (server, _), tempfile.TemporaryDirectory() as folder:
        _tell("a tick with 30 races, none changed, median", *_quiet_ticks(server, Path(folder)))
    with races(3) as (server, names), tempfile.TemporaryDirectory() as folder:
        _tell("the longest wait of 3 laptops, 3 races, median", *_waits(server, names, Path(folder)))


def _quiet_ticks(server: PrivateServer, target: Path) -> list[float]:
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    with meosbackup_day(server, target) as back_up:
        for _ in range(_TURNS):
            for way in _WAYS:
                _set(server, way)
                back_up()
                time.sleep(_CALM)
                back_up()
                found[way] += [_seconds(back_up) for _ in range(15)]
    return [statistics.median(found[way]) for way in _WAYS]


def _waits(server: PrivateServer, names: list[str], target: Path) -> list[float]:
    """Measure the longest of many changes while ticks follow each other; what they change is dumped as well."""
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    with meosbackup_day(server, target) as back_up:
        for _ in range(_TURNS):
            for way in _WAYS:
                _set(server, way)
                back_up()
                with run_laptops(server, names, threading.Event(), pause=0.02) as laptops:
                    time.sleep(0.5)
                    for laptop in laptops:
                        laptop.longest_wait = 0.0
                    end = time.monotonic() + 6
                    while time.monotonic() < end:
                        back_up()
                    found[way].append(max(laptop.longest_wait for laptop in laptops))
    return [statistics.median(found[way]) for way in _WAYS]


def _set(server: PrivateServer, way: str) -> None:
    query(server, f"SET GLOBAL myisam_use_mmap = {way}")
    query(server, "FLUSH TABLES")


def _tell(what: str, trusted: float, untrusted: float) -> None:
    click.echo(f"{what:<52} {trusted * 1000:>8.1f} {untrusted * 1000:>8.1f} {untrusted / trusted:>6.2f}")


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
