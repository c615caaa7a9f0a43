"""What a tick does: it makes a batch, has it shipped, begins a rehearsal if one is due, and reports."""

import gc
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

from meosbackup import errors, wording
from meosbackup.backup.backup import Backup
from meosbackup.backup.deciding import Failure
from meosbackup.backup.outcome import Outcome
from meosbackup.batch.model import StoredBatch
from meosbackup.day.alarm_watch import AlarmWatch
from meosbackup.day.closing import Lost
from meosbackup.day.day_status import DayStatus
from meosbackup.day.record import Record
from meosbackup.day.rehearsal_thread import RehearsalThread, Verdict
from meosbackup.day.report import Report, Space
from meosbackup.day.shipping_orders import NoteProof, WantHeld
from meosbackup.day.shipping_thread import ShippingThread
from meosbackup.day.spare_watch import SpareWatch
from meosbackup.day.top_guide import Held
from meosbackup.day.trouble import Backups, Trouble
from meosbackup.errors import LoginRefusedError, MeosBackupError, RaceGoneError, StoppedError
from meosbackup.guide.picture import Happening
from meosbackup.meos import race_list
from meosbackup.settings import command_line
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, retention, spool
from meosbackup.system import disks
from meosbackup.text import clean

log = logging.getLogger(__name__)

_SHARE_FOR_SHIPPING = 0.8
"""How much of the time until the next tick a tick's line waits for the drive; shipping continues after that."""

_HEAD_START = 1.0
"""Seconds that the drive has for a batch before the spare server is fed, too."""


@dataclass(frozen=True)
class Made:
    """A tick made a batch; it is in the spool, and not on the drive yet."""

    batch: StoredBatch


@dataclass(frozen=True)
class Standing:
    """The alarms that stand from now on."""

    lost: tuple[Lost, ...]


@dataclass(frozen=True)
class Ended:
    """A tick ended. `refused` is set if the server refused the login and never accepted it before."""

    troubles: tuple[Trouble, ...] = ()
    refused: LoginRefusedError | None = None


