"""What a server has, replaced with a dump: all of it, or nothing."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from meosbackup.batch.model import Entry, Race, StoredFile
from meosbackup.dump import client, fingerprint, mysqldump, permitted
from meosbackup.dump.client import UNTOUCHED, Client
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.dump.progress import STALLED_SECONDS
from meosbackup.errors import BadBatchError, MeosBackupError, ServerUnreachableError
from meosbackup.meos import changes, other_objects, race_status, relisting
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import is_system, quoted, spelled
from meosbackup.mysql.sessions import Session
from meosbackup.restore import foreign_keys, temporary
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

_LOCK_SECONDS = 8
_FILE_MISSING = frozenset({7, 1017})
_TRIGGER_IN_WAY = 1435

_Move: TypeAlias = tuple[str, str, str, str]
"""A table's database and name, and those that it gets."""


@dataclass(frozen=True)
class Step:
    """One dump to restore: the race list, the race tables of a race, or its reference tables."""

    number: int
    entry: Entry
    source: StoredFile
    is_reference: bool
    token: str

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.entry.display_name + (", reference tables" if self.is_reference else "")

    def waits_for(self, other: "Step") -> bool:
        """Whether the other step must be done first: the race's own tables, or the whole race list."""
        if self.is_reference:
            return other.entry == self.entry and not other.is_reference
        return other.entry.race is None

    @property
    def new(self) -> str:
        """The database that the dump is fed into, before its tables replace the old ones."""
        return temporary.name("new", self.token, self.number)

    @property
    def old(self) -> str:
        """The database that the old tables are moved to, in the same statement."""
        return temporary.name("old", self.token, self.number)


@dataclass(frozen=True)
class Restored:
    """What came of a step: the number of rows, and what of the dump or of the server wasn't kept: `trigger t1`."""

    rows: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Restorer:
    """What restoring a dump needs: the client and the dump program, both logged in, and what stops it.

    With `is_forced`, even races that MeOS has open are replaced. `stalled` is called for a step without progress.
    """

    client: Client
    dump_program: DumpProgram
    stop: threading.Event
    is_forced: bool
    stalled: Callable[["Step"], None]
    list_lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by one race at a time, since each looks for a free Id on the race list."""


def steps(entries: Sequence[Entry]) -> list[Step]:
    """Return what is restored, in order: race tables first, so that timing can continue, then reference tables."""
    first = [(entry, entry.dump, False) for entry in entries if entry.dump]
    references = [(entry, entry.reference, True) for entry in entries if entry.dump and entry.reference]
    token = temporary.token()
    return [Step(number, *work, token) for number, work in enumerate([*first, *references], 1)]


@contextmanager
def only_restore(session: Session, settings: Settings) -> Iterator[None]:
    """Keep other restores off this server, and remove what one that was killed has left on it.

    Raises MeosBackupError.
    """
    if session.rows("SELECT GET_LOCK('meosbackup restore', 5) AS got")[0]["got"] != 1:
        raise MeosBackupError(
            "Another restore is still running on this server.",
            "Nothing was restored.",
            "Wait until it has ended, and try again.",
        )
    temporary.remove_leftovers(session, settings)
    yield  # the server releases the lock when the session ends, however it ends


def restore_dump(restorer: Restorer, step: Step, path: Path, advance: Callable[[int], None]) -> Restored:
    """Replace what the server has with a dump that was fetched to `path`.

    The dump goes into a database of its own, is compared there with its file row by row, and then replaces the old
    tables in one statement. Until then, nothing of MeOS is touched; if that statement fails, nothing is either.
    `advance` is called with the bytes of each piece that was fed.

    Raises MeosBackupError, StoppedError.
    """
    with _explained(restorer), sessions.session(restorer.client.settings) as session:
        session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        try:
            left_out: list[str] = []
            permitted_ones = permitted.statements(client.redirected(path, step.new), step.new, left_out)
            pieces = _counted(permitted_ones, step.source.bytes, advance)
            client.feed(restorer.client, pieces, restorer.stop, lambda: restorer.stalled(step))
            rows = _compare(restorer, session, step, path)
            left_out += foreign_keys.drop_those_out_of(session, step.new)
            left_out += _put_in_place(restorer, session, step)
        finally:
            temporary.drop(restorer.client.settings, (step.new, step.old))
    return Restored(rows, tuple(left_out))


def put_on_list(session: Session, race: Race, database: str) -> None:
    """Put a race that the server has on its race list, unless it is on it. Raises MeosBackupError."""
    table = spelled("oEvent", _tables(session, database))
    if table is not None:
        for statement in relisting.statements(race, database, table).split(relisting.MARK)[1:]:
            session.rows(statement.decode())


def _counted(pieces: Iterator[bytes], total: int, advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        advance(len(piece))
        total -= len(piece)
    advance(total)  # the lines that were left out


def _compare(restorer: Restorer, session: Session, step: Step, path: Path) -> int:
    """Compare each row of the database that was fed with its dump; return how many there are."""
    program = restorer.dump_program
    copy = program.folder / f"{step.new}.sql"
    # If this takes so long, the server is likely to be frozen.
    told = threading.Timer(STALLED_SECONDS, restorer.stalled, (step,))
    told.start()
    try:
        mysqldump.dump(program, step.new, left_out=(), one_transaction=False, file=copy.name, stop=restorer.stop)
        if not _is_same_text(path, copy):
            # Another dump program, server or spelling of names writes the same rows in other words.
            _compare_rows(path, copy)
    except MeosBackupError as error:
        what = f"It is not certain that the server has the same rows as the dump. {error.what}"
        raise MeosBackupError(what, UNTOUCHED, error.do) from error
    finally:
        told.cancel()
        copy.unlink(missing_ok=True)
    counts = (f"(SELECT COUNT(*) FROM {quoted(step.new)}.{quoted(table)})" for table in _tables(session, step.new))
    return int(session.rows(f"SELECT {' + '.join(counts)} AS n")[0]["n"])


def _is_same_text(path: Path, other: Path) -> bool:
    """Return whether two dumps hold the same statements; comments, which describe the server, don't count."""
    one, another = (client.redirected(dump, "any") for dump in (path, other))
    return all(piece == same for piece, same in zip_longest(one, another))


