"""A batch: the race list's dump and every race's dump of one moment."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from meosbackup.text import clean

RACE_LIST = "meosmain"
BACKUP = "backup"
SAFETY = "safety"
"""The kind of a batch that `restore` saved before it replaced anything."""
_NAME_WIDTH = 40


@dataclass(frozen=True)
class Race:
    """A race as its row in the race list has it. All of it is free text from others: clean it before it is shown.

    `twin` numbers, from 1, the races of one server whose NameIds differ in case only; it is 0 if there is no other.
    """

    name: str
    annotation: str
    date: str
    name_id: str
    id: int
    version: int
    twin: int = field(default=0, compare=False)

    @property
    def key(self) -> str:
        """What identifies the race from batch to batch: its NameId in lower case, as servers differ in case.

        The NameId itself joins it for all but the first of those that only differ in case.
        """
        lower = self.name_id.lower()
        return f"{lower}={self.name_id}" if self.twin > 1 else lower

    @property
    def display_name(self) -> str:
        """The name and the date that a person knows the race by, cleaned: `Långdistans (2026-11-22)`."""
        name, day = clean(self.name, _NAME_WIDTH), clean(self.date, 10)
        return f"{name or clean(self.name_id, _NAME_WIDTH)} ({day or 'no date'})"


def numbered(races: Iterable[Race]) -> list[Race]:
    """Return the races of one server, in this order, with their numbers as twins, which are those of their Ids."""
    every = list(races)
    alike: dict[str, list[tuple[int, str]]] = {}
    for race in every:
        alike.setdefault(race.name_id.lower(), []).append((race.id, race.name_id))

    def number(race: Race) -> int:
        twins = sorted(alike[race.name_id.lower()])
        return twins.index((race.id, race.name_id)) + 1 if len(twins) > 1 else 0

    return [replace(race, twin=number(race)) for race in every]


@dataclass(frozen=True)
class Freshness:
    """When a race's data last changed, and its counts, read from its dump."""

    last_change: datetime | None
    entries: int
    finished: int
    cards: int
    punches: int


@dataclass(frozen=True)
class StoredFile:
    """A file of a batch: its path from the batch's folder, its size, and its SHA-256 in hexadecimal digits."""

    file: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name, without the folder that it lies in."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class Entry:
    """One database in a batch.

    `race` is None for the race list. `dump` and `taken` are None if there is no good dump of the database. If `error`
    is set, the dump is the newest good one, from an earlier moment, which is `taken`. `unchanged_since` is the
    sequence of the batch that the dump was taken from, None if it was made for this one.
    `reference` is the dump of the race's reference tables, `meosxml` the race as MeOS's own file. `not_backed_up` names
    what the database holds that MeOS doesn't make: `trigger t1`.
    """

    database: str
    race: Race | None = None
    freshness: Freshness | None = None
    dump: StoredFile | None = None
    taken: datetime | None = None
    unchanged_since: int | None = None
    error: str | None = None
    reference: StoredFile | None = None
    meosxml: StoredFile | None = None
    not_backed_up: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What identifies the database from batch to batch: the race's key; `meosmain` for the race list."""
        return self.race.key if self.race else RACE_LIST

    @property
    def display_name(self) -> str:
        """The race's display name; `race list` for the race list."""
        return self.race.display_name if self.race else "race list"

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The files of this entry in the batch's own folder: its dump and its `.meosxml`, if it has them."""
        return tuple(file for file in (self.dump, self.meosxml) if file is not None)

    def carried(self, sequence: int) -> "Entry":
        """Return this entry of batch `sequence` for a later batch, before which its race did not change."""
        return replace(self, unchanged_since=self.unchanged_since or sequence)


@dataclass(frozen=True)
class Server:
    """The server that a batch comes from."""

    host: str
    port: int
    flavour: str
    version: str
    lower_case_table_names: int

    def __str__(self) -> str:
        return f"{self.flavour} {self.version} on {self.host}"


@dataclass(frozen=True)
class Batch:
    """All that `batch.json` says. `guides` are the names and SHA-256 of the batch's own guides, such as RESTORE.txt.

    Only a batch of the kind BACKUP is ever chosen without being named.
    """

    sequence: int
    taken: datetime
    complete: bool
    server: Server
    dump_program: str
    meosbackup: str
    databases: tuple[Entry, ...]
    guides: tuple[tuple[str, str], ...] = ()
    kind: str = BACKUP

    @property
    def is_backup(self) -> bool:
        """Whether it is a backup, and not what a restore saved first."""
        return self.kind == BACKUP

    @property
    def races(self) -> tuple[Entry, ...]:
        """The entries of races, without the race list's."""
        return tuple(entry for entry in self.databases if entry.race is not None)

    @property
    def race_list(self) -> Entry | None:
        """The race list's entry."""
        return next((entry for entry in self.databases if entry.race is None), None)

    @property
    def newest_change(self) -> datetime | None:
        """When the data of any race last changed."""
        changes = [one.freshness.last_change for one in self.races if one.freshness and one.freshness.last_change]
        return max(changes, default=None)


@dataclass(frozen=True)
class StoredBatch:
    """A batch and the folder that it is stored in; `is_only_here` if that is the spool's, and the drive lacks it."""

    folder: Path
    batch: Batch
    is_only_here: bool = False

    @property
    def when(self) -> str:
        """Its time as a person writes it, `2026-11-22 14:03:00`; with `_2` if its folder has that."""
        again = re.search(r"_\d+$", self.folder.name)
        return f"{self.batch.taken.isoformat(' ')[:19]}{again[0] if again else ''}"

    @property
    def name(self) -> str:
        """Its folder below the root: `2026-11-22/14-03-00`."""
        return "/".join(self.folder.parts[-2:])

    def path(self, file: StoredFile) -> Path:
        """Return where a file of this batch lies."""
        return self.folder / file.file


@dataclass(frozen=True)
class Proof:
    """A rehearsal that found no difference: when its batch was taken, and when it was rehearsed."""

    batch: datetime
    proven: datetime
