"""`meosbackup list`: the batches on a drive with their freshness, folded into what a screen holds."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path
from typing import TypeAlias

from meosbackup import wording
from meosbackup.batch import batch_file, choosing
from meosbackup.batch.model import Batch, Entry, Stored
from meosbackup.console import Console
from meosbackup.errors import WrongUsageError
from meosbackup.store import inventory
from meosbackup.text import clean

Run: TypeAlias = tuple[Stored, ...]

# Runs are as long as so many letters of `2026-11-22T14:03:00` stay the same: a batch by itself (none), ten minutes, an
# hour, a day. So many thirds of the room that is left are theirs.
_UNITS = ((None, 1), (15, 1), (13, 2), (10, 3))
_FEWEST_RUNS = 8
_LISTED = 8
"""How many races of the newest batch, and how many doubtful folders, are told before the rest is counted."""
_NAME_WIDTH = 40


def run(target: Path | None, screen: Console, race: str | None, *, as_json: bool) -> None:
    """Print the batches on a drive, newest last; those of one race where it is named; as JSON for programs.

    Raises WrongUsageError, DriveGoneError, DriveFailedError, and MeosBackupError where there is no batch.
    """
    found = inventory.take(inventory.root_of(target))
    batches = of_race(found.batches, race) if race is not None and found.batches else found.batches
    if as_json:
        screen.show(to_json(batches))
    else:
        details = list(_newest(batches[-1])) if batches and race is None else []
        room = screen.height - 1 - len(details) - min(len(found.doubtful), _LISTED + 1)
        for line in [*lines(batches, max(_FEWEST_RUNS, room)), *details]:
            screen.show(line)
    notes = Console(stream=sys.stderr) if as_json else screen
    for folder, error in found.doubtful[:_LISTED]:
        notes.result("NOTE", folder.relative_to(found.root).as_posix(), error.what)
    if len(found.doubtful) > _LISTED:
        notes.result("NOTE", f"and {len(found.doubtful) - _LISTED} more", "meosbackup verify names them all")
    if not batches:
        raise inventory.no_batch(found.root)


def of_race(batches: Sequence[Stored], called: str) -> tuple[Stored, ...]:
    """Return the batches that hold a race, each with the dump of that race alone.

    It is called by its name, its NameId, or a part that only one has. Raises WrongUsageError where that isn't so.
    """
    every = list(dict.fromkeys(entry.race for stored in batches for entry in stored.batch.races if entry.race))
    meant = {race.name_id.casefold(): race for race in choosing.matching(called, every)}
    if len(meant) != 1:
        choice = meant or {race.name_id.casefold(): race for race in every}
        listed = "; ".join(f"{race.display_name}, {clean(race.name_id, _NAME_WIDTH)}" for race in choice.values())
        raise WrongUsageError(
            f"{'Several races are' if meant else 'No race on the drive is'} called {clean(called, _NAME_WIDTH)}.",
            "The batches are as they were.",
            f"Name one by its name, its NameId, or a part that only one has: {listed or 'the drive holds no race'}.",
        )
    reduced = [Stored(stored.folder, _of_race(stored.batch, *meant)) for stored in batches]
    return tuple(stored for stored in reduced if stored.batch.databases)


def to_json(batches: Sequence[Stored]) -> str:
    """Return the batches as a JSON array in ASCII: of each its folder, whether it is pinned, and its `batch.json`."""
    return json.dumps([
        {
            "folder": stored.name, "pinned": inventory.is_pinned(stored),
            **json.loads(batch_file.to_json(stored.batch)),
        }
        for stored in batches
    ], indent=1)  # fmt: skip


def folded(batches: Sequence[Stored], room: int) -> list[Run]:
    """Fold batches into `room` runs at most (4 or more): the newest singly, older ones by longer and longer times.

    Their order stays as it is: a clock that was set back begins a run. Where even the days are too many, the oldest
    run holds all that is left.
    """
    left, newer = list(batches), list[Run]()
    for letters, thirds in _UNITS:
        runs = [(stored,) for stored in left] if letters is None else _by_time(left, letters)
        if len(runs) <= room:
            return runs + newer
        shown = min(room * thirds // 3, room - 1)
        cut = len(runs) - shown
        left, newer, room = list(chain(*runs[:cut])), runs[cut:] + newer, room - shown
    return [tuple(left), *newer]


def lines(batches: Sequence[Stored], room: int) -> list[str]:
    """Return a line for each run of batches."""
    return [_single(*run) if len(run) == 1 else _several(run) for run in folded(batches, room)]


def _single(stored: Stored) -> str:
    found = stored.batch
    state = "complete" if found.complete else "INCOMPLETE"
    facts = [_freshness(found), *_faults(found.databases)]
    facts += ["PINNED"] if inventory.is_pinned(stored) else []
    return f"{stored.when:<21}  {state:<10}  {'; '.join(facts)}"


def _several(run: Run) -> str:
    times = sorted(stored.batch.taken for stored in run)
    first, last = (time.isoformat(" ")[:16] for time in (times[0], times[-1]))
    incomplete, pinned = sum(not stored.batch.complete for stored in run), sum(map(inventory.is_pinned, run))
    facts = [f"last: {_freshness(run[-1].batch, with_change=False)}"]
    facts += [f"{count:,} {word}" for count, word in ((incomplete, "INCOMPLETE"), (pinned, "PINNED")) if count]
    until = last[11:] if last[:10] == first[:10] else last
    return f"{first} - {until}  {wording.number(len(run), 'batch', 'batches'):<10}  {'; '.join(facts)}"


def _newest(stored: Stored) -> Iterator[str]:
    """Tell of the newest batch what it holds, race by race."""
    found = stored.batch
    yield ""
    yield f"The newest is {stored.name}, of {clean(str(found.server), _NAME_WIDTH)}:"
    for entry in found.races[:_LISTED]:
        facts = [_freshness(replace(found, databases=(entry,))), *_faults([entry])]
        yield f"  {entry.display_name}: {'; '.join(facts)}"
    if len(found.races) > _LISTED:
        yield f"  and {len(found.races) - _LISTED} more races; --json tells of all"


def _freshness(found: Batch, *, with_change: bool = True) -> str:
    """Tell how fresh a batch's races are, all of them together."""
    known = [entry.freshness for entry in found.races if entry.freshness]
    if not known:
        return "freshness not known" if found.races else "no race"
    entries, finished = sum(one.entries for one in known), sum(one.finished for one in known)
    facts = f"{wording.number(entries, 'entry', 'entries')}, {finished:,} finished"
    change = found.newest_change
    return f"{facts}, changed {_local(change, found.taken)}" if change and with_change else facts


