"""A dump put in the place of what a server has: whole, or not at all."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from meosbackup.batch.model import Entry, Race, StoredFile
from meosbackup.dump import client, fingerprint, mysqldump
from meosbackup.dump.client import UNTOUCHED, Client
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.errors import MeosBackupError, ServerUnreachableError
from meosbackup.meos import changes, race_status, relisting
from meosbackup.mysql import sessions
from meosbackup.mysql.sessions import Session, quoted, spelled
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

_OURS = re.compile(r"meosbackup_(new|old)(_\d+)?")
_LOCK_SECONDS = 8


@dataclass(frozen=True)
class Step:
    """One dump to bring back: the race list, the race tables of a race, or its reference tables."""

    number: int
    entry: Entry
    source: StoredFile
    is_reference: bool

    @property
    def name(self) -> str:
        """What a person knows it by."""
        race = self.entry.race.display_name if self.entry.race else "race list"
        return race + (", reference tables" if self.is_reference else "")

    def waits_for(self, other: "Step") -> bool:
        """Whether another one must be in place before: the race's own tables, or the race list, all rows of it."""
        if self.is_reference:
            return other.entry == self.entry and not other.is_reference
        return other.entry.race is None

    @property
    def new(self) -> str:
        """The database that the dump is fed into, before its tables take the place of the old ones."""
        return f"meosbackup_new_{self.number}"

    @property
    def old(self) -> str:
        """The database that the old tables leave for, in the same statement."""
        return f"meosbackup_old_{self.number}"


@dataclass(frozen=True)
class Tools:
    """What restoring works with, all of it logged in to the server; `folder` is on the local disk, and takes copies.

    `is_forced` has races replaced that MeOS has open.
    """

    settings: Settings
    client: Client
    dump_program: DumpProgram
    folder: Path
    stop: threading.Event
    is_forced: bool
    at_the_list: threading.Lock = field(default_factory=threading.Lock)
    """Held by one race at a time, since each looks for a free Id on the race list."""


def steps(dumps: Sequence[Entry]) -> list[Step]:
    """Return what is brought back, in order: race tables first, so that timing can go on, then reference tables."""
    first = [(entry, entry.dump, False) for entry in dumps if entry.dump]
    references = [(entry, entry.reference, True) for entry in dumps if entry.dump and entry.reference]
    return [Step(number, *work) for number, work in enumerate([*first, *references], 1)]


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """See that no other restore works on this server, and remove what one that was killed has left on it.

    Raises MeosBackupError.
    """
    if session.rows("SELECT GET_LOCK('meosbackup restore', 5) AS got")[0]["got"] != 1:
        raise MeosBackupError(
            "Another restore works on this server.", "Nothing was restored.", "Wait until it is over, and try again."
        )
    for name in sessions.databases(session):
        if _OURS.fullmatch(name):
            session.rows(f"DROP DATABASE IF EXISTS {quoted(name)}")
    yield  # the server frees the lock where the session ends, in whatever way


def take(tools: Tools, step: Step, path: Path, advance: Callable[[int], None]) -> int:
    """Put what a fetched dump holds in the place of what the server has, and return its number of rows.

    The dump goes into a database of its own, is compared there with its file row by row, and then takes the place of
    the old tables in one statement. Until that one, nothing on the server is touched; where it fails, neither.
    `advance` is told of each piece that was fed, in bytes.

    Raises MeosBackupError, StoppedError.
    """
    with _told_by(tools), sessions.session(tools.settings) as session:
        session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        try:
            client.feed(
                tools.client, _counted(client.redirected(path, step.new), step.source.bytes, advance), tools.stop
            )
            rows = _compared(tools, session, step, path)
            _put_in_place(tools, session, step)
        finally:
            _tidy_up(session, step)
    return rows


def put_on_list(session: Session, race: Race, database: str) -> None:
    """Put a race that the server has on its race list, unless it is there. Raises MeosBackupError."""
    table = spelled("oEvent", _tables(session, database))
    if table is not None:
        for statement in relisting.statements(race, database, table).split(relisting.MARK)[1:]:
            session.rows(statement.decode())


