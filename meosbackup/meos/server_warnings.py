"""What of a server bites later: on race day in MeOS, or when a race is restored there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from meosbackup.mysql.sessions import Session, version_number
from meosbackup.text import clean

CLOCK_SECONDS = 5
"""How far the clocks of this computer and of the server may be apart."""

_OLDEST_FOR_MEOS = "5.0.3"
_ODD_MODES = frozenset({"ANSI", "ANSI_QUOTES", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES", "ORACLE", "MSSQL", "DB2",
                        "POSTGRESQL", "MAXDB", "PAD_CHAR_TO_FULL_LENGTH", "PIPES_AS_CONCAT"})  # fmt: skip
# What follows the number in a version of MySQL, MariaDB and their packages.
_KNOWN = re.compile(
    r"maria|mysql|percona|log|debug|debian|ubuntu|deb|rds|google|azure|cluster|cll|enterprise|commercial|homebrew"
)


@dataclass(frozen=True)
class Remark:
    """One thing, and how it is with this server; `bites` tells whether somebody should do something about it."""

    bites: bool
    name: str
    text: str


@dataclass(frozen=True)
class Remarks:
    """All that there is to remark, and the largest statement in bytes that the server takes."""

    of: tuple[Remark, ...]
    largest_packet: int


def look(session: Session) -> Remarks:
    """Ask a server for what bites later. Raises MeosBackupError."""
    row = session.rows(
        "SELECT @@version AS version, @@version_comment AS comment, @@lower_case_table_names AS names,"
        " @@GLOBAL.sql_mode AS modes, @@GLOBAL.read_only AS readonly, @@GLOBAL.max_allowed_packet AS packet,"
        " UTC_TIMESTAMP() AS now"
    )[0]
    version = str(row["version"])
    found = (
        _clock(row["now"].replace(tzinfo=UTC), datetime.now(UTC)),
        _table_names(int(row["names"])),
        *_announced(session.announced),
        *_flavour(version, str(row["comment"])),
        *_modes(str(row["modes"])),
        *_read_only(row["readonly"]),
    )
    return Remarks(found, int(row["packet"]))


def _clock(theirs: datetime, ours: datetime) -> Remark:
    difference = round(abs((ours - theirs).total_seconds()))
    if difference <= CLOCK_SECONDS:
        return Remark(False, "clock", "this computer and the server agree")
    return Remark(True, "clock", f"this computer and the server are {difference:,} seconds apart: set the wrong one")


def _table_names(setting: int) -> Remark:
    spare = (
        "a spare server may have any value. As a spare server, this one takes races of servers with 1, such as those of"
        " Windows, by `meosbackup restore` alone: by the lines of RESTORE.txt, MeOS wouldn't see them"
        if setting == 0
        else "a spare server needs that, too, or MeOS won't see what the lines of RESTORE.txt bring back. On Windows it"
        " has; on Linux it is set when the server is set up (README, Servers)"
    )
    return Remark(False, "table names", f"lower_case_table_names is {setting}: {spare}")


def _announced(version: str) -> Iterator[Remark]:
    """Tell of a version that MeOS refuses: it compares texts, and as a text 11 comes before 5."""
    if version < _OLDEST_FOR_MEOS:
        number = ".".join(map(str, version_number(version)[:3]))
        yield Remark(
            True,
            "version",
            f"MeOS refuses this server: it compares {clean(version, 40)} with {_OLDEST_FOR_MEOS} letter by letter."
            f" Write version=5.5.5-{number}-MariaDB below [mysqld] in the server's settings, and restart it",
        )


def _flavour(version: str, comment: str) -> Iterator[Remark]:
    suffix = re.sub(r"^[\d.]+", "", version).lower()
    if re.search("[a-z]{3}", suffix) and not _KNOWN.search(suffix):
        yield Remark(
            True,
            "server",
            f"it calls itself {clean(f'{version} {comment}', 60)}, which meosbackup doesn't know: it is treated as a"
            " MySQL. Rehearse a batch before you rely on it",
        )


def _modes(modes: str) -> Iterator[Remark]:
    odd = sorted(_ODD_MODES & set(modes.upper().split(",")))
    if odd:
        yield Remark(
            True,
            "sql_mode",
            f"it has {', '.join(odd)}, which MeOS doesn't expect: take that out of the server's settings",
        )


def _read_only(value: object) -> Iterator[Remark]:
    # MariaDB 12 has words for it.
    if str(value).upper() not in {"0", "OFF"}:
        yield Remark(
            True,
            "read_only",
            "the server is read-only: MeOS can't work on it, and no race can be restored there. In a mysql prompt of an"
            " administrator: SET GLOBAL read_only=0;",
        )
