"""Which tables changed since they were last dumped, told from what the server says of them. In doubt: changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meosbackup.errors import MeosBackupError
from meosbackup.mysql.sessions import Session

MONITOR_TABLE = "omonitor"
"""Each client writes here every ten seconds that it is there; that is no change of a race."""

REFERENCE_TABLES = frozenset({"dbrunner", "dbclub", "oimage"})
"""The reference tables of a race, in lower case."""

_UNKNOWN_VARIABLE = 1193
_TELLING = frozenset({"myisam", "innodb"})
_RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True)
class TableState:
    """What the server tells of a table without touching it; times are UTC, to the second, None where it can't say."""

    name: str
    engine: str | None
    rows: int | None
    data_bytes: int | None
    next_id: int | None
    created: datetime | None
    updated: datetime | None


Counts = Callable[[TableState], bool]


@dataclass(frozen=True)
class DatabaseState:
    """The states of a database's tables, and when they were asked for, by the server's clock (UTC)."""

    database: str
    asked: datetime
    tables: tuple[TableState, ...]


def states(session: Session, names: Sequence[str]) -> Mapping[str, DatabaseState]:
    """Return the states of all tables of these databases, without a lock, in one query.

    The clock is asked first: what changes while the query runs has a later time. (MySQL manual, "The
    INFORMATION_SCHEMA TABLES Table": MySQL 8 keeps these figures for a day unless told not to.)
    """
    _set_if_known(session, "SET SESSION information_schema_stats_expiry = 0")
    session.rows("SET SESSION time_zone = '+00:00'")
    asked: datetime = session.rows("SELECT UTC_TIMESTAMP() AS now")[0]["now"]
    found: dict[str, list[TableState]] = {name: [] for name in names}
    marks = ", ".join(["%s"] * len(names))
    for row in session.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH, AUTO_INCREMENT, CREATE_TIME, UPDATE_TIME"
        f" FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA IN ({marks})", names,
    ) if names else ():  # fmt: skip
        if row["table_schema"] in found:
            found[row["table_schema"]].append(TableState(
                name=row["table_name"], engine=row["engine"], rows=row["table_rows"], data_bytes=row["data_length"],
                next_id=row["auto_increment"], created=row["create_time"], updated=row["update_time"],
            ))  # fmt: skip
    return {
        name: DatabaseState(name, asked, tuple(sorted(tables, key=lambda table: table.name)))
        for name, tables in found.items()
    }


def is_reference(table: str) -> bool:
    """Tell whether a table is one of the reference tables."""
    return table.lower() in REFERENCE_TABLES


def race_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Tell whether a race table may hold something else than when `before` was asked."""
    return _changed(before, now, lambda table: not is_reference(table.name) and table.name.lower() != MONITOR_TABLE)


def reference_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Tell whether a reference table may hold something else than when `before` was asked."""
    return _changed(before, now, lambda table: is_reference(table.name))


def transactional(state: DatabaseState) -> bool:
    """Tell whether one transaction sees all tables at one moment, so that a dump needs no lock."""
    return bool(state.tables) and all((table.engine or "").lower() == "innodb" for table in state.tables)


def _changed(before: DatabaseState | None, now: DatabaseState, counts: Counts) -> bool:
    if before is None or now.asked < before.asked:  # the server's clock was set back: its times tell nothing
        return True
    then = [table for table in before.tables if counts(table)]
    return then != [table for table in now.tables if counts(table)] or any(_doubtful(table, before) for table in then)


def _doubtful(table: TableState, state: DatabaseState) -> bool:
    """Tell whether a table could have been written after it was looked at without showing it.

    InnoDB has no time after a server's restart, and none at all on MySQL 5.6; other engines but MyISAM may tell a
    change later. Times have one second's resolution, and a file system's clock lags behind by some milliseconds:
    what was written or made in the second of the look, or just before it, may have been written or made again since.
    """
    if table.updated is None or (table.engine or "").lower() not in _TELLING:
        return True
    return max(table.updated, table.created or table.updated) >= state.asked - _RESOLUTION


def _set_if_known(session: Session, statement: str) -> None:
    """Set what only some servers have."""
    try:
        session.rows(statement)
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) != _UNKNOWN_VARIABLE:
            raise
