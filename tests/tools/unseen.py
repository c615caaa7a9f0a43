"""Changes that leave no trace in the times of tables: each must be in a batch in time, MeOS's own in the next tick.

python -m tests.tools.unseen --rounds 300
python -m tests.tools.unseen --rounds 300 --windows
"""

import logging
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from meosbackup import console
from meosbackup.commands.simulation import Laptop
from meosbackup.console import Console
from meosbackup.mysql.private_server import PrivateServer, connect, private_server
from tests.toolkit import windows_parts
from tests.toolkit.servers import INDIVIDUAL, query
from tests.toolkit.windows import windows, windows_server
from tests.tools import equality
from tests.tools.equality import RACES, SETTLED, Stage, Writer

_LIMIT = 10
_MOST = 59
"""Seconds after which everything is dumped: as a rule, and where only signs are to tell of a change."""

_CLOCK = 1
"""The server's clock tells seconds."""

_OLD = 1_700_000_000


@dataclass
class Kind:
    """A kind of changes: how many were made, and in which batches they were."""

    made: int = 0
    in_next_tick: int = 0
    by_the_rest: list[float] = field(default_factory=list)
    """The seconds after which those began that were dumped later, since it was time to."""


@dataclass
class Ground:
    """A server whose tables' times stand still, what backs it up, and what was seen."""

    stage: Stage
    limit: int
    chance: random.Random
    kinds: dict[str, Kind] = field(default_factory=lambda: defaultdict(Kind))

    def tick(self) -> bool:
        """Have a tick run, with all files as old as ever; return whether the newest batch equals the server."""
        hold_still(self.stage.server)
        newest = self.stage.tick()
        try:
            self.stage.compare(newest)
        except AssertionError:
            return False
        return True

    def play(self) -> None:
        """Make a change of some kind in a quiet time, and see that it is in a batch in time."""
        group = self.chance.choice((self.of_meos, self.uploads, self.of_others))
        database, is_own = self.chance.choice(RACES), group == self.of_meos
        if group == self.uploads:
            upload(self.stage.server, database)  # after which another takes as many bytes
        self.limit = _MOST if is_own else _LIMIT
        self.stage.start_again(60 - self.limit)
        time.sleep(SETTLED)  # a table that was just created is always dumped
        dumped = time.monotonic()
        assert self.tick()
        name, change = self.chance.choice(list(group(database)))
        change()
        if not is_own or time.monotonic() - dumped < _MOST / 2:  # else signs have to tell of nothing
            self.see(f"{group.__name__.replace('_', ' ')}: {name}", is_own=is_own)

    def see(self, name: str, *, is_own: bool) -> None:
        """See that what was just changed is in a batch in time."""
        changed, kind = time.monotonic(), self.kinds[name]
        kind.made += 1
        if self.tick():
            kind.in_next_tick += 1
            return
        assert not is_own, f"{name} is not in the next tick's batch"
        began = time.monotonic()
        while not self.tick():
            assert began - changed <= self.limit + _CLOCK, f"{name} was in no batch after {began - changed:.0f} s"
            time.sleep(0.3)
            began = time.monotonic()
        kind.by_the_rest.append(began - changed)

    def of_meos(self, database: str) -> Iterator[tuple[str, Callable[[], object]]]:
        """Give what MeOS itself does."""
        laptop = Laptop(self.stage.server, database, seed=self.chance.getrandbits(30))
        for change in (laptop.read_card, laptop.enter_late, laptop.change_status, laptop.add_punch):
            yield change.__name__, partial(_act, laptop, change)

    def uploads(self, database: str) -> Iterator[tuple[str, Callable[[], object]]]:
        """Give uploads of a race in which one number of a row is another: all rows go, and come back."""
        for table, column in (("orunner", "StartNo"), ("ocourse", "Length"), ("oevent", "ZeroTime")):
            yield f"another {column} in {table}", partial(upload, self.stage.server, database, table, column)

    def of_others(self, database: str) -> Iterator[tuple[str, Callable[[], object]]]:
        """Give what other programs may do, which raise no Counter."""
        writer = Writer(self.stage.server, database, random.Random(self.chance.random()))
        for change in (writer.update, writer.insert, writer.delete, writer.truncate, writer.drop_and_create,
                       writer.empty_and_refill, writer.alter, writer.rename_race):  # fmt: skip
            yield change.__name__, change
        for table, column in (
            ("orunner", "Status"), ("ocard", "ReadId"), ("ocounter", "oRunner"), ("dbrunner", "CardNo"),
        ):  # fmt: skip
            statement = f"UPDATE {database}.{table} SET {column} = {column} + 1 LIMIT 1"
            yield f"a number in {table}", partial(query, self.stage.server, statement)
        statement = f"UPDATE {INDIVIDUAL}.maps SET Map = REPEAT(%s, 100000)"
        yield "a map", partial(query, self.stage.server, statement, self.chance.choice("abcdefghi"))


