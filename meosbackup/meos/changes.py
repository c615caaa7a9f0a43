"""Which tables may have changed since they were last dumped, judged by what the server reports. In doubt: changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from meosbackup.errors import MeosBackupError
from meosbackup.meos import other_objects, signs
from meosbackup.meos.other_objects import OtherObject
from meosbackup.mysql.sessions import Session

MONITOR_TABLE = "omonitor"
"""Here each client writes every ten seconds that it is connected, which doesn't change the race."""

REFERENCE_TABLES = frozenset({"dbrunner", "dbclub", "oimage"})
"""The reference tables of a race, in lower case."""

_UNKNOWN_VARIABLE = 1193
_ENGINES_WITH_TIMES = frozenset({"myisam", "innodb"})
_RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True)
class TableState:
    """What the server reports of a table without touching it; times are UTC, to the second, None if unknown.

    `sign` is what tells of a change where `updated` doesn't: see `signs.read`.
    """

    name: str
    engine: str | None
    rows: int | None
    data_bytes: int | None
    next_id: int | None
    created: datetime | None
    updated: datetime | None
    sign: str | None = ""


@dataclass(frozen=True)
class DatabaseState:
    """The states of a database's tables, its other objects, and when it was asked for them, by its clock (UTC).

    `is_timed` is false where the server's times don't tell of each change, so that it takes signs.
    """

    database: str
    asked: datetime
    tables: tuple[TableState, ...]
    others: tuple[OtherObject, ...] = ()
    is_timed: bool = True


def states(session: Session, names: Sequence[str], *, are_timed: bool = True) -> Mapping[str, DatabaseState]:
    """Return the states of all tables of these databases, without a lock, in one query; with signs if not `are_timed`.

    The clock is read first, so that what changes while the query runs has a later time. MySQL 8 would
    cache these figures for a day (MySQL manual, "The INFORMATION_SCHEMA TABLES Table"). Raises MeosBackupError.
    """
    _set_if_known(session, "SET SESSION information_schema_stats_expiry = 0")
    session.rows("SET SESSION time_zone = '+00:00'")
    asked: datetime = session.rows("SELECT UTC_TIMESTAMP() AS now")[0]["now"]
    marks = ", ".join(["%s"] * len(names))
    listed = session.rows(
        "SELECT TABLE_SCHEMA, TABLE_TYPE, TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH, AUTO_INCREMENT, CREATE_TIME,"
        f" UPDATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({marks})", names,
    ) if names else []  # fmt: skip
    found: dict[str, list[TableState]] = {name: [] for name in names}
    tables = [
        row for row in listed if row["table_schema"] in found and row["table_type"] not in other_objects.NOT_TABLES
    ]
    read = {} if are_timed else _signs(session, tables)
    for row in tables:
        found[row["table_schema"]].append(TableState(
            name=row["table_name"], engine=row["engine"], rows=row["table_rows"], data_bytes=row["data_length"],
            next_id=row["auto_increment"], created=row["create_time"], updated=row["update_time"],
            sign=read.get((row["table_schema"], row["table_name"]), ""),
        ))  # fmt: skip
    others = other_objects.found(session, names, listed)
    return {
        name: DatabaseState(name, asked, tuple(sorted(states, key=lambda table: table.name)), others[name], are_timed)
        for name, states in found.items()
    }


def sizes(session: Session, names: Sequence[str]) -> Mapping[str, int]:
    """Return the bytes that these databases take on the server, with their indexes. Raises MeosBackupError."""
    _set_if_known(session, "SET SESSION information_schema_stats_expiry = 0")
    marks = ", ".join(["%s"] * len(names))
    rows = session.rows(
        "SELECT TABLE_SCHEMA, SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA IN ({marks}) GROUP BY TABLE_SCHEMA", names,
    ) if names else []  # fmt: skip
    return {row["table_schema"]: int(row["bytes"] or 0) for row in rows}


def _signs(session: Session, tables: Sequence[Mapping[str, Any]]) -> Mapping[signs.Table, str | None]:
    """Return the signs of tables. Reference tables are too large for any but their rows, bytes and next Id."""
    return signs.read(session, {
        (row["table_schema"], row["table_name"]): row["data_length"] or 0 for row in tables
        if _is_timed_by_its_file(row["engine"]) and _is_of_race(row["table_name"])
    })  # fmt: skip


def is_reference(table: str) -> bool:
    """Return whether a table is a reference table."""
    return table.lower() in REFERENCE_TABLES


def race_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Return whether a race table may have changed since `before`."""
    return _changed(before, now, _is_of_race)


def reference_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Return whether a reference table may have changed since `before`."""
    return _changed(before, now, is_reference)


def transactional(state: DatabaseState) -> bool:
    """Return whether one transaction shows all tables as of one moment, so that a dump needs no lock."""
    return bool(state.tables) and all((table.engine or "").lower() == "innodb" for table in state.tables)


def _is_of_race(table: str) -> bool:
    return not is_reference(table) and table.lower() != MONITOR_TABLE


def _is_timed_by_its_file(engine: str | None) -> bool:
    return (engine or "").lower() in signs.TIMED_BY_FILES


def _changed(before: DatabaseState | None, now: DatabaseState, concerns: Callable[[str], bool]) -> bool:
    if before is None or now.asked < before.asked:  # the server's clock was set back: its times mean nothing
        return True
    then = [table for table in before.tables if concerns(table.name)]
    return then != [table for table in now.tables if concerns(table.name)] or any(
        _may_have_changed(table, before) for table in then
    )


def _may_have_changed(table: TableState, state: DatabaseState) -> bool:
    """Return whether a table could have been written after its state was read, without a sign of it.

    InnoDB has no time after a server's restart, and none at all on MySQL 5.6; engines other than MyISAM may report a
    change late. Times are to the second, and a file system's clock lags behind by some milliseconds: what was written
    or created in the second of the reading, or just before, may have been written or created again since.
    Signs are read after the time that was `asked`, and hold to the moment.
    """
    if not state.is_timed and _is_timed_by_its_file(table.engine):
        return table.sign is None or (table.created or state.asked) >= state.asked - _RESOLUTION
    if table.updated is None or (table.engine or "").lower() not in _ENGINES_WITH_TIMES:
        return True
    return max(table.updated, table.created or table.updated) >= state.asked - _RESOLUTION


def _set_if_known(session: Session, statement: str) -> None:
    """Set a variable that only some servers have."""
    try:
        session.rows(statement)
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) != _UNKNOWN_VARIABLE:
            raise
