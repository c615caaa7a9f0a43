"""Writers that change races in every way while ticks run: whenever they pause, the next batch equals the server.

python -m tests.tools.equality --rounds 500 --engine InnoDB
"""

import logging
import random
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import mysql.connector
from mysql.connector.connection import MySQLConnection

from meosbackup.backup.backup import Backup
from meosbackup.batch.model import StoredBatch
from meosbackup.commands.simulation import Laptop
from meosbackup.errors import MeosBackupError
from meosbackup.meos import changes
from meosbackup.mysql import programs
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, connect, load, private_server
from meosbackup.settings.model import Settings
from meosbackup.store import inventory, spool
from tests.toolkit.servers import (
    EMPTY,
    FILES,
    INDIVIDUAL,
    MEOS_PASSWORD,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    make_pristine,
    query,
)

RACES = (INDIVIDUAL, RELAY, EMPTY)
_KEPT = frozenset({"oevent"})
"""Without its row there a race is an empty shell, which is no race."""

SETTLED = 2.1
"""Seconds after which a table's times tell all that happens to it from then on."""


def set_engine(server: PrivateServer, database: str, engine: str) -> None:
    """Have all tables of a race kept by an engine, and each of them written to, so that its times are known."""
    with closing(connect(server, database)) as connection:
        for (table,) in query(server, f"SHOW TABLES FROM {quoted(database)}"):
            connection.cmd_query(f"ALTER TABLE {quoted(str(table))} ENGINE = {engine}")
            _touch(connection, str(table))


def touch(server: PrivateServer, database: str, table: str) -> None:
    """Add a row to a table; change the one of oEvent, which has no other."""
    with closing(connect(server, database)) as connection:
        _touch(connection, table)


def _touch(connection: MySQLConnection, table: str) -> None:
    if table.lower() in _KEPT:
        connection.cmd_query(f"UPDATE {quoted(table)} SET Annotation = '{time.monotonic()}'")
        return
    connection.cmd_query("SET SESSION sql_mode = ''")  # whatever has no default gets one
    connection.cmd_query(f"INSERT INTO {quoted(table)} () VALUES ()")


# What the writers do


@dataclass
class Writer:
    """Somebody who changes one race in every way that there is, MeOS's own among them."""

    server: PrivateServer
    database: str
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._laptop = Laptop(self.server, self.database, seed=self.chance.randrange(1 << 30))

    def act(self) -> None:
        """Do one thing; what the server refuses is not done."""
        usual = (self._laptop.change, self.update, self.insert, self.delete)
        rare = (self.truncate, self.drop_and_create, self.alter, self.rename_race, self.empty_and_refill)
        action: Callable[[], None] = self.chance.choice(usual if self.chance.random() < 0.7 else rare)
        with suppress(mysql.connector.Error, LookupError, OSError):
            action()
            self.done[action.__name__] += 1

    def rest(self) -> None:
        """Let go of the server."""
        self._laptop.close()

    def update(self) -> None:
        column = {"oevent": "Annotation", "orunner": "Name", "oclub": "Name", "oclass": "Name", "dbrunner": "Name"}
        table = self.chance.choice(list(column))
        text = f"{self.chance.getrandbits(64):x}"
        self._do(f"UPDATE {{}} SET {column[table]} = '{text}' ORDER BY RAND() LIMIT 1", table)

    def insert(self) -> None:
        touch(self.server, self.database, self._any_table())

    def delete(self) -> None:
        self._do("DELETE FROM {} ORDER BY RAND() LIMIT 1", self._any_table(_KEPT))

    def truncate(self) -> None:
        self._do("TRUNCATE TABLE {}", self._any_table(_KEPT))

    def drop_and_create(self) -> None:
        table = self._any_table(_KEPT)
        [(_, statement)] = query(self.server, f"SHOW CREATE TABLE {quoted(self.database)}.{quoted(table)}")
        with closing(connect(self.server, self.database)) as connection:
            connection.cmd_query(f"DROP TABLE {quoted(table)}")
            connection.cmd_query(str(statement))

    def empty_and_refill(self) -> None:
        """Take all rows away and put them back but for one, as an upload of a race does."""
        table = self._any_table(_KEPT)
        name = f"{quoted(self.database)}.{quoted(table)}"
        with closing(connect(self.server, self.database)) as connection:
            connection.cmd_query(f"CREATE TEMPORARY TABLE kept SELECT * FROM {name} ORDER BY RAND() LIMIT 1, 100000")
            connection.cmd_query(f"DELETE FROM {name}")
            connection.cmd_query(f"INSERT INTO {name} SELECT * FROM kept")

    def alter(self) -> None:
        table = self._any_table()
        try:
            self._do("ALTER TABLE {} ADD COLUMN more INT NOT NULL DEFAULT 7", table)
        except mysql.connector.Error:
            self._do("ALTER TABLE {} DROP COLUMN more", table)

    def rename_race(self) -> None:
        query(
            self.server, f"UPDATE {RACE_LIST}.oevent SET Name = %s WHERE LOWER(NameId) = %s",
            f"{self.chance.getrandbits(32):x}", self.database,
        )  # fmt: skip

    def _any_table(self, but: frozenset[str] = frozenset()) -> str:
        tables = [str(table) for (table,) in query(self.server, f"SHOW TABLES FROM {quoted(self.database)}")]
        return self.chance.choice([table for table in tables if table.lower() not in but])

    def _do(self, statement: str, table: str) -> None:
        query(self.server, statement.format(f"{quoted(self.database)}.{quoted(table)}"))