def _act(laptop: Laptop, change: Callable[[], None]) -> None:
    with closing(laptop):
        change()


def hold_still(server: PrivateServer) -> None:
    """Give the files of all tables the times that they always had, as Windows does."""
    for path in (server.folder / "data").glob("meos*/*.[Mm][Yy][Dd]"):
        os.utime(path, (_OLD, _OLD))


def upload(server: PrivateServer, database: str, table: str = "", column: str = "") -> None:
    """Take all rows of a race away and put them back as they were, counters and all, but for a number in one table."""
    with closing(connect(server, database)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SET sql_log_bin = OFF")
        cursor.execute("SHOW TABLES")
        tables = [str(row[0]) for row in cursor.fetchall()]
        for name in tables:
            cursor.execute(f"CREATE TEMPORARY TABLE kept SELECT * FROM {name}")
            if name.lower() == table:
                cursor.execute(f"UPDATE kept SET {column} = {column} + 1 LIMIT 1")
            cursor.execute(f"DELETE FROM {name}")
            cursor.execute(f"INSERT INTO {name} SELECT * FROM kept")
            cursor.execute("DROP TEMPORARY TABLE kept")


@contextmanager
def ground(server: PrivateServer, spare: PrivateServer, folder: Path, *, limit: int, seed: int = 5) -> Iterator[Ground]:
    """Get the races of a server ready, one with a table of another program; its times can't be trusted meanwhile.

    Everything is dumped after `limit` seconds: a tick that came a minute less than that later would be too late.
    Any but one for Windows has myisam_use_mmap for that, with which they stand still by themselves for a while.
    """
    [(system,)] = query(server, "SELECT @@version_compile_os")
    setting = "SET GLOBAL myisam_use_mmap = " + ("OFF" if str(system).startswith("Win") else "ON")
    try:
        query(server, setting)
        with equality.stage(server, spare, folder, "MyISAM", seed, interval=60 - limit, distrust_minutes=1) as stage:
            query(server, f"CREATE TABLE {INDIVIDUAL}.maps (Id INT PRIMARY KEY, Map LONGBLOB) ENGINE = MyISAM")
            query(server, f"INSERT INTO {INDIVIDUAL}.maps VALUES (1, REPEAT('x', 100000))")
            yield Ground(stage, limit, random.Random(seed))
    finally:
        query(server, "SET GLOBAL myisam_use_mmap = OFF")


@contextmanager
def _windows_server(folder: Path) -> Iterator[PrivateServer]:
    with windows(windows_parts.find()) as machine, windows_server(machine, folder) as server:
        yield server


@click.command()
@click.option("--rounds", default=300, show_default=True)
@click.option("--windows", "is_windows", is_flag=True, help="Use a MariaDB for Windows, under wine.")
@click.option("--seed", default=1, show_default=True)
def main(rounds: int, is_windows: bool, seed: int) -> None:
    """Make changes of every kind, and see when each is in a batch."""
    logging.disable(logging.WARNING)
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-unseen-") as name,
        _windows_server(Path(name)) if is_windows else private_server() as server,
        private_server() as spare,
        ground(server, spare, Path(name), limit=_LIMIT, seed=seed) as found,
    ):
        while (made := sum(kind.made for kind in found.kinds.values())) < rounds:
            if made % 25 == 0:
                click.echo(f"{made} rounds, none missed", err=True)
            found.play()
    Console().table(
        ("change", "made", "in the next tick", f"after {_LIMIT} s", "began at most after", "missed"),
        [
            (name, str(kind.made), str(kind.in_next_tick), str(len(kind.by_the_rest)),
             f"{max(kind.by_the_rest):.1f} s" if kind.by_the_rest else "", "0")
            for name, kind in sorted(found.kinds.items())
        ],
    )  # fmt: skip
    console.finish()


if __name__ == "__main__":
    main()