@dataclass
class Ticks:
    """What the ticks of a day have in common. One thread runs them all, and no other writes anything here.

    What ticks come to is put into `results`. An only tick waits for the drive, however slow that is.
    """

    settings: Settings
    spool: Path
    report: Report
    backup: Backup
    shipping: ShippingThread
    rehearsals: RehearsalThread
    results: SimpleQueue[Made | Standing | DayStatus | Ended]
    stop: threading.Event
    record: Record
    is_only_tick: bool
    alarms: AlarmWatch
    spare: SpareWatch | None
    _has_answered: bool = field(default=False, init=False)
    _unchanged_until: datetime | None = field(default=None, init=False)
    _rehearsed_at: float = field(default_factory=time.monotonic, init=False)
    _waited: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        if not self.is_only_tick:
            self.backup.keep_session()
        self._waited = {stored.name for stored in spool.waiting(inventory.find(self.spool))}

    def run(self, moments: SimpleQueue[datetime | None]) -> None:
        """Run a tick for each moment, until a None comes; then log out from the server."""
        gc.freeze()  # what is there by now stays; Python would look through all of it amid a tick, for 30 ms
        while (moment := moments.get()) is not None:
            self.results.put(self.tick(moment))
        self.backup.log_out()

    def tick(self, now: datetime) -> Ended:
        """Make a batch, ship it, and report it. Nothing that goes wrong here ends the day."""
        try:
            return self._tick(now)
        except StoppedError:
            log.info("the tick at %s was given up, since the program was asked to stop", now)
            return Ended()
        except Exception as error:
            log.exception("the tick at %s hit an unexpected error", now)
            means = (
                "The latest changes may not be backed up; earlier batches are unchanged. It will retry automatically."
            )
            troubles = (Trouble("", errors.unexpected(error, "The backup", means)),)
            self.report.ticked(now, None, None, troubles, self._backups())
            return self._end(now, troubles)

    def _tick(self, now: datetime) -> Ended:
        began = time.monotonic()
        try:
            outcome, troubles = self._back_up(now)
        except MeosBackupError as error:
            log.warning("nothing was backed up", exc_info=True)
            advised = self.spare.advised(now, error) if self.spare else error
            outcome, troubles = None, [Trouble("", advised)]
            if isinstance(error, LoginRefusedError) and not self._has_answered:
                return Ended(tuple(troubles), error)
        self.alarms.repeat(now)
        verdict = self._rehearse(outcome)
        self._note_unchanged(now, outcome)
        self.record.so_far(now, troubles, self._alarmed(now))
        self.shipping.ship(self.record.day)
        if self.spare:
            # Most drives have taken the batch by then: feeding the spare server doesn't hold that up.
            self.shipping.settled(_HEAD_START)
            self.spare.feed(now, self.backup.newest if outcome else None)
        is_shipped = self.shipping.settled(self._patience(time.monotonic() - began))
        spool_bytes, full = self._thin_spool(now)
        troubles += [Trouble("", error) for error in (self.shipping.latest.trouble, full) if error]
        if not self.is_only_tick and is_shipped:
            troubles += self._look_ahead(now)
        troubles += self._look_at_spare(now)
        if verdict is not None and verdict.error is not None:
            troubles.append(Trouble("rehearsal", verdict.error))
        proof, space = verdict.proof if verdict else None, self._space(spool_bytes, is_shipped)
        self.report.ticked(
            now, outcome, space, troubles, self._backups(), proof, is_alarmed=bool(self._alarmed(now)),
            spare=self.spare.in_words(now) if self.spare else "",
        )  # fmt: skip
        return self._end(now, troubles, space)

    def _back_up(self, now: datetime) -> tuple[Outcome, list[Trouble]]:
        """Make a batch, and report what it holds; return also what went wrong with single races.

        Raises MeosBackupError if nothing could be backed up.
        """
        self.backup.continue_after(self.shipping.latest.sequence_met)
        outcome = self.backup.tick(now, self.stop, self.record.day)
        self._has_answered = True
        if outcome.stored is not None:
            self.results.put(Made(outcome.stored))
            self.record.made(outcome.stored)
        news = self.alarms.look(now, outcome.seen.selection, self.backup.newest)
        self.report.surveyed(now, outcome.seen, outcome.left_out, news.keys)
        self.alarms.sound(now, news)
        self.results.put(Standing(self.alarms.lost))
        self.report.without_file(now, outcome.stored, outcome.without_file)
        troubles = [
            Trouble(
                failure.race.display_name if failure.race else "race list",
                self._with_command(failure),
                failure.newest_good,
            )
            for failure in outcome.failures
            if not (failure.race and self.alarms.tell_that_gone(failure.race, outcome.seen))
        ]
        if not outcome.seen.races:
            troubles.append(Trouble("", race_list.no_race(outcome.seen.selection)))
        return outcome, troubles

    def _with_command(self, failure: Failure) -> MeosBackupError:
        """Return the error of a failure; if its race is gone, with the command that brings it back."""
        error, race = failure.error, failure.race
        if not isinstance(error, RaceGoneError) or race is None or failure.newest_good is None:
            return error
        command = command_line.command(self.settings, "restore", "--race", clean(race.name_id, 64))
        do = f"If the race should be there, stop meosbackup with Ctrl-C, and restore it with: {command}"
        return RaceGoneError(error.what, error.means, do)

    def _rehearse(self, outcome: Outcome | None) -> Verdict | None:
        """Begin a rehearsal of the newest batch if one is due; return what the one before came to."""
        every, newest = self.settings.rehearse_every, self.backup.newest
        is_due = every is not None and time.monotonic() - self._rehearsed_at >= every
        if is_due and outcome is not None and newest is not None and self.rehearsals.begin(newest):
            self._rehearsed_at = time.monotonic()
        verdict = self.rehearsals.verdict()
        if verdict is not None and verdict.proof is not None:
            self.shipping.send(NoteProof(verdict.proof))
            self.record.proof = verdict.proof
        return verdict

    def _note_unchanged(self, now: datetime, outcome: Outcome | None) -> None:
        """Have the drive say until when its newest batch held; at once if data may have changed since."""
        newest = self.backup.newest
        if outcome is None or outcome.failures:
            self.shipping.send(WantHeld())
        elif outcome.stored is None and newest is not None:
            self.shipping.send(Held(newest.batch.sequence, now))
            self._unchanged_until = now
            self.record.unchanged(now)

    def _alarmed(self, now: datetime) -> list[Happening]:
        """Return the alarms that stand, each with what brings back what was there."""
        return self.alarms.happenings(now) + (self.spare.in_use if self.spare else [])

    def _look_at_spare(self, now: datetime) -> list[Trouble]:
        """Report how the spare server is; an only tick waits for it. Return what is wrong with it."""
        if self.spare is None:
            return []
        if self.is_only_tick:
            self.spare.thread.settled(None)
        troubles = self.spare.look(now)
        self.shipping.send(self.spare.server)  # the guides tell of it from the next shipping on
        return troubles

    def _end(self, now: datetime, troubles: Sequence[Trouble], space: Space | None = None) -> Ended:
        """Write down how a tick ended, and return that."""
        waiting = space.waiting if space else 0
        self.record.ended(
            now, troubles, self._alarmed(now), self._backups(), self.backup.newest, self.shipping.latest, waiting,
            self.spare.server if self.spare else None,
        )  # fmt: skip
        return Ended(tuple(troubles))

    def _patience(self, used: float) -> float | None:
        """Return the seconds that a tick's line may wait for the drive, `used` seconds after the tick began."""
        interval = self.settings.interval
        return None if self.is_only_tick else (interval - used % interval) * _SHARE_FOR_SHIPPING

    def _thin_spool(self, now: datetime) -> tuple[int, MeosBackupError | None]:
        """Keep the spool within its limit; return the bytes that it takes, and what prevents that."""
        root, limit = self.spool, self.settings.spool_mb << 20
        try:
            spool.thin(root, now)
            used = retention.used_bytes(root)
            removed = retention.make_room(root, used - limit, now).removed
            if removed:
                count = wording.number(len(removed), "batch that no drive has was", "batches that no drive has were")
                self.report.note(now, f"the waiting room is full: {count} deleted, oldest first")
                used = retention.used_bytes(root)
        except OSError as error:
            log.warning("the spool can't be thinned", exc_info=True)
            return limit, spool.unusable(root, error)
        return used, spool.full(root, limit) if used > limit else None

    def _look_ahead(self, now: datetime) -> Iterator[Trouble]:
        """Report how long the room on the drive lasts; yield the trouble that it is full within an hour."""
        latest, target = self.shipping.latest, self.settings.target
        if latest.trouble or latest.outlook is None or latest.free is None or target is None:
            return
        if latest.outlook.is_full_soon:
            yield Trouble("", drive.full_soon(target, latest.free))
        else:
            self.report.lasts(now, latest.free, latest.outlook)

    def _backups(self) -> Backups:
        on_drive, on_computer = self.shipping.latest.newest, self.backup.newest
        return Backups(
            on_drive.batch if on_drive else None, on_computer.batch if on_computer else None, self._unchanged_until
        )

    def _space(self, spool_bytes: int, is_shipped: bool) -> Space:
        root, limit = self.spool, self.settings.spool_mb << 20
        waiting = {stored.name for stored in spool.waiting(inventory.find(root))}
        arrived = set() if waiting else self._waited & self.shipping.latest.brought.keys()
        self._waited = self._waited | waiting if waiting else set()
        left = min(max(0, limit - spool_bytes), disks.free_bytes(root))
        free = self.shipping.latest.free if is_shipped else None
        return Space(free, len(waiting), left, is_shipped, len(arrived))
