"""What a server has, replaced with a dump: all of it, or nothing."""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from meosbackup.batch.model import Entry, Race, StoredFile
from meosbackup.dump import client, fingerprint, mysqldump, permitted
from meosbackup.dump.client import UNTOUCHED, Client
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.dump.progress import STALLED_SECONDS
from meosbackup.errors import BadBatchError, MeosBackupError
from meosbackup.meos import race_status, relisting
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import is_system, quoted, spelled
from meosbackup.mysql.sessions import Session
from meosbackup.restore import foreign_keys, swap, temporary
from meosbackup.restore.swap import Swap
from meosbackup.settings.model import Settings
from meosbackup.system import files

_LOCK_SECONDS = 8
_SMALL = 1 << 20
"""Bytes of a dump of reference tables for which no race waits noticeably: they come back together."""

_SECTION_BEGINS = (b"DROP TABLE IF EXISTS ", b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE ")
"""With these begins what a dump says of a table, and its end."""


@dataclass(frozen=True)
class Step:
    """One dump to restore: the race list, the race tables of a race, or its reference tables."""

    number: int
    entry: Entry
    source: StoredFile
    is_reference: bool
    token: str = field(compare=False)

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

    `last_look` gets the database that is going to be replaced, just before that is done, and prevents it by what it
    raises. `stalled` is called for a step without progress.
    """

    client: Client
    dump_program: DumpProgram
    stop: threading.Event
    last_look: Callable[[Session, "Step", str], None]
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


def together(steps: Iterable[Step]) -> list[list[Step]]:
    """Return the steps in groups, each restored at once: a race goes with its reference tables if these are small."""
    groups: dict[tuple[str, bool], list[Step]] = {}
    for step in steps:
        is_large = step.is_reference and step.source.bytes > _SMALL
        groups.setdefault((step.entry.key, is_large), []).append(step)
    return [*groups.values()]


def restore_dumps(restorer: Restorer, paths: Mapping[Step, Path], advance: Callable[[int], None]) -> Restored:
    """Replace what the server has with a dump, or both dumps of a race, that were fetched to these paths.

    They go into a database of their own, are compared there with their files row by row, and then replace the old
    tables in one statement. Until then, nothing of MeOS is touched; if that statement fails, nothing is either.
    `advance` is called with the bytes of each piece that was fed.

    Raises MeosBackupError, StoppedError.
    """
    step = next(iter(paths))
    with _explained(restorer), sessions.session(restorer.client.settings) as session:
        session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        sound: Session | None = None
        try:
            left_out: list[str] = []
            client.feed(
                restorer.client, _pieces(paths, step.new, left_out, advance), restorer.stop,
                lambda: restorer.stalled(step),
            )  # fmt: skip
            rows = _compare(restorer, session, step, paths.values())
            left_out += foreign_keys.drop_those_out_of(session, step.new)
            left_out += _put_in_place(restorer, session, step, frozenset(one.is_reference for one in paths))
            sound = session
        finally:
            temporary.drop(restorer.client.settings, (step.new, step.old), sound)
    return Restored(rows, tuple(left_out))


def put_on_list(session: Session, race: Race, database: str) -> None:
    """Put a race that the server has on its race list, unless it is on it. Raises MeosBackupError."""
    table = spelled("oEvent", swap.tables(session, database))
    if table is not None:
        for statement in relisting.statements(race, database, table).split(relisting.MARK)[1:]:
            session.rows(statement.decode())


def _pieces(
    paths: Mapping[Step, Path], database: str, left_out: list[str], advance: Callable[[int], None]
) -> Iterator[bytes]:  # fmt: skip
    for step, path in paths.items():
        rest = step.source.bytes
        for piece in permitted.statements(client.redirected(path, database), database, left_out):
            yield piece
            advance(len(piece))
            rest -= len(piece)
        advance(rest)  # the lines that were left out


def _compare(restorer: Restorer, session: Session, step: Step, paths: Collection[Path]) -> int:
    """Compare each row of the database that was fed with its dumps; return how many there are."""
    program = restorer.dump_program
    copy = program.folder / f"{step.new}.sql"
    # If this takes so long, the server is likely to be frozen.
    told = threading.Timer(STALLED_SECONDS, restorer.stalled, (step,))
    told.start()
    try:
        mysqldump.dump(program, step.new, left_out=(), one_transaction=False, file=copy.name, stop=restorer.stop)
        if _sections(paths) != _sections([copy]):
            # Another dump program, server or spelling of names writes the same rows in other words.
            _compare_rows(paths, copy)
    except MeosBackupError as error:
        what = f"It is not certain that the server has the same rows as the dump. {error.what}"
        raise MeosBackupError(what, UNTOUCHED, error.do) from error
    finally:
        told.cancel()
        files.discard(copy)
    counts = (f"(SELECT COUNT(*) FROM {quoted(step.new)}.{quoted(table)})" for table in swap.tables(session, step.new))
    return int(session.rows(f"SELECT {' + '.join(counts)} AS n")[0]["n"])


def _sections(paths: Iterable[Path]) -> set[bytes]:
    """Return a digest of what dumps say of each table, and of how they begin and end; comments don't count."""
    sections = []
    for path in paths:
        sections.append(hashlib.sha256())
        for piece in client.redirected(path, "any"):
            if piece.begins and piece.data.startswith(_SECTION_BEGINS):
                sections.append(hashlib.sha256())
            if not piece.data.isspace():
                sections[-1].update(piece.data)
    return {section.digest() for section in sections}


def _compare_rows(paths: Iterable[Path], other: Path) -> None:
    differing = fingerprint.differing_tables(fingerprint.table_digests(*paths), fingerprint.table_digests(other))
    if differing:
        raise MeosBackupError(f"They differ in {', '.join(differing)}.", UNTOUCHED, "Restore on another server.")


def _put_in_place(restorer: Restorer, session: Session, step: Step, kinds: frozenset[bool]) -> list[str]:
    """Swap the tables, and put the race on the list; return what the server had and has no longer."""
    race = step.entry.race
    database = database_of(session, step.entry)
    # Nothing stands between this look and the swap, which takes a millisecond. They can't share a lock: MariaDB
    # renames nothing under LOCK TABLES (1192), and a lock of a second session leaves that millisecond, too.
    last_look = partial(restorer.last_look, session, step, database)
    lost = swap.run(session, Swap(database, step.new, step.old, kinds), last_look)
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


def refuse_if_open(session: Session, step: Step, database: str) -> None:
    """Refuse to replace a race that somebody has opened in MeOS since the plan was made. Raises MeosBackupError."""
    is_race = step.entry.race is not None and not step.is_reference
    clients = race_status.clients(session, database) if is_race else ()
    if clients:
        raise MeosBackupError(
            f"MeOS now has it open on {race_status.in_words(clients)}.", UNTOUCHED, race_status.HOW_TO_CLOSE
        )


def database_of(session: Session, entry: Entry) -> str:
    """Return the database that a dump belongs to, as this server and MeOS spell it."""
    if entry.race is None:
        return relisting.DATABASE
    if is_system(entry.race.name_id):
        raise BadBatchError(
            f"The batch has a race in the database {entry.race.name_id}, which is the server's own.",
            UNTOUCHED,
            "Choose another batch.",
        )
    if session.lower_case_table_names == 0:
        return entry.race.name_id
    return spelled(entry.race.name_id, sessions.databases(session)) or entry.race.name_id


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
