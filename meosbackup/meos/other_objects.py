"""What a race's database holds besides tables, such as triggers and views: MeOS makes none, and none is backed up."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from meosbackup.errors import MeosBackupError
from meosbackup.mysql.sessions import Session
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

NOT_TABLES = ("VIEW", "SEQUENCE")
"""What information_schema.TABLES lists besides tables."""

_LISTED = ("TABLE", "TABLE_TYPE")
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
    session: Session, databases: Sequence[str], listed: Mapping[str, Iterable[OtherObject]] | None = None
) -> Mapping[str, tuple[OtherObject, ...]]:
    """Return what the user may see of such objects, by database. Nothing is locked, and no view is opened.

    `listed` are those among the tables, if somebody has asked for them, since that takes longest.
    """
    every: dict[str, list[OtherObject]] = {name: [*(listed or {}).get(name, ())] for name in databases}
    lists = _UNLISTED if listed is not None else (*_UNLISTED, _LISTED)
    marks = ", ".join(["%s"] * len(databases))
    statement = " UNION ALL ".join(
        f"SELECT {_converted(f'{name}_SCHEMA')} AS owner, {_converted(kind)} AS kind,"
        f" {_converted(f'{name}_NAME')} AS name FROM information_schema.{name}S"
        f" WHERE {name}_SCHEMA IN ({marks}){f' AND {kind} IN {NOT_TABLES}' if name == 'TABLE' else ''}"
        for name, kind in lists
    )
    try:
        rows = session.rows(statement, [*databases] * len(lists)) if databases else []
    except MeosBackupError:  # no backup fails for them
        log.warning("it is not known whether there are triggers or views", exc_info=True)
        rows = []
    for row in rows:
        if row["owner"] in every:
            every[row["owner"]].append(OtherObject(str(row["kind"]).lower(), str(row["name"])))
    return {name: tuple(sorted(objects)) for name, objects in every.items()}


def _converted(column: str) -> str:
    """Return a column in the one collation that a union needs: those of information_schema differ (MySQL 8)."""
    return f"CONVERT({column} USING utf8mb4)"


def in_words(objects: Sequence[OtherObject]) -> str:
    """Return how many of each kind there are: `2 triggers and 1 view`."""
    counts = [number(count, kind) for kind, count in sorted(Counter(one.kind for one in objects).items())]
    return " and ".join(filter(None, (", ".join(counts[:-1]), *counts[-1:])))
