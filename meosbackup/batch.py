"""A batch: the race list's dump and every race's dump of one moment, and its `batch.json`."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from meosbackup.errors import BadBatchError
from meosbackup.typed import Value, optional, time, value

FORMAT = 1
RACE_LIST = "meosmain"
BATCH_FILE = "batch.json"
GUIDE_FILE = "RESTORE.txt"
REFERENCE_FOLDER = "reference"
PARTIAL = ".partial"
REFERENCE_TABLES = frozenset({"dbrunner", "dbclub", "oimage"})
"""The reference tables of a race, in lower case."""


@dataclass(frozen=True)
class Race:
    """A race as its row in the race list tells it. All of it is free text from others: clean it before it is shown."""

    name: str
    annotation: str
    date: str
    name_id: str
    id: int
    version: int


@dataclass(frozen=True)
class Freshness:
    """When a race's data last changed, and its counts, read from its dump."""

    last_change: datetime | None
    entries: int
    finished: int
    cards: int
    punches: int


@dataclass(frozen=True)
class Reference:
    """The dump of a race's reference tables; `file` is relative to the batch's folder."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class MeosFile:
    """A race as MeOS's own file, `.meosxml`, made of its dump; it lies in the batch's folder."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Dump:
    """One database in a batch.

    `race` is None for the race list. `file`, `bytes`, `sha256` and `taken` are None where no good dump of the
    database exists. Where `error` is set, the file is the newest good dump of an earlier moment, which `taken` tells.
    `unchanged_since` is the sequence of the batch that the dump was taken from, None where it was made for this one.
    """

    database: str
    race: Race | None = None
    freshness: Freshness | None = None
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    taken: datetime | None = None
    unchanged_since: int | None = None
    error: str | None = None
    reference: Reference | None = None
    meosxml: MeosFile | None = None


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
    """All that `batch.json` says."""

    sequence: int
    taken: datetime
    complete: bool
    server: Server
    dump_program: str
    meosbackup: str
    databases: tuple[Dump, ...]

    @property
    def races(self) -> tuple[Dump, ...]:
        """The dumps of races, without the race list's."""
        return tuple(dump for dump in self.databases if dump.race is not None)

    @property
    def race_list(self) -> Dump | None:
        """The race list's dump."""
        return next((dump for dump in self.databases if dump.race is None), None)

    @property
    def newest_change(self) -> datetime | None:
        """When the data of any race last changed."""
        changes = [dump.freshness.last_change for dump in self.races if dump.freshness and dump.freshness.last_change]
        return max(changes, default=None)


def to_json(batch: Batch) -> str:
    """Return the text of a batch's `batch.json`."""
    document = {"format": FORMAT, **asdict(batch)}
    return json.dumps(document, ensure_ascii=False, indent=1, default=datetime.isoformat) + "\n"