def _counted(pieces: Iterator[bytes], total: int, advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        advance(len(piece))
        total -= len(piece)
    advance(total)  # the lines that are left out


def _tidy_up(session: Session, step: Step) -> None:
    """Remove what is left; where the server is gone, the next restore does it."""
    try:
        for name in (step.new, step.old):
            session.rows(f"DROP DATABASE IF EXISTS {quoted(name)}")
    except MeosBackupError:
        log.warning("%s and %s may be left on the server", step.new, step.old, exc_info=True)


@contextmanager
def _told_by(tools: Tools) -> Iterator[None]:
    """Tell why the server refused what restoring does; the races on it are as they were."""
    try:
        yield
    except MeosBackupError as error:
        number = getattr(error.__cause__, "errno", None)
        if number is None:
            raise
        raise client.failure(tools.client, str(error.__cause__), number) from error


def _compared(tools: Tools, session: Session, step: Step, path: Path) -> int:
    """Compare each row of the database that was fed with its dump; return how many there are."""
    name = f"{step.new}.sql"
    try:
        mysqldump.dump(tools.dump_program, step.new, left_out=(), one_transaction=False, file=name, stop=tools.stop)
        if not _is_same_text(path, tools.folder / name):
            # Another dump program, server or spelling of names writes the same rows in other words.
            _compare_rows(path, tools.folder / name)
    except MeosBackupError as error:
        what = f"What the server made of the dump is not known to be the same. {error.what}"
        raise MeosBackupError(what, UNTOUCHED, error.do) from error
    finally:
        (tools.folder / name).unlink(missing_ok=True)
    counts = (f"(SELECT COUNT(*) FROM {quoted(step.new)}.{quoted(table)})" for table in _tables(session, step.new))
    return int(session.rows(f"SELECT {' + '.join(counts)} AS n")[0]["n"])


def _compare_rows(path: Path, other: Path) -> None:
    meant, found = fingerprint.table_digests(path), fingerprint.table_digests(other)
    differing = sorted(name for name in meant.keys() | found.keys() if meant.get(name) != found.get(name))
    if differing:
        raise MeosBackupError(f"They differ in {', '.join(differing)}.", UNTOUCHED, "Restore on another server.")


def _is_same_text(entry: Path, other: Path) -> bool:
    """Return whether two dumps hold the same statements; comments, which describe the server, don't count."""
    one, another = (client.redirected(path, "any", with_comments=False) for path in (entry, other))
    return all(piece == same for piece, same in zip_longest(one, another))


def _put_in_place(tools: Tools, session: Session, step: Step) -> None:
    race = step.entry.race
    database = _target(session, step.entry)
    if race is not None and not step.is_reference and not tools.is_forced:
        _refuse_if_open(session, database)
    _exchange(session, _prepared(session, database, step))
    if race is None or step.is_reference:
        return
    try:
        with tools.at_the_list:
            put_on_list(session, race, database)
    except MeosBackupError as error:
        raise MeosBackupError(
            f"The race list can't be changed. {error.what}",
            "The race is restored, and MeOS may not see it.",
            "Restore the race once more.",
        ) from error


def _refuse_if_open(session: Session, database: str) -> None:
    """Refuse to replace a race that somebody opened in MeOS since it was looked for."""
    clients = race_status.clients(session, database)
    if clients:
        raise MeosBackupError(
            f"MeOS has it open by now, on {race_status.in_words(clients)}.", UNTOUCHED, race_status.HOW_TO_CLOSE
        )


def _target(session: Session, entry: Entry) -> str:
    """Return the database that a dump belongs to, as this server and MeOS spell it."""
    if entry.race is None:
        return relisting.DATABASE
    tells_case_apart = session.rows("SELECT @@lower_case_table_names AS l")[0]["l"] == 0
    if tells_case_apart:
        return entry.race.name_id
    return spelled(entry.race.name_id, sessions.databases(session)) or entry.race.name_id


def _prepared(session: Session, database: str, step: Step) -> str:
    """Return the statement that puts the tables that were fed in the place of those of the same kind.

    The databases that it needs are made before.
    """
    settings = session.rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS characters, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (step.new,),
    )[0]  # fmt: skip
    choice = f"CHARACTER SET {settings['characters']} COLLATE {settings['collation']}"
    if database not in sessions.databases(session):
        session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(database)} {choice}")
    old = [name for name in _tables(session, database) if changes.is_reference(name) == step.is_reference]
    if old:
        session.rows(f"CREATE DATABASE {quoted(step.old)} {choice}")
    moves = [(database, name, step.old, name) for name in old]
    moves += [(step.new, name, database, relisting.canonical_table(name)) for name in _tables(session, step.new)]
    return "RENAME TABLE " + ", ".join(
        f"{quoted(there)}.{quoted(name)} TO {quoted(here)}.{quoted(new)}" for there, name, here, new in moves
    )


def _exchange(session: Session, swap: str) -> None:
    """Have the tables change places, in one statement. Only where the server is lost amid it, nobody knows how far."""
    try:
        session.rows(swap)
    except ServerUnreachableError as error:
        raise MeosBackupError(
            f"The server was lost at the very moment when the tables changed places. {error.what}",
            "This race may be restored, or as it was; what the server had of it was saved before.",
            "Start the server, and restore this race once more.",
        ) from error


def _tables(session: Session, database: str) -> list[str]:
    return [str(row["table_name"]) for row in session.rows(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW'"
        " ORDER BY TABLE_NAME", (database,),
    )]  # fmt: skip
