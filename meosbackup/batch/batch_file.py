"""`batch.json`: what a batch holds, written and read. What is read is not trusted."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from meosbackup.batch.model import BACKUP, Batch, Entry, Freshness, Race, Server, StoredFile
from meosbackup.batch.names import BATCH_FILE, REFERENCE_FOLDER
from meosbackup.errors import BadBatchError

FORMAT = 1

Value = TypeVar("Value")


def to_json(batch: Batch) -> str:
    """Return the text of a batch's `batch.json`."""
    document = {"format": FORMAT, **asdict(batch)}
    document["databases"] = [_document(entry) for entry in batch.databases]
    document.pop("guides")
    if batch.guides:  # a batch of an older version has none
        document["guides"] = dict(batch.guides)
    if batch.is_backup:
        document.pop("kind")
    return json.dumps(document, ensure_ascii=False, indent=1, default=datetime.isoformat) + "\n"


def from_json(text: str) -> Batch:
    """Return the batch that the text of a `batch.json` describes; keys that this version doesn't know are ignored.

    Raises BadBatchError if it doesn't describe one, has a later format, or names a file outside the batch.
    """
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError("not an object")  # noqa: TRY301 - one place turns every fault into a BadBatchError
        number = _value(document, "format", int)
        if number > FORMAT:
            raise BadBatchError(
                f"This batch has format {number}, and this meosbackup only knows formats up to {FORMAT}.",
                "Its dumps may be good.",
                "Use the meosbackup that made it, or a newer one; or follow its RESTORE.txt.",
            )
        return _batch(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
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
    dump = document.pop("dump") or {"file": None, "bytes": None, "sha256": None}
    before = dict.fromkeys(("database", "race", "freshness"))
    return {**{key: document[key] for key in before}, **dump, **document}


def _batch(document: Mapping[str, Any]) -> Batch:
    server = _value(document, "server", dict)
    guides = _optional(document, "guides", dict) or {}
    return Batch(
        sequence=_value(document, "sequence", int),
        taken=_time(_value(document, "taken", str)),
        complete=_value(document, "complete", bool),
        server=Server(
            host=_value(server, "host", str),
            port=_value(server, "port", int),
            flavour=_value(server, "flavour", str),
            version=_value(server, "version", str),
            lower_case_table_names=_value(server, "lower_case_table_names", int),
        ),
        dump_program=_value(document, "dump_program", str),
        meosbackup=_value(document, "meosbackup", str),
        databases=tuple(_entry(item) for item in _value(document, "databases", list)),
        guides=tuple((_file_name(name, ""), _value(guides, name, str)) for name in guides),
        kind=_optional(document, "kind", str) or BACKUP,
    )


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict):
        raise TypeError(f"{item!r:.40} is not a database")
    race, freshness = _optional(item, "race", dict), _optional(item, "freshness", dict)
    taken = _optional(item, "taken", str)
    return Entry(
        database=_value(item, "database", str),
        race=None if race is None else Race(
            name=_value(race, "name", str), annotation=_value(race, "annotation", str), date=_value(race, "date", str),
            name_id=_value(race, "name_id", str), id=_value(race, "id", int), version=_value(race, "version", int),
        ),
        freshness=None if freshness is None else Freshness(
            last_change=None if freshness.get("last_change") is None else _time(_value(freshness, "last_change", str)),
            entries=_value(freshness, "entries", int), finished=_value(freshness, "finished", int),
            cards=_value(freshness, "cards", int), punches=_value(freshness, "punches", int),
        ),
        dump=None if item.get("file") is None else _stored_file(item, ""),
        taken=None if taken is None else _time(taken),
        unchanged_since=_optional(item, "unchanged_since", int),
        error=_optional(item, "error", str),
        reference=_beside(item, "reference", f"../../{REFERENCE_FOLDER}/"),
        meosxml=_beside(item, "meosxml", ""),
    )  # fmt: skip


def _beside(item: Mapping[str, Any], key: str, folder: str) -> StoredFile | None:
    """Return the file that goes with a dump, or None."""
    found = _optional(item, key, dict)
    return None if found is None else _stored_file(found, folder)


def _stored_file(found: Mapping[str, Any], folder: str) -> StoredFile:
    name = _file_name(_value(found, "file", str), folder)
    return StoredFile(name, _value(found, "bytes", int), _value(found, "sha256", str))


def _file_name(text: str, prefix: str) -> str:
    if not text.startswith(prefix) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", text.removeprefix(prefix)):
        raise ValueError(f"{text!r:.80} is not a file of a batch")
    return text


def _value(item: Mapping[str, Any], key: str, kind: type[Value]) -> Value:
    """Return a value that must be there. Raises KeyError, TypeError."""
    found = item[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise TypeError(f"{key} is {found!r:.40}, not {kind.__name__}")
    return found


def _optional(item: Mapping[str, Any], key: str, kind: type[Value]) -> Value | None:
    """Return a value; None if it is missing or null. Raises TypeError."""
    return None if item.get(key) is None else _value(item, key, kind)


def _time(text: str) -> datetime:
    """Return a time with its zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
