"""The last lines of a day: what it came to, where its batches are, and how those that wait get to a drive."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup import wording
from meosbackup.batch import names
from meosbackup.batch.model import Batch
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.text import unbroken


@dataclass(frozen=True)
class Lost:
    """What an alarm that still stands is about, and the command that brings it back."""

    what: str
    command: str


@dataclass(frozen=True)
class Closing:
    """What a day came to: how many batches were made, how many of them were `brought` to how many drives, the newest.

    `waiting` are the batches, newest first, that are only in the spool: `trouble` is what is wrong with the drive,
    `command` copies them to it, and `restore` restores without it. `guide` is the RESTORE.txt at the top of the drive,
    None if that can't be read now. `lost` is what is to be brought back.
    """

    made: int
    brought: int
    drives: int
    newest: Batch | None
    waiting: tuple[Batch, ...]
    spool: Path
    trouble: MeosBackupError | None
    guide: Path | None
    command: str
    restore: str
    lost: tuple[Lost, ...] = ()


def show(console: Console, now: datetime, day: Closing) -> None:
    """Print the last lines of a day."""
    newest = f"the newest is from {wording.when(day.newest.taken, now)}" if day.newest else "there is none to restore"
    stopped = f"stopped; {wording.number(day.made, 'batch', 'batches')} made, {newest}"
    console.say()
    if not day.waiting:
        also = " The newest batch is on this computer as well." if day.newest else ""
        trouble = f". {day.trouble.what}{also}" if day.trouble else ""
        console.line(now, "FAIL" if trouble else "OK", stopped + _on_drive(day) + trouble)
    else:
        where = f"{_waiting(day.waiting, now)}, in {unbroken(str(day.spool))}."
        first = f"{day.trouble.what} {day.trouble.do} Then" if day.trouble else "To copy them to the drive,"
        run = "run this on this computer, with another drive's --target if you use another one:"
        console.line(now, "FAIL", f"{stopped}; {where} {first} {run}")
        console.show(f"  {day.command}")
    if day.waiting or (day.trouble is not None and day.newest is not None):
        console.show("To restore from this computer, without a drive:")
        console.show(f"  {day.restore}")
    for lost in day.lost:
        console.line(now, "ALARM", f"{lost.what}. If that was a mistake, this brings back what was there:")
        console.show(f"  {lost.command}")
    if day.guide is not None:
        what = "what is on the drive" if day.waiting else "the races"
        console.say(f"To bring {what} back, open {day.guide}, or {names.PAGE_FILE} beside it")


def _on_drive(day: Closing) -> str:
    """Return the words for how many of a day's batches are on the drive, where none waits."""
    where = "on the drive" if day.drives == 1 else f"on {day.drives} drives"
    if not day.brought or day.made == 1:
        return f", {where}" if day.brought else ""
    return f", {'all' if day.brought == day.made else day.brought} of them {where}"


def _waiting(batches: tuple[Batch, ...], now: datetime) -> str:
    last, first = (wording.when(batch.taken, now) for batch in (batches[0], batches[-1]))
    if len(batches) == 1:
        return f"1 batch is only on this computer (from {last})"
    return f"{len(batches)} batches are only on this computer (from {first} to {last})"