def _compare_rows(path: Path, other: Path) -> None:
    differing = fingerprint.differing_tables(fingerprint.table_digests(path), fingerprint.table_digests(other))
    if differing:
        raise MeosBackupError(f"They differ in {', '.join(differing)}.", UNTOUCHED, "Restore on another server.")


def _put_in_place(restorer: Restorer, session: Session, step: Step) -> list[str]:
    """Swap the tables, and put the race on the list; return what the server had and has no longer."""
    race = step.entry.race
    database = _database_of(session, step.entry)
    old = _old_tables(session, database, step)
    foreign_keys.refuse_those_into(session, database, old)
    moves = _moves(session, database, step, old)
    if race is not None and not step.is_reference and not restorer.is_forced:
        # Nothing stands between this look and the swap, which takes a millisecond. They can't share a lock: MariaDB
        # renames nothing under LOCK TABLES (1192), and a lock of a second session leaves that millisecond, too.
        _refuse_if_open(session, database)
    try:
        lost = _swap(session, database, step, moves)
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) not in _FILE_MISSING:
            raise
        _drop_lost_tables(session, database)
        still_there = _old_tables(session, database, step)
        lost = _swap(session, database, step, _moves(session, database, step, still_there))
    if race is None or step.is_reference:
        return lost
    try:
        with restorer.list_lock:
            put_on_list(session, race, database)
    except MeosBackupError as error:
        raise MeosBackupError(
            f"The race list can't be changed. {error.what}",
            "The race is restored, but MeOS may not see it.",
            "Restore the race again.",
        ) from error
    return lost


def _refuse_if_open(session: Session, database: str) -> None:
    """Refuse to replace a race that somebody has opened in MeOS since the plan was made."""
    clients = race_status.clients(session, database)
    if clients:
        raise MeosBackupError(
            f"MeOS now has it open on {race_status.in_words(clients)}.", UNTOUCHED, race_status.HOW_TO_CLOSE
        )


def _database_of(session: Session, entry: Entry) -> str:
    """Return the database that a dump belongs to, as this server and MeOS spell it."""
    if entry.race is None:
        return relisting.DATABASE
    if is_system(entry.race.name_id):
        raise BadBatchError(
            f"The batch has a race in the database {entry.race.name_id}, which is the server's own.",
            UNTOUCHED,
            "Choose another batch.",
        )
    is_case_sensitive = session.rows("SELECT @@lower_case_table_names AS l")[0]["l"] == 0
    if is_case_sensitive:
        return entry.race.name_id
    return spelled(entry.race.name_id, sessions.databases(session)) or entry.race.name_id


