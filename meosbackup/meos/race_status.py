"""A race on the server now: its counts, when it last changed, and which computers have it open in MeOS."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meosbackup.batch.model import Freshness
from meosbackup.errors import MeosBackupError
from meosbackup.meos import other_objects
from meosbackup.meos.other_objects import OtherObject
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.server_errors import DAMAGED
from meosbackup.mysql.sessions import Session
from meosbackup.text import clean

CONNECTED_SECONDS = 30
"""Each client of MeOS writes every ten seconds to oMonitor that it is connected."""

_DUMP_SECONDS = 3.0

_DATED_TABLES = ("oEvent", "oRunner", "oTeam", "oClass", "oClub", "oCourse", "oControl", "oCard", "oPunch")

HOW_TO_CLOSE = (
    "Save the race to a file there (page Competition, Backup / Save as), close MeOS, wait half a minute, and try again."
    " --force restores anyway."
)


@dataclass(frozen=True)
class RaceStatus:
    """A race on the server: its database as the server spells it, its freshness, the computers that have it open.

    `damage` is what the server says if a table can't be read; then the freshness is unknown. `others` are its triggers,
    views and the like.
    """

    database: str
    freshness: Freshness | None
    clients: tuple[str, ...]
    damage: str = ""
    others: tuple[OtherObject, ...] = ()

    @property
    def is_shell(self) -> bool:
        """Whether it is empty: MeOS creates such an empty shell when it opens a lost race."""
        return self.freshness == Freshness(None, 0, 0, 0, 0)


def of_race(session: Session, name_id: str, databases: Sequence[str]) -> RaceStatus | None:
    """Return a race's status; None if none of the server's `databases` is the race's. Raises MeosBackupError."""
    database = spelled(name_id, databases)
    if database is None:
        return None
    return replace(_read(session, database), others=other_objects.found(session, [database])[database])


def clients(session: Session, database: str) -> tuple[str, ...]:
    """Return the computers that have a race open in MeOS, by the names that MeOS lists or by their addresses.

    Raises MeosBackupError.
    """
    listed = _listed_clients(session, database)
    connected = connections(session, database, is_patient=not listed)
    if len(connected) <= len(listed):
        return listed
    return (*listed, *(f"a program on {host} (MeOS may not list it yet)" for host in sorted(set(connected))))


def _listed_clients(session: Session, database: str) -> tuple[str, ...]:
    """Return the names that MeOS lists in a race's oMonitor; none if that can't be read."""
    table = _tables(session, database).get("omonitor")
    if table is None:
        return ()
    session.rows("SET SESSION time_zone = '+00:00'")
    try:
        rows = session.rows(
            f"SELECT Client FROM {table} WHERE Removed = 0"
            f" AND Modified > UTC_TIMESTAMP() - INTERVAL {CONNECTED_SECONDS} SECOND"
        )
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) not in DAMAGED:
            raise
        return ()
    return tuple(sorted({str(row["client"]) for row in rows}))


def connections(session: Session, database: str, *, is_patient: bool = True) -> tuple[str, ...]:
    """Return the host of each connection that has a database as its current one, as MeOS has that of an open race.

    It has it at once, while it takes ten seconds until MeOS lists itself. Without the privilege PROCESS, only this
    user's connections are shown; MeOS has the same user. A dump program, perhaps of another meosbackup, has it as well,
    but not for long: so one that goes soon doesn't count if the look `is_patient`. Raises MeosBackupError.
    """
    deadline = time.monotonic() + _DUMP_SECONDS
    while True:
        found = tuple(
            re.sub(r":\d+$", "", str(row["host"]))
            for row in session.rows("SHOW PROCESSLIST") if str(row["db"]).lower() == database.lower()
        )  # fmt: skip
        if not found or not is_patient or time.monotonic() >= deadline:
            return found
        time.sleep(0.1)


def in_words(clients: Sequence[str]) -> str:
    """Return the names of computers, cleaned, in one text."""
    return ", ".join(clean(name, 80) or "a computer without a name" for name in clients)


def _read(session: Session, database: str) -> RaceStatus:
    """Read a race's status. Missing tables count as empty."""
    session.rows("SET SESSION time_zone = '+00:00'")
    tables = _tables(session, database)
    try:
        changes = [_newest(session, tables[name.lower()]) for name in _DATED_TABLES if name.lower() in tables]
        freshness = Freshness(
            last_change=max((change for change in changes if change), default=None),
            entries=_count(session, tables, "orunner"),
            finished=_count(session, tables, "orunner", " AND FinishTime > 0"),
            cards=_count(session, tables, "ocard"),
            punches=_count(session, tables, "opunch"),
        )
    except MeosBackupError as error:
        if getattr(error.__cause__, "errno", None) not in DAMAGED:
            raise
        return RaceStatus(database, None, clients(session, database), error.what)
    return RaceStatus(database, freshness, clients(session, database))


def _tables(session: Session, database: str) -> dict[str, str]:
    """Return a database's tables, quoted for SQL, by their names in lower case."""
    return {name.lower(): f"{quoted(database)}.{quoted(name)}" for name in sessions.tables(session, database)}


def _count(session: Session, tables: Mapping[str, str], table: str, condition: str = "") -> int:
    if table not in tables:
        return 0
    return int(session.rows(f"SELECT COUNT(*) AS n FROM {tables[table]} WHERE Removed = 0{condition}")[0]["n"])


def _newest(session: Session, table: str) -> datetime | None:
    newest = session.rows(f"SELECT MAX(Modified) AS newest FROM {table}")[0]["newest"]
    return newest.replace(tzinfo=UTC).astimezone() if isinstance(newest, datetime) else None
