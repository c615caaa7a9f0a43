"""What many tests need: the tool run as its users run it, and servers looked into."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from meosbackup.batch.model import Entry, StoredFile
from meosbackup.mysql.private_server import PrivateServer, connect, load
from meosbackup.mysql.sessions import quoted, spelled

DATA = Path(__file__).parents[1] / "data"
RACE_LIST = "meosmain"
INDIVIDUAL = "meos_20261122_211702_1e5"
RELAY = "meos_20261122_211713_94"
EMPTY = "meos_20261122_211720_196"
INNODB = "meos_20261122_211720_1cb"
BIG = "meos_20261122_220000_3e7"
FILES: Mapping[str, Path] = {
    RACE_LIST: DATA / "meosmain.sql",
    INDIVIDUAL: DATA / "individual.sql",
    RELAY: DATA / "relay.sql",
    EMPTY: DATA / "empty.sql",
    INNODB: DATA / "innodb.sql",
}
"""The databases of the fixture `server`, and where each comes from."""

MEOS_USER = "meos"
MEOS_PASSWORD = 'tält & "kyla"\\'

_SYSTEM_DATABASES = frozenset({"information_schema", "mysql", "performance_schema", "sys"})


def run_meosbackup(
    *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """Run the tool in a process of its own; of the environment's MEOSBACKUP_* it sees those in `env` alone."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEOSBACKUP_")}
    return subprocess.run(
        [sys.executable, "-m", "meosbackup", *map(str, arguments)],
        env={**environment, "PYTHONUTF8": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def server_options(server: PrivateServer) -> list[str]:
    """Return the options that lead the tool to a server, as the user meos."""
    return ["--host", server.host, "--port", str(server.port), "--user", MEOS_USER]


def with_password(password: str = MEOS_PASSWORD) -> dict[str, str]:
    """Return the environment that gives the tool a password."""
    return {"MEOSBACKUP_PASSWORD": password}


def query(server: PrivateServer, statement: str, *values: int | str) -> list[tuple[Any, ...]]:
    """Run a statement as root and return its rows."""
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall() if cursor.with_rows else []
        return [tuple(row) for row in rows]


def dump_file(entry: Entry) -> StoredFile:
    """Return the dump of an entry that must have one."""
    assert entry.dump is not None, f"{entry.database} has no dump"
    return entry.dump


def databases(server: PrivateServer) -> set[str]:
    """Return the databases of a server that somebody made, as it spells them."""
    return {str(name) for (name,) in query(server, "SHOW DATABASES")} - _SYSTEM_DATABASES


def contents(server: PrivateServer, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a database: by table in lower case, sorted, so that servers compare by content."""
    name = spelled(database, databases(server)) or database
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with closing(connect(server, name)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
        tables: list[Any] = cursor.fetchall()
        for table, _ in tables:
            cursor.execute(f"SELECT * FROM {quoted(table)}")
            found: list[Any] = cursor.fetchall()
            rows[table.lower()] = sorted(map(tuple, found), key=repr)
    return rows


def make_pristine(server: PrivateServer, files: Mapping[str, Path], loaded: dict[str, object]) -> None:
    """Give a server these databases, each from its file, no others, and the user meos with all rights.

    `loaded` keeps from one call to the next what each database was like when it was loaded.
    """
    server.start()
    for database in databases(server) - set(files):
        query(server, f"DROP DATABASE {quoted(database)}")
    for database, path in files.items():
        if loaded.get(database) != _fingerprint(server, database):
            query(server, f"DROP DATABASE IF EXISTS {quoted(database)}")
            load(server, path)
            loaded[database] = _fingerprint(server, database)
    for user, host in query(server, "SELECT User, Host FROM mysql.user"):
        if user != "root" and "." not in user:  # the server's own are called mariadb.sys, mysql.session and so on
            query(server, "DROP USER %s@%s", user, host)
    query(server, "CREATE USER %s@'%' IDENTIFIED BY %s", MEOS_USER, MEOS_PASSWORD)
    query(server, "GRANT ALL ON *.* TO %s@'%'", MEOS_USER)


def _fingerprint(server: PrivateServer, database: str) -> object:
    """Tell a database's tables and rows from any others, without reading the rows."""
    tables = query(
        server, "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION, CREATE_TIME FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME", database,
    )  # fmt: skip
    names = ", ".join(f"{quoted(database)}.{quoted(str(table[0]))}" for table in tables)
    return tables, query(server, f"CHECKSUM TABLE {names}") if names else []
