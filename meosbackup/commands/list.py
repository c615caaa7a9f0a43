"""`meosbackup list`: the batches on a drive and how fresh they are, folded so that they fit on a screen."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, groupby
from typing import TypeAlias

import click

from meosbackup import wording
from meosbackup.batch import batch_file, choosing
from meosbackup.batch.model import Batch, Entry, StoredBatch
from meosbackup.commands.common import batches_for, command, races_asked
from meosbackup.console import Console
from meosbackup.errors import WrongUsageError
from meosbackup.settings.model import Settings
from meosbackup.store import inventory, keeping
from meosbackup.store.inventory import Inventory
from meosbackup.store.keeping import Keep
from meosbackup.text import clean

Run: TypeAlias = tuple[StoredBatch, ...]

# A run lasts while so many letters of `2026-11-22T14:03:00` stay the same: a single batch (none), ten minutes, an hour,
# a day. It gets so many thirds of the lines that are left.
_UNITS = ((None, 1), (15, 1), (13, 2), (10, 3))
_FEWEST_RUNS = 8
_LISTED = 8
"""How many races of the newest batch, and how many doubtful folders, are listed before the rest is counted."""
_NAME_WIDTH = 40
_ONLY_HERE = "only on this computer"


@command("list")
@click.option("--race", "races", metavar="NAME", multiple=True, help="Only the batches with this race.")
@click.option("--json", "as_json", is_flag=True, help="Print all that is known of the batches, for programs.")
def list_command(settings: Settings, console: Console, *, races: tuple[str, ...], as_json: bool) -> bool:
    """List the batches on a drive and how fresh their races are.

    The newest comes last.

    Example:  meosbackup list --target /media/usb --race Stafett
    """
    race = next(reversed(races_asked(races)), None)
    own = [*(["--race", race] if race is not None else []), *(["--json"] if as_json else [])]
    with batches_for(settings, "list", *own) as found:
        run(found, console, race, as_json=as_json)
    return True


def run(found: Inventory, screen: Console, race: str | None, *, as_json: bool) -> None:
    """Print the batches, newest last; only those with the race if one is named; as JSON for programs.

    Raises WrongUsageError, and MeosBackupError if there is no batch.
    """
    batches = of_race(found.batches, race) if race is not None and found.batches else found.batches
    if as_json:
        screen.show(to_json(batches))
    else:
        backups = [stored for stored in batches if stored.batch.is_backup]
        details = list(_saved_ones([stored for stored in batches if not stored.batch.is_backup]))
        details += _newest(backups[-1]) if backups and race is None else []
        room = screen.height - 1 - len(details) - min(len(found.doubtful), _LISTED + 1)
        for line in [*lines(backups, max(_FEWEST_RUNS, room)), *details]:
            screen.show(line)
    notes = Console(stream=sys.stderr) if as_json else screen
    for folder, error in found.doubtful[:_LISTED]:
        notes.result("NOTE", folder.relative_to(found.root).as_posix(), error.what)
    if len(found.doubtful) > _LISTED:
        notes.result("NOTE", f"and {len(found.doubtful) - _LISTED} more", "run meosbackup verify to see them all")
    if not batches:
        raise inventory.no_batch(found.root)


def of_race(batches: Sequence[StoredBatch], called: str) -> tuple[StoredBatch, ...]:
    """Return the batches that hold a race, each with the dump of that race alone.

    `called` is the race's name, its NameId, or a part that only one race has; anything else raises WrongUsageError.
    """
    every = list(dict.fromkeys(entry.race for stored in batches for entry in stored.batch.races if entry.race))
    found = choosing.matching(called, every)
    spelled = [race for race in found if race.name_id == called]
    meant = {race.key: race for race in spelled or found}
    if len(meant) != 1:
        choice = meant or {race.key: race for race in every}
        listed = "; ".join(f"{race.display_name}, {clean(race.name_id, _NAME_WIDTH)}" for race in choice.values())
        raise WrongUsageError(
            f"{'Several races match' if meant else 'No race on the drive matches'} {clean(called, _NAME_WIDTH)}.",
            "The batches are unchanged.",
            f"Enter its name, its NameId, or a part that only one race has: {listed or 'the drive has no race'}.",
        )
    reduced = [replace(stored, batch=_of_race(stored.batch, *meant)) for stored in batches]
    return tuple(stored for stored in reduced if stored.batch.databases)


def to_json(batches: Sequence[StoredBatch]) -> str:
    """Return the batches as a JSON array in ASCII: each one's folder, whether it is kept, and its `batch.json`."""
    return json.dumps([
        {
            "folder": stored.name, "only_on_this_computer": stored.is_only_here, "pinned": inventory.is_pinned(stored),
            "kept": next(map(str, _keeps([stored])), None),
            **json.loads(batch_file.to_json(stored.batch)),
        }
        for stored in batches
    ], indent=1)  # fmt: skip


