"""What a server is like at a moment, in one query: its clock, databases, and settings that may change while it runs."""

from dataclasses import dataclass
from datetime import datetime

from meosbackup.mysql import lists
from meosbackup.mysql.sessions import Session


@dataclass(frozen=True)
class Moment:
    """A server at the moment that its clock (UTC) tells; names and modes are as it spells them.

    The databases are those that the user may see; a statement may have `max_allowed_packet` bytes.
    """

    clock: datetime
    databases: tuple[str, ...]
    sql_mode: str
    is_read_only: bool
    max_allowed_packet: int


def ask(session: Session) -> Moment:
    """Ask the server. Its clock is read before all else. Raises MeosBackupError."""
    lists.allow(session)
    # Apart from each other: beside COUNT and the like, MariaDB tells of every switch that it is off (seen: 10.11).
    row = session.rows(
        "SELECT * FROM (SELECT UTC_TIMESTAMP() AS clock, @@GLOBAL.sql_mode AS modes, @@GLOBAL.read_only AS readonly,"
        " @@GLOBAL.max_allowed_packet AS packet) AS present,"
        f" (SELECT COUNT(*) AS count, {lists.listed('HEX(SCHEMA_NAME)', by='SCHEMA_NAME')} AS listed"
        " FROM information_schema.SCHEMATA) AS names"
    )[0]
    databases = lists.entries(row["listed"], row["count"], "databases")
    return Moment(
        row["clock"], tuple(lists.unhexed(name) for (name,) in databases), str(row["modes"]),
        str(row["readonly"]).upper() not in {"0", "OFF"},  # MariaDB 12 answers with words
        int(row["packet"]),
    )  # fmt: skip
