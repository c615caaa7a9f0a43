"""The thread that ships batches, so that no tick waits for a slow drive."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from meosbackup import errors
from meosbackup.batch.model import Proof, Stored
from meosbackup.errors import DriveFailedError, MeosBackupError, StoppedError
from meosbackup.store import drive, shipping
from meosbackup.store.shipping import Shipper

log = logging.getLogger(__name__)

_NAP = 0.5
_GUIDE_EVERY = 600.0
"""Seconds between two writings of RESTORE.txt only to say until when the newest batch held: a stick wears out."""


@dataclass(frozen=True)
class Held:
    """A moment when nothing had changed since the batch of this sequence."""

    sequence: int
    moment: datetime


class Dispatch:
    """Ships what waits whenever it is woken, and knows what stands in the way.

    A drive that is away, comes back, or is another one is found out at each waking.
    """

    def __init__(self, shipper: Shipper, drive_id: str) -> None:
        """Take up shipping to the drive of this id, which is plugged in and tidy."""
        self.trouble: MeosBackupError | None = None
        self.sequence_met = 0
        """The highest sequence on a drive that came in the place of the first one."""
        self.free: int | None = None
        """The drive's free bytes after the last shipping, if told; no tick asks the drive itself, which may hang."""
        self._shipper = shipper
        self._drive_id = drive_id
        self._newest: Stored | None = None
        self._proof: Proof | None = None
        self._held: Held | None = None
        self._is_held_wanted = False
        self._guide_says: Held | None = None
        self._guide_written = time.monotonic()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        # A daemon thread: a drive that hangs must not hold up the end.
        self._thread = threading.Thread(target=self._run, name="ship", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have all that waits shipped."""
        self._idle.clear()
        self._wake.set()

    def note(self, proof: Proof) -> None:
        """Have a proof noted on the drive the next time that it is there."""
        self._proof = proof

    def hold(self, held: Held) -> None:
        """Have the RESTORE.txt at the top of the drive say until when the newest batch held, some day soon."""
        self._held = held

    def want_held(self) -> None:
        """Have what is known of that written the next time that the drive is there: from now on it isn't sure."""
        self._is_held_wanted = True

    def settled(self, seconds: float) -> bool:
        """Wait until shipping is over, for so long at most; tell whether it is."""
        return self._idle.wait(seconds)

    def leave(self, seconds: float) -> None:
        """Wait for the thread to end, for so long at most; it ends where `stop` of its shipper is set."""
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._shipper.stop.is_set():
            if not self._wake.wait(_NAP):
                continue
            self._wake.clear()
            try:
                self._ship()
                self.trouble = None
            except StoppedError:
                log.info("shipping was given up, since the program was asked to stop")
            except MeosBackupError as error:
                log.warning("nothing was shipped", exc_info=True)
                self.trouble = error
            except Exception as error:
                log.exception("shipping hit an unexpected error")
                means = "Backups continue on this computer. It will retry automatically."
                self.trouble = errors.unexpected(error, "Copying to the drive", means, kind=DriveFailedError)
            if not self._wake.is_set():
                self._idle.set()
        self._take_leave()

    def _take_leave(self) -> None:
        """Write down until when the newest batch held, if the drive is there."""
        self.want_held()
        try:
            if drive.identity(self._shipper.place) == self._drive_id:
                self._renew_guide()
        except MeosBackupError:
            log.info("RESTORE.txt doesn't say until when the newest batch held", exc_info=True)

    def _ship(self) -> None:
        if self.trouble is not None or drive.identity(self._shipper.place) != self._drive_id:
            self._attach()
        shipped = shipping.ship_waiting(self._shipper, self._drive_id)
        if shipped is not None:
            self._newest, self._guide_written = shipped, time.monotonic()
        if self._proof is not None:
            shipping.note_proof(self._shipper.place, self._newest, self._proof)
            self._proof = None
        self._renew_guide()
        self.free = drive.free_bytes(self._shipper.place.target)

    def _renew_guide(self) -> None:
        """Have the RESTORE.txt at the top of the drive say until when its batch held, where that is new, and due."""
        newest, held = self._newest, self._held
        is_due = self._is_held_wanted or time.monotonic() - self._guide_written >= _GUIDE_EVERY
        if newest and held and held != self._guide_says and held.sequence == newest.batch.sequence and is_due:
            shipping.renew_guide(self._shipper.place, newest, held.moment)
            self._guide_says, self._guide_written = held, time.monotonic()
        self._is_held_wanted = False

    def _attach(self) -> None:
        """Get to know the drive that is in the place now: the same one again, or another."""
        found = shipping.attach(self._shipper, datetime.now().astimezone())
        if found != self._drive_id:
            self.sequence_met = shipping.highest_sequence(self._shipper.place)
            self._drive_id, self._newest = found, None
            self._shipper.tell("another drive is plugged in; the newest batch and all that wait go to it")