def folded(batches: Sequence[StoredBatch], room: int) -> list[Run]:
    """Fold batches into at most `room` runs (4 or more): the newest one by one, older ones by ever longer times.

    Their order is kept: a clock that was set back begins a new run. If even the days are too many, the oldest run
    holds all that is left.
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


def lines(batches: Sequence[StoredBatch], room: int) -> list[str]:
    """Return a line for each run of batches."""
    return [_single(*run) if len(run) == 1 else _several(run) for run in folded(batches, room)]


def _single(stored: StoredBatch) -> str:
    found = stored.batch
    state = "complete" if found.complete else "INCOMPLETE"
    facts = [_freshness(found), *_faults(found.databases)]
    facts += ["PINNED"] if inventory.is_pinned(stored) else []
    facts += [str(keep) for keep in _keeps((stored,))]
    facts += [] if found.is_backup else [choosing.SAVED]
    facts += [_ONLY_HERE] if stored.is_only_here else []
    return f"{stored.when:<21}  {state:<10}  {'; '.join(facts)}"


def _several(run: Run) -> str:
    times = sorted(stored.batch.taken for stored in run)
    first, last = (time.isoformat(" ")[:16] for time in (times[0], times[-1]))
    incomplete, pinned = sum(not stored.batch.complete for stored in run), sum(map(inventory.is_pinned, run))
    facts = [f"last: {_freshness(run[-1].batch, with_change=False)}"]
    words = (
        (incomplete, "INCOMPLETE"), (pinned, "PINNED"), (len(_keeps(run)), "kept for a while"),
        (sum(stored.is_only_here for stored in run), _ONLY_HERE),
    )  # fmt: skip
    facts += [f"{count:,} {word}" for count, word in words if count]
    facts += [] if run[-1].batch.is_backup else [choosing.SAVED]
    until = last[11:] if last[:10] == first[:10] else last
    return f"{first} - {until}  {wording.number(len(run), 'batch', 'batches'):<10}  {'; '.join(facts)}"


def _keeps(batches: Iterable[StoredBatch]) -> list[Keep]:
    now = datetime.now().astimezone()
    return [keep for stored in batches if (keep := keeping.read(stored.folder, now))]


def _saved_ones(batches: Sequence[StoredBatch]) -> Iterator[str]:
    """Yield what restores saved, apart from the backups."""
    if batches:
        yield ""
        yield "To undo a restore, name one of these by its date and time:"
        yield from lines(batches, _FEWEST_RUNS)


def _newest(stored: StoredBatch) -> Iterator[str]:
    """Yield what the newest batch holds, race by race."""
    found = stored.batch
    yield ""
    yield f"The newest is {stored.name}, from {clean(str(found.server), _NAME_WIDTH)}:"
    for entry in found.races[:_LISTED]:
        facts = [_freshness(replace(found, databases=(entry,))), *_faults([entry])]
        yield f"  {entry.display_name}: {'; '.join(facts)}"
    if len(found.races) > _LISTED:
        yield f"  and {len(found.races) - _LISTED} more races; --json lists them all"


def _freshness(found: Batch, *, with_change: bool = True) -> str:
    """Return how fresh a batch's races are, all of them together."""
    known = [entry.freshness for entry in found.races if entry.freshness]
    if not known:
        return "freshness unknown" if found.races else "no race"
    entries, finished = sum(one.entries for one in known), sum(one.finished for one in known)
    facts = f"{wording.number(entries, 'entry', 'entries')}, {finished:,} finished"
    change = found.newest_change
    return f"{facts}, changed {_local(change, found.taken)}" if change and with_change else facts


def _local(moment: datetime, taken: datetime) -> str:
    """Return the time of a moment on the batch's day, and otherwise its day, in the batch's own time zone."""
    try:
        local = moment.astimezone(taken.tzinfo)
    except OverflowError:  # a time at the end of the calendar
        local = moment
    return local.isoformat()[11:19] if local.date() == taken.date() else local.isoformat()[:10]


def _faults(entries: Iterable[Entry]) -> list[str]:
    """Return which dumps a batch lacks, and which are older than the batch."""
    called = [(entry, clean(entry.race.name, _NAME_WIDTH) if entry.race else "race list") for entry in entries]
    return [
        f"{name or 'a race'} is {'missing' if entry.dump is None else 'older'}"
        for entry, name in called
        if entry.dump is None or entry.error is not None
    ]


def _by_time(batches: Sequence[StoredBatch], letters: int) -> list[Run]:
    """Split batches where the first letters of their time, `2026-11-22T14:03:00`, change."""
    return [tuple(run) for _, run in groupby(batches, lambda stored: stored.batch.taken.isoformat()[:letters])]


def _of_race(found: Batch, name_id: str) -> Batch:
    entries = tuple(entry for entry in found.races if entry.key == name_id)
    return replace(found, databases=entries, complete=all(entry.error is None for entry in entries))
