"""A batch restored into a private server, by the steps of RESTORE.txt, and compared with its dumps row by row."""

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from meosbackup.batch.model import Entry, StoredBatch, StoredFile
from meosbackup.dump import fingerprint, mysqldump, permitted, scanner
from meosbackup.dump.fingerprint import TableDigest
from meosbackup.errors import MeosBackupError, ProgramMissingError, StoppedError
from meosbackup.meos import relisting
from meosbackup.mysql import private_server, sealed_server
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.store import copying
from meosbackup.system import files


@dataclass(frozen=True)
class RehearsedDatabase:
    """How a database was restored: its rows, the seconds that it took, and the tables that differ from the dump.

    `left_out` names what the dumps have that isn't restored: `trigger t1`.
    """

    entry: Entry
    rows: int
    seconds: float
    differing: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def rehearse(stored: StoredBatch, program: Program, stop: threading.Event) -> Iterator[RehearsedDatabase]:
    """Restore a batch into a new private server, compare each row, and yield each database when it is done.

    The files are first copied to this computer, and each is compared with its SHA-256. The race list and race tables
    are restored first, then reference tables; then everything is compared. Raises MeosBackupError if a file isn't what
    was written, the server refuses a dump, or there is no server program; StoppedError.
    """
    entries = [entry for entry in stored.batch.databases if entry.dump is not None]
    took: dict[str, float] = {}
    left_out: dict[str, list[str]] = {entry.database: [] for entry in entries}
    with tempfile.TemporaryDirectory(prefix="meosbackup-", ignore_cleanup_errors=True) as name:
        copies = _fetch(stored, entries, Path(name), stop)
        with sealed_server.sealed_server(
            [relisting.DATABASE, *(entry.database for entry in entries)],
            lower_case_table_names=min(1, stored.batch.server.lower_case_table_names),
        ) as server:
            for entry in entries:
                took[entry.database] = _load(server, copies, entry, entry.dump, left_out[entry.database], stop)
            for entry in entries:
                took[entry.database] += _load(server, copies, entry, entry.reference, left_out[entry.database], stop)
            for entry in entries:
                began = time.monotonic()
                expected = _digests(copies[file] for file in (entry.dump, entry.reference) if file)
                found = database_digests(entry.database, server, program, stop)
                differing = fingerprint.differing_tables(expected, found)
                seconds = took[entry.database] + time.monotonic() - began
                yield RehearsedDatabase(
                    entry,
                    sum(table.rows for table in found.values()),
                    seconds,
                    differing,
                    tuple(left_out[entry.database]),
                )


def database_digests(
    database: str, server: PrivateServer, program: Program, stop: threading.Event
) -> dict[str, TableDigest]:
    """Return the digests of a private server's database, by a dump of all of it. Raises MeosBackupError."""
    settings = Settings(host=server.host, port=server.port, socket=server.socket, user=server.user)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with mysqldump.logged_in(program, settings, folder) as dumper:
            mysqldump.dump(dumper, database, left_out=(), one_transaction=False, file="whole.sql", stop=stop)
        return fingerprint.table_digests(folder / "whole.sql")


def stored_digests(stored: StoredBatch, entry: Entry) -> dict[str, TableDigest]:
    """Return the digests of a database as a batch's files have it. Raises BadDumpError, OSError."""
    return _digests(stored.path(file) for file in (entry.dump, entry.reference) if file)


def _digests(paths: Iterable[Path]) -> dict[str, TableDigest]:
    """Return the digests of the tables that dumps come to, loaded one after the other: a later one replaces tables."""
    digests: dict[str, TableDigest] = {}
    for path in paths:
        digests |= fingerprint.table_digests(path)
    return digests


def _fetch(
    stored: StoredBatch, entries: Iterable[Entry], folder: Path, stop: threading.Event
) -> dict[StoredFile, Path]:  # fmt: skip
    """Copy the dumps of these entries into a folder, and return where each is. Raises MeosBackupError, StoppedError."""
    copies: dict[StoredFile, Path] = {}
    for file in [file for entry in entries for file in (entry.dump, entry.reference) if file]:
        copies[file] = folder / f"{len(copies)}_{file.name}"
        try:
            is_good = copying.from_drive(stored.path(file), copies[file], file, stop, lambda _: None)
        except OSError as error:
            raise _unproven(f"{file.name} can't be read ({error.strerror or error}).") from error
        if not is_good:
            raise _unproven(f"{file.name} is damaged: its contents differ from what was written.")
    return copies


def _load(
    server: PrivateServer,
    copies: Mapping[StoredFile, Path],
    entry: Entry,
    file: StoredFile | None,
    left_out: list[str],
    stop: threading.Event,
) -> float:
    """Load a dump of an entry, if there is one; return the seconds that it took."""
    if stop.is_set():
        raise StoppedError
    began = time.monotonic()
    if file is None:
        return 0.0
    try:
        private_server.load(server, copies[file], _permitted(copies[file], entry, left_out))
    except ProgramMissingError:
        raise
    except MeosBackupError as error:
        raise _unproven(error.what) from error
    return time.monotonic() - began


def _permitted(path: Path, entry: Entry, left_out: list[str]) -> Iterator[bytes]:
    with files.open_regular(path) as dump:
        yield from permitted.statements(scanner.scan(dump), entry.database, left_out, with_race_list=True)


def _unproven(what: str) -> MeosBackupError:
    return MeosBackupError(
        what,
        "It is not proven that the batch restores.",
        "Rehearse another batch; `meosbackup verify` finds all damaged files.",
    )
