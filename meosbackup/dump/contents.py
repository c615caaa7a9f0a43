"""What a dump holds: its tables, whether it is whole, and when its race last changed."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from meosbackup.batch import batch_file
from meosbackup.batch.model import Freshness
from meosbackup.dump import reader
from meosbackup.dump.reader import Sink, Table
from meosbackup.dump.rows import Literals, Value, each, value
from meosbackup.dump.scanner import Kind, Piece

# The tables whose rows tell when a race last changed: oMonitor and oCounter say nothing about it.
_RACE_TABLES = {"oevent", "orunner", "oteam", "oclass", "oclub", "ocourse", "ocontrol", "ocard", "opunch"}
_TELLING_COLUMNS = {"modified", "removed", "finishtime"}

_Telling: TypeAlias = tuple[bytes, bool, bool]
"""What a row tells: when it changed, whether it is there rather than deleted, and whether it has a finish time."""


@dataclass(frozen=True)
class Contents:
    """What a dump holds: its tables as it spells them, whether it is whole, and a race's freshness (its time in UTC).

    `rows` counts the rows, deleted ones too, of the tables that the freshness is read from, by lower-case name;
    `has_rows` tells whether any table has some.
    """

    tables: tuple[str, ...]
    completed: bool
    rows: Mapping[str, int]
    freshness: Freshness | None
    has_rows: bool = field(default=True, compare=False)


class Inspection(Sink):
    """Finds out what a dump holds, as a sink of a pass over it."""

    kinds = frozenset({Kind.INSERT})

    def __init__(self) -> None:
        """Begin with nothing found."""
        self._tables: list[str] = []
        self._rows: dict[str, Counter[_Telling]] = {}
        self._has_rows = self._is_completed = False

    def take_piece(self, piece: Piece) -> None:
        """Note that there are rows."""
        self._has_rows |= piece.begins

    def take_table(self, table: Table) -> Collection[str] | None:
        """Note a table; of a race's, want the columns that tell of changes."""
        self._tables.append(table.name)
        name = table.name.lower()
        if name not in _RACE_TABLES:
            return None
        self._of_table = self._rows.setdefault(name, Counter())
        telling = [column for column in table.columns if column.lower() in _TELLING_COLUMNS]
        places = {column.lower(): place for place, column in enumerate(telling)}
        self._places = [places.get(column, -1) for column in ("modified", "removed", "finishtime")]
        return telling or table.columns[:1]  # so that rows are counted

    def made_of(self, columns: Sequence[Literals]) -> list[_Telling]:
        """Return what rows tell."""
        missing = [b"NULL"] * len(columns[0])
        modified, removed, finish = [columns[place] if place >= 0 else missing for place in self._places]
        return list(zip(modified, each(removed, _is_false), each(finish, _is_time), strict=True))

    def take_rows(self, made: Sequence[_Telling]) -> None:
        """Count rows."""
        self._of_table.update(made)

    def take_end(self, *, is_completed: bool) -> None:
        """Note whether the dump is whole."""
        self._is_completed = is_completed

    def contents(self) -> Contents:
        """Return what was found."""
        changes = {modified for found in self._rows.values() for modified, _, _ in found}
        last_change = max(filter(None, map(_moment, map(value, changes))), default=None)
        freshness = Freshness(
            last_change, self._present("orunner"), self._present("orunner", finished=True), self._present("ocard"),
            self._present("opunch"),
        )  # fmt: skip
        return Contents(
            tuple(self._tables), self._is_completed, {name: found.total() for name, found in self._rows.items()},
            freshness if "orunner" in self._rows else None, self._has_rows,
        )  # fmt: skip

    def _present(self, table: str, *, finished: bool = False) -> int:
        """Count the rows of a table that aren't deleted; with `finished`, those that have a time."""
        found = self._rows.get(table, Counter[_Telling]())
        return sum(count for (_, is_present, has_time), count in found.items() if is_present and has_time >= finished)


def inspect(path: Path, stop: threading.Event | None = None) -> Contents:
    """Read what a dump holds. Raises BadDumpError, OSError and StoppedError as `reader.read_through` does."""
    inspection = Inspection()
    reader.read_through(path, [inspection], stop)
    return inspection.contents()


def _is_false(literal: bytes) -> bool:
    return not value(literal)


def _is_time(literal: bytes) -> bool:
    time = value(literal)
    return isinstance(time, int) and time > 0


def _moment(value: Value) -> datetime | None:
    """Read a Modified, which the dump's SET TIME_ZONE makes UTC; None for a zero date, or one of another age."""
    try:
        found = datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and found.year in batch_file.YEARS else None
