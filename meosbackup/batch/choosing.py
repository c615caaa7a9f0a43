"""What a person means: a batch by WHEN, races by NAME; which batch a race is taken from then is in `picking`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch.model import Race, StoredBatch
from meosbackup.errors import WrongUsageError
from meosbackup.system import files
from meosbackup.text import clean

LATEST = "latest"
SAVED = "saved before a restore"
_FULL = "%Y-%m-%d %H:%M:%S"
_LISTED = 12


@dataclass(frozen=True)
class Chosen:
    """A batch, and what must be said about how it was chosen: nothing if it is the very one that was named."""

    stored: StoredBatch
    note: str = ""

    def __str__(self) -> str:
        return f"Batch from {self.stored.when}" + (f" ({self.note})" if self.note else "")


def batch_at(batches: Sequence[StoredBatch], when: str) -> Chosen:
    """Return the batch from a time: as `list` prints it, or its start (`14:03`), or `latest`.

    A time that is one batch's own and the start of others' means that one. A time between two batches means the one
    before it. What a restore saved is meant only by its date and time. Raises WrongUsageError if there is none, or more
    than one.
    """
    wanted = " ".join(when.replace("T", " ").split())
    safety = [stored for stored in batches if not stored.batch.is_backup]
    for stored in safety:
        if wanted == stored.when:
            return Chosen(stored, SAVED)
    backups = [stored for stored in batches if stored.batch.is_backup]
    if not backups:
        raise _wrong("There is no backup.", "With --target, name a drive that has some.")
    if when.strip().lower() == LATEST:
        return Chosen(backups[-1])
    found = [stored for stored in backups if _starts(stored, wanted)]
    whole = [stored for stored in found if wanted in _spellings(stored)]
    if len(found) == 1 or len(whole) == 1:
        others = ", ".join(stored.when for stored in found if whole and stored is not whole[0])
        return Chosen((whole or found)[0], f"there is also {others} from the same time" if others else "")
    if found:
        shown = ", ".join(stored.when for stored in found[-_LISTED:])
        rest = f" (and {len(found) - _LISTED} earlier)" if len(found) > _LISTED else ""
        raise _wrong(f"{clean(when, 40)} could be each of these batches: {shown}{rest}.", "Give a more exact time.")
    if saved := next((stored for stored in reversed(safety) if _starts(stored, wanted)), None):
        raise _wrong(
            f"What is from {clean(when, 40)} was saved before a restore, and is not a backup.",
            f'To take it, name it by its date and time: --batch "{saved.when}"',
        )
    return _before(backups, wanted)


def matching(name: str, races: Sequence[Race]) -> list[Race]:
    """Return the races that a name means: those with that name, or else with that NameId, or else with that part."""
    wanted = name.casefold()
    return (
        [race for race in races if race.name.casefold() == wanted]
        or [race for race in races if race.name_id.casefold() == wanted]
        or [race for race in races if wanted in race.name.casefold() or wanted in race.name_id.casefold()]
    )


def newest_good(batches: Iterable[StoredBatch], race: Race) -> StoredBatch | None:
    """Return the newest backup of these batches whose dump of a race is what was written; None if there is none.

    The dumps are read back until one is good.
    """
    backups = (stored for stored in batches if stored.batch.is_backup)
    newest_first = sorted(backups, key=lambda stored: stored.batch.sequence, reverse=True)
    return next((stored for stored in newest_first if _is_good(stored, race)), None)


def _spellings(stored: StoredBatch) -> tuple[str, str]:
    return stored.when, stored.when.partition(" ")[2]


def _starts(stored: StoredBatch, wanted: str) -> bool:
    return any(text.startswith(wanted) for text in _spellings(stored))


def _before(batches: Sequence[StoredBatch], wanted: str) -> Chosen:
    """Return the newest batch that was taken before a time; a time without a date is on the newest batch's day."""
    newest = batches[-1].batch.taken
    text = wanted if re.match(r"\d{4}-", wanted) else f"{newest:%Y-%m-%d} {wanted}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(
            f"{clean(wanted, 40)} is not the time of a batch.", "Give it as `meosbackup list` prints it."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=newest.tzinfo)
    earlier = [stored for stored in batches if stored.batch.taken <= moment]
    if not earlier:
        oldest = min(stored.batch.taken for stored in batches)
        raise _wrong(f"There is no batch as old as that; the oldest is from {oldest:{_FULL}}.", "Give a later time.")
    stored = max(earlier, key=lambda stored: (stored.batch.taken, stored.batch.sequence))
    return Chosen(stored, f"no batch is from {clean(wanted, 40)}; this is the one before it")


def _is_good(stored: StoredBatch, race: Race) -> bool:
    for entry in stored.batch.races:
        if entry.race is not None and entry.key == race.key and entry.dump is not None:
            try:
                return files.sha256(stored.path(entry.dump), entry.dump.bytes) == entry.dump.sha256
            except OSError:
                return False
    return False


def _wrong(what: str, do: str) -> WrongUsageError:
    return WrongUsageError(what, "Nothing was done.", do)
