"""Which tables may have changed since they were last dumped, judged by what the server reports. In doubt: changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import TypeAlias

from meosbackup.errors import MeosBackupError
from meosbackup.meos import other_objects, signs
from meosbackup.meos.other_objects import OtherObject
from meosbackup.mysql import lists
from meosbackup.mysql.sessions import Session, version_number

MONITOR_TABLE = "omonitor"
"""Here each client writes every ten seconds that it is connected, which doesn't change the race."""

REFERENCE_TABLES = frozenset({"dbrunner", "dbclub", "oimage"})
"""The reference tables of a race, in lower case."""

_APART = REFERENCE_TABLES | {MONITOR_TABLE}
_UNKNOWN_VARIABLE = 1193
_ENGINES_WITH_TIMES = frozenset({"myisam", "innodb"})
_RESOLUTION = timedelta(seconds=1)
_FACTS = lists.listed(
    "TABLE_TYPE", "IFNULL(ENGINE, '-')", "IFNULL(TABLE_ROWS, '-')", "IFNULL(DATA_LENGTH, '-')",
    "IFNULL(AUTO_INCREMENT, '-')", "IFNULL(CREATE_TIME, '-')", "IFNULL(UPDATE_TIME, '-')", "HEX(TABLE_NAME)",
    by="TABLE_NAME",
)  # fmt: skip
_NULL = "-"
_REMEMBERED = 512
"""Databases that are remembered: most of them are as they were a minute ago."""


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
    """The states of a database's tables, its views and the like, and when it was asked for them, by its clock (UTC).

    `is_timed` is false where the server's times don't tell of each change, so that it takes signs.
    """

    database: str
    asked: datetime
    tables: tuple[TableState, ...]
    not_tables: tuple[OtherObject, ...] = ()
    is_timed: bool = True

    @cached_property
    def in_doubt(self) -> frozenset[str]:
        """The names of the tables that may have changed since, though they look as they did."""
        return frozenset(table.name for table in self.tables if _may_have_changed(table, self))


_Listed: TypeAlias = tuple[tuple[TableState, ...], tuple[OtherObject, ...]]
"""A database's tables, and its views and the like."""


def states(
    session: Session, names: Sequence[str], asked: datetime, *, are_timed: bool = True
) -> Mapping[str, DatabaseState]:
    """Return the states of all tables of these databases, without a lock, in one query; with signs if not `are_timed`.

    The server's clock was `asked` before, so that what changes while the query runs has a later time. Raises
    MeosBackupError.
    """
    _ask_for_fresh_figures(session)
    lists.allow(session)
    session.once("SET SESSION time_zone = '+00:00'")
    marks = ", ".join(["%s"] * len(names))
    rows = session.rows(
        f"SELECT HEX(TABLE_SCHEMA) AS name, COUNT(*) AS count, {_FACTS} AS listed"
        f" FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({marks}) GROUP BY HEX(TABLE_SCHEMA)", names,
    ) if names else []  # fmt: skip
    found: dict[str, _Listed] = dict.fromkeys(names, ((), ()))
    for row in rows:
        name = lists.unhexed(row["name"])
        if name in found:  # others differ in case only
            found[name] = _listed(str(row["listed"]), row["count"])
    if not are_timed:
        read = _signs(session, {name: tables for name, (tables, _) in found.items()})
        found = {
            name: (_signed(tables, tuple(read.get((name, table.name), "") for table in tables)), not_tables)
            for name, (tables, not_tables) in found.items()
        }
    return {
        name: DatabaseState(name, asked, tables, not_tables, are_timed) for name, (tables, not_tables) in found.items()
    }


@lru_cache(maxsize=_REMEMBERED)
def _listed(text: str, count: int) -> _Listed:
    """Return the tables and the other objects of a database, which the server lists in a text."""
    tables, others = list[TableState](), list[OtherObject]()
    for kind, engine, rows, size, next_id, created, updated, name in lists.entries(text, count, "tables of a race"):
        spelled = lists.unhexed(name)
        if kind in other_objects.NOT_TABLES:
            others.append(OtherObject(kind.lower(), spelled))
        else:
            tables.append(TableState(
                spelled, None if engine == _NULL else engine, _number(rows), _number(size), _number(next_id),
                _moment(created), _moment(updated),
            ))  # fmt: skip
    return tuple(sorted(tables, key=lambda table: table.name)), tuple(others)


