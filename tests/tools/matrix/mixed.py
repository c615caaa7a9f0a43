"""A race that holds what databases disagree on: engines, blobs, every letter, odd dates and numbers, collations."""

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.servers import INDIVIDUAL, RACE_LIST, query

MIXED = "meos_20261124_090000_2a"
_NAME_ID = "meos_20261124_090000_2A"
_LETTERS = [chr(number) for number in range(1, 0x110000) if not 0xD800 <= number < 0xE000]
_PIECE = 1 << 13
_COLLATIONS = {
    "MySQL": ("utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb3_general_ci", "latin1_swedish_ci"),
    "MariaDB": ("utf8mb4_unicode_520_ci", "utf8mb4_swedish_ci", "utf8_swedish_ci", "latin1_swedish_ci"),
    "MariaDB, new": ("utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_swedish_as_cs", "utf8mb3_uca1400_swedish_ai_ci",
                     "latin1_swedish_nopad_ci"),
}  # fmt: skip


def add(server: PrivateServer) -> None:
    """Make the race on a server that has the race INDIVIDUAL, and put it on the race list."""
    query(server, f"CREATE DATABASE {MIXED}")
    for table in ("oevent", "orunner", "ocard", "opunch"):
        query(server, f"CREATE TABLE {MIXED}.{table} LIKE {INDIVIDUAL}.{table}")
        query(server, f"INSERT INTO {MIXED}.{table} SELECT * FROM {INDIVIDUAL}.{table}")
    query(server, f"UPDATE {MIXED}.oevent SET Id = 42, Name = 'Blandat', NameId = %s", _NAME_ID)
    query(server, f"ALTER TABLE {MIXED}.orunner ENGINE=InnoDB")
    query(server, f"ALTER TABLE {MIXED}.opunch ENGINE=MEMORY")
    _add_letters(server)
    _add_blobs(server)
    _add_values(server)
    _add_collations(server)
    query(server, f"INSERT INTO {RACE_LIST}.oevent (Id, Name, Annotation, Date, ZeroTime, NameId, Version)"
                  f" SELECT Id, Name, Annotation, Date, ZeroTime, NameId, 101 FROM {MIXED}.oevent")  # fmt: skip


def _add_letters(server: PrivateServer) -> None:
    """Put every letter of Unicode into a table."""
    query(server, f"CREATE TABLE {MIXED}.tecken (Id INT PRIMARY KEY, Letters LONGTEXT) ENGINE=MyISAM CHARSET=utf8mb4")
    for start in range(0, len(_LETTERS), _PIECE):
        query(server, f"INSERT INTO {MIXED}.tecken VALUES (%s, %s)", start, "".join(_LETTERS[start : start + _PIECE]))


def _add_blobs(server: PrivateServer) -> None:
    query(server, f"CREATE TABLE {MIXED}.kartor (Id INT PRIMARY KEY AUTO_INCREMENT, Map LONGBLOB, Small VARBINARY(300),"
                  " Flags BIT(12), `tom ``kolumn` TINYBLOB) ENGINE=InnoDB")  # fmt: skip
    every_byte = bytes(range(256)).hex()
    for size in (1, 4000):
        query(server, f"INSERT INTO {MIXED}.kartor (Map, Small, Flags) VALUES"
                      f" (REPEAT(x'{every_byte}', {size}), x'{every_byte}', b'101000000001')")  # fmt: skip
    query(server, f"INSERT INTO {MIXED}.kartor (Map, Small, `tom ``kolumn`) VALUES ('', NULL, '')")


def _add_values(server: PrivateServer) -> None:
    query(
        server, f"CREATE TABLE {MIXED}.tider (Day DATE, Moment DATETIME, Stamp TIMESTAMP NULL DEFAULT NULL, Span TIME,"
        " Year YEAR, Exact DECIMAL(20,6), Rough DOUBLE, Big BIGINT UNSIGNED, Kind ENUM('å','b','ö'),"
        " Marks SET('x','y'), Counted INT ZEROFILL, Noted VARCHAR(20) DEFAULT 'it''s \\\\ here') ENGINE=InnoDB"
    )  # fmt: skip
    # A connection of the tests has the server's own mode, which may refuse such dates.
    mode = query(server, "SELECT @@GLOBAL.sql_mode")[0][0]
    query(server, "SET GLOBAL sql_mode = ''")
    query(
        server, f"INSERT INTO {MIXED}.tider VALUES ('0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00',"
        " '-838:59:59', 0, -0.000001, 1.7976931348623157e308, 18446744073709551615, 'ö', 'x,y', 42, DEFAULT),"
        " ('2026-00-00', '9999-12-31 23:59:59', '2038-01-19 03:14:07', '00:00:00', 2155, 12345678901234.123456,"
        " -1e-300, 0, NULL, '', 0, 'a\\r\\n\\t\\0\\Z\\'\\\"%%_')"
    )  # fmt: skip
    query(server, "SET GLOBAL sql_mode = %s", mode)


def _add_collations(server: PrivateServer) -> None:
    """Make a table and a database's default of collations that not every server knows."""
    version = str(query(server, "SELECT VERSION()")[0][0])
    number = tuple(map(int, version.partition("-")[0].split(".")))
    family = "MySQL" if "MariaDB" not in version else "MariaDB" if number < (10, 10) else "MariaDB, new"
    one, two, three, four = _COLLATIONS[family]
    query(server, f"ALTER DATABASE {MIXED} COLLATE {one}")
    columns = ", ".join(f"c{number} VARCHAR(20) COLLATE {name}" for number, name in enumerate((one, two, three, four)))
    query(server, f"CREATE TABLE {MIXED}.ord ({columns}) ENGINE=InnoDB COLLATE={two}")
    query(server, f"INSERT INTO {MIXED}.ord VALUES ('å', '🏃', 'Å', 'é')")
    query(server, f"CREATE TABLE {MIXED}.ord3 (Noted VARCHAR(60)) ENGINE=MyISAM COLLATE={three}")
    query(server, f"INSERT INTO {MIXED}.ord3 VALUES (' COLLATE=utf8mb4_0900_bin')")
    query(server, f"CREATE TABLE {MIXED}.ord4 (Noted VARCHAR(60) COMMENT 'ö') ENGINE=InnoDB")
    query(server, f"INSERT INTO {MIXED}.ord4 VALUES ('\\n) ENGINE=x COLLATE=utf8mb4_uca1400_ai_ci')")
