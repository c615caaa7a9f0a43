"""How long not trusting the times of a server's tables keeps laptops waiting: both ways in turns, on one server.

python -m tests.tools.bench.signs
"""

import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

import click

from meosbackup.backup import survey
from meosbackup.commands.simulation import run_laptops
from meosbackup.meos import signs
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Settings
from tests.toolkit.servers import MEOS_PASSWORD, MEOS_USER
from tests.tools.bench.ground import races
from tests.tools.bench.sides import meosbackup_day

_TURNS = 5
_WAYS = (None, "the server runs on Windows")
"""Why times aren't trusted: this server's can be, and for a while meosbackup takes it for one on Windows."""


@click.command()
def main() -> None:
    """Print how long laptops wait, with times trusted and not."""
    logging.disable(logging.WARNING)
    click.echo(f"{'milliseconds':<52} {'trusted':>8} {'not':>8} {'ratio':>6}")
    with races(3) as (server, names), tempfile.TemporaryDirectory() as folder:
        settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, all_races=True)
        _tell("longest wait of 3 laptops, surveys one after another", *_waits(
            server, names, lambda: survey.take(settings, datetime.now().astimezone())
        ))  # fmt: skip
        with meosbackup_day(server, Path(folder)) as back_up:
            _tell("longest wait of 3 laptops, ticks one after another", *_waits(server, names, back_up))


def _waits(server: PrivateServer, names: Sequence[str], act: Callable[[], object]) -> list[float]:
    """Measure the longest of many changes while something is done again and again; the median of several turns."""
    found: dict[str | None, list[float]] = {way: [] for way in _WAYS}
    for _ in range(_TURNS):
        for way in _WAYS:
            with (
                patch.object(signs, "untimed", return_value=way),
                run_laptops(server, names, threading.Event(), pause=0.02) as laptops,
            ):
                act()
                for laptop in laptops:
                    laptop.longest_wait = 0.0
                end = time.monotonic() + 6
                while time.monotonic() < end:
                    act()
                found[way].append(max(laptop.longest_wait for laptop in laptops))
    return [statistics.median(found[way]) for way in _WAYS]


def _tell(what: str, trusted: float, untrusted: float) -> None:
    click.echo(f"{what:<52} {trusted * 1000:>8.1f} {untrusted * 1000:>8.1f} {untrusted / trusted:>6.2f}")


if __name__ == "__main__":
    main()