def _number(text: str) -> int | None:
    return None if text == _NULL else int(text)


def _moment(text: str) -> datetime | None:
    return None if text == _NULL else datetime.fromisoformat(text)


@lru_cache(maxsize=_REMEMBERED)
def _signed(tables: tuple[TableState, ...], read: tuple[str | None, ...]) -> tuple[TableState, ...]:
    """Return tables with the signs that were read of them."""
    return tuple(replace(table, sign=sign) for table, sign in zip(tables, read, strict=True))


def sizes(session: Session, names: Sequence[str]) -> Mapping[str, int]:
    """Return the bytes that these databases take on the server, with their indexes. Raises MeosBackupError."""
    _ask_for_fresh_figures(session)
    marks = ", ".join(["%s"] * len(names))
    rows = session.rows(
        "SELECT HEX(TABLE_SCHEMA) AS name, SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA IN ({marks}) GROUP BY HEX(TABLE_SCHEMA)", names,
    ) if names else []  # fmt: skip
    found = {lists.unhexed(row["name"]): int(row["bytes"] or 0) for row in rows}
    return {name: found[name] for name in names if name in found}


def _signs(session: Session, listed: Mapping[str, Iterable[TableState]]) -> Mapping[signs.Table, str | None]:
    """Return the signs of tables. Reference tables are too large for any but their rows, bytes and next Id."""
    return signs.read(session, {
        (name, table.name): table.data_bytes or 0 for name, tables in listed.items() for table in tables
        if _is_timed_by_its_file(table.engine) and _is_of_race(table.name)
    })  # fmt: skip


def is_reference(table: str) -> bool:
    """Return whether a table is a reference table."""
    return table.lower() in REFERENCE_TABLES


def race_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Return whether a race table may have changed since `before`."""
    return _changed(before, now, _is_of_race)


def unchanged_race_tables(before: DatabaseState | None, now: DatabaseState) -> frozenset[str]:
    """Return the race tables that are as they were `before`, as the server spells them."""
    every = frozenset(table.name for table in now.tables if _is_of_race(table.name))
    return frozenset(name for name in every if not _changed(before, now, frozenset({name}).__contains__))


def some_changed(before: DatabaseState, now: DatabaseState | None, names: frozenset[str]) -> bool:
    """Return whether any of these tables may have changed since `before`."""
    return now is None or _changed(before, now, names.__contains__)


def reference_tables_changed(before: DatabaseState | None, now: DatabaseState) -> bool:
    """Return whether a reference table may have changed since `before`."""
    return _changed(before, now, is_reference)


def transactional(state: DatabaseState) -> bool:
    """Return whether one transaction shows all tables as of one moment, so that a dump needs no lock."""
    return bool(state.tables) and all((table.engine or "").lower() == "innodb" for table in state.tables)


def _is_of_race(table: str) -> bool:
    return table.lower() not in _APART


def _is_timed_by_its_file(engine: str | None) -> bool:
    return (engine or "").lower() in signs.TIMED_BY_FILES


def _changed(before: DatabaseState | None, now: DatabaseState, concerns: Callable[[str], bool]) -> bool:
    if before is None or now.asked < before.asked:  # the server's clock was set back: its times mean nothing
        return True
    if before.tables is not now.tables:  # mostly the same list was told again, which is remembered
        then, later = ([table for table in state.tables if concerns(table.name)] for state in (before, now))
        if then != later:
            return True
    return any(map(concerns, before.in_doubt))


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


def _ask_for_fresh_figures(session: Session) -> None:
    """Have MySQL 8 and newer look at the tables, rather than tell what it knew of them a day ago.

    Source: MySQL manual, "The INFORMATION_SCHEMA TABLES Table".
    """
    if session.flavour == "MariaDB" or version_number(session.version) < (8,):
        return
    try:
        session.once("SET SESSION information_schema_stats_expiry = 0")
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) != _UNKNOWN_VARIABLE:
            raise
