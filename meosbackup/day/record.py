"""The record of a day: what it was when meosbackup starts, and what ticks add to it of troubles and alarms."""

from collections.abc import Collection, Iterable
from datetime import datetime

from meosbackup import wording
from meosbackup.batch.model import StoredBatch
from meosbackup.day.alarms import Alarm
from meosbackup.day.trouble import Trouble
from meosbackup.guide.day import ALARM, TROUBLE, Day, Happening
from meosbackup.store import top_of_drive
from meosbackup.store.inventory import Inventory


def begun(on_drive: Inventory, in_spool: Inventory, now: datetime, interval: int) -> Day:
    """Return the day as the page on the drive tells of it, with all batches that there are, when meosbackup starts."""
    day = top_of_drive.read_day(on_drive.root) or Day()
    for found in (on_drive, in_spool):
        day = day.with_batches((stored.batch, stored.name) for stored in found.batches if stored.batch.taken <= now)
    return day.started(now, interval)


def happenings(now: datetime, troubles: Iterable[Trouble], alarms: Iterable[tuple[Alarm, str]]) -> list[Happening]:
    """Return what is wrong; each alarm comes with the command that brings back what was there."""
    wrong = [Happening(TROUBLE, one.kind, str(one), one.error.means, one.error.do, now) for one in troubles]
    return wrong + [_of_alarm(now, alarm, command) for alarm, command in alarms]


def _of_alarm(now: datetime, alarm: Alarm, command: str) -> Happening:
    before = wording.when(alarm.before.batch.batch.taken, now)
    means = f"The batch from {before} has it as it was before that."
    do = f"If this was a mistake, stop meosbackup with Ctrl-C, and run: {command}"
    return Happening(ALARM, alarm.what, f"{alarm.what} {alarm.more}", means, do, now)


def removed(day: Day, present: Collection[str], newest: StoredBatch | None) -> set[str]:
    """Return the day's batches that the drive had and doesn't have any more, by their folders."""
    if newest is None:
        return set()
    return {batch.name for batch in day.batches if batch.name not in present and batch.taken <= newest.batch.taken}
