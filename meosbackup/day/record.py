"""The record of a day: what the page tells of it, and how things stand, for those who don't see the screen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.day.day_status import DayStatus
from meosbackup.day.shipping_orders import Shipped
from meosbackup.day.trouble import Backups, Trouble
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import TROUBLE, Happening, Picture
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store import top_of_drive
from meosbackup.store.inventory import Inventory

Listener: TypeAlias = Callable[[DayStatus, PageFacts | None], None]
"""What is told how things stand, and what a page would tell of the newest batch."""


@dataclass
class Record:
    """What ticks write down. Each of the `listeners` is told at a tick's end how things stand; it must return at once.

    `day` is the picture of the day, and `proof` the rehearsal of this run that found no difference.
    """

    day: Picture
    listeners: Sequence[Listener] = ()
    proof: Proof | None = field(default=None, init=False)

    def made(self, stored: StoredBatch) -> None:
        """Write down a new batch."""
        self.day = self.day.with_batch(stored.batch, stored.name)

    def unchanged(self, now: datetime) -> None:
        """Write down that nothing changed since the newest batch."""
        self.day = self.day.held(now)

    def so_far(self, now: datetime, troubles: Iterable[Trouble], alarms: Iterable[Happening]) -> None:
        """Write down what is wrong in a tick that hasn't ended."""
        self.day = self.day.with_standing(_happenings(now, troubles, alarms))

    def ended(
        self,
        now: datetime,
        troubles: Iterable[Trouble],
        alarms: Iterable[Happening],
        backups: Backups,
        newest: StoredBatch | None,
        shipped: Shipped,
        waiting: int,
        spare: SpareServer | None,
    ) -> None:
        """Write down what is wrong at the end of a tick, and tell the listeners."""
        present = _happenings(now, troubles, alarms)
        self.day = self.day.with_standing(present).ended(now, present)
        on_drive, on_computer = (batch.taken if batch else None for batch in (backups.on_drive, backups.on_computer))
        status = DayStatus(
            now, self.day.interval, self.day.standing, on_drive, on_computer, backups.unchanged_until, waiting,
            shipped.free, shipped.outlook.hours if shipped.outlook else None, spare,
        )  # fmt: skip
        facts = self._facts(now, newest, backups.unchanged_until, shipped, spare) if newest else None
        for listener in self.listeners:
            listener(status, facts)

    def _facts(
        self, now: datetime, newest: StoredBatch, held: datetime | None, shipped: Shipped, spare: SpareServer | None
    ) -> PageFacts:  # fmt: skip
        return PageFacts(newest.batch, self.day, newest.name, now, self.proof, held, self._removed(shipped), spare)

    def _removed(self, shipped: Shipped) -> set[str]:
        """Return the folders of the day's batches that the drive had and doesn't have any more."""
        if shipped.newest is None:
            return set()
        last = shipped.newest.batch.taken
        return {one.name for one in self.day.batches if one.name not in shipped.present and one.taken <= last}


def begun(
    on_drive: Inventory, in_spool: Inventory, now: datetime, interval: int, listeners: Sequence[Listener]
) -> Record:  # fmt: skip
    """Return the record when meosbackup starts: the day as the page on the drive tells of it, with all batches."""
    day = top_of_drive.read_day(on_drive.root) or Picture()
    for found in (on_drive, in_spool):
        day = day.with_batches(
            ((stored.batch, stored.name) for stored in found.batches if stored.batch.taken <= now), now
        )
    return Record(day.started(now, interval), listeners)


def _happenings(now: datetime, troubles: Iterable[Trouble], alarms: Iterable[Happening]) -> list[Happening]:
    return [*(Happening(TROUBLE, one.kind, str(one), one.error.means, one.error.do, now) for one in troubles), *alarms]
