"""The sides of a measurement: meosbackup, and what else people back races up with."""

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import click

from meosbackup.console import Console
from meosbackup.day import daemon
from meosbackup.day.daemon import Day
from meosbackup.day.record import Listener
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Address, Settings
from tests.toolkit.servers import MEOS_PASSWORD, MEOS_USER, RACE_LIST


class Side(Protocol):
    """A way to back races up, as often as one likes."""

    @property
    def name(self) -> str:
        """What it is called."""

    def back_up(self, server: PrivateServer, names: Sequence[str], target: Path) -> None:
        """Back these races up once onto a target."""


def _login(server: PrivateServer) -> list[str]:
    return [f"--socket={server.socket}", f"--user={server.user}"]


_numbers = itertools.count()
_HANGS_AFTER = 45


@dataclass(frozen=True)
class Plain:
    """The usual script: a plain mysqldump of each race in turn, straight onto the target."""

    name: str = "(a) mysqldump"

    def back_up(self, server: PrivateServer, names: Sequence[str], target: Path) -> None:
        for race in (RACE_LIST, *names):
            file = target / f"{race}-{next(_numbers)}.sql"
            subprocess.run(
                ["mysqldump", "--no-defaults", *_login(server), f"--result-file={file}", "--databases", race],
                check=True,
            )


@dataclass(frozen=True)
class Zipped:
    """The same through gzip."""

    name: str = "(b) mysqldump | gzip"

    def back_up(self, server: PrivateServer, names: Sequence[str], target: Path) -> None:
        for race in (RACE_LIST, *names):
            with (target / f"{race}-{next(_numbers)}.sql.gz").open("wb") as file, subprocess.Popen(
                ["mysqldump", "--no-defaults", *_login(server), "--databases", race], stdout=subprocess.PIPE
            ) as dump:  # fmt: skip
                subprocess.run(["gzip"], stdin=dump.stdout, stdout=file, check=True)
            assert dump.returncode == 0


@dataclass(frozen=True)
class Mydumper:
    """Debian's mydumper."""

    name: str = "(c) mydumper"

    def back_up(self, server: PrivateServer, names: Sequence[str], target: Path) -> None:
        for race in (RACE_LIST, *names):
            folder = target / f"{race}-{next(_numbers)}"
            command = ["mydumper", *_login(server), f"--database={race}", f"--outputdir={folder}"]
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_HANGS_AFTER)
            except subprocess.TimeoutExpired:  # Debian 12's does, once in some hundred times
                click.echo(f"mydumper hung for {_HANGS_AFTER} s and was ended", err=True)


RIVALS: tuple[Side, ...] = (Plain(), Zipped(), Mydumper())


@contextmanager
def meosbackup_day(
    server: PrivateServer, target: Path, *, meosxml: bool = True, listeners: Sequence[Listener] = ()
) -> Iterator[Callable[[], None]]:
    """Give a function that runs a tick of a day of meosbackup, which waits until the drive has it all."""
    with begun_day(server, target, meosxml=meosxml) as day:
        day.ticks.backup.keep_session()
        day.ticks.record.listeners = [*day.ticks.record.listeners, *listeners]

        def back_up() -> None:
            day.ticks.tick(datetime.now().astimezone().replace(microsecond=0))

        yield back_up


@contextmanager
def begun_day(
    server: PrivateServer,
    target: Path,
    *,
    meosxml: bool = True,
    is_only_tick: bool = True,
    standby: Address | None = None,
) -> Iterator[Day]:
    """Have meosbackup ready for its first tick, perhaps with a spare server."""
    settings = Settings(
        target=target, any_disk=True, host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD,
        all_races=True, interval=600, meosxml=meosxml, distrust_minutes=1_440, standby=standby,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder:
        day = daemon.begin(
            daemon.prepare(settings, Path(folder, "spool")), Console(quiet=True), is_only_tick=is_only_tick
        )
        try:
            yield day
        finally:
            day.leave()


def missing() -> list[str]:
    """Return the programs that the rivals need and that aren't here."""
    return [program for program in ("mysqldump", "gzip", "mydumper") if shutil.which(program) is None]
