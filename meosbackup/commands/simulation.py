"""Simulated laptops that change races the way MeOS does, for the demo, tests and measurements on private servers.

What a client does, and in which order, was seen on MeOS 5.0: lock one table for writing, take the next number of its
column Counter, write one row, unlock, and raise the table's number in oCounter. There are no transactions.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import mysql.connector
from mysql.connector.connection import MySQLConnection

from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.private_server import PrivateServer, connect

log = logging.getLogger(__name__)

OK, MISPUNCHED, NOT_FINISHED, DISQUALIFIED, NOT_STARTED = 1, 3, 4, 5, 20
"""What MeOS writes into the column Status of oRunner."""

MONITOR_INTERVAL = 10.0
"""Seconds between two signs of life that a client writes to oMonitor."""

_CHECK, _START, _FINISH = 3, 1, 2
_FIRST_NAMES = ("Åsa", "Zoë", "Þór", "Юлия", "Małgorzata", "Ειρήνη", "Jean-René", "Ñuria", "Søren", "Gül")
_LAST_NAMES = ("O'Brien", "Ångström", "Đorđević", 'von "Quote"', "Back\\slash", "Петров", "Lefèvre", "Li; -- /* x")
_CONNECT_PAUSE = 1.0
_JOIN_LIMIT = 10.0


class Laptop:
    """A laptop with one race open; what it changes follows from its seed and from what the race holds.

    `changes` counts its finished changes, `failures` those that the server refused or never answered, and
    `longest_wait` is the longest time in seconds that one of its writes took: so long MeOS's window was frozen.
    It connects when it needs to, and again after a failure; close it in the end.
    """

    def __init__(self, server: PrivateServer, database: str, *, name: str = "Laptop", seed: int = 0) -> None:
        self.database = database
        self.name = name
        self.changes = 0
        self.failures = 0
        self.longest_wait = 0.0
        self._server = server
        self._random = random.Random(seed)  # noqa: S311 - the same seed, the same race day
        self._connection: MySQLConnection | None = None
        self._tables: dict[str, str] = {}
        self._monitor: int | None = None

    def change(self) -> None:
        """Make one change of any kind, in about the proportions of a race day."""
        kinds = (self.read_card, self.add_punch, self.change_status, self.enter_late)
        self._random.choices(kinds, weights=(6, 5, 2, 1))[0]()

    def read_card(self) -> None:
        """Read out the card of a runner who comes in; if all have come in, read one of them again."""
        runners = self._rows(
            "SELECT Id, CardNo, Class, Course, StartTime, Card, FinishTime, Status"
            " FROM {orunner} WHERE Removed = 0 AND CardNo > 0 ORDER BY Id"
        )
        if not runners:
            return self.enter_late()
        expected = [runner for runner in runners if runner[6] == 0 and runner[7] == 0]
        runner, number, race_class, course, start, card, *_ = self._random.choice(expected or runners)
        punches, finish, status = self._run(self._controls(race_class, course), start or 36_000)
        card = self._write("ocard", card or None, CardNo=number, ReadId=self._random.getrandbits(32), Punches=punches)
        self._write("orunner", runner, Card=card, FinishTime=finish, Status=status)
        return self._changed()

    def enter_late(self) -> None:
        """Enter a new runner."""
        first, last = self._random.choice(_FIRST_NAMES), self._random.choice(_LAST_NAMES)
        [(start_number,)] = self._rows("SELECT COALESCE(MAX(StartNo), 0) + 1 FROM {orunner}")
        self._write(
            "orunner", None, Name=f"{first} {last}", CardNo=self._random.randrange(800_000, 900_000),
            Club=self._any_id("oclub"), Class=self._any_id("oclass"), StartNo=start_number,
            InputResult="", Annotation="",
        )  # fmt: skip
        self._changed()

    def change_status(self) -> None:
        """Set a runner's status by hand: did not start, or a result that differs from the card."""
        runners = self._rows("SELECT Id, FinishTime FROM {orunner} WHERE Removed = 0 ORDER BY Id")
        if not runners:
            return self.enter_late()
        runner, finish = self._random.choice(runners)
        statuses = (OK, MISPUNCHED, NOT_FINISHED, DISQUALIFIED) if finish else (NOT_STARTED,)
        self._write("orunner", runner, Status=self._random.choice(statuses))
        return self._changed()

    def add_punch(self) -> None:
        """Add a free punch: a radio control reports a runner in the forest."""
        cards = self._rows("SELECT CardNo FROM {orunner} WHERE Removed = 0 AND CardNo > 0 ORDER BY Id")
        if not cards:
            return self.enter_late()
        self._write(
            "opunch", None, CardNo=self._random.choice(cards)[0], Time=self._random.randrange(40_000, 110_000),
            Type=self._random.choice((50, 51)), Unit=7, Origin=self._random.getrandbits(30),
        )  # fmt: skip
        return self._changed()

    def touch_monitor(self) -> None:
        """Write the sign of life that each client writes; it changes nothing in the race, and takes no lock."""
        if self._monitor is None:
            self._monitor = self._execute("INSERT INTO {omonitor} SET Client = %s, Count = 1", self.name)
        else:
            self._execute("UPDATE {omonitor} SET Count = Count + 1 WHERE Id = %s", self._monitor)

    def close(self) -> None:
        """Close the race: the laptop is no longer listed as connected."""
        if self._connection is not None:
            with suppress(mysql.connector.Error, OSError):
                if self._monitor is not None:
                    self._execute("UPDATE {omonitor} SET Removed = 1 WHERE Id = %s", self._monitor)
            with suppress(mysql.connector.Error, OSError):
                self._connection.close()
        self._connection = self._monitor = None

    def _run(self, controls: Sequence[int], start: int) -> tuple[str, int, int]:
        """Let a runner run: return the text of the card, the finish time (tenths of a second) and the status."""
        status = self._random.choices((OK, MISPUNCHED, NOT_FINISHED), weights=(17, 2, 1))[0]
        missed = None if status == OK or not controls else self._random.randrange(len(controls))
        punches, now = [(_CHECK, start - 1_200), (_START, start)], start
        for place, control in enumerate(controls):
            now += self._random.randrange(600, 4_200)
            if place != missed:
                punches.append((control, now))
        now += self._random.randrange(200, 900)
        punches.append((_FINISH, now))
        text = "".join(f"{kind}-{when // 10}.{when % 10}#{self._random.getrandbits(30)};" for kind, when in punches)
        return text, now, status

    def _controls(self, race_class: int, course: int) -> list[int]:
        """Return the codes of a runner's course; of any course if neither the runner nor the class has one."""
        wanted = course or next(iter(self._rows("SELECT Course FROM {oclass} WHERE Id = %s", race_class)), (0,))[0]
        courses = self._rows("SELECT Id, Controls FROM {ocourse} WHERE Removed = 0 ORDER BY Id")
        own = [row for row in courses if row[0] == wanted]
        controls = self._random.choice(own or courses)[1] if courses else ""
        return [int(code) for code in controls.split(";") if code.strip().isdecimal()]

    def _any_id(self, table: str) -> int:
        rows = self._rows(f"SELECT Id FROM {{{table}}} WHERE Removed = 0 ORDER BY Id")
        return int(self._random.choice(rows)[0]) if rows else 0

    def _changed(self) -> None:
        self.changes += 1

    def _write(self, table: str, row: int | None, **columns: int | str) -> int:
        """Write one row as MeOS does; None for a new one. Return its Id."""
        values = ", ".join(f"{column} = %s" for column in columns)
        started = time.monotonic()
        self._execute(f"LOCK TABLES {{{table}}} WRITE")
        try:
            [(counter,)] = self._rows(f"SELECT COALESCE(MAX(Counter), 0) + 1 FROM {{{table}}}")
            if row is None:
                row = self._execute(f"INSERT INTO {{{table}}} SET {values}, Counter = %s", *columns.values(), counter)
            else:
                self._execute(
                    f"UPDATE {{{table}}} SET {values}, Counter = %s WHERE Id = %s", *columns.values(), counter, row
                )
        finally:
            self._execute("UNLOCK TABLES")
        self._execute(f"UPDATE {{ocounter}} SET {table} = GREATEST(%s, {table})", counter)
        self.longest_wait = max(self.longest_wait, time.monotonic() - started)
        return row

    def _rows(self, statement: str, *values: int | str) -> list[Any]:
        with closing(self._connected().cursor()) as cursor:
            cursor.execute(statement.format_map(self._tables), values)
            return list(cursor.fetchall())

    def _execute(self, statement: str, *values: int | str) -> int:
        """Run a statement without a result; return the Id of a row that it made."""
        with closing(self._connected().cursor()) as cursor:
            cursor.execute(statement.format_map(self._tables), values)
            return int(cursor.lastrowid or 0)

    def _connected(self) -> MySQLConnection:
        if self._connection is None:
            self._connection = connect(self._server)
            self._tables = _tables(self._connection, self.database)
        return self._connection