def _old_tables(session: Session, database: str, step: Step) -> list[str]:
    """Return the tables that are replaced: race tables, or reference tables."""
    return [name for name in _tables(session, database) if changes.is_reference(name) == step.is_reference]


def _moves(session: Session, database: str, step: Step, old: Sequence[str]) -> list[_Move]:
    """Create the databases that are needed; return what replaces the old tables with those that were fed."""
    defaults = session.rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS characters, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (step.new,),
    )[0]  # fmt: skip
    charset = f"CHARACTER SET {defaults['characters']} COLLATE {defaults['collation']}"
    if database not in sessions.databases(session):
        session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(database)} {charset}")
    if old:
        session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(step.old)} {charset}")
    moves = [(database, name, step.old, name) for name in old]
    moves += [(step.new, name, database, relisting.canonical_table(name)) for name in _tables(session, step.new)]
    return moves


def _swap(session: Session, database: str, step: Step, moves: Sequence[_Move]) -> list[str]:
    """Replace the tables, in one statement; return what is gone with the old ones.

    No table with a trigger moves to another database (1435, and nothing is moved): then the old tables get other names
    where they are, and are dropped with their triggers once the new ones are there. If the server is lost in the middle
    of it, the outcome is unknown.
    """
    try:
        try:
            session.rows(_rename(moves))
        except MeosBackupError as error:
            if getattr(error.__cause__, "errno", None) != _TRIGGER_IN_WAY:
                raise
            old = [(*move[:2], database, f"{step.old}-{n}") for n, move in enumerate(moves) if move[2] == step.old]
            session.rows(_rename([*old, *(move for move in moves if move[2] != step.old)]))
            _drop_with_triggers(session, old)
            return ["the server's triggers"]
    except ServerUnreachableError as error:
        raise MeosBackupError(
            f"The connection to the server was lost while the tables were being replaced. {error.what}",
            "This race may be restored, or unchanged; what the server had of it was saved first.",
            "Start the server, and restore this race again.",
        ) from error
    return []


def _drop_with_triggers(session: Session, moved: Iterable[_Move]) -> None:
    tables = ", ".join(f"{quoted(database)}.{quoted(name)}" for _, _, database, name in moved)
    try:
        session.rows(f"DROP TABLE {tables}")
    except MeosBackupError:  # the new ones are there
        log.warning("old tables are left in the race's database: %s", tables, exc_info=True)


def _rename(moves: Iterable[_Move]) -> str:
    return "RENAME TABLE " + ", ".join(
        f"{quoted(source)}.{quoted(name)} TO {quoted(goal)}.{quoted(new)}" for source, name, goal, new in moves
    )


def _drop_lost_tables(session: Session, database: str) -> None:
    """Drop tables that have lost their files. They can't be read or moved away, and nothing of them is left.

    MySQL leaves such tables if it is killed while MyISAM tables change places: only of InnoDB's all move, or none.
    """
    for table in _tables(session, database):
        try:
            session.rows(f"SELECT 1 FROM {quoted(database)}.{quoted(table)} LIMIT 1")
        except MeosBackupError as error:
            if getattr(error.__cause__, "errno", None) in _FILE_MISSING:
                session.rows(f"DROP TABLE IF EXISTS {quoted(database)}.{quoted(table)}")


@contextmanager
def _explained(restorer: Restorer) -> Iterator[None]:
    """Raise a server's error as one that explains it to a person who restores."""
    try:
        yield
    except MeosBackupError as error:
        number = getattr(error.__cause__, "errno", None)
        if number is None or isinstance(error.__cause__, OSError):
            raise
        raise client.failure(restorer.client, str(error.__cause__), number) from error
    except OSError as error:
        raise MeosBackupError(
            f"A file of the spool can't be read ({error.strerror or error}).",
            UNTOUCHED,
            "Check this computer's disk, and run the command again.",
        ) from error


def _tables(session: Session, database: str) -> list[str]:
    return [str(row["table_name"]) for row in session.rows(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "
        f" AND TABLE_TYPE NOT IN {other_objects.NOT_TABLES} ORDER BY TABLE_NAME", (database,),
    )]  # fmt: skip