# The rounds


@dataclass
class Stage:
    """Where it plays: the server with the races, another to restore into, and what backs the first one up."""

    server: PrivateServer
    spare: PrivateServer
    engine: str
    new_backup: Callable[[int], Backup]
    """Make what backs it up at an interval."""

    interval: int
    spool: Path
    chance: random.Random
    writers: list[Writer]
    figures: Counter[str] = field(default_factory=Counter)
    restored: dict[str, str] = field(default_factory=dict)
    """Which dumps the spare server holds, by database."""

    def __post_init__(self) -> None:
        self.start_again(self.interval)

    def start_again(self, interval: int) -> None:
        """Have it backed up as by a meosbackup that was just started."""
        self.backup = self.new_backup(interval)

    def tick(self) -> StoredBatch | None:
        """Make a batch; return the newest one, None where it failed."""
        self.figures["ticks"] += 1
        try:
            outcome = self.backup.tick(datetime.now().astimezone().replace(microsecond=0), threading.Event())
        except MeosBackupError:
            self.figures["ticks that failed"] += 1
            return None
        spool.thin(self.spool, datetime.now().astimezone())
        self.figures["batches"] += outcome.stored is not None
        self.figures["races that failed alone"] += len(outcome.failures)
        newest = self.backup.newest
        return newest if not outcome.failures else None

    def compare(self, newest: StoredBatch | None) -> None:
        """See that a batch, restored, is what the server holds."""
        assert newest is not None, "the tick after the writers paused failed"
        assert newest.batch.complete
        for entry in newest.batch.databases:
            assert entry.dump is not None
            files = [
                newest.folder / entry.dump.file,
                *([newest.folder / entry.reference.file] if entry.reference else []),
            ]
            identity = " ".join(str((entry.dump.sha256, entry.reference and entry.reference.sha256)))
            if self.restored.get(entry.database) != identity:
                query(self.spare, f"DROP DATABASE IF EXISTS {quoted(entry.database)}")
                for file in files:
                    load(self.spare, file)
                self.restored[entry.database] = identity
                self.figures["databases restored"] += 1
            there, here = (
                picture(server, entry.database, with_empty=entry.reference is not None)
                for server in (self.server, self.spare)
            )
            wrong = {
                name: (there.get(name), here.get(name)) for name in {*there, *here} if there.get(name) != here.get(name)
            }
            assert not wrong, f"{entry.database}: {wrong}"
            self.figures["databases compared"] += 1


def picture(server: PrivateServer, database: str, *, with_empty: bool) -> dict[str, tuple[str, int]]:
    """Return what a database holds, but for oMonitor: each table's definition, and the checksum of its rows.

    Reference tables that hold no rows at all are in no dump, since MeOS makes them by itself.
    """
    found = {}
    tables = [str(table) for (table,) in query(server, f"SHOW TABLES FROM {quoted(database)}")]
    with closing(connect(server, database)) as connection, closing(connection.cursor()) as cursor:

        def answer(statement: str) -> Any:
            cursor.execute(statement)
            [(_, answered)] = list[Any](cursor.fetchall())
            return answered

        pictures = [
            (name, answer(f"SHOW CREATE TABLE {quoted(name)}"), answer(f"CHECKSUM TABLE {quoted(name)}"))
            for name in tables
        ]
    for table, definition, checksum in pictures:
        is_left_out = not with_empty and changes.is_reference(table) and checksum == 0
        if table.lower() != changes.MONITOR_TABLE and not is_left_out:
            found[table] = (re.sub(r" AUTO_INCREMENT=\d+|COLLATE=\w+|COLLATE \w+", "", str(definition)), checksum)
    return found


