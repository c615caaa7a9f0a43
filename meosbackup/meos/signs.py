"""What tells that a table changed where the times that a server reports don't: counters, row counts and checksums.

A server on Windows doesn't touch the time of a MyISAM table's file at an UPDATE (MySQL manual, "SHOW TABLE STATUS
Statement"), and with myisam_use_mmap, no system does so reliably (seen on Linux: UPDATE_TIME stood still). Aria's times
are those of its files as well. InnoDB keeps them in memory, on every system, until the server ends or forgets the
table (MySQL, WL#6658); after that it reports none, which counts as a change.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from meosbackup.errors import MeosBackupError, ServerUnreachableError
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.sessions import Session

log = logging.getLogger(__name__)

TIMED_BY_FILES = frozenset({"myisam", "aria"})
"""The engines that report the time of a table's file, in lower case."""

_COUNTED = frozenset({"ocard", "oclass", "oclub", "ocontrol", "ocourse", "opunch", "orunner", "oteam"})
"""The tables of which MeOS raises the highest Counter, which has an index, at each change that it makes."""

_SMALL = 16 << 10
"""The bytes of which a checksum takes half a millisecond at most; other programs' changes show in it, too."""

_LOCKED = 1205
_WORTH_TELLING = 0.1

Table = tuple[str, str]
"""A database and a table in it, as the server spells them."""


def untimed(session: Session) -> str | None:
    """Return why the times of this server's tables can't be trusted: "the server runs on Windows"; None if they can.

    Raises MeosBackupError.
    """
    named = session.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version_compile_os', 'myisam_use_mmap')")
    values = {str(row["variable_name"]).lower(): str(row["value"]) for row in named}
    if values.get("version_compile_os", "").lower().startswith("win"):
        return "the server runs on Windows"
    return "the server has myisam_use_mmap" if values.get("myisam_use_mmap") == "ON" else None


def read(session: Session, sizes: Mapping[Table, int]) -> dict[Table, str | None]:
    """Return the signs of tables, given with their bytes: another sign, another content.

    The sign is None for a table that somebody has locked: it is not waited for, or for a second where the server can't
    do without. It is empty where there is none: a large table that isn't MeOS's. Raises ServerUnreachableError.
    """
    counted = [table for table in sizes if table[1].lower() in _COUNTED]
    small = [table for table, size in sizes.items() if table not in counted and size <= _SMALL]
    found: dict[Table, str | None] = dict.fromkeys(sizes, "")
    with _hardly_waiting(session):
        found |= _checksums(session, small)
        for database in {database for database, _ in counted}:
            found |= _counters(session, database, [name for place, name in counted if place == database])
    return found


def _checksums(session: Session, tables: Collection[Table]) -> dict[Table, str | None]:
    if not tables:
        return {}
    names = ", ".join(f"{quoted(database)}.{quoted(name)}" for database, name in tables)
    found: dict[Table, str | None] = dict.fromkeys(tables)
    try:
        with _timed("a checksum"):
            rows = session.rows(f"CHECKSUM TABLE {names}")
    except ServerUnreachableError:
        raise
    except MeosBackupError:
        log.warning("no checksums, so that these tables count as changed: %s", names, exc_info=True)
        return found
    for table, row in zip(tables, rows, strict=True):
        if row["checksum"] is None:
            log.info("%s.%s counts as changed: it is locked or damaged", *table)
        else:
            found[table] = str(row["checksum"])
    return found


def _counters(session: Session, database: str, names: Collection[str]) -> dict[Table, str | None]:
    """Return the highest Counter and the number of rows of MeOS's tables, from their indexes."""
    each = ", ".join(
        f"(SELECT CONCAT(COALESCE(MAX(Counter), 0), ',', COUNT(*)) FROM {quoted(database)}.{quoted(name)})"
        for name in names
    )
    tables = [(database, name) for name in names]
    try:
        with _timed(f"the counters of {database}"):
            row = session.rows(f"SELECT CONVERT(CONCAT_WS(' ', {each}) USING utf8mb4) AS signs")[0]
    except ServerUnreachableError:
        raise
    except MeosBackupError as error:
        locked = _locked(session, database) if getattr(error.__cause__, "errno", None) == _LOCKED else ()
        log.info("%s counts as changed: %s", database, f"locked: {', '.join(locked)}" if locked else error)
        return dict.fromkeys(tables)
    return dict(zip(tables, str(row["signs"]).split(" "), strict=True))


def _locked(session: Session, database: str) -> list[str]:
    rows = session.rows(f"SHOW OPEN TABLES FROM {quoted(database)} WHERE In_use > 0")
    return [str(row["table"]) for row in rows]


@contextmanager
def _hardly_waiting(session: Session) -> Iterator[None]:
    """Have statements fail rather than wait for a lock: while they wait, others wait for what they hold."""
    session.rows("SET SESSION lock_wait_timeout = 1")
    with suppress(MeosBackupError):  # MySQL, and MariaDB before 10.3, wait for a second at least
        session.rows("SET SESSION lock_wait_timeout = 0")
    yield
    session.rows("SET SESSION lock_wait_timeout = DEFAULT")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    if (seconds := time.monotonic() - began) > _WORTH_TELLING:
        log.info("waited %.1f s for %s", seconds, what)
