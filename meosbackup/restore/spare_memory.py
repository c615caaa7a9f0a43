"""What the spare server's own database `meosbackup` remembers of the races that meosbackup put there."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch.model import StoredFile
from meosbackup.mysql import sessions
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.sessions import Session

DATABASE = "meosbackup"
_NAME = "races"
_TABLE = f"{quoted(DATABASE)}.{quoted(_NAME)}"
_COLUMNS = ("name_id", "name", "batch_sequence", "batch_taken", "sha256", "reference_sha256", "sign", "next_sign",
            "stopped")  # fmt: skip
_DEFINITIONS = (
    "name_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
    " batch_sequence BIGINT NOT NULL, batch_taken VARCHAR(40) NOT NULL,"
    " sha256 VARCHAR(64) NOT NULL, reference_sha256 VARCHAR(64) NOT NULL,"
    " sign MEDIUMTEXT NOT NULL, next_sign MEDIUMTEXT NULL, stopped VARCHAR(255) NOT NULL"
)

Sign = Mapping[str, str]
"""What tells of any change of a race's tables, by their names in lower case."""


@dataclass(frozen=True)
class Remembered:
    """A race on the spare server, as meosbackup left it there.

    It is of the batch of this `sequence`, which was `taken` at that time; `sha256` and `reference_sha256` are those of
    its dumps, empty where there is none. `next_sign` is what `sign` becomes when its tables are replaced, None if
    none are about to be. `stopped` says why it is not fed any more, and is empty if it is.
    """

    name_id: str
    name: str
    sequence: int
    taken: datetime
    sha256: str
    reference_sha256: str
    sign: Sign
    next_sign: Sign | None = None
    stopped: str = ""

    def differing(self, found: Sign) -> set[str]:
        """Return the tables that are not as meosbackup left them, nor as they may be if it was ended amid replacing.

        A table is missing then if MySQL was killed while MyISAM tables changed places: they move one after another.
        """
        known = (self.sign, self.sign if self.next_sign is None else self.next_sign)
        tables = {*found, *known[0], *known[1]}
        differing = {table for table in tables if found.get(table) not in {one.get(table) for one in known}}
        return differing if self.next_sign is None else differing & found.keys()

    def holds(self, file: StoredFile | None, *, is_reference: bool) -> bool:
        """Return whether the race tables, or the reference tables, are certainly those of this dump."""
        held = self.reference_sha256 if is_reference else self.sha256
        return self.next_sign is None and held == (file.sha256 if file else "")


def read(session: Session, databases: Sequence[str]) -> dict[str, Remembered]:
    """Return what is remembered, by the races' NameIds; nothing if the server has no such table.

    Raises MeosBackupError.
    """
    if spelled(DATABASE, databases) is None or _NAME not in sessions.tables(session, DATABASE):
        return {}
    rows = session.rows(f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE}")
    found = (
        Remembered(
            row["name_id"], row["name"], int(row["batch_sequence"]), datetime.fromisoformat(row["batch_taken"]),
            row["sha256"], row["reference_sha256"], json.loads(row["sign"]),
            json.loads(row["next_sign"]) if row["next_sign"] else None, row["stopped"],
        ) for row in rows
    )  # fmt: skip
    return {one.name_id: one for one in found}


def prepare(session: Session) -> None:
    """Make the database if it isn't there. Raises MeosBackupError."""
    session.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(DATABASE)}")
    # InnoDB: whatever ends the server, a row is there as it was, or as it was written.
    session.rows(f"CREATE TABLE IF NOT EXISTS {_TABLE} ({_DEFINITIONS}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")


def write(session: Session, races: Iterable[Remembered]) -> None:
    """Remember races, in the database that `prepare` makes. Raises MeosBackupError."""
    for one in races:
        next_sign = None if one.next_sign is None else json.dumps(one.next_sign)
        session.rows(
            f"REPLACE INTO {_TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})",
            (one.name_id, one.name[:255], one.sequence, one.taken.isoformat(), one.sha256, one.reference_sha256,
             json.dumps(one.sign), next_sign, one.stopped[:255]),
        )  # fmt: skip
