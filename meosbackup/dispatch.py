"""The thread that ships batches, so that no tick waits for a slow drive."""

import logging
import threading
from datetime import datetime

from meosbackup import drive, shipping
from meosbackup.batch import Stored
from meosbackup.errors import DriveFailedError, MeosBackupError, StoppedError
from meosbackup.proof import Proof
from meosbackup.shipping import Shipper

log = logging.getLogger(__name__)

_NAP = 0.5


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
        """The drive's free bytes after the last shipping; a tick never asks the drive itself, which may hang."""
        self._shipper = shipper
        self._drive_id = drive_id
        self._newest: Stored | None = None
        self._proof: Proof | None = None
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
                log.exception("shipping met something unforeseen")
                self.trouble = DriveFailedError(
                    f"Shipping to the drive met something unforeseen ({type(error).__name__}: {error}).",
                    "Backups go on in the spool.",
                    "It tries again by itself. The log file has the details: please report them.",
                )
            if not self._wake.is_set():
                self._idle.set()

    def _ship(self) -> None:
        if self.trouble is not None or drive.identity(self._shipper.place) != self._drive_id:
            self._attach()
        self._newest = shipping.ship_waiting(self._shipper, self._drive_id) or self._newest
        if self._proof is not None:
            shipping.note_proof(self._shipper.place, self._newest, self._proof)
            self._proof = None
        self.free = drive.free_bytes(self._shipper.place.target)

    def _attach(self) -> None:
        """Get to know the drive that is in the place now: the same one again, or another."""
        found = shipping.attach(self._shipper, datetime.now().astimezone())
        if found != self._drive_id:
            self.sequence_met = shipping.highest_sequence(self._shipper.place)
            self._drive_id, self._newest = found, None
            self._shipper.tell("another drive is plugged in; the newest batch and all that wait go to it")