def _local(moment: datetime, taken: datetime) -> str:
    """Return a time of a batch's day, or else the day, by the clock that the batch was made by."""
    try:
        local = moment.astimezone(taken.tzinfo)
    except OverflowError:  # whoever wrote a time at the end of the calendar
        local = moment
    return local.isoformat()[11:19] if local.date() == taken.date() else local.isoformat()[:10]


def _faults(dumps: Iterable[Entry]) -> list[str]:
    """Tell which dumps are missing in a batch, or older than it is."""
    called = [(entry, clean(entry.race.name, _NAME_WIDTH) if entry.race else "race list") for entry in dumps]
    return [
        f"{name or 'a race'} is {'missing' if entry.dump is None else 'older'}"
        for entry, name in called
        if entry.dump is None or entry.error is not None
    ]


def _by_time(batches: Sequence[Stored], letters: int) -> list[Run]:
    """Part batches where the first letters of their time, `2026-11-22T14:03:00`, change."""
    return [tuple(run) for _, run in groupby(batches, lambda stored: stored.batch.taken.isoformat()[:letters])]


def _of_race(found: Batch, name_id: str) -> Batch:
    dumps = tuple(entry for entry in found.races if entry.race and entry.race.name_id.casefold() == name_id)
    return replace(found, databases=dumps, complete=all(entry.error is None for entry in dumps))
