"""The databases that a restore makes for itself on the server: their names, and how they go, whatever happened."""

import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import nullcontext, suppress

from meosbackup.errors import MeosBackupError
from meosbackup.meos import changes, race_list
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.sessions import Session
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

# No program for races puts a hyphen into a database's name. Version 1.0.0 used names that a race can have.
_OURS = re.compile(r"meosbackup-(new|old)-[0-9a-f]{8}-\d+")
_OF_1_0 = re.compile(r"meosbackup_(new|old)_\d+")

_LOCK_SECONDS = 2


def token() -> str:
    """Return what tells the databases of one restore from those of any other."""
    return secrets.token_hex(4)


def name(kind: str, token: str, number: int) -> str:
    """Return the name of a temporary database; `kind` is "new" or "old"."""
    return f"meosbackup-{kind}-{token}-{number}"


def remove_leftovers(session: Session, settings: Settings) -> None:
    """Remove what restores that were killed have left on the server, as far as that is certain.

    Nothing of it is needed: what was fed wasn't compared, and a single statement moves the old tables away and puts the
    new ones in their place, so that old tables are left only if the new ones are there. Should a server be killed amid
    that statement and not undo it (MySQL, with MyISAM), the safety batch has the old ones. Raises MeosBackupError.
    """
    databases = sessions.databases(session)
    found = [database for database in databases if _OURS.fullmatch(database) or _OF_1_0.fullmatch(database)]
    if not found:
        return
    try:
        listed = _listed(session, databases)
        drop(settings, [
            database for database in found
            if database.lower() not in listed and (_OURS.fullmatch(database) or _is_of_1_0(session, database))
        ])  # fmt: skip
    except MeosBackupError:
        log.warning("it is not certain what an earlier restore left on the server: it stays", exc_info=True)


def drop(settings: Settings, databases: Iterable[str], sound: Session | None = None) -> None:
    """Drop temporary databases; what can't be dropped is left to the next restore.

    Without a `sound` session, this takes a new one, as what used them may be stuck, or lost. On a full disk, MyISAM
    goes on trying to write into one until there is room. It is left alone: MariaDB 10.11 crashed when such a connection
    was killed (seen).
    """
    try:
        with nullcontext(sound) if sound else sessions.session(settings) as session:
            session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
            for database in databases:
                if sound is None:
                    _end_swap(session, database)
                session.rows(f"DROP DATABASE IF EXISTS {quoted(database)}")
    except MeosBackupError:
        log.warning("temporary databases may be left on the server", exc_info=True)


def _end_swap(session: Session, database: str) -> None:
    """End a statement that still waits to replace tables, though the restore that gave it was killed.

    One that doesn't wait any more is left to its end: interrupted, it might not be undone.
    """
    for row in session.rows("SHOW FULL PROCESSLIST"):
        statement, state = str(row["info"]), str(row["state"])
        if statement.startswith("RENAME TABLE") and quoted(database) in statement and state.startswith("Waiting"):
            with suppress(MeosBackupError):  # it has ended by itself
                session.rows(f"KILL {int(row['id'])}")


def _listed(session: Session, databases: tuple[str, ...]) -> set[str]:
    name = spelled("MeOSMain", databases)
    return {row.race.name_id.lower() for row in race_list.listed_races(session, name)} if name else set()


def _is_of_1_0(session: Session, database: str) -> bool:
    """Return whether a database of such a name is one of meosbackup's, and neither a race nor somebody's copy of one.

    Race tables and reference tables never came together there, and a race names itself in its own oEvent.
    """
    tables = sessions.tables(session, database)
    if len({changes.is_reference(table) for table in tables}) > 1:
        return False
    own = spelled("oEvent", tables)
    rows = session.rows(f"SELECT NameId FROM {quoted(database)}.{quoted(own)}") if own else []
    return all(str(row["nameid"]).lower() != database.lower() for row in rows)
