"""What many tests need: the tool run as its users run it, and servers looked into."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.private_server import PrivateServer, connect, load

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


def query(server: PrivateServer, statement: str, *values: int | str) -> list[tuple[Any, ...]]:
    """Run a statement as root and return its rows."""
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall() if cursor.with_rows else []
        return [tuple(row) for row in rows]


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


def enter_runner(server: PrivateServer, database: str, name: str = "Zoë O'Brien") -> None:
    """Enter a runner, without a word to MeOS's counters."""
    query(server, f"INSERT INTO {database}.orunner (Name, InputResult, Annotation) VALUES (%s, '', '')", name)


def list_race(server: PrivateServer, name: str, name_id: str, *, date: str = "", removed: int = 0) -> None:
    """Put a row on the race list."""
    query(
        server, "INSERT INTO meosmain.oevent (Name, Date, NameId, Removed) VALUES (%s, %s, %s, %s)",
        name, date, name_id, removed,
    )  # fmt: skip


def counts(server: PrivateServer, database: str) -> tuple[int, int, int, int]:
    """Return a race's entries, finished, cards and punches, as the server tells them."""

    def one(table: str, condition: str = "") -> int:
        [(number,)] = query(server, f"SELECT COUNT(*) FROM {database}.{table} WHERE Removed = 0{condition}")
        return int(number)

    return one("orunner"), one("orunner", " AND FinishTime > 0"), one("ocard"), one("opunch")


def last_change(server: PrivateServer, database: str) -> Any:
    """Return when a race's data last changed, as the server tells it: UTC, without a zone."""
    tables = ("oevent", "orunner", "oteam", "oclass", "oclub", "ocourse", "ocontrol", "ocard", "opunch")
    every = " UNION ALL ".join(f"SELECT CONVERT_TZ(Modified, @@time_zone, '+00:00') AS m FROM {database}.{table}"
                               for table in tables)  # fmt: skip
    [(newest,)] = query(server, f"SELECT MAX(m) FROM ({every}) AS every_table")
    return newest


def fill_reference_tables(server: PrivateServer, database: str, rows: int) -> None:
    """Put a national federation's runners into a race's list of runners: 90 bytes a row in a dump."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS digit" for digit in range(10))
    places = [10**power for power in range(len(str(rows - 1)))]
    number = " + ".join(f"{place} * d{place}.digit" for place in places)
    tables = " CROSS JOIN ".join(f"({digits}) AS d{place}" for place in places)
    query(
        server, f"INSERT INTO {quoted(database)}.dbrunner (Name, CardNo, Club, Nation, Sex, BirthYear, ExtId)"
        f" SELECT CONCAT('Löpare Förnamns-Namnson ', n), n, n MOD 1000, 'SWE', 'F', 1950 + n MOD 60, n"
        f" FROM (SELECT {number} AS n FROM {tables}) AS numbers WHERE n < %s", rows,
    )  # fmt: skip


def rows_of(server: PrivateServer, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a database; MeOS makes tables that are missing, so that empty ones say nothing."""
    return {table: rows for table, rows in contents(server, database).items() if rows}


def everything(server: PrivateServer) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    return {name.lower(): rows_of(server, name) for name in databases(server)}


@contextmanager
def damaged(server: PrivateServer, database: str, file: str, at: int) -> Iterator[None]:
    """Overwrite bytes of a table's file."""
    path = server.folder / "data" / database / file
    query(server, "FLUSH TABLES")
    before = path.read_bytes()
    path.write_bytes(before[:at] + b"\xff" * 20 + before[at + 20 :])
    try:
        yield
    finally:
        query(server, f"DROP DATABASE {quoted(database)}")  # the next test finds a new one
        assert not path.exists()


@contextmanager
def having(server: PrivateServer, **settings: str | int) -> Iterator[None]:
    """Change settings of a server for a while."""
    before = {name: query(server, f"SELECT @@GLOBAL.{name}")[0][0] for name in settings}
    try:
        for name, value in settings.items():
            query(server, f"SET GLOBAL {name} = %s", value)
        yield
    finally:
        for name, value in before.items():
            query(server, f"SET GLOBAL {name} = %s", value)


@contextmanager
def statements(server: PrivateServer, user: str) -> Iterator[list[str]]:
    """Give a list that has, after the block, the statements that a user ran meanwhile, as the server's log tells."""
    found: list[str] = []
    with having(server, log_output="TABLE", general_log="ON"):
        query(server, "TRUNCATE TABLE mysql.general_log")
        yield found
        found += [text for (text,) in query(
            server, "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log"
            " WHERE command_type = 'Query' AND user_host LIKE %s ORDER BY event_time", f"{user}[%",
        )]  # fmt: skip
