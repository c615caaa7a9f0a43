"""SQL that puts a restored race on the server's race list; it stands at the end of each race's dump.

MeOS sees a database only if the race list names it, and can change a race's settings only if the Id in the race's own
oEvent is the one in the race list.
"""

import re
from functools import cache

from meosbackup.batch.model import Race
from meosbackup.mysql.identifiers import quoted

MARK = b"/* race list */ "
"""What each of these lines begins with."""

_TABLES = (
    "oEvent", "oRunner", "oTeam", "oClass", "oClub", "oCourse", "oControl", "oCard", "oPunch", "oCounter", "oMonitor",
    "oImage", "dbRunner", "dbClub",
)  # fmt: skip
_BY_LOWER_CASE = {name.lower(): name for name in _TABLES}

DATABASE = "MeOSMain"
# As MeOS spells it, for servers that distinguish upper and lower case in names.
_LIST = f"{quoted(DATABASE)}.{quoted('oEvent')}"
_COLUMNS = (
    "Id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, Name VARCHAR(128) NOT NULL DEFAULT '',"
    " Annotation VARCHAR(128) NOT NULL DEFAULT '', Date VARCHAR(32) NOT NULL DEFAULT '',"
    " ZeroTime INT UNSIGNED NOT NULL DEFAULT 0, NameId VARCHAR(64) NOT NULL DEFAULT '', Version INT UNSIGNED DEFAULT 1,"
    " Modified TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,"
    " Counter INT UNSIGNED NOT NULL DEFAULT 0, Removed TINYINT(1) NOT NULL DEFAULT 0,"
    " INDEX Counter (Counter), INDEX Modified (Modified)"
)


def statements(race: Race, database: str, table: str) -> bytes:
    """Return the SQL that lists a race whose own oEvent is `table` of `database`, both as its dump spells them.

    If the race is on the list, its row stays as it is. Otherwise it gets a row, with the version that the batch has,
    and with a free Id if another race has its Id by now; the race's own Id is changed to match. Run again, it changes
    nothing more.
    """
    own = f"{quoted(database)}.{quoted(table)}"
    name_id = _name_id(race)
    insert = (
        f"INSERT INTO {_LIST} (Id, Name, Annotation, Date, ZeroTime, NameId, Version)"
        f" SELECT IF(r.Id IN (SELECT Id FROM {_LIST}), NULL, r.Id), r.Name, r.Annotation, r.Date, r.ZeroTime,"
        f" {name_id}, {race.version:d} FROM {own} r"
        f" WHERE NOT EXISTS (SELECT 1 FROM {_LIST} l WHERE l.NameId = {name_id});"
    )
    # Unless Modified is set here, the server sets it each time that the Id changes.
    update = (
        f"UPDATE {_LIST} l, {own} r SET l.Removed = 0, r.Id = l.Id, r.Modified = r.Modified WHERE l.NameId = {name_id};"
    )
    lines = (
        f"CREATE DATABASE IF NOT EXISTS {quoted(DATABASE)};",
        f"CREATE TABLE IF NOT EXISTS {_LIST} ({_COLUMNS}) ENGINE=MyISAM DEFAULT CHARSET=utf8;",
        insert,
        update,
    )
    return b"".join(MARK + line.encode() + b"\n" for line in lines)


def following(race: Race, database: str, table: str) -> str:
    """Return the SQL that has a race's row on the race list say what the race's own oEvent says."""
    columns = ", ".join(f"l.{name} = r.{name}" for name in ("Name", "Annotation", "Date", "ZeroTime"))
    return (
        f"UPDATE {_LIST} l, {quoted(database)}.{quoted(table)} r SET {columns}, l.Version = {race.version:d}"
        f" WHERE l.NameId = {_name_id(race)}"
    )


def is_statement(line: bytes, database: str) -> bool:
    """Tell whether a line is one of those that `statements` makes for some race in this database."""
    return any(pattern.fullmatch(line) for pattern in _patterns(database))


def _name_id(race: Race) -> str:
    """Return a race's NameId as SQL; in hexadecimal digits, no free text can end the literal."""
    collation = "utf8mb4_bin" if race.twin else "utf8mb4_general_ci"
    return f"CONVERT(X'{race.name_id.encode().hex()}' USING utf8mb4) COLLATE {collation}"


@cache
def _patterns(database: str) -> list[re.Pattern[bytes]]:
    every = re.escape(statements(Race("", "", "", "", 0, 0), database, "oEvent"))
    for one, any_other in (
        (b"X''", b"X'[0-9a-f]*'"),
        (rb",\ 0\ FROM", rb",\ \d+\ FROM"),
        (b"`oEvent`\\ r", b"`(?i:oEvent)`\\ r"),
        (b"utf8mb4_general_ci", b"utf8mb4_(?:general_ci|bin)"),
    ):
        every = every.replace(one, any_other)
    mark = re.escape(MARK)
    return [re.compile(mark + line) for line in every.split(mark)[1:]]


def canonical_table(name: str) -> str:
    """Return a table's name as MeOS spells it; unchanged if it isn't a table of MeOS."""
    return _BY_LOWER_CASE.get(name.lower(), name)