def play(stage: Stage) -> None:
    """Play one round of some kind, and see that the next batch equals the server."""
    stage.chance.choices((busy_round, settled_round, restart_round), weights=(58, 40, 2))[0](stage)
    stage.figures["rounds"] += 1
    stage.compare(stage.tick())


def busy_round(stage: Stage) -> None:
    """Have all write at once while ticks run, often in the same second."""
    with _writing(stage):
        for _ in range(stage.chance.randrange(1, 4)):
            stage.tick()
        if stage.chance.random() < 0.3:
            time.sleep(1 - time.time() % 1)  # to the boundary of a second


def restart_round(stage: Stage) -> None:
    """Have the server restart while all write and ticks run."""
    with _writing(stage):
        stage.tick()
        stage.server.stop()
        stage.tick()
        stage.server.start()
        stage.tick()
    stage.figures["restarts"] += 1


@contextmanager
def _writing(stage: Stage) -> Iterator[None]:
    pause = threading.Event()
    threads = [threading.Thread(target=_write, args=(writer, pause)) for writer in stage.writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        pause.set()
        for thread in threads:
            thread.join()


def settled_round(stage: Stage) -> None:
    """Do a single thing after a quiet time, when a table's times alone tell of it."""
    if stage.engine.lower() == "innodb":  # it forgets its times
        for race in RACES:
            for (table,) in query(stage.server, f"SHOW TABLES FROM {quoted(race)}"):
                touch(stage.server, race, str(table))
    time.sleep(SETTLED)
    stage.tick()
    quiet = stage.figures["batches"]
    stage.tick()
    stage.figures["quiet ticks"] += 1
    stage.figures["quiet ticks without a batch"] += stage.figures["batches"] == quiet
    writer = stage.chance.choice(stage.writers)
    writer.act()
    writer.rest()
    time.sleep(stage.chance.choice((0.0, 0.3, 1.0)))


def _write(writer: Writer, pause: threading.Event) -> None:
    while not pause.is_set():
        writer.act()
        time.sleep(writer.chance.choice((0.0, 0.01, 0.1)))
    writer.rest()


@contextmanager
def stage(
    server: PrivateServer,
    spare: PrivateServer,
    folder: Path,
    engine: str,
    seed: int,
    *,
    interval: int = 60,
    distrust_minutes: int = 5,
) -> Iterator[Stage]:
    """Get the races of a server ready, all kept by one engine."""
    make_pristine(server, {name: FILES[name] for name in (RACE_LIST, *RACES)}, {})
    query(
        server, f"DELETE FROM {RACE_LIST}.oevent WHERE LOWER(NameId) NOT IN ({', '.join(['%s'] * len(RACES))})", *RACES
    )
    for database in RACES:
        set_engine(server, database, engine)
    settings = Settings(
        host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, all_races=True, lock_limit=20,
        distrust_minutes=distrust_minutes,
    )  # fmt: skip
    root = folder / "spool"
    spool.prepare(root, None)
    program = programs.find_dump_program(None)
    chance = random.Random(seed)
    writers = [Writer(server, race, random.Random(chance.random())) for race in RACES]

    def new_backup(interval: int) -> Backup:
        backup = Backup(replace(settings, interval=interval), program, root, inventory.find(root).highest_sequence)
        backup.keep_session()
        return backup

    yield Stage(server, spare, engine, new_backup, interval, root, chance, writers)


@click.command()
@click.option("--rounds", default=500, show_default=True)
@click.option("--engine", type=click.Choice(["MyISAM", "InnoDB"]), default="MyISAM", show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(rounds: int, engine: str, seed: int) -> None:
    """Have writers change races at random, and hold each next batch against the server."""
    began = time.monotonic()
    logging.disable(logging.WARNING)  # what is dropped while it is dumped fails, and is backed up by the next tick
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-equality-") as name,
        private_server() as server,
        private_server() as spare,
        stage(server, spare, Path(name), engine, seed) as where,
    ):
        for number in range(1, rounds + 1):
            play(where)
            if number % 25 == 0:
                click.echo(f"{number} rounds after {time.monotonic() - began:.0f} s, all equal")
    for word, number in [*where.figures.items(), *sum((writer.done for writer in where.writers), Counter()).items()]:
        click.echo(f"{word.replace('_', ' '):<32} {number:>9,}")


if __name__ == "__main__":
    main()
