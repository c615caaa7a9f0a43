"""A batch restored into a private server, by the steps of RESTORE.txt, and compared with its dumps row by row."""

import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meosbackup.batch.model import Entry, StoredBatch, StoredFile
from meosbackup.dump import fingerprint, mysqldump
from meosbackup.dump.fingerprint import TableDigest
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings


@dataclass(frozen=True)
class RehearsedDatabase:
    """How a database was restored: its rows, the seconds that it took, and the tables that differ from the dump."""

    entry: Entry
    rows: int
    seconds: float
    differing: tuple[str, ...]


def rehearse(stored: StoredBatch, program: Program, stop: threading.Event) -> Iterator[RehearsedDatabase]:
    """Restore a batch into a new private server, compare each row, and yield each database when it is done.

    The race list and race tables come first, then reference tables; then everything is compared. Raises
    MeosBackupError if there is no server program, or it refuses a dump; StoppedError.
    """
    entries = [entry for entry in stored.batch.databases if entry.dump is not None]
    took: dict[str, float] = {}
    with private_server.private_server(
        lower_case_table_names=min(1, stored.batch.server.lower_case_table_names)
    ) as server:
        for entry in entries:
            took[entry.database] = _load(server, stored, entry.dump, stop)
        for entry in entries:
            took[entry.database] += _load(server, stored, entry.reference, stop)
        for entry in entries:
            began = time.monotonic()
            expected, found = stored_digests(stored, entry), database_digests(entry.database, server, program, stop)
            differing = fingerprint.differing_tables(expected, found)
            seconds = took[entry.database] + time.monotonic() - began
            yield RehearsedDatabase(entry, sum(table.rows for table in found.values()), seconds, differing)


def database_digests(
    database: str, server: PrivateServer, program: Program, stop: threading.Event
) -> dict[str, TableDigest]:
    """Return the digests of a private server's database, by a dump of all of it. Raises MeosBackupError."""
    settings = Settings(host=server.host, port=server.port, socket=server.socket, user=server.user)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mysqldump.logged_in(program, settings, folder) as dumper:
            mysqldump.dump(dumper, database, left_out=(), one_transaction=False, file="whole.sql", stop=stop)
        return fingerprint.table_digests(folder / "whole.sql")


def stored_digests(stored: StoredBatch, entry: Entry) -> dict[str, TableDigest]:
    """Return the digests of a database as a batch's files have it. Raises BadDumpError, OSError."""
    digests: dict[str, TableDigest] = {}
    for file in (entry.dump, entry.reference):
        digests |= fingerprint.table_digests(stored.path(file)) if file else {}
    return digests


def _load(server: PrivateServer, stored: StoredBatch, file: StoredFile | None, stop: threading.Event) -> float:
    """Load a file of a batch, if there is one; return the seconds that it took."""
    if stop.is_set():
        raise StoppedError
    began = time.monotonic()
    if file is None:
        return 0.0
    path = stored.path(file)
    try:
        private_server.load(server, path)
    except OSError as error:
        raise MeosBackupError(
            f"{path} can't be read ({error.strerror or error}).",
            "It is not proven that the batch restores.",
            "Rehearse another batch.",
        ) from error
    return time.monotonic() - began
