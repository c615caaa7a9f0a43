"""The tables that a dump was fed into, put in the place of the old ones: all in one statement, or none."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from meosbackup.errors import MeosBackupError, ServerUnreachableError
from meosbackup.meos import changes, other_objects, relisting
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.sessions import Session
from meosbackup.restore import foreign_keys

log = logging.getLogger(__name__)

_FILE_MISSING = frozenset({7, 1017})
_TRIGGER_IN_WAY = 1435

_Move: TypeAlias = tuple[str, str, str, str]
"""A table's database and name, and those that it gets."""


@dataclass(frozen=True)
class Swap:
    """What changes places: the tables of the database `new` replace those of `database`, which go to `old`.

    Only tables of these kinds are replaced: race tables (False), reference tables (True), or both.
    """

    database: str
    new: str
    old: str
    kinds: frozenset[bool]


def run(session: Session, swap: Swap, last_look: Callable[[], None]) -> list[str]:
    """Replace the tables; return what the server had and has no longer, such as triggers.

    `last_look` is called just before, and prevents it by what it raises. Raises MeosBackupError, and then nothing is
    replaced, unless the server was lost in the middle of it.
    """
    old = _old_tables(session, swap)
    foreign_keys.refuse_those_into(session, swap.database, old)
    moves = _moves(session, swap, old)
    last_look()
    try:
        return _moved(session, swap, moves)
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) not in _FILE_MISSING:
            raise
        _drop_lost_tables(session, swap.database)
        return _moved(session, swap, _moves(session, swap, _old_tables(session, swap)))


def tables(session: Session, database: str) -> list[str]:
    """Return the names of a database's tables, without views and the like."""
    return [str(row["table_name"]) for row in session.rows(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "
        f" AND TABLE_TYPE NOT IN {other_objects.NOT_TABLES} ORDER BY TABLE_NAME", (database,),
    )]  # fmt: skip


def _old_tables(session: Session, swap: Swap) -> list[str]:
    return [name for name in tables(session, swap.database) if changes.is_reference(name) in swap.kinds]


def _moves(session: Session, swap: Swap, old: Sequence[str]) -> list[_Move]:
    """Create the databases that are needed; return what replaces the old tables with those that were fed."""
    defaults = session.rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME AS characters, DEFAULT_COLLATION_NAME AS collation"
        " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (swap.new,),
    )[0]  # fmt: skip
    charset = f"CHARACTER SET {defaults['characters']} COLLATE {defaults['collation']}"
    if swap.database not in sessions.databases(session):
        session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(swap.database)} {charset}")
    if old:
        session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(swap.old)} {charset}")
    moves = [(swap.database, name, swap.old, name) for name in old]
    new = tables(session, swap.new)
    return [*moves, *((swap.new, name, swap.database, relisting.canonical_table(name)) for name in new)]


def _moved(session: Session, swap: Swap, moves: Sequence[_Move]) -> list[str]:
    """Move the tables, in one statement; return what is gone with the old ones.

    No table with a trigger moves to another database (1435, and nothing is moved): then the old tables get other names
    where they are, and are dropped with their triggers once the new ones are there. If the server is lost in the middle
    of it, the outcome is unknown.
    """
    try:
        try:
            session.rows(_rename(moves))
        except MeosBackupError as error:
            if getattr(error.__cause__, "errno", None) != _TRIGGER_IN_WAY:
                raise
            leaving = [move for move in moves if move[2] == swap.old]
            renamed = [(*move[:2], swap.database, f"{swap.old}-{number}") for number, move in enumerate(leaving)]
            session.rows(_rename([*renamed, *(move for move in moves if move[2] != swap.old)]))
            _drop_with_triggers(session, renamed)
            return ["the server's triggers"]
    except ServerUnreachableError as error:
        raise MeosBackupError(
            f"The connection to the server was lost while the tables were being replaced. {error.what}",
            "This race may be restored, or unchanged; what the server had of it was saved first.",
            "Start the server, and restore this race again.",
        ) from error
    return []


def _drop_with_triggers(session: Session, renamed: Iterable[_Move]) -> None:
    names = ", ".join(f"{quoted(database)}.{quoted(name)}" for _, _, database, name in renamed)
    try:
        session.rows(f"DROP TABLE {names}")
    except MeosBackupError:  # the new ones are there
        log.warning("old tables are left in the race's database: %s", names, exc_info=True)


def _rename(moves: Iterable[_Move]) -> str:
    return "RENAME TABLE " + ", ".join(
        f"{quoted(source)}.{quoted(name)} TO {quoted(goal)}.{quoted(new)}" for source, name, goal, new in moves
    )


def _drop_lost_tables(session: Session, database: str) -> None:
    """Drop tables that have lost their files. They can't be read or moved away, and nothing of them is left.

    MySQL leaves such tables if it is killed while MyISAM tables change places: only of InnoDB's all move, or none.
    """
    for table in tables(session, database):
        try:
            session.rows(f"SELECT 1 FROM {quoted(database)}.{quoted(table)} LIMIT 1")
        except MeosBackupError as error:
            if getattr(error.__cause__, "errno", None) in _FILE_MISSING:
                session.rows(f"DROP TABLE IF EXISTS {quoted(database)}.{quoted(table)}")
