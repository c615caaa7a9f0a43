"""What measurements play on: a server with so many races of such a size, laptops at work, drives slow and fast."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, load, private_server
from tests.toolkit.servers import BIG, DATA, MEOS_PASSWORD, MEOS_USER, RACE_LIST, fill_reference_tables, query

REGISTER = 200_000
"""Runners in a national register."""

_RUNNERS_OF_BIG = 1_500


@contextmanager
def races(
    count: int, *, runners: int = _RUNNERS_OF_BIG, register: int = 0
) -> Iterator[tuple[PrivateServer, list[str]]]:
    """Run a server with so many MyISAM races, each of so many runners, and with so many in its register."""
    text = (DATA / "big.sql").read_text("utf-8")
    with private_server() as server, tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder:
        load(server, DATA / "meosmain.sql")
        query(server, f"DELETE FROM {RACE_LIST}.oevent")
        names = [f"{BIG[:-3]}{number:03x}" for number in range(1, count + 1)]
        for number, name in enumerate(names, 1):
            path = Path(folder, name)
            path.write_text(text.replace(BIG, name), "utf-8")
            load(server, path)
            query(server, f"UPDATE {name}.oevent SET Id = {number}")
            query(server, f"INSERT INTO {RACE_LIST}.oevent (Id, Name, Date, NameId) VALUES ({number}, 'Race {number}',"
                          f" '2026-11-22', '{name}')")  # fmt: skip
            for table in ("orunner", "ocard"):
                query(server, f"DELETE FROM {quoted(name)}.{table} WHERE Id > {runners}")
            if register:
                fill_reference_tables(server, name, register)
        query(server, "CREATE USER %s@'%' IDENTIFIED BY %s", MEOS_USER, MEOS_PASSWORD)
        query(server, "GRANT ALL ON *.* TO %s@'%'", MEOS_USER)
        yield server, names


def fill_to(server: PrivateServer, name: str, megabytes: int) -> None:
    """Fill a race up to a size: cards a thirtieth, maps in a table of another program a tenth, images, the register."""
    race = quoted(name)
    columns = ", ".join(str(column) for (column,) in query(
        server, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'ocard'"
        " AND COLUMN_NAME <> 'Id'", name))  # fmt: skip
    while size(server, name, "ocard") < megabytes * 1_000_000 // 60:  # the last time doubles it
        query(server, f"INSERT INTO {race}.ocard ({columns}) SELECT {columns} FROM {race}.ocard")
    query(server, f"CREATE TABLE {race}.maps (Id INT AUTO_INCREMENT PRIMARY KEY, Map LONGBLOB) ENGINE=MyISAM")
    for _ in range(megabytes // 100):
        query(server, f"INSERT INTO {race}.maps (Map) VALUES (REPEAT(MD5(RAND()), 312500))")
    for number in range(megabytes * 2 // 100):
        query(server, f"INSERT INTO {race}.oimage (Id, Filename, Image) VALUES (%s, 'map', REPEAT(MD5(%s), 312500))",
              number, number)  # fmt: skip
    fill_reference_tables(server, name, megabytes * 9_000)


def size(server: PrivateServer, name: str, table: str = "%") -> int:
    """Return the bytes that the rows of a race's tables take, as the server tells it."""
    [(found,)] = query(
        server, "SELECT SUM(DATA_LENGTH) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME LIKE %s", name, table,
    )  # fmt: skip
    return int(found)


def change_all(server: PrivateServer, names: Sequence[str]) -> None:
    """Change a runner of each of these races."""
    for name in names:
        query(server, f"UPDATE {quoted(name)}.orunner SET StartNo = StartNo + 1 ORDER BY Id LIMIT 1")
