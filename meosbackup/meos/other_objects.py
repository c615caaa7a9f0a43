"""What a race's database holds besides tables, such as triggers and views: MeOS makes none, and none is backed up."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meosbackup.errors import MeosBackupError
from meosbackup.mysql.sessions import Session
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

NOT_TABLES = ("VIEW", "SEQUENCE")
"""What information_schema.TABLES lists besides tables."""

_QUERY = """
SELECT TABLE_SCHEMA AS db, LOWER(TABLE_TYPE) AS kind, TABLE_NAME AS name FROM information_schema.TABLES
WHERE TABLE_SCHEMA IN ({marks}) AND TABLE_TYPE IN ('VIEW', 'SEQUENCE')
UNION ALL SELECT TRIGGER_SCHEMA, 'trigger', TRIGGER_NAME FROM information_schema.TRIGGERS
WHERE TRIGGER_SCHEMA IN ({marks})
UNION ALL SELECT ROUTINE_SCHEMA, LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES
WHERE ROUTINE_SCHEMA IN ({marks})
UNION ALL SELECT EVENT_SCHEMA, 'event', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN ({marks})
"""


@dataclass(frozen=True, order=True)
class OtherObject:
    """A view, sequence, trigger, procedure, function or event; its name is free text."""

    kind: str
    name: str

    def __str__(self) -> str:
        return clean(f"{self.kind} {self.name}", 60)


def found(session: Session, databases: Sequence[str]) -> Mapping[str, tuple[OtherObject, ...]]:
    """Return what the user may see of such objects, by database. Nothing is locked, and no view is opened."""
    every: dict[str, list[OtherObject]] = {name: [] for name in databases}
    query = _QUERY.format(marks=", ".join(["%s"] * len(databases)))
    try:
        rows = session.rows(query, [*databases] * 4) if databases else ()
    except MeosBackupError:  # no backup fails for them
        log.warning("it is not known whether there are triggers or views", exc_info=True)
        rows = ()
    for row in rows:
        if row["db"] in every:
            every[row["db"]].append(OtherObject(str(row["kind"]), str(row["name"])))
    return {name: tuple(sorted(objects)) for name, objects in every.items()}


def in_words(objects: Sequence[OtherObject]) -> str:
    """Return how many of each kind there are: `2 triggers and 1 view`."""
    counts = [number(count, kind) for kind, count in sorted(Counter(one.kind for one in objects).items())]
    return " and ".join(filter(None, (", ".join(counts[:-1]), *counts[-1:])))
