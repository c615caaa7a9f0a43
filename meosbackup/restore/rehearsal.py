"""A batch restored into a private server, as RESTORE.txt has it done, and compared with its dumps row by row."""

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
class Rehearsed:
    """How a database came back: its rows, the seconds it took, and the tables that are not as in the dump."""

    entry: Entry
    rows: int
    seconds: float
    differing: tuple[str, ...]


def rehearse(stored: StoredBatch, program: Program, stop: threading.Event) -> Iterator[Rehearsed]:
    """Restore a batch into a new private server, and compare each row; give each database when it is done.

    Race list and race tables come first, then reference tables, then everything is compared. Raises MeosBackupError
    where there is no server program, or a dump isn't taken in; StoppedError.
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
            wanted, found = meant(stored, entry), digests(entry.database, server, program, stop)
            seconds = took[entry.database] + time.monotonic() - began
            yield Rehearsed(entry, sum(table.rows for table in found.values()), seconds, differing(wanted, found))


def digests(database: str, server: PrivateServer, program: Program, stop: threading.Event) -> dict[str, TableDigest]:
    """Dump a database of a private server whole, and return the digest of each table's rows. Raises MeosBackupError."""
    settings = Settings(host=server.host, port=server.port, socket=server.socket, user=server.user)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mysqldump.logged_in(program, settings, folder) as runner:
            mysqldump.dump(runner, database, left_out=(), one_transaction=False, file="whole.sql", stop=stop)
        return fingerprint.table_digests(folder / "whole.sql")


def differing(one: dict[str, TableDigest], other: dict[str, TableDigest]) -> tuple[str, ...]:
    """Return the tables whose rows are not the same."""
    return tuple(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


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
            f"{path} can't be read ({error.strerror or error}).", "The batch is not proven.", "Rehearse another batch."
        ) from error
    return time.monotonic() - began


def meant(stored: StoredBatch, entry: Entry) -> dict[str, TableDigest]:
    """Return the digests of what the files of a batch hold of a database."""
    digests: dict[str, TableDigest] = {}
    for file in (entry.dump, entry.reference):
        digests |= fingerprint.table_digests(stored.path(file)) if file else {}
    return digests
