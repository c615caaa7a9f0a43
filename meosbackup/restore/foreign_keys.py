"""Foreign keys that a restore would tear: those between tables that move together stay right by themselves (seen)."""

from collections.abc import Collection
from typing import Any

from meosbackup.dump.client import UNTOUCHED
from meosbackup.errors import MeosBackupError
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.sessions import Session
from meosbackup.text import clean


def drop_those_out_of(session: Session, database: str) -> list[str]:
    """Drop the foreign keys of a temporary database that refer to tables outside it, and name them.

    Otherwise they would refer to that temporary database for good. Raises MeosBackupError.
    """
    if not _has_innodb(session, database):
        return []
    inside = {str(row["name"]).lower() for row in _tables(session, database)}
    dropped = []
    for key in _keys(session, "TABLE_SCHEMA", database):
        if key["to_db"] != database or key["to_name"].lower() not in inside:
            session.rows(f"ALTER TABLE {quoted(database)}.{quoted(key['name'])} DROP FOREIGN KEY {quoted(key['fk'])}")
            dropped.append(clean(f"foreign key {key['fk']} of {key['name']}", 60))
    return dropped


def refuse_those_into(session: Session, database: str, replaced: Collection[str]) -> None:
    """Refuse to replace tables that a table which stays refers to. Raises MeosBackupError."""
    if not _has_innodb(session, database):
        return
    for key in _keys(session, "REFERENCED_TABLE_SCHEMA", database):
        stays = key["db"] != database or key["name"] not in replaced
        if stays and key["to_name"].lower() in {name.lower() for name in replaced}:
            own = f"{quoted(key['db'])}.{quoted(key['name'])}"
            raise MeosBackupError(
                f"The table {own} refers to {key['to_name']} of this race by a foreign key.",
                UNTOUCHED,
                f"In an administrator's mysql prompt: ALTER TABLE {own} DROP FOREIGN KEY {quoted(key['fk'])}; and run"
                " the command again.",
            )


def _has_innodb(session: Session, database: str) -> bool:
    """Tell whether there can be foreign keys: to look for them is slow, and MeOS's tables are MyISAM."""
    return any(str(row["engine"]).lower() == "innodb" for row in _tables(session, database))


def _tables(session: Session, database: str) -> list[dict[str, Any]]:
    return session.rows(
        "SELECT TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
        (database,),
    )


def _keys(session: Session, column: str, database: str) -> list[dict[str, Any]]:
    """Return the foreign keys with this database in a column of the server's list of them."""
    return session.rows(
        "SELECT DISTINCT TABLE_SCHEMA AS db, TABLE_NAME AS name, CONSTRAINT_NAME AS fk,"
        " REFERENCED_TABLE_SCHEMA AS to_db, REFERENCED_TABLE_NAME AS to_name"
        f" FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND {column} = %s",
        (database,),
    )
