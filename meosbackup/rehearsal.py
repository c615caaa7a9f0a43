"""A batch restored into a private server, as RESTORE.txt has it done, and compared with its dumps row by row."""

import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meosbackup import fingerprint, mysqldump, sandbox
from meosbackup.batch import Dump, Stored
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.fingerprint import TableDigest
from meosbackup.programs import Program
from meosbackup.sandbox import PrivateServer
from meosbackup.settings import Settings


@dataclass(frozen=True)
class Rehearsed:
    """How a database came back: its rows, the seconds it took, and the tables that are not as in the dump."""

    dump: Dump
    rows: int
    seconds: float
    differing: tuple[str, ...]


def rehearse(stored: Stored, program: Program, stop: threading.Event) -> Iterator[Rehearsed]:
    """Restore a batch into a new private server, and compare each row; give each database when it is done.

    Race list and race tables come first, then reference tables, then everything is compared. Raises MeosBackupError
    where there is no server program, or a dump isn't taken in; StoppedError.
    """
    dumps = [dump for dump in stored.batch.databases if dump.file is not None]
    took: dict[str, float] = {}
    with sandbox.private_server(lower_case_table_names=min(1, stored.batch.server.lower_case_table_names)) as server:
        for dump in dumps:
            took[dump.database] = _load(server, stored.folder / str(dump.file), stop)
        for dump in dumps:
            if dump.reference is not None:
                took[dump.database] += _load(server, stored.folder / dump.reference.file, stop)
        for dump in dumps:
            began = time.monotonic()
            wanted, found = meant(stored, dump), digests(dump.database, server, program, stop)
            seconds = took[dump.database] + time.monotonic() - began
            yield Rehearsed(dump, sum(table.rows for table in found.values()), seconds, differing(wanted, found))


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


def _load(server: PrivateServer, path: Path, stop: threading.Event) -> float:
    if stop.is_set():
        raise StoppedError
    began = time.monotonic()
    try:
        sandbox.load(server, path)
    except OSError as error:
        raise MeosBackupError(
            f"{path} can't be read ({error.strerror or error}).", "The batch is not proven.", "Rehearse another batch."
        ) from error
    return time.monotonic() - began


def meant(stored: Stored, dump: Dump) -> dict[str, TableDigest]:
    """Return the digests of what the files of a batch hold of a database."""
    reference = fingerprint.table_digests(stored.folder / dump.reference.file) if dump.reference else {}
    return {**fingerprint.table_digests(stored.folder / str(dump.file)), **reference}
