"""What tells that a table changed where the times that a server reports don't: counters, row counts and checksums.

A server on Windows doesn't touch the time of a MyISAM table's file at an UPDATE (MySQL manual, "SHOW TABLE STATUS
Statement"), and with myisam_use_mmap, no system does so reliably (seen on Linux: UPDATE_TIME stood still). Aria's times
are those of its files as well. InnoDB keeps them in memory, on every system, until the server ends or forgets the
table (MySQL, WL#6658); after that it reports none, which counts as a change.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from meosbackup.errors import MeosBackupError, ServerUnreachableError
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.sessions import Session, version_number

log = logging.getLogger(__name__)

TIMED_BY_FILES = frozenset({"myisam", "aria"})
"""The engines that report the time of a table's file, in lower case."""

_COUNTED = frozenset({"ocard", "oclass", "oclub", "ocontrol", "ocourse", "opunch", "orunner", "oteam"})
"""The tables of which MeOS raises the highest Counter, which has an index, at each change that it makes."""

_SMALL = 16 << 10
"""The bytes of which a checksum takes half a millisecond at most; other programs' changes show in it, too."""

_AT_ONCE = 400
"""Tables of which one statement asks at most."""
_IN_A_ROW = 16
"""Tables of which one row of the answer tells: each row takes the connector some time."""

_LOCKED = 1205
_WORTH_TELLING = 0.1

Table = tuple[str, str]
"""A database and a table in it, as the server spells them."""


def untimed(session: Session) -> str | None:
    """Return why the times of this server's tables can't be trusted: "the server runs on Windows"; None if they can.

    Raises MeosBackupError.
    """
    named = session.once("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version_compile_os', 'myisam_use_mmap')")
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
    small = [table for table in sizes.keys() - counted if sizes[table] <= _SMALL]
    by_database = [
        [table for table in counted if table[0] == name] for name in dict.fromkeys(name for name, _ in counted)
    ]
    found: dict[Table, str | None] = dict.fromkeys(sizes, "")
    with _impatient(session) as waits:
        summed = checksums(session, small)
        for table in (table for table, one in summed.items() if one is None):
            log.info("%s.%s counts as changed: it is locked or damaged", *table)
        found |= summed
        if waits or not _try_counters(session, counted, found):
            for tables in by_database:
                found |= dict.fromkeys(tables)
                _try_counters(session, tables, found)
    return found


def checksums(session: Session, tables: Collection[Table]) -> dict[Table, str | None]:
    """Return the checksum of each table, None of one that is locked or damaged. Raises ServerUnreachableError."""
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
        log.warning("no checksums of these tables: %s", names, exc_info=True)
        return found
    sums = [row["checksum"] for row in rows]
    return found | {table: str(one) for table, one in zip(tables, sums, strict=True) if one is not None}


def _try_counters(session: Session, tables: Sequence[Table], found: dict[Table, str | None]) -> bool:
    """Find the highest Counter and the number of rows of MeOS's tables, from their indexes; return whether it worked.

    While a statement waits for one table, others wait for all that it reads. So it reads many only if it never waits.
    """
    try:
        for start in range(0, len(tables), _AT_ONCE):
            some = tables[start : start + _AT_ONCE]
            with _timed(f"the counters of {some[0][0]}"):
                rows = session.rows(_asking_for_counters(some))
            for row in rows:
                told = some[row["place"] : row["place"] + _IN_A_ROW]
                found |= zip(told, str(row["counters"]).split(";"), strict=True)
    except ServerUnreachableError:
        raise
    except MeosBackupError as error:
        names = list(dict.fromkeys(database for database, _ in tables))
        locked = _locked(session, names) if getattr(error.__cause__, "errno", None) == _LOCKED else []
        log.info("no counters of %s: %s", ", ".join(names), f"locked: {', '.join(locked)}" if locked else error)
        return False
    return True


def _asking_for_counters(tables: Sequence[Table]) -> str:
    """Return the statement that asks for the counters of tables: in each row, those of several from a `place` on."""
    counters = [
        f"(SELECT CONCAT_WS(',', COUNT(*), MAX(Counter)) FROM {quoted(database)}.{quoted(name)})"
        for database, name in tables
    ]
    return " UNION ALL ".join(
        f"SELECT {place} AS place, CONCAT_WS(';', {', '.join(counters[place : place + _IN_A_ROW])}) AS counters"
        for place in range(0, len(counters), _IN_A_ROW)
    )


def _locked(session: Session, databases: Collection[str]) -> list[str]:
    rows = session.rows("SHOW OPEN TABLES WHERE In_use > 0")
    return [f"{row['database']}.{row['table']}" for row in rows if row["database"] in databases]


@contextmanager
def _impatient(session: Session) -> Iterator[bool]:
    """Have statements fail rather than wait for a lock until the block ends; give whether they wait for a second first.

    MySQL, and MariaDB before 10.3, don't do with less. If the block fails, the session isn't fit for anything else.
    """
    waits = session.flavour != "MariaDB" or version_number(session.version) < (10, 3)
    session.rows(f"SET SESSION lock_wait_timeout = {int(waits)}")
    yield waits
    session.rows("SET SESSION lock_wait_timeout = DEFAULT")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    if (seconds := time.monotonic() - began) > _WORTH_TELLING:
        log.info("waited %.1f s for %s", seconds, what)
