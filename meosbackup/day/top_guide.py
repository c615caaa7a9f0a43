"""The guides at the top of the drive over a day: which batch they are to tell of, and until when that one held."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError
from meosbackup.guide.picture import Happening, Picture
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


class TopGuide:
    """Writes the guides when they are due; what prevents that is kept as `trouble`, and they are due until then.

    `newest` is the newest backup that came to the drive, None if none did. `day` is what the page tells of.
    """

    def __init__(self, place: Place, present: Collection[str]) -> None:
        """Begin with a drive to which no batch came yet; `present` is kept up to date, and names its batches."""
        self.newest: StoredBatch | None = None
        self.day = Picture()
        self.held: Held | None = None
        self.is_held_wanted = False
        self.is_due = False
        self.trouble: MeosBackupError | None = None
        self._place = place
        self._present = present
        self._says: tuple[Held | None, tuple[Happening, ...]] = None, ()
        self._written = time.monotonic()

    def arrived(self, newest: StoredBatch) -> None:
        """Tell of this batch from now on."""
        self.newest, self.is_due = newest, True
        self._write(newest)

    def renew(self) -> None:
        """Write the guides if they are due, if something happened, or to say until when the batch held.

        The latter is done if that is new and wanted, or time.
        """
        is_time = self.is_held_wanted or time.monotonic() - self._written >= _EVERY
        self.is_held_wanted = False
        if self.newest is None:
            return
        held, happenings = self._says
        is_longer = self._holding(self.newest) not in (None, held)
        if self.is_due or self.day.happenings != happenings or (is_time and is_longer):
            self._write(self.newest)

    def _write(self, newest: StoredBatch) -> None:
        held, happenings = self._holding(newest), self.day.happenings
        try:
            top_of_drive.write_guides(self._place, newest, held.moment if held else None, self.day, self._present)
        except MeosBackupError as error:
            log.warning("the guides at the top of the drive are out of date", exc_info=True)
            self.trouble, self.is_due = error, True
        else:
            self.trouble, self.is_due, self._says, self._written = None, False, (held, happenings), time.monotonic()

    def _holding(self, newest: StoredBatch) -> Held | None:
        return self.held if self.held and self.held.sequence == newest.batch.sequence else None