@contextmanager
def run_laptops(
    server: PrivateServer, databases: Sequence[str], stop: threading.Event, pause: float = 0.5
) -> Iterator[tuple[Laptop, ...]]:
    """Let a laptop work on each of these databases, with a pause in seconds after each change, until the block ends.

    Name a database twice for two laptops on it. `stop` ends the work earlier; leaving the block sets it. A laptop that
    loses the server, or its race, tries again until it finds it, as MeOS does.
    """
    laptops = tuple(
        Laptop(server, database, name=f"Laptop {number}", seed=number) for number, database in enumerate(databases, 1)
    )
    threads = [threading.Thread(target=_work, args=(laptop, stop, pause), daemon=True) for laptop in laptops]
    for thread in threads:
        thread.start()
    try:
        yield laptops
    finally:
        stop.set()
        for thread in threads:
            thread.join(_JOIN_LIMIT)


def delete_race(server: PrivateServer, name_id: str) -> None:
    """Delete a race as MeOS does: its database, then its row in the race list."""
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        database = spelled(name_id, _databases(connection)) or name_id
        cursor.execute(f"DROP DATABASE {quoted(database)}")
        cursor.execute(f"DELETE FROM {_tables(connection, 'MeOSMain')['oevent']} WHERE NameId = %s", (name_id,))


