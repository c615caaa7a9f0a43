"""The guides at the top of the drive over a day: which batch they are to tell of, and until when that one held."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError
from meosbackup.guide.picture import Happening, Picture
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store import top_of_drive
from meosbackup.store.drive import Place

log = logging.getLogger(__name__)

_EVERY = 600.0
"""Seconds between two writings only to say until when the newest batch held: a stick wears out."""


@dataclass(frozen=True)
class Held:
    """At this moment, nothing had changed since the batch of this sequence. The guides say so when that is due."""

    sequence: int
    moment: datetime


@dataclass(frozen=True)
class _Says:
    """What the guides say, as they were last written."""

    held: Held | None = None
    happenings: tuple[Happening, ...] = ()
    spare: SpareServer | None = None


class TopGuide:
    """Writes the guides when they are due; what prevents that is kept as `trouble`, and they are due until then.

    `newest` is the newest backup that came to the drive, None if none did. `day` is what the page tells of, and
    `spare` what the spare server has, if there is one.
    """

    def __init__(self, place: Place, present: Collection[str]) -> None:
        """Begin with a drive to which no batch came yet; `present` is kept up to date, and names its batches."""
        self.newest: StoredBatch | None = None
        self.day = Picture()
        self.spare: SpareServer | None = None
        self.held: Held | None = None
        self.is_held_wanted = False
        self.is_due = False
        self.trouble: MeosBackupError | None = None
        self._place = place
        self._present = present
        self._says = _Says()
        self._written = time.monotonic()

    def arrived(self, newest: StoredBatch) -> None:
        """Tell of this batch from now on."""
        self.newest, self.is_due = newest, True
        self._write(newest)

    def renew(self) -> None:
        """Write the guides if they are due, if something happened, or if they don't tell of the spare server as it is.

        To say until when the batch held, they are written if that is new and wanted, or time.
        """
        is_time = self.is_held_wanted or time.monotonic() - self._written >= _EVERY
        self.is_held_wanted = False
        if self.newest is None:
            return
        is_longer = self._holding(self.newest) not in (None, self._says.held)
        has_happened = self.day.happenings != self._says.happenings
        is_spare_news = _of_note(self.spare, self.newest) != _of_note(self._says.spare, self.newest)
        if self.is_due or has_happened or is_spare_news or (is_time and is_longer):
            self._write(self.newest)

    def _write(self, newest: StoredBatch) -> None:
        says = _Says(self._holding(newest), self.day.happenings, self.spare)
        moment = says.held.moment if says.held else None
        try:
            top_of_drive.write_guides(self._place, newest, moment, self.day, self._present, self.spare)
        except MeosBackupError as error:
            log.warning("the guides at the top of the drive are out of date", exc_info=True)
            self.trouble, self.is_due = error, True
        else:
            self.trouble, self.is_due, self._says, self._written = None, False, says, time.monotonic()

    def _holding(self, newest: StoredBatch) -> Held | None:
        return self.held if self.held and self.held.sequence == newest.batch.sequence else None


def _of_note(spare: SpareServer | None, newest: StoredBatch) -> tuple[SpareServer, bool] | None:
    """Return what the guides are written for: all of the spare server but its time, and if it has the newest batch.

    It is fed each minute, and a stick wears out.
    """
    if spare is None or spare.as_of is None:
        return None
    return replace(spare, as_of=None, deleted=()), spare.as_of >= newest.batch.taken
