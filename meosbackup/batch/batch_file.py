"""`batch.json`: what a batch holds, written and read. What is read is not trusted."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from meosbackup.batch import model
from meosbackup.batch.model import BACKUP, Batch, Entry, Freshness, Race, Server, StoredFile
from meosbackup.batch.names import BATCH_FILE, REFERENCE_FOLDER
from meosbackup.errors import BadBatchError

FORMAT = 1

LARGEST_SEQUENCE = 2**53 - 1
YEARS = range(1971, 2200)
"""Of all times, in UTC: Windows can't bring a time before 1970 into another zone."""
# Whatever is beyond these isn't from meosbackup, and not every place could handle it.
_NUMBERS = range(-(2**63), 2**63)
_SIZES = range(2**63)
_COUNTS = range(2**53)
_PORTS = range(2**16)
_FORMATS = range(1, 2**16)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_TEXT = 2**17  # letters; what a program said last, which an `error` may hold, takes half of that at most
_LONGEST_NAME = 255
_MOST_ENTRIES = 5_000

_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")  # Windows ignores a dot at the end
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # to Windows

Value = TypeVar("Value")


def to_json(batch: Batch) -> str:
    """Return the text of a batch's `batch.json`."""
    document = {"format": FORMAT, **asdict(replace(batch, databases=()))}
    document["databases"] = [_document(entry) for entry in batch.databases]
    document.pop("guides")
    if batch.guides:  # a batch of an older version has none
        document["guides"] = dict(batch.guides)
    if batch.is_backup:
        document.pop("kind")
    return json.dumps(document, ensure_ascii=False, indent=1, default=datetime.isoformat) + "\n"


@lru_cache(maxsize=8)  # each tick reads the newest one several times, in the spool and on the drive
def from_json(text: str) -> Batch:
    """Return the batch that the text of a `batch.json` describes; keys that this version doesn't know are ignored.

    Raises BadBatchError if it doesn't describe one, has a later format, or names a file outside the batch.
    """
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError("not an object")  # noqa: TRY301 - one place turns every fault into a BadBatchError
        number = _number(document, "format", _FORMATS)
        if number > FORMAT:
            raise BadBatchError(
                f"This batch has format {number}, and this meosbackup only knows formats up to {FORMAT}.",
                "Its dumps may be good.",
                "Use the meosbackup that made it, or a newer one; or follow its RESTORE.txt.",
            )
        return _batch(document)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BadBatchError(
            f"A {BATCH_FILE} can't be read ({error}).",
            "What it says about its dumps is not trusted.",
            "Choose another batch.",
        ) from error


def write(folder: Path, batch: Batch) -> None:
    """Write the `batch.json` of a batch's folder. Raises OSError."""
    (folder / BATCH_FILE).write_text(to_json(batch), "utf-8", newline="\n")


def _document(entry: Entry) -> dict[str, Any]:
    """Return an entry as `batch.json` has it: the keys of its dump stand in the entry itself."""
    document = asdict(entry)
    if entry.race is not None:
        document["race"].pop("twin")  # it shows in the batch's other races
    dump = document.pop("dump") or {"file": None, "bytes": None, "sha256": None}
    if not entry.not_backed_up:
        document.pop("not_backed_up")
    before = dict.fromkeys(("database", "race", "freshness"))
    return {**{key: document[key] for key in before}, **dump, **document}


def _batch(document: Mapping[str, Any]) -> Batch:
    server = _value(document, "server", dict)
    databases = tuple(_entry(item) for item in _value(document, "databases", list))
    files = [file.file.lower() for entry in databases for file in entry.files]
    if len(set(files)) < len(files):
        raise ValueError("it names a file twice")
    guides = _optional(document, "guides", dict) or {}
    return Batch(
        sequence=_number(document, "sequence", _COUNTS),
        taken=moment(_value(document, "taken", str)),
        complete=_value(document, "complete", bool),
        server=Server(
            host=_value(server, "host", str),
            port=_number(server, "port", _PORTS),
            flavour=_value(server, "flavour", str),
            version=_value(server, "version", str),
            lower_case_table_names=_number(server, "lower_case_table_names", range(3)),
        ),
        dump_program=_value(document, "dump_program", str),
        meosbackup=_value(document, "meosbackup", str),
        databases=_told_apart(databases),
        guides=tuple((_file_name(name, ""), _value(guides, name, str)) for name in guides),
        kind=_optional(document, "kind", str) or BACKUP,
    )


