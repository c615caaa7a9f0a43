"""All that RESTORE.html tells, as JSON: its batch in full, the picture of the day, and the lines to paste."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from meosbackup import __version__
from meosbackup.batch.model import Batch, Entry, Proof
from meosbackup.batch.names import RESTORE_FILE
from meosbackup.guide import picture_data, restore_sql, restore_txt
from meosbackup.guide.picture import Picture
from meosbackup.guide.picture_data import maybe_seconds, seconds
from meosbackup.guide.spare_server import SpareServer
from meosbackup.text import clean

FORMAT = 1

_LONGEST_REASON = 400


@dataclass(frozen=True)
class PageFacts:
    """What the page tells of: its batch, its day, and whatever RESTORE.txt tells.

    `folder` is None for the page in the batch's own folder. For the one at the top of the drive, it is the batch's
    folder, relative to the top. `removed` are the folders of the day's batches that the drive lacks. `written` is now.
    `spare` is the spare server, if there is one.
    """

    batch: Batch
    day: Picture
    folder: str | None
    written: datetime
    proof: Proof | None = None
    held: datetime | None = None
    removed: Collection[str] = ()
    spare: SpareServer | None = None


def document(facts: PageFacts) -> dict[str, Any]:
    """Return what the page's script gets; all times are in seconds since 1970."""
    batch, offset = facts.batch, facts.batch.taken.utcoffset() or timedelta()
    return {
        "format": FORMAT,
        "meosbackup": __version__,
        "written": seconds(facts.written),
        "zone": offset // timedelta(minutes=1),
        "folder": facts.folder,
        "held": maybe_seconds(facts.held),
        "proof": {"batch": seconds(facts.proof.batch), "proven": seconds(facts.proof.proven)} if facts.proof else None,
        "batch": {
            "taken": seconds(batch.taken),
            "complete": batch.complete,
            "is_backup": batch.is_backup,
            "server": clean(f"{batch.server.flavour} {batch.server.version}, {batch.server.host}", 200),
            "lower_case_table_names": batch.server.lower_case_table_names,
            "race_list": _race_list(batch),
            "races": [_race(entry) for entry in batch.races],
            "files": restore_sql.file_count(batch),
            "results": [*restore_sql.results(batch), restore_sql.last_line(batch)],
        },
        "day": picture_data.document(facts.day, timezone(offset)),
        "removed": sorted({one.name for one in facts.day.batches} & set(facts.removed)),
        "spare": spare(facts.spare),
        "commands": {
            "restore": restore_sql.COMMAND if RESTORE_FILE in dict(batch.guides) else None,
            "load": restore_txt.LOAD,
            "make_user": restore_txt.MAKE_USER,
            **restore_txt.VERSIONS,
        },
    }


def spare(found: SpareServer | None) -> dict[str, Any] | None:
    """Return what JSON says of the spare server; None if there is none."""
    if found is None:
        return None
    return {
        "host": clean(found.host, 80),
        "port": found.port,
        "user": clean(found.user, 80),
        "as_of": maybe_seconds(found.as_of),
        "without": [clean(name, 200) for name in found.without],
        "as_race_server": found.as_race_server,
        "as_spare_server": found.as_spare_server,
    }


def read_spare(found: Mapping[str, Any], zone: timezone) -> SpareServer:
    """Return the spare server of a document that anybody may have written.

    Raises ValueError, TypeError, KeyError, OverflowError if it isn't as `spare` makes it, or has no races.
    """
    as_of = datetime.fromtimestamp(0, zone) + timedelta(seconds=found["as_of"])
    host, user, *without = (clean(str(name), 200) for name in (found["host"], found["user"], *found["without"]))
    return SpareServer(host, int(found["port"]), user, as_of, tuple(without))


def _race_list(batch: Batch) -> dict[str, Any]:
    entry = batch.race_list
    return {
        "dump": entry.dump.file if entry and entry.dump else None,
        "error": clean(entry.error, _LONGEST_REASON) if entry and entry.error else None,
    }


def _race(entry: Entry) -> dict[str, Any]:
    race, counts = entry.race, entry.freshness
    return {
        "key": entry.key,
        "name": restore_sql.race_name(entry),
        "date": clean(race.date, 32) if race else "",
        "name_id": clean(race.name_id, 64) if race else "",
        "entries": counts.entries if counts else None,
        "finished": counts.finished if counts else None,
        "cards": counts.cards if counts else None,
        "punches": counts.punches if counts else None,
        "change": maybe_seconds(counts.last_change) if counts else None,
        "taken": maybe_seconds(entry.taken),
        "dump": entry.dump.file if entry.dump else None,
        "reference": entry.reference.file if entry.reference else None,
        "meosxml": entry.meosxml.file if entry.meosxml else None,
        "error": clean(entry.error, _LONGEST_REASON) if entry.error else None,
    }
