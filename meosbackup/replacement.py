"""A dump put in the place of what a server has: whole, or not at all."""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from meosbackup import canonical, changes, client, copying, dumpfile, mysqldump, relisting
from meosbackup.batch import Dump, Race
from meosbackup.client import Client
from meosbackup.errors import BadBatchError, MeosBackupError
from meosbackup.mysqldump import DumpProgram
from meosbackup.server import Session, quoted, spelled

log = logging.getLogger(__name__)

NEW = "meosbackup_new"
"""The database that a dump is fed into, before its tables take the place of the old ones."""

OLD = "meosbackup_old"
"""The database that the old tables leave for, in the same statement."""

_LOCK_SECONDS = 8
_UNTOUCHED = "What is on the server is as it was."


@dataclass(frozen=True)
class Step:
    """One dump to bring back: the race list, the race tables of a race, or its reference tables."""

    dump: Dump
    file: str
    sha256: str
    is_reference: bool


@dataclass(frozen=True)
class Tools:
    """What restoring works with, all of it logged in to the server; `folder` is on the local disk, and takes copies."""

    session: Session
    client: Client
    dump_program: DumpProgram
    folder: Path
    stop: threading.Event


def steps(dumps: Sequence[Dump]) -> list[Step]:
    """Return what is brought back, in order: race tables first, so that timing can go on, then reference tables."""
    first = [Step(dump, dump.file, dump.sha256 or "", False) for dump in dumps if dump.file is not None]
    return first + [
        Step(dump, dump.reference.file, dump.reference.sha256, True)
        for dump in dumps
        if dump.file is not None and dump.reference is not None
    ]


def fetch(tools: Tools, batch_folder: Path, step: Step) -> Path:
    """Bring a step's file to the local disk, and see that it is what it was when it was made.

    Raises BadBatchError where it isn't, or can't be read; StoppedError.
    """
    target = tools.folder / step.sha256
    try:
        is_good = copying.fetch(batch_folder / step.file, target, step.sha256, tools.stop)
    except OSError as error:
        raise BadBatchError(
            f"{step.file} can't be read ({error.strerror or error}).", _UNTOUCHED, "Take another batch."
        ) from error
    if not is_good:
        raise BadBatchError(
            f"{step.file} is not what it was when it was made.", _UNTOUCHED, "Take another batch of that race."
        )
    return target


def take(tools: Tools, step: Step, path: Path) -> int:
    """Put what a fetched dump holds in the place of what the server has, and return its number of rows.

    The dump goes into a database of its own, is compared there with its file row by row, and then takes the place of
    the old tables in one statement. Until that one, nothing on the server is touched; where it fails, neither.

    Raises MeosBackupError, StoppedError.
    """
    try:
        clear_away(tools.session)
        fed = path.with_suffix(".fed")
        client.redirect(path, fed, NEW)
        client.feed(tools.client, fed, tools.stop)
        rows = _compared(tools, path, fed)
        # Ctrl-C strikes the main thread alone: it never comes between a race's tables and its row on the race list.
        with ThreadPoolExecutor(1) as other_thread:
            other_thread.submit(_put_in_place, tools.session, step).result()
    except MeosBackupError as error:
        number = getattr(error.__cause__, "errno", None)
        if number is None:
            raise
        raise client.failure(tools.client, str(error.__cause__), number) from error
    finally:
        _tidy_up(tools.session)
    return rows


def clear_away(session: Session) -> None:
    """Remove what restoring leaves behind, also that of a run that was killed. Raises MeosBackupError."""
    for name in (NEW, OLD):
        session.rows(f"DROP DATABASE IF EXISTS {quoted(name)}")


def put_on_list(session: Session, race: Race, database: str) -> None:
    """Put a race that the server has on its race list, unless it is there. Raises MeosBackupError."""
    table = spelled("oEvent", _tables(session, database))
    if table is not None:
        for statement in relisting.statements(race, database, table).split(relisting.MARK)[1:]:
            session.rows(statement.decode())