def open_lost_race(server: PrivateServer, name_id: str, *, like: str) -> None:
    """Open a listed race that has no database, and make the empty shell that MeOS makes: all tables, and no row.

    The tables are made like those of the race `like`.
    """
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE DATABASE {quoted(name_id)}")
        for pattern in _tables(connection, like).values():
            cursor.execute(f"CREATE TABLE {quoted(name_id)}.{pattern.rpartition('.')[2]} LIKE {pattern}")


def _work(laptop: Laptop, stop: threading.Event, pause: float) -> None:
    seen = -MONITOR_INTERVAL
    with closing(laptop):
        while not stop.is_set():
            try:
                if time.monotonic() - seen >= MONITOR_INTERVAL:
                    laptop.touch_monitor()
                    seen = time.monotonic()
                laptop.change()
            except (mysql.connector.Error, OSError, LookupError) as error:
                log.info("%s: %s", laptop.name, error)
                laptop.failures += 1
                laptop.close()
                stop.wait(_CONNECT_PAUSE)
            stop.wait(pause)


def _databases(connection: MySQLConnection) -> list[str]:
    with closing(connection.cursor()) as cursor:
        cursor.execute("SHOW DATABASES")
        rows: list[Any] = cursor.fetchall()
        return [str(row[0]) for row in rows]


def _tables(connection: MySQLConnection, database: str) -> dict[str, str]:
    """Return a database's tables: by name in lower case, quoted for SQL in the spelling of the server."""
    name = spelled(database, _databases(connection))
    if name is None:
        raise LookupError(f"{database} is not on the server")
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SHOW TABLES FROM {quoted(name)}")
        rows: list[Any] = cursor.fetchall()
        return {str(row[0]).lower(): f"{quoted(name)}.{quoted(str(row[0]))}" for row in rows}
