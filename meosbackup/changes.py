"""Which tables changed since they were last dumped, told from what the server says of them. In doubt: changed."""

from collections.abc import Callable, Iterable

from meosbackup.batch import REFERENCE_TABLES
from meosbackup.server import DatabaseState, TableState

Counts = Callable[[TableState], bool]

MONITOR_TABLE = "omonitor"
"""Each client writes here every ten seconds that it is there; that is no change of a race."""


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
    if before is None:
        return True
    then = [table for table in before.tables if counts(table)]
    return then != [table for table in now.tables if counts(table)] or _doubtful(then, before)


def _doubtful(tables: Iterable[TableState], state: DatabaseState) -> bool:
    """Tell whether a table could have been written after it was looked at without showing it.

    Times have one second's resolution: what was written in the second of the look may have been written again in
    it. InnoDB has no time after a server's restart, and none at all on MySQL 5.6.
    """
    return any(table.updated is None or table.updated >= state.asked for table in tables)
