"""What a race's database holds besides tables, such as triggers and views: MeOS makes none, and none is backed up."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meosbackup.errors import MeosBackupError
from meosbackup.mysql.sessions import Session
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

NOT_TABLES = ("VIEW", "SEQUENCE")
"""What information_schema.TABLES lists besides tables."""

_LISTED = (("TABLE", "TABLE_TYPE"),)
_UNLISTED = (("TRIGGER", "'trigger'"), ("ROUTINE", "ROUTINE_TYPE"), ("EVENT", "'event'"))
"""Of each table of information_schema, how it calls what it lists, and what says of which kind that is."""


@dataclass(frozen=True, order=True)
class OtherObject:
    """A view, sequence, trigger, procedure, function or event; its name is free text."""

    kind: str
    name: str

    def __str__(self) -> str:
        return clean(f"{self.kind} {self.name}", 60)


def found(
    session: Session, databases: Sequence[str], listed: Iterable[Mapping[str, Any]] | None = None
) -> Mapping[str, tuple[OtherObject, ...]]:
    """Return what the user may see of such objects, by database. Nothing is locked, and no view is opened.

    `listed` are the rows of information_schema.TABLES if somebody has them, since to ask for them takes longest.
    """
    every: dict[str, list[OtherObject]] = {name: [] for name in databases}
    try:
        if listed is None:
            listed = _asked(session, _LISTED, databases)
        rows = [*(row for row in listed if row["table_type"] in NOT_TABLES), *_asked(session, _UNLISTED, databases)]
    except MeosBackupError:  # no backup fails for them
        log.warning("it is not known whether there are triggers or views", exc_info=True)
        rows = []
    for row in rows:
        if row["table_schema"] in every:
            every[row["table_schema"]].append(OtherObject(str(row["table_type"]).lower(), str(row["table_name"])))
    return {name: tuple(sorted(objects)) for name, objects in every.items()}


def _asked(session: Session, what: Sequence[tuple[str, str]], databases: Sequence[str]) -> list[Mapping[str, Any]]:
    marks = ", ".join(["%s"] * len(databases))
    return [
        row for name, kind in what for row in session.rows(
            f"SELECT {name}_SCHEMA AS table_schema, {kind} AS table_type, {name}_NAME AS table_name"
            f" FROM information_schema.{name}S WHERE {name}_SCHEMA IN ({marks})", databases,
        )
    ] if databases else []  # fmt: skip


def in_words(objects: Sequence[OtherObject]) -> str:
    """Return how many of each kind there are: `2 triggers and 1 view`."""
    counts = [number(count, kind) for kind, count in sorted(Counter(one.kind for one in objects).items())]
    return " and ".join(filter(None, (", ".join(counts[:-1]), *counts[-1:])))
