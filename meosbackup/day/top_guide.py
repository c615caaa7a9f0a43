"""The RESTORE.txt at the top of the drive over a day: which batch it is to tell of, and until when that one held."""

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError
from meosbackup.store import top_of_drive
from meosbackup.store.drive import Place

log = logging.getLogger(__name__)

_EVERY = 600.0
"""Seconds between two writings only to say until when the newest batch held: a stick wears out."""


@dataclass(frozen=True)
class Held:
    """At this moment, nothing had changed since the batch of this sequence. RESTORE.txt says so when that is due."""

    sequence: int
    moment: datetime


class TopGuide:
    """Writes the guide when it is due; what prevents that is kept as `trouble`, and it is due until it is written.

    `newest` is the newest backup that came to the drive, None if none did.
    """

    def __init__(self, place: Place) -> None:
        """Begin with a drive to which no batch came yet."""
        self.newest: StoredBatch | None = None
        self.held: Held | None = None
        self.is_held_wanted = False
        self.is_due = False
        self.trouble: MeosBackupError | None = None
        self._place = place
        self._says: Held | None = None
        self._written = time.monotonic()

    def arrived(self, newest: StoredBatch) -> None:
        """Tell of this batch from now on."""
        self.newest, self.is_due = newest, True
        self._write(newest)

    def renew(self) -> None:
        """Write the guide if it is due, or to say until when its batch held, if that is new and wanted, or time."""
        is_time = self.is_held_wanted or time.monotonic() - self._written >= _EVERY
        self.is_held_wanted = False
        if self.newest and (self.is_due or (is_time and self._holding(self.newest) not in (None, self._says))):
            self._write(self.newest)

    def _write(self, newest: StoredBatch) -> None:
        held = self._holding(newest)
        try:
            top_of_drive.write_guide(self._place, newest, held.moment if held else None)
        except MeosBackupError as error:
            log.warning("RESTORE.txt at the top of the drive is out of date", exc_info=True)
            self.trouble, self.is_due = error, True
        else:
            self.trouble, self.is_due, self._says, self._written = None, False, held, time.monotonic()

    def _holding(self, newest: StoredBatch) -> Held | None:
        return self.held if self.held and self.held.sequence == newest.batch.sequence else None