def from_json(text: str) -> Batch:
    """Read the text of a `batch.json`; keys that this version doesn't know are ignored.

    Raises BadBatchError where it isn't one, is of a later format, or names a file outside its batch.
    """
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError("not an object")  # noqa: TRY301 - one place turns every fault into a BadBatchError
        number = value(document, "format", int)
        if number > FORMAT:
            raise BadBatchError(
                f"This batch is of format {number}, and this meosbackup knows {FORMAT} at most.",
                "Its dumps may be good.",
                "Use the meosbackup that made it, or a newer one; or follow its RESTORE.txt.",
            )
        return _batch(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadBatchError(
            f"A {BATCH_FILE} can't be read ({error}).",
            "What it says of its dumps is not trusted.",
            "Take another batch.",
        ) from error


def write(folder: Path, batch: Batch) -> None:
    """Write the `batch.json` of a batch's folder."""
    (folder / BATCH_FILE).write_text(to_json(batch), "utf-8", newline="\n")


def read(folder: Path) -> Batch:
    """Read the `batch.json` of a batch's folder. Raises BadBatchError."""
    try:
        return from_json((folder / BATCH_FILE).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadBatchError(
            f"{folder / BATCH_FILE} can't be read ({error}).",
            "This folder is not counted as a batch.",
            "Take another batch.",
        ) from error


def carried(dump: Dump, sequence: int) -> Dump:
    """Return what a dump of batch `sequence` is in a later batch, where its race has not changed since."""
    return replace(dump, unchanged_since=dump.unchanged_since or sequence)


def _batch(document: Mapping[str, Any]) -> Batch:
    server = value(document, "server", dict)
    return Batch(
        sequence=value(document, "sequence", int),
        taken=time(value(document, "taken", str)),
        complete=value(document, "complete", bool),
        server=Server(
            host=value(server, "host", str),
            port=value(server, "port", int),
            flavour=value(server, "flavour", str),
            version=value(server, "version", str),
            lower_case_table_names=value(server, "lower_case_table_names", int),
        ),
        dump_program=value(document, "dump_program", str),
        meosbackup=value(document, "meosbackup", str),
        databases=tuple(_dump(item) for item in value(document, "databases", list)),
    )


def _dump(item: Any) -> Dump:
    if not isinstance(item, dict):
        raise TypeError(f"{item!r:.40} is no database")
    race, freshness = optional(item, "race", dict), optional(item, "freshness", dict)
    taken, file = optional(item, "taken", str), optional(item, "file", str)
    return Dump(
        database=value(item, "database", str),
        race=None if race is None else Race(
            name=value(race, "name", str), annotation=value(race, "annotation", str), date=value(race, "date", str),
            name_id=value(race, "name_id", str), id=value(race, "id", int), version=value(race, "version", int),
        ),
        freshness=None if freshness is None else Freshness(
            last_change=None if freshness.get("last_change") is None else time(value(freshness, "last_change", str)),
            entries=value(freshness, "entries", int), finished=value(freshness, "finished", int),
            cards=value(freshness, "cards", int), punches=value(freshness, "punches", int),
        ),
        file=None if file is None else _file_name(file, ""),
        bytes=optional(item, "bytes", int),
        sha256=optional(item, "sha256", str),
        taken=None if taken is None else time(taken),
        unchanged_since=optional(item, "unchanged_since", int),
        error=optional(item, "error", str),
        reference=_beside(item, "reference", Reference, f"../../{REFERENCE_FOLDER}/"),
        meosxml=_beside(item, "meosxml", MeosFile, ""),
    )  # fmt: skip


def _beside(item: Any, key: str, kind: Callable[[str, int, str], Value], folder: str) -> Value | None:
    """Read what is told of a file that goes with a dump."""
    found = optional(item, key, dict)
    if found is None:
        return None
    name = _file_name(value(found, "file", str), folder)
    return kind(name, value(found, "bytes", int), value(found, "sha256", str))


def _file_name(text: str, prefix: str) -> str:
    if not text.startswith(prefix) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", text.removeprefix(prefix)):
        raise ValueError(f"{text!r:.80} is no file of a batch")
    return text


@dataclass(frozen=True)
class Stored:
    """A batch and the folder that it lies in."""

    folder: Path
    batch: Batch

    @property
    def when(self) -> str:
        """Its time as a person writes it, `2026-11-22 14:03:00`; with `_2` where its folder has that."""
        again = re.search(r"_\d+$", self.folder.name)
        return f"{self.batch.taken.isoformat(' ')[:19]}{again[0] if again else ''}"


@dataclass(frozen=True)
class Findings:
    """What lies below a root: the batches, oldest first, and the folders that look like one and can't be trusted."""

    batches: tuple[Stored, ...]
    doubtful: tuple[tuple[Path, BadBatchError], ...]

    @property
    def newest(self) -> Stored | None:
        """The batch of the highest sequence."""
        return self.batches[-1] if self.batches else None


def find(root: Path) -> Findings:
    """Find the batches below a root, ordered by their sequence; whatever else lies there is passed over.

    Raises OSError where the root exists and can't be listed.
    """
    batches, doubtful = [], []
    for folder in _batch_folders(root):
        try:
            batches.append(Stored(folder, read(folder)))
        except BadBatchError as error:
            doubtful.append((folder, error))
    return Findings(tuple(sorted(batches, key=lambda stored: stored.batch.sequence)), tuple(doubtful))


def _batch_folders(root: Path) -> Iterator[Path]:
    for day in _subfolders(root, r"\d{4}-\d\d-\d\d"):
        yield from _subfolders(day, r"\d\d-\d\d-\d\d(_\d+)?")


def _subfolders(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        entry for entry in folder.iterdir()
        if re.fullmatch(pattern, entry.name) and entry.is_dir() and not entry.is_symlink()
    )  # fmt: skip
