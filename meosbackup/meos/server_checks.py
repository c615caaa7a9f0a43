"""What is checked of a server, because it would cause trouble later: in MeOS on race day, or during a restore."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from meosbackup.mysql.moment import Moment
from meosbackup.mysql.sessions import Session, version_number
from meosbackup.text import clean
from meosbackup.wording import number

CLOCK_SECONDS = 5
"""How far apart the clocks of this computer and of the server may be."""

_OLDEST_FOR_MEOS = "5.0.3"
_UNEXPECTED_MODES = frozenset({"ANSI", "ANSI_QUOTES", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES", "ORACLE", "MSSQL", "DB2",
                               "POSTGRESQL", "MAXDB", "PAD_CHAR_TO_FULL_LENGTH", "PIPES_AS_CONCAT"})  # fmt: skip
# What follows the number in a version of MySQL, MariaDB and their packages.
_KNOWN = re.compile(
    r"maria|mysql|percona|log|debug|debian|ubuntu|deb|rds|google|azure|cluster|cll|enterprise|commercial|homebrew"
)


@dataclass(frozen=True)
class ServerCheck:
    """One thing that was checked, and what was found; unless it `is_ok`, `text` says what to do about it."""

    is_ok: bool
    name: str
    text: str


@dataclass(frozen=True)
class ServerChecks:
    """Everything that was checked, and the largest statement that the server accepts, in bytes."""

    checks: tuple[ServerCheck, ...]
    max_allowed_packet: int

    @property
    def warnings(self) -> tuple[ServerCheck, ...]:
        """What somebody should do something about."""
        return tuple(check for check in self.checks if not check.is_ok)


def run(session: Session, now: Moment, untimed: str | None, distrust_minutes: int) -> ServerChecks:
    """Check a server as it is `now`; `untimed` is what `signs.untimed` says of it."""
    checks = (
        _clock(now.clock.replace(tzinfo=UTC), datetime.now(UTC)),
        _table_names(session.lower_case_table_names),
        _changes(untimed, distrust_minutes),
        *_announced_version(session.announced),
        *_flavour(session.version, session.comment),
        *_modes(now.sql_mode),
        *_read_only(now.is_read_only),
    )
    return ServerChecks(checks, now.max_allowed_packet)


def _clock(theirs: datetime, ours: datetime) -> ServerCheck:
    difference = round(abs((ours - theirs).total_seconds()))
    if difference <= CLOCK_SECONDS:
        return ServerCheck(True, "clock", "this computer and the server agree")
    text = f"this computer and the server are {difference:,} seconds apart: correct the one that is wrong"
    return ServerCheck(False, "clock", text)


def _table_names(setting: int) -> ServerCheck:
    spare = (
        "a spare server may have any value. If this is the spare server, races of a server with 1, such as one on"
        " Windows, can be restored on it only with `meosbackup restore`: after the steps of RESTORE.txt, MeOS wouldn't"
        " see them"
        if setting == 0
        else "a spare server needs that, too (README, Servers)"
    )
    return ServerCheck(True, "table names", f"lower_case_table_names is {setting}: {spare}")


def _changes(untimed: str | None, minutes: int) -> ServerCheck:
    text = (
        f"{untimed}, whose tables can change without a new time: changes are seen by MeOS's counters and by checksums,"
        f" and each race is dumped at least every {number(minutes, 'minute')}"
        if untimed
        else "seen by the times of the server's tables, without reading or locking them"
    )
    return ServerCheck(True, "changes", text)


def _announced_version(version: str) -> Iterator[ServerCheck]:
    """Warn of a version that MeOS refuses: it compares them as text, and as text 11 comes before 5."""
    if version < _OLDEST_FOR_MEOS:
        plain = ".".join(map(str, version_number(version)[:3]))
        yield ServerCheck(
            False,
            "version",
            f"MeOS refuses this server: it compares {clean(version, 40)} with {_OLDEST_FOR_MEOS} letter by letter."
            f" Write version=5.5.5-{plain}-MariaDB below [mysqld] in the server's settings, and restart it",
        )


def _flavour(version: str, comment: str) -> Iterator[ServerCheck]:
    suffix = re.sub(r"^[\d.]+", "", version).lower()
    if re.search("[a-z]{3}", suffix) and not _KNOWN.search(suffix):
        yield ServerCheck(
            False,
            "server",
            f"it calls itself {clean(f'{version} {comment}', 60)}, which meosbackup doesn't know: it is treated as"
            " MySQL. Rehearse a batch before you rely on it",
        )


def _modes(modes: str) -> Iterator[ServerCheck]:
    unexpected = sorted(_UNEXPECTED_MODES & set(modes.upper().split(",")))
    if unexpected:
        yield ServerCheck(
            False,
            "sql_mode",
            f"it has {', '.join(unexpected)}, which MeOS doesn't expect: remove that from the server's settings",
        )


def _read_only(is_read_only: bool) -> Iterator[ServerCheck]:
    if is_read_only:
        yield ServerCheck(
            False,
            "read_only",
            "the server is read-only: MeOS can't work on it, and no race can be restored there. In an administrator's"
            " mysql prompt: SET GLOBAL read_only=0;",
        )
