"""Every dump program, source, client program and destination: dumped by the tool, restored, compared row by row."""

import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from meosbackup.batch.model import StoredBatch
from meosbackup.dump import portable
from meosbackup.guide.restore_sql import COMMAND
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, connect, private_server
from tests.toolkit.day import Day
from tests.toolkit.runs import run_meosbackup, server_options, with_password
from tests.toolkit.servers import FILES, MEOS_PASSWORD, MEOS_USER, databases, make_pristine, query
from tests.tools.matrix import mixed
from tests.tools.matrix.installations import Installation

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Host:
    """A running server and the installation that it is of."""

    installation: Installation
    server: PrivateServer

    @property
    def name(self) -> str:
        return self.installation.name


@dataclass(frozen=True)
class Cell:
    """How one restore ended: empty where all rows are the same, or what was wrong."""

    entry: str
    source: str
    client: str
    destination: str
    fault: str


@contextmanager
def hosts(installations: Iterable[Installation], folder: Path, *, files: Mapping[str, Path]) -> Iterator[list[Host]]:
    """Run a server of each installation, with the databases of these files, and the user meos."""
    with ExitStack() as stack:
        found = []
        for installation in installations:
            server = stack.enter_context(
                private_server(folder, program=installation.server, options=installation.options)
            )
            make_pristine(server, files, {})
            found.append(Host(installation, server))
        yield found


def portable_files(folder: Path) -> dict[str, Path]:
    """Return the test data as the tool makes them: not every server's own client takes MariaDB's first line."""
    files = {name: folder / path.name for name, path in FILES.items()}
    for name, path in FILES.items():
        portable.make_portable(path, files[name])
    return files


def dumped(source: Host, entry: Installation, folder: Path) -> tuple[StoredBatch, Day]:
    """Back up a source with a dump program; return the batch, and the day that it is of."""
    folder.mkdir(parents=True)
    day = Day(folder, server=source.server)
    day.once("--mysqldump", entry.dump)
    [stored] = day.stored()
    assert stored.batch.complete
    return stored, day


def restored_by_hand(stored: StoredBatch, client: Installation, destination: Host) -> str:
    """Restore a batch to a destination by the one line of RESTORE.txt; return what was wrong."""
    server = destination.server
    options = shlex.split(COMMAND.removeprefix("mysql -u meos -p "))
    result = subprocess.run(
        [client.client, f"--host={server.host}", f"--port={server.port}", f"--user={MEOS_USER}",
         *_lenient(client), *options],
        cwd=stored.folder, env={**os.environ, "MYSQL_PWD": MEOS_PASSWORD}, capture_output=True, check=False,
    )  # fmt: skip
    return result.stderr.decode("utf-8", "replace").strip()[-300:] if result.returncode else ""


def restored_by_tool(day: Day, client: Installation, entry: Installation, destination: Host) -> str:
    """Have the tool restore a batch to a destination; return what was wrong."""
    result = run_meosbackup(
        "restore", "--target", day.target, "--spool", day.spool, "--log-file", day.log, "--yes", "--whole-list",
        *server_options(destination.server), "--mysql", client.client, "--mysqldump", entry.dump, env=with_password(),
    )  # fmt: skip
    return "" if result.returncode == 0 else (result.stdout + result.stderr)[-600:]


def difference(source: Mapping[str, Rows], destination: Host) -> str:
    """Return what a destination has that isn't as at the source."""
    found = everything(destination.server)
    wrong = [
        f"{database}.{table}"
        for database in source.keys() | found.keys()
        for table in source.get(database, {}).keys() | found.get(database, {}).keys()
        if source.get(database, {}).get(table, []) != found.get(database, {}).get(table, [])
    ]
    return f"differs in {', '.join(sorted(wrong))}" if wrong else ""


def everything(server: PrivateServer) -> dict[str, Rows]:
    """Return all rows of a server's databases, as the bytes that it sends, by table in lower case, sorted."""
    return {name.lower(): _rows(server, name) for name in databases(server)}


def empty(server: PrivateServer) -> None:
    """Take all databases off a server."""
    for name in databases(server):
        query(server, f"DROP DATABASE {quoted(name)}")


def _rows(server: PrivateServer, database: str) -> Rows:
    rows: Rows = {}
    with closing(connect(server, database)) as connection, closing(connection.cursor(raw=True)) as cursor:

        def fetched(statement: str) -> list[tuple[bytes | None, ...]]:
            cursor.execute(statement)
            found: list[Any] = cursor.fetchall()  # of bytes and None, which the connector doesn't declare
            return sorted((tuple(None if value is None else bytes(value) for value in row) for row in found), key=repr)

        cursor.execute("SET time_zone = '+00:00'")
        for (table,) in fetched("SHOW TABLES"):
            name = (table or b"").decode()
            rows[name.lower()] = fetched(f"SELECT * FROM {quoted(name)}")
    return rows


@cache
def _lenient(client: Installation) -> list[str]:
    """Return what a client needs to be content with the certificate that a new server makes for itself."""
    text = subprocess.run([client.client, "--no-defaults", "--help"], capture_output=True, check=True).stdout
    return ["--skip-ssl-verify-server-cert"] if b"--ssl-verify-server-cert" in text else []


def cells(
    installations: Sequence[Installation], folder: Path, *, tool_every: int = 1, names: Sequence[str] = tuple(FILES)
) -> Iterator[Cell]:
    """Go through all of it; every so many cells, the tool restores as well, on an empty server again.

    `names` are the databases of the test data that take part; INDIVIDUAL must be among them.
    """
    count = 0
    files = {name: path for name, path in portable_files(folder).items() if name in names}
    with (
        hosts(installations, folder, files=files) as sources,
        hosts(installations, folder, files={}) as targets,
    ):
        for source in sources:
            mixed.add(source.server)
            before = everything(source.server)
            assert set(before) == {*names, mixed.MIXED}
            for entry in installations:
                stored, day = dumped(source, entry, folder / f"{source.name}, {entry.name}".replace(" ", "_"))
                for client in installations:
                    for target in targets:
                        empty(target.server)
                        fault = restored_by_hand(stored, client, target) or difference(before, target)
                        count += 1
                        if not fault and count % tool_every == 0:
                            empty(target.server)
                            fault = restored_by_tool(day, client, entry, target) or difference(before, target)
                        yield Cell(entry.name, source.name, client.name, target.name, fault)
