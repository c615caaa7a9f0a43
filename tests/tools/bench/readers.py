"""What the live page costs: a writer's longest wait and a tick's time without readers, with them, in turns.

python -m tests.tools.bench.readers
"""

import logging
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click

from meosbackup.commands.simulation import run_laptops
from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_server import MOST_READERS, PageServer
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import DayBatch, DayRace, Picture, RaceState
from meosbackup.mysql.private_server import PrivateServer, free_port
from tests.toolkit.place import new_place
from tests.toolkit.running import running
from tests.tools.bench.ground import change_all, races
from tests.tools.bench.sides import meosbackup_day

_TURNS = 3
_SECONDS = 12
_TICKS = 10
_BATCHES, _RACES = 600, 30
_POLL_SECONDS = 3.0

_WAYS = {
    "none": "no readers",
    "polling": f"{MOST_READERS} that ask every 3 s",
    "greedy": f"{MOST_READERS} that ask without a pause",
    "hanging": f"{MOST_READERS} that hang",
}


@click.command()
@click.option("--as-readers", type=click.Choice([*_WAYS]), hidden=True)
@click.option("--port", type=int, hidden=True)
def main(as_readers: str | None, port: int | None) -> None:
    """Measure both, and print the table."""
    if as_readers and port:
        _read(as_readers, port)
        return
    logging.disable(logging.WARNING)
    click.echo(f"{'milliseconds':<58}" + "".join(f"{words:>28}" for words in _WAYS.values()))
    with races(3) as (server, names), tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder:
        _tell("longest wait of 3 laptops, a tick each second", _waits(server, names, Path(folder)))
        for what, changed in (("a tick in which 3 races changed", names), ("a tick without changes", [])):
            _tell(f"{what}, {_BATCHES} batches of {_RACES} races told", _ticks(server, changed, Path(folder)))


def _tell(what: str, found: Mapping[str, Sequence[float]]) -> None:
    medians = {way: statistics.median(values) * 1000 for way, values in found.items()}
    cells = (f"{median:.1f} ({median / medians['none']:.2f})" for median in medians.values())
    click.echo(f"{what:<58}" + "".join(f"{cell:>28}" for cell in cells))


def _waits(server: PrivateServer, names: Sequence[str], folder: Path) -> Mapping[str, Sequence[float]]:
    """Measure the longest wait of each turn, beside a meosbackup in a process of its own."""
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    port = free_port()
    (folder / "waits").mkdir()
    with running(
        new_place(folder / "waits"), server, "--interval", "1", "--page-port", str(port)
    ) as tool, run_laptops(server, names, threading.Event(), pause=0.02) as laptops:  # fmt: skip
        tool.expect("  OK ")
        for _ in range(_TURNS):
            for way, waits in found.items():
                with _readers(way, port):
                    for laptop in laptops:
                        laptop.longest_wait = 0.0
                    time.sleep(_SECONDS)
                    waits.append(max(laptop.longest_wait for laptop in laptops))
    return found


def _ticks(server: PrivateServer, changed: Sequence[str], folder: Path) -> Mapping[str, Sequence[float]]:
    """Measure ticks one after another, in this process, with a page that tells of a long day."""
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    page, day = PageServer(0, DayStatus(datetime.now().astimezone(), 60)), _long_day()

    def post(status: DayStatus, facts: PageFacts | None) -> None:
        page.post(status, replace(facts, day=day) if facts else None)

    target = folder / f"ticks {len(changed)}"
    target.mkdir()
    page.start()
    with meosbackup_day(server, target, listeners=[post]) as back_up:
        back_up()
        for _ in range(_TURNS):
            for way, seconds in found.items():
                with _readers(way, page.port):
                    seconds += [_tick(server, changed, back_up) for _ in range(_TICKS)]
    page.stop()
    return found


def _tick(server: PrivateServer, changed: Sequence[str], back_up: Callable[[], None]) -> float:
    change_all(server, changed)
    time.sleep(1.1)  # as a batch is named after its second
    began = time.monotonic()
    back_up()
    return time.monotonic() - began


def _long_day() -> Picture:
    keys = [f"meos_20261122_211702_{number:x}" for number in range(_RACES)]
    began = datetime.now().astimezone() - timedelta(minutes=_BATCHES)
    batches = [
        DayBatch(
            taken := began + timedelta(minutes=place), taken, f"{taken:%Y-%m-%d/%H-%M-%S}", is_backup=True,
            is_complete=True,
            states={key: RaceState(400, place // 2, place // 3, has_meosxml=True, is_older=False) for key in keys},
        )
        for place in range(_BATCHES)
    ]  # fmt: skip
    return Picture(60, tuple(DayRace(key, key, "2026-11-22", key) for key in keys), tuple(batches))


@contextmanager
def _readers(way: str, port: int) -> Iterator[None]:
    """Have readers read until the block ends, in a process of their own, as on other computers."""
    command = [sys.executable, "-m", "tests.tools.bench.readers", "--as-readers", way, "--port", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def _read(way: str, port: int) -> None:
    """Read from a page until this process is killed."""
    ask = {"polling": _poll, "greedy": _ask, "hanging": _hang}.get(way)
    for _ in range(MOST_READERS if ask else 0):
        threading.Thread(target=_repeat, args=(ask, port)).start()
    click.echo("reading")


def _repeat(ask: Callable[[int], None], port: int) -> None:
    while True:
        with suppress(OSError, HTTPException):
            ask(port)


def _ask(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/day.json")
    connection.getresponse().read()
    connection.close()


def _poll(port: int) -> None:
    _ask(port)
    time.sleep(_POLL_SECONDS)


def _hang(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as reader:
        reader.sendall(b"GET /day.json")
        reader.recv(1)


if __name__ == "__main__":
    main()