def _told_apart(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    races = iter(model.numbered(entry.race for entry in entries if entry.race is not None))
    return tuple(entry if entry.race is None else replace(entry, race=next(races)) for entry in entries)


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict):
        raise TypeError(f"{item!r:.40} is not a database")
    race, freshness = _optional(item, "race", dict), _optional(item, "freshness", dict)
    taken = _optional(item, "taken", str)
    return Entry(
        database=_value(item, "database", str),
        race=None if race is None else Race(
            name=_value(race, "name", str), annotation=_value(race, "annotation", str), date=_value(race, "date", str),
            name_id=_value(race, "name_id", str), id=_number(race, "id", _NUMBERS),
            version=_number(race, "version", _NUMBERS),
        ),
        freshness=None if freshness is None else Freshness(
            last_change=None if freshness.get("last_change") is None else moment(_value(freshness, "last_change", str)),
            entries=_number(freshness, "entries", _COUNTS), finished=_number(freshness, "finished", _COUNTS),
            cards=_number(freshness, "cards", _COUNTS), punches=_number(freshness, "punches", _COUNTS),
        ),
        dump=None if item.get("file") is None else _stored_file(item, ""),
        taken=None if taken is None else moment(taken),
        unchanged_since=None if item.get("unchanged_since") is None else _number(item, "unchanged_since", _COUNTS),
        error=_optional(item, "error", str),
        reference=_beside(item, "reference", f"../../{REFERENCE_FOLDER}/"),
        meosxml=_beside(item, "meosxml", ""),
        not_backed_up=tuple(map(_text, _optional(item, "not_backed_up", list) or ())),
    )  # fmt: skip


def _text(item: object) -> str:
    return _value({"a text": item}, "a text", str)


def _beside(item: Mapping[str, Any], key: str, folder: str) -> StoredFile | None:
    """Return the file that goes with a dump, or None."""
    found = _optional(item, key, dict)
    return None if found is None else _stored_file(found, folder)


def _stored_file(found: Mapping[str, Any], folder: str) -> StoredFile:
    name = _file_name(_value(found, "file", str), folder)
    return StoredFile(name, _number(found, "bytes", _SIZES), _value(found, "sha256", str))


def _file_name(text: str, prefix: str) -> str:
    name = text.removeprefix(prefix)
    is_name = _NAME.fullmatch(name) and not _DEVICES.fullmatch(name) and len(name) <= _LONGEST_NAME
    if not text.startswith(prefix) or not is_name:
        raise ValueError(f"{text!r:.80} is not a file of a batch")
    return text


def _value(item: Mapping[str, Any], key: str, kind: type[Value]) -> Value:
    """Return a value that must be there. Raises KeyError, TypeError, ValueError."""
    found = item[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise TypeError(f"{key} is {found!r:.40}, not {kind.__name__}")
    if isinstance(found, str) and (len(found) > _LONGEST_TEXT or _LONE_SURROGATE.search(found)):
        raise ValueError(f"{key} is far too long, or not Unicode")
    if isinstance(found, list | dict) and len(found) > _MOST_ENTRIES:
        raise ValueError(f"{key} has far too many entries")
    return found


def _number(item: Mapping[str, Any], key: str, allowed: range) -> int:
    """Return a number that must be there. Raises KeyError, TypeError, ValueError."""
    found = _value(item, key, int)
    if found not in allowed:
        raise ValueError(f"{key} is out of range")
    return found


def _optional(item: Mapping[str, Any], key: str, kind: type[Value]) -> Value | None:
    """Return a value; None if it is missing or null. Raises TypeError, ValueError."""
    return None if item.get(key) is None else _value(item, key, kind)


def moment(text: str) -> datetime:
    """Return a time with its zone, which can be brought into any other. Raises ValueError, TypeError, OverflowError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or found.astimezone(UTC).year not in YEARS:
        raise ValueError(f"{text:.40} has no time zone, or is from another age")
    return found