def _tidy_up(session: Session) -> None:
    """Remove what is left; where the server is gone, or was cut short by Ctrl-C, the next restore does it."""
    try:
        clear_away(session)
    except MeosBackupError:
        log.warning("%s and %s may be left on the server", NEW, OLD, exc_info=True)


def _put_in_place(session: Session, step: Step) -> None:
    database = _target(session, step.dump)
    _swap(session, database, is_reference=step.is_reference)
    if step.dump.race is None or step.is_reference:
        return
    try:
        put_on_list(session, step.dump.race, database)
    except MeosBackupError as error:
        raise MeosBackupError(
            f"The race list can't be changed. {error.what}",
            "The race is restored, and MeOS may not see it.",
            "Restore the race once more.",
        ) from error


def _compared(tools: Tools, path: Path, fed: Path) -> int:
    """Compare each row of the database that was fed with its dump; return how many there are."""
    name = "compared.sql"
    try:
        mysqldump.dump(tools.dump_program, NEW, left_out=(), one_transaction=False, file=name, stop=tools.stop)
        if not _is_same_text(fed, tools.folder / name):
            # Another dump program, server or spelling of names writes the same rows in other words.
            _compare_rows(path, tools.folder / name)
    except MeosBackupError as error:
        what = f"What the server made of the dump is not known to be the same. {error.what}"
        raise MeosBackupError(what, _UNTOUCHED, "Try again; the log file tells more.") from error
    counts = (f"(SELECT COUNT(*) FROM {quoted(NEW)}.{quoted(table)})" for table in _tables(tools.session, NEW))
    return int(tools.session.rows(f"SELECT {' + '.join(counts)} AS n")[0]["n"])


def _compare_rows(path: Path, other: Path) -> None:
    meant, found = dumpfile.table_digests(path), dumpfile.table_digests(other)
    differing = sorted(name for name in meant.keys() | found.keys() if meant.get(name) != found.get(name))
    if differing:
        raise MeosBackupError(f"They differ in {', '.join(differing)}.", _UNTOUCHED, "Restore on another server.")


def _is_same_text(dump: Path, other: Path) -> bool:
    """Tell whether two dumps hold the same statements; comments, which tell of the server, play no part."""
    with dump.open("rb") as one, other.open("rb") as two:
        return all(line == same for line, same in zip_longest(_statements(one), _statements(two)))


def _statements(dump: BinaryIO) -> Iterator[bytes]:
    return (line for line in dump if not line.startswith((b"--", b"/*M!999999", b"/*!999999")))


def _target(session: Session, dump: Dump) -> str:
    """Return the database that a dump belongs to, as this server and MeOS spell it."""
    if dump.race is None:
        return canonical.RACE_LIST
    names = [str(next(iter(row.values()))) for row in session.rows("SHOW DATABASES")]
    tells_case_apart = session.rows("SELECT @@lower_case_table_names AS l")[0]["l"] == 0
    return dump.race.name_id if tells_case_apart else spelled(dump.race.name_id, names) or dump.race.name_id


def _swap(session: Session, database: str, *, is_reference: bool) -> None:
    """Put the tables that were fed in the place of those of the same kind, in one statement (RENAME TABLE)."""
    settings = session.rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS characters, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (NEW,),
    )[0]  # fmt: skip
    choice = f"CHARACTER SET {settings['characters']} COLLATE {settings['collation']}"
    session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(database)} {choice}")
    session.rows(f"CREATE DATABASE {quoted(OLD)} {choice}")
    session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
    old = [name for name in _tables(session, database) if changes.is_reference(name) == is_reference]
    moves = [(database, name, OLD, name) for name in old]
    moves += [(NEW, name, database, canonical.table(name)) for name in _tables(session, NEW)]
    session.rows("RENAME TABLE " + ", ".join(
        f"{quoted(there)}.{quoted(name)} TO {quoted(here)}.{quoted(new)}" for there, name, here, new in moves
    ))  # fmt: skip


def _tables(session: Session, database: str) -> list[str]:
    return [str(row["table_name"]) for row in session.rows(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW'"
        " ORDER BY TABLE_NAME", (database,),
    )]  # fmt: skip
