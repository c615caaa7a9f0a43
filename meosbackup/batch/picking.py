"""Which batch a race is taken from: the chosen one, or if that has no dump of it, the newest backup before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from meosbackup.batch.choosing import matching, newest_good
from meosbackup.batch.model import Entry, Race, StoredBatch
from meosbackup.errors import WrongUsageError
from meosbackup.text import clean

_LISTED = 12


@dataclass(frozen=True)
class Picked:
    """A race's entry, and the batch that it is of; without a dump if no batch that may be taken has a good one."""

    entry: Entry
    stored: StoredBatch


def pick(batches: Iterable[StoredBatch], chosen: StoredBatch, names: Sequence[str]) -> tuple[Picked, ...]:
    """Return the races that are meant: all of the chosen batch, or those with these names.

    If the chosen batch has no dump of one that is named, that comes from the newest backup before it with a good dump.
    Raises WrongUsageError if a name means no race of these batches, or more than one.
    """
    if not names:
        return tuple(Picked(entry, chosen) for entry in chosen.batch.races)
    earlier = _before(batches, chosen)
    meant = {found.entry.key: found for found in (_named(name, chosen, earlier) for name in names)}
    return tuple(
        found if found.stored is chosen and found.entry.dump else _of_earlier(found, earlier)
        for found in meant.values()
    )  # fmt: skip


def lost(batches: Iterable[StoredBatch], chosen: StoredBatch) -> list[Picked]:
    """Return the races that only backups before the chosen batch have, each of the newest with a dump of it."""
    found = {entry.key: Picked(entry, chosen) for entry in chosen.batch.races}
    for stored in _before(batches, chosen):
        for entry in stored.batch.races:
            if entry.dump is not None:
                found.setdefault(entry.key, Picked(entry, stored))
    return [picked for picked in found.values() if picked.stored is not chosen]


def _before(batches: Iterable[StoredBatch], chosen: StoredBatch) -> list[StoredBatch]:
    """Return the backups before the chosen batch, newest first."""
    before = [one for one in batches if one.batch.is_backup and one.batch.sequence < chosen.batch.sequence]
    return sorted(before, key=lambda stored: stored.batch.sequence, reverse=True)


def _of_earlier(found: Picked, earlier: Sequence[StoredBatch]) -> Picked:
    race = found.entry.race
    stored = newest_good(earlier, race) if race else None
    if stored is None:
        return replace(found, entry=replace(found.entry, dump=None))
    return Picked(next(entry for entry in stored.batch.races if entry.key == found.entry.key), stored)


def _named(name: str, chosen: StoredBatch, earlier: Sequence[StoredBatch]) -> Picked:
    """Return the race that a name means, of the chosen batch or of the newest one before it that has it.

    A part of a name in the chosen batch doesn't hide a race of that very name that was deleted.
    """
    here = _matching(name, chosen)
    if any(_is_whole(name, found) for found in here):
        return _only(name, here, chosen)
    keys = {entry.key for entry in chosen.batch.races}
    elsewhere = [[found for found in _matching(name, one) if found.entry.key not in keys] for one in earlier]
    whole = next((one for one in elsewhere if any(_is_whole(name, found) for found in one)), [])
    return _only(name, [*here, *whole] or next(filter(None, elsewhere), []), chosen)


def _matching(name: str, stored: StoredBatch) -> list[Picked]:
    by_id = {entry.race.name_id: entry for entry in stored.batch.races if entry.race}
    races = [entry.race for entry in by_id.values() if entry.race]
    return [Picked(by_id[race.name_id], stored) for race in matching(name, races)]


def _is_whole(name: str, found: Picked) -> bool:
    race = found.entry.race
    return race is not None and name.casefold() in {race.name.casefold(), race.name_id.casefold()}


def _only(name: str, found: Sequence[Picked], chosen: StoredBatch) -> Picked:
    """Return the only one that was found; of two that differ in case only, the one that is spelled like the name."""
    spelled = [one for one in found if one.entry.race and name in {one.entry.race.name, one.entry.race.name_id}]
    for only in (found, spelled if all(_is_whole(name, one) for one in found) else []):
        if len(only) == 1:
            return only[0]
    if found:
        raise WrongUsageError(
            f"{clean(name, 40)} could be each of these races: {_listed(one.entry.race for one in found)}.",
            "Nothing was done.", "Give its NameId.",
        )  # fmt: skip
    raise WrongUsageError(
        f"This batch has no race {clean(name, 40)}, nor has one before it."
        f" It has: {_listed(entry.race for entry in chosen.batch.races)}.",
        "Nothing was done.", "Choose one of these, or another batch.",
    )  # fmt: skip


def _listed(races: Iterable[Race | None]) -> str:
    shown = [f"{clean(race.name, 40)} ({clean(race.name_id, 64)})" for race in races if race]
    return ", ".join(shown[:_LISTED])
