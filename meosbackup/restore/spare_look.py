"""A look at races on the spare server: who may have put them there, worked on them, or has them open."""

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from meosbackup.errors import MeosBackupError, ServerUnreachableError, WrongUsageError
from meosbackup.meos import changes, other_objects, race_status, signs
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.sessions import Session
from meosbackup.restore.spare_memory import Remembered, Sign
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

_EMPTY = "0"
"""The sign of a table without rows (a checksum is a sum over them)."""
_UNREADABLE = "?"
"""The sign of a table that is locked or damaged."""


class Standing(Enum):
    """How a race is found on the spare server."""

    ABSENT = "it isn't there"
    OURS = "it is as meosbackup left it"
    UNREADABLE = "a table of it is locked or damaged"
    CHANGED = "it was changed there"
    OPEN = "a program has it open there"
    FOREIGN = "there, but not from meosbackup"


@dataclass(frozen=True)
class Found:
    """A race on the spare server: its database there, the sign of its tables, and who has it open."""

    standing: Standing
    database: str
    sign: Sign
    clients: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What stands in the way of replacing it, in words."""
        hosts = f", on {', '.join(sorted(set(self.clients)))}" if self.clients else ""
        return f"{self.standing.value}{hosts}"


def identity(session: Session) -> str:
    """Return what tells a server from another one at the same address. Raises MeosBackupError."""
    row = session.rows("SELECT @@hostname AS host, @@port AS port, @@datadir AS folder")[0]
    return f"{row['host']}:{row['port']}:{row['folder']}"


def refuse_same(race_server: Session, spare: Session, settings: Settings) -> None:
    """Raise WrongUsageError if both sessions are with one server, whatever they call it. Nothing is written.

    A named lock is seen by every session of its server, and by no other server's (MySQL manual, "Locking Functions").
    """
    name = f"meosbackup {secrets.token_hex(8)}"
    if race_server.rows("SELECT GET_LOCK(%s, 0) AS got", (name,))[0]["got"] != 1:
        raise ServerUnreachableError(
            "It can't be told whether the spare server is the race server itself.",
            "Nothing was put on the spare server.",
            "It will retry automatically.",
        )
    holder = spare.rows("SELECT IS_USED_LOCK(%s) AS holder", (name,))[0]["holder"]
    race_server.rows("SELECT RELEASE_LOCK(%s) AS released", (name,))
    if holder is not None:
        raise WrongUsageError(
            f"The spare server {settings.standby} is the race server itself, under another name or address.",
            "Nothing was put on it.",
            "With --standby, name the server of another computer; or leave --standby out.",
        )


def look(
    session: Session, name_ids: Iterable[str], remembered: Mapping[str, Remembered], databases: Sequence[str]
) -> dict[str, Found]:  # fmt: skip
    """Look at the races with these NameIds, and return what was found of each. Nothing is changed.

    Raises MeosBackupError.
    """
    there = {name_id: database for name_id in name_ids if (database := spelled(name_id, databases))}
    found_signs = read_signs(session, [*there.values()])
    in_use = _in_use(session, there.values())
    found = {name_id: Found(Standing.ABSENT, name_id, {}) for name_id in name_ids}
    for name_id, database in there.items():
        sign = found_signs[database]
        if not sign:
            continue
        known = remembered.get(name_id)
        clients = race_status.connections(session, database) if database.lower() in in_use else ()
        standing = _standing(known, sign, clients) if known else _of_others(sign, clients)
        found[name_id] = Found(standing, database, sign, clients)
    return found


def _in_use(session: Session, databases: Iterable[str]) -> set[str]:
    """Return the databases, in lower case, that are some connection's current one."""
    return {str(row["db"]).lower() for row in session.rows("SHOW PROCESSLIST")} & {name.lower() for name in databases}


def _of_others(sign: Sign, clients: Sequence[str]) -> Standing:
    """Return how a race is found that meosbackup didn't put there; one without a row in any table is none."""
    return Standing.FOREIGN if clients or set(sign.values()) != {_EMPTY} else Standing.ABSENT


def _standing(known: Remembered, sign: Sign, clients: Sequence[str]) -> Standing:
    differing = known.differing(sign)
    if clients:
        return Standing.OPEN
    if all(sign.get(table) == _UNREADABLE for table in differing):
        # Amid a replacement that was ended by force, a table may have lost its files.
        return Standing.OURS if known.next_sign is not None or not differing else Standing.UNREADABLE
    return Standing.OPEN if differing == {changes.MONITOR_TABLE} else Standing.CHANGED


def read_signs(session: Session, databases: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the sign of each database: its tables' checksums, and how many rows the large reference tables have.

    A client of MeOS leaves a mark in oMonitor as long as it has a race open. Raises MeosBackupError.
    """
    marks = ", ".join(["%s"] * len(databases))
    rows = session.rows(
        f"SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({marks})"
        f" AND TABLE_TYPE NOT IN {other_objects.NOT_TABLES}", databases,
    ) if databases else []  # fmt: skip
    tables = {database: [row["table_name"] for row in rows if row["table_schema"] == database]
              for database in databases}  # fmt: skip
    return {database: _sign(session, database, tables[database]) for database in databases}


def _sign(session: Session, database: str, tables: Sequence[str]) -> dict[str, str]:
    read = [(database, table) for table in tables if not changes.is_reference(table)]
    found = {table.lower(): _UNREADABLE for table in tables}
    found |= {table.lower(): one for (_, table), one in signs.checksums(session, read).items() if one is not None}
    try:
        for table in filter(changes.is_reference, tables):
            counted = session.rows(f"SELECT COUNT(*) AS n FROM {quoted(database)}.{quoted(table)}")
            found[table.lower()] = str(counted[0]["n"])
    except ServerUnreachableError:
        raise
    except MeosBackupError:
        log.info("the tables of %s can't be read now", database, exc_info=True)
    return found
