"""Which tables changed since they were last dumped, told from what the server says of them. In doubt: changed."""

from collections.abc import Callable
from datetime import timedelta

from meosbackup.batch import REFERENCE_TABLES
from meosbackup.server import DatabaseState, TableState

Counts = Callable[[TableState], bool]

MONITOR_TABLE = "omonitor"
"""Each client writes here every ten seconds that it is there; that is no change of a race."""

_TELLING = frozenset({"myisam", "innodb"})
_RESOLUTION = timedelta(seconds=1)


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
