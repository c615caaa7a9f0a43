"""The thread that ships batches, so that no tick waits for a slow drive."""

import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue

from meosbackup import errors
from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.day.shipping_orders import KeepBatch, Leave, NoteProof, Order, Ship, Shipped, WantHeld
from meosbackup.day.top_guide import Held, TopGuide
from meosbackup.errors import DriveFailedError, MeosBackupError, StoppedError
from meosbackup.guide.picture import Picture
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store import drive, inventory, shipping, top_of_drive
from meosbackup.store.inventory import Inventory
from meosbackup.store.keeping import Keep
from meosbackup.store.shipping import Shipper
from meosbackup.store.space import Outlook

log = logging.getLogger(__name__)

_LOOK_AHEAD_EVERY = 300.0
"""Seconds between two looks at how long the room on the drive lasts."""
_LOOK_AHEAD_AT = 0.1
"""The part of the free bytes that comes or goes before that is looked at sooner."""
_NEVER = (-math.inf, 0)
"""The moment of such a look, and the free bytes then, before there was one."""


class ShippingThread:
    """The thread, as others see it: the tick's thread has batches shipped, and the main thread has it leave."""

    def __init__(self, shipper: Shipper, drive_id: str, on_drive: Inventory) -> None:
        """Prepare to ship to the drive with this id, which is plugged in and tidy; `on_drive` is what is on it.

        `latest` is how things were after the latest shipping that is known to the tick's thread.
        """
        self.latest = Shipped(newest=on_drive.newest)
        self._stop = shipper.stop
        self._unanswered = 0
        self._messages: SimpleQueue[Order] = SimpleQueue()
        self._answers: SimpleQueue[Shipped | None] = SimpleQueue()
        # A daemon thread: a drive that hangs must not hold up the end.
        self._thread = threading.Thread(
            target=_Shipping(shipper, drive_id, on_drive).run,
            args=(self._messages, self._answers),
            name="ship",
            daemon=True,
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send(self, message: NoteProof | KeepBatch | Held | WantHeld | SpareServer | Leave) -> None:
        """Send a message; messages are taken in their order. Any thread may call this."""
        self._messages.put(message)

    def ship(self, day: Picture) -> None:
        """Have every batch shipped that waits by now. Only the tick's thread may call this and `settled`."""
        self._unanswered += 1
        self._messages.put(Ship(day))

    def settled(self, seconds: float | None) -> bool:
        """Wait until every `ship` is answered, for `seconds` at most (None: without end); return whether it is.

        Raises StoppedError if shipping was given up.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while self._unanswered:
            try:
                answer = self._answers.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
            except Empty:
                return False
            self._unanswered -= 1
            if answer is None:
                raise StoppedError
            self.latest = answer
        return True

    def join(self, seconds: float) -> None:
        """Wait for the thread to end after a Leave, for `seconds` at most."""
        self._thread.join(seconds)

    def give_up(self) -> None:
        """Have the thread give up what it is copying; call this after a Leave."""
        self._stop.set()

    def at_last(self) -> Shipped:
        """Return how things are at the end; nobody else may be waiting for an answer any more."""
        with suppress(Empty):
            while True:
                self.latest = self._answers.get_nowait() or self.latest
        return self.latest


class _Shipping:
    """What the thread does and remembers; only that thread touches it.

    Each shipping finds out whether the drive is away, came back or is another one.
    """

    def __init__(self, shipper: Shipper, drive_id: str, on_drive: Inventory) -> None:
        self._shipper = shipper
        self._drive_id = drive_id
        self._on_drive = on_drive.newest
        shipper.on_drive.update(stored.name for stored in on_drive.batches)
        self._on_others: dict[str, set[str]] = {}
        self._trouble: MeosBackupError | None = None
        self._sequence_met = 0
        self._free: int | None = None
        self._outlook: Outlook | None = None
        self._looked_ahead = _NEVER
        self._guide = TopGuide(shipper.place, shipper.on_drive)
        self._proof: Proof | None = None
        self._keeps: list[tuple[StoredBatch, Keep]] = shipping.kept(shipper)

    def run(self, messages: SimpleQueue[Order], answers: SimpleQueue[Shipped | None]) -> None:
        """Take messages until a Leave. One shipping answers every Ship that came before it."""
        while Leave() not in (received := _all(messages)):
            for message in received:
                self._take(message)
            if ships := sum(isinstance(message, Ship) for message in received):
                answer = self._ship()
                for _ in range(ships):
                    answers.put(answer)
        for message in received:
            self._take(message)
        answers.put(None)  # in case a tick still waits
        answers.put(self._ship())
        self._take_leave()

    def _take(self, message: Order) -> None:
        match message:
            case NoteProof(proof):
                self._proof = proof
            case KeepBatch(batch, keep):
                self._keeps.append((batch, keep))
            case Held():
                self._guide.held = message
            case SpareServer():
                self._guide.spare = message
            case WantHeld() | Leave():
                self._guide.is_held_wanted = True
            case Ship(day):
                self._guide.day = day

    def _ship(self) -> Shipped | None:
        """Ship, and return how things are then; None if shipping was given up."""
        try:
            self._ship_waiting()
            self._trouble = None
        except StoppedError:
            log.info("shipping was given up, since the program was asked to stop")
            return None
        except MeosBackupError as error:
            log.warning("nothing was shipped", exc_info=True)
            self._trouble = error
        except Exception as error:
            log.exception("shipping hit an unexpected error")
            means = "Backups continue on this computer. It will retry automatically."
            self._trouble = errors.unexpected(error, "Copying to the drive", means, kind=DriveFailedError)
        return Shipped(
            self._trouble, self._sequence_met, self._on_drive, self._free, dict(self._shipper.brought), self._outlook,
            frozenset(self._shipper.on_drive),
        )  # fmt: skip

    def _ship_waiting(self) -> None:
        if self._shipper.stop.is_set():
            raise StoppedError
        if self._trouble is not None or drive.identity(self._shipper.place) != self._drive_id:
            self._attach()
        in_spool = inventory.find(self._shipper.spool)
        if lost := shipping.find_lost(self._shipper, self._drive_id, in_spool):
            self._tell_lost(lost)
        self._guide.trouble = None
        shipping.ship_waiting(self._shipper, self._drive_id, in_spool, self._arrived)
        if self._proof is not None:
            top_of_drive.note_proof(self._shipper.place, None, self._proof)
            self._proof, self._guide.is_due = None, True
        for batch, keep in self._keeps:
            shipping.keep_on_drive(self._shipper, batch, keep)
        self._keeps.clear()
        if self._guide.trouble is None:
            self._guide.renew()
        self._free = drive.free_bytes(self._shipper.place.target)
        self._look_ahead()
        if self._guide.trouble is not None:  # the last thing to say, since nothing else depends on it
            raise self._guide.trouble

    def _arrived(self, newest: StoredBatch) -> None:
        self._on_drive = newest
        self._guide.arrived(newest)

    def _look_ahead(self) -> None:
        """See how long the room on the drive lasts, if that is due: all batches on it are read for that."""
        free, now = self._free, time.monotonic()
        when, before = self._looked_ahead
        if free is None:
            self._outlook = None
        elif now - when >= _LOOK_AHEAD_EVERY or abs(free - before) > before * _LOOK_AHEAD_AT:
            self._looked_ahead = now, free
            self._outlook = shipping.outlook(self._shipper, free)

    def _attach(self) -> None:
        """Get to know the drive that is plugged in now: the same one again, or another."""
        found = shipping.attach(self._shipper, datetime.now().astimezone())
        if found != self._drive_id:
            on_drive = shipping.look(self._shipper.place)
            self._on_others[self._drive_id], self._looked_ahead = set(self._shipper.on_drive), _NEVER
            self._shipper.on_drive.clear()
            self._shipper.on_drive.update(self._on_others.get(found, ()))
            self._drive_id, self._guide.newest, self._sequence_met = found, None, on_drive.highest_sequence
            self._shipper.tell("another drive is plugged in; it gets the newest batch and all waiting ones")
            self._compare(on_drive)

    def _compare(self, found: Inventory, again: Sequence[StoredBatch] = ()) -> None:
        """Tell what the drive had and lacks, and remember what it has; what will be copied `again` doesn't count."""
        names = {stored.name for stored in found.batches}
        if lacking := self._shipper.on_drive - names - {stored.name for stored in again}:
            self._shipper.tell(_lacking(sorted(lacking)))
        self._shipper.on_drive.clear()
        self._shipper.on_drive.update(names)
        self._on_drive = found.newest

    def _tell_lost(self, lost: Sequence[StoredBatch]) -> None:
        """Tell which batches vanished from the drive and will be copied to it again, and what else it lacks."""
        if self._guide.newest is not None and self._guide.newest.batch in [stored.batch for stored in lost]:
            self._guide.newest = None
        times, is_one = ", ".join(stored.when for stored in lost), len(lost) == 1
        which, they = (f"batch from {times}", "it") if is_one else (f"batches from {times}", "they")
        self._shipper.tell(f"no longer on the drive: the {which}; {they} will be copied there again")
        self._compare(shipping.look(self._shipper.place), lost)

    def _take_leave(self) -> None:
        """Write down until when the newest batch held, if the drive is there."""
        try:
            if drive.identity(self._shipper.place) == self._drive_id:
                self._guide.renew()
        except MeosBackupError:
            log.info("the guides don't say until when the newest batch held", exc_info=True)


def _lacking(folders: Sequence[str]) -> str:
    """Return the words for batches that a drive had, by their folders on it."""
    days_and_times = [folder.split("/") for folder in (folders[0], folders[-1])]
    first, last = (f"{day} {time.replace('-', ':')}" for day, time in days_and_times)
    which = f"the batch from {first}" if len(folders) == 1 else f"{len(folders)} batches, from {first} to {last}"
    return f"the drive lacks batches that it had: {which}. Somebody deleted them, or this is a copy of the drive"


def _all(messages: SimpleQueue[Order]) -> Sequence[Order]:
    """Wait for a message, and return it with all others that are there."""
    received = [messages.get()]
    while not messages.empty():  # nobody else takes any
        received.append(messages.get())
    return received
