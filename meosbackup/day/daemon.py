"""The race day: a tick at once, then one every interval, until Ctrl-C."""

import logging
import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup import errors, notices
from meosbackup.backup.backup import Backup, Outcome
from meosbackup.batch import names
from meosbackup.console import Console
from meosbackup.day.rehearsal_thread import Rehearser, Verdict
from meosbackup.day.report import Report, Space, Trouble
from meosbackup.day.shipping_thread import Dispatch, Held
from meosbackup.day.timetable import Timetable
from meosbackup.errors import LoginRefusedError, MeosBackupError, StoppedError
from meosbackup.mysql import programs
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, retention, shipping, spool
from meosbackup.store.drive import Place
from meosbackup.store.shipping import Shipper
from meosbackup.system import disks, signals

log = logging.getLogger(__name__)

STOP_SECONDS = 2.5
"""How long a tick that is under way may take to leave once Ctrl-C was pressed."""

_SHARE_FOR_SHIPPING = 0.8
"""How much of the time until the next tick a tick's line waits for the drive; shipping goes on after it by itself."""


@dataclass(frozen=True)
class Ready:
    """What was found to be in order before the first tick."""

    settings: Settings
    program: Program
    place: Place
    spool: Path


def prepare(settings: Settings, spool_root: Path) -> Ready:
    """See that there are a target, a dump program and a spool.

    Raises MeosBackupError.
    """
    chosen = drive.checked_target(settings.target, any_disk=settings.any_disk)
    program = programs.find_dump_program(settings.mysqldump)
    spool.prepare(spool_root)
    return Ready(settings, program, drive.place(chosen), spool_root)


def run(ready: Ready, console: Console, seconds: float = math.inf) -> bool:
    """Back up until Ctrl-C or SIGTERM, or for `seconds`; tell whether nobody stopped it before that.

    Raises LoginRefusedError where the server refuses the login from the start.
    """
    end = time.monotonic() + seconds
    day = Day(ready, Report(console))
    day.introduce()
    with signals.stopping(day.stop):
        timetable = Timetable(ready.settings.interval, day.begin_tick, day.clock_jumped)
        while time.monotonic() < end and not day.stop.wait(timetable.run_pending()):
            if day.refused is not None:
                raise day.refused
        is_stopped = day.stop.is_set()
        day.leave()
    return not is_stopped


def run_once(ready: Ready, console: Console) -> int:
    """Make one batch and bring it to the drive; return the exit code. Raises LoginRefusedError."""
    day = Day(ready, Report(console), is_only_tick=True)
    day.introduce()
    with signals.stopping(day.stop):
        day.begin_tick()
        while day.is_ticking and not day.stop.wait(0.05):
            pass
        day.leave()
    if day.refused is not None:
        raise day.refused
    codes = [trouble.error.exit_code for trouble in day.troubles]
    return 0 if not codes else max(codes) if min(codes) == max(codes) else 1


class Day:
    """What the ticks of one run have in common."""

    def __init__(self, ready: Ready, report: Report, *, is_only_tick: bool = False) -> None:
        """Take up the day; an only tick waits for the drive, however slow it is."""
        self.stop = threading.Event()
        self.refused: LoginRefusedError | None = None
        self.troubles: list[Trouble] = []
        self._ready = ready
        self._report = report
        self._is_only_tick = is_only_tick
        self._thread: threading.Thread | None = None
        self._tick_began = _now()
        self._batches = 0
        self._answered = False
        notices.listen(self._tell)
        spool.tidy(ready.spool)
        shipper = Shipper(ready.spool, ready.place, ready.settings.reserve_mb, self.stop, self._tell)
        drive_id = shipping.attach(shipper, self._tick_began)
        newest = inventory.find(ready.spool).newest
        sequence = max(newest.batch.sequence if newest else 0, shipping.highest_sequence(ready.place))
        self._backup = Backup(ready.settings, ready.program, ready.spool, sequence)
        self._dispatch = Dispatch(shipper, drive_id)
        self._rehearser = Rehearser(ready.program, self.stop)
        self._rehearsed_at = time.monotonic()

    @property
    def is_ticking(self) -> bool:
        """Whether a tick is under way."""
        return self._thread is not None and self._thread.is_alive()

    def introduce(self) -> None:
        """Print the block at the start."""
        place = self._ready.place
        self._report.started(self._ready.settings, place.target, self._ready.spool, drive.free_bytes(place.target))

    def begin_tick(self) -> None:
        """Start a tick in a thread of its own, unless the one before still runs."""
        if self.is_ticking:
            self._report.overdue(_now(), self._tick_began)
            return
        self._tick_began = _now()
        # A daemon thread: one that hangs in a dead server's answer must not hold up the end.
        self._thread = threading.Thread(target=self.tick, name="tick", daemon=True)
        self._thread.start()

    def clock_jumped(self, seconds: float) -> None:
        """Tell that this computer's clock jumped."""
        self._report.clock_jumped(_now(), seconds)

    def leave(self) -> None:
        """Wait for the tick that is under way to give up, and print the last line."""
        self.stop.set()
        end = time.monotonic() + STOP_SECONDS
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                log.warning("the tick of %s didn't end within %s s", self._tick_began, STOP_SECONDS)
        self._dispatch.leave(max(0.0, end - time.monotonic()))
        self._rehearser.leave(max(0.0, end - time.monotonic()))
        if self.refused is None:
            guide = self._ready.place.root / names.GUIDE_FILE
            self._report.closed(_now(), self._batches, self._backup.newest, guide)

    def tick(self) -> None:
        """Make a batch, ship it, and tell of it. Nothing that goes wrong here ends the day."""
        now = self._tick_began
        try:
            self.troubles = self._tick(now)
        except StoppedError:
            log.info("the tick of %s was given up, since the program was asked to stop", now)
        except Exception as error:
            log.exception("the tick from %s hit an unexpected error", now)
            means = "This backup may be missing; earlier ones are unchanged. It will retry automatically."
            self.troubles = [Trouble("", errors.unexpected(error, "The backup", means))]
            self._report.ticked(now, None, None, self.troubles)

    def _tick(self, now: datetime) -> list[Trouble]:
        began = time.monotonic()
        outcome, troubles = self._back_up(now)
        if self.refused is None:
            verdict = self._rehearse(outcome)
            self._note_unchanged(now, outcome)
            self._dispatch.wake()
            is_shipped = self._dispatch.settled(self._patience(time.monotonic() - began))
            troubles += [Trouble("", error) for error in (self._dispatch.trouble, self._thin_spool(now)) if error]
            if verdict is not None and verdict.error is not None:
                troubles.append(Trouble("rehearsal", verdict.error))
            self._report.ticked(now, outcome, self._space(is_shipped), troubles, verdict.proof if verdict else None)
        return troubles

    def _patience(self, used: float) -> float:
        """Return the seconds that a tick's line may wait for the drive, `used` seconds after the tick began."""
        interval = self._ready.settings.interval
        return threading.TIMEOUT_MAX if self._is_only_tick else (interval - used % interval) * _SHARE_FOR_SHIPPING

    def _rehearse(self, outcome: Outcome | None) -> Verdict | None:
        """Begin a rehearsal of the newest batch where one is due; return what the one before came to."""
        every, newest = self._ready.settings.rehearse_every, self._backup.newest
        due = every is not None and time.monotonic() - self._rehearsed_at >= every
        if due and outcome is not None and newest is not None and self._rehearser.begin(newest):
            self._rehearsed_at = time.monotonic()
        verdict = self._rehearser.verdict()
        if verdict is not None and verdict.proof is not None:
            self._dispatch.note(verdict.proof)
        return verdict

    def _note_unchanged(self, now: datetime, outcome: Outcome | None) -> None:
        """Have the drive know until when its newest batch held; at once where that is over."""
        newest = self._backup.newest
        if outcome is None or outcome.failures:
            self._dispatch.want_held()
        elif outcome.stored is None and newest is not None:
            self._dispatch.hold(Held(newest.batch.sequence, now))

    def _back_up(self, now: datetime) -> tuple[Outcome | None, list[Trouble]]:
        self._backup.go_on_after(self._dispatch.sequence_met)
        try:
            outcome = self._backup.tick(now, self.stop)
        except MeosBackupError as error:
            log.warning("nothing was backed up", exc_info=True)
            if isinstance(error, LoginRefusedError) and not self._answered:
                self.refused = error
            return None, [Trouble("", error)]
        self._answered = True
        self._batches += outcome.stored is not None
        self._report.seen(now, outcome.look, outcome.left_out)
        self._report.without_file(now, outcome.stored, outcome.without_file)
        return outcome, [
            Trouble(failure.race.display_name if failure.race else "race list", failure.error, failure.newest_good)
            for failure in outcome.failures
        ]

    def _thin_spool(self, now: datetime) -> MeosBackupError | None:
        """Keep the spool within its limit; where that can't be, tell why."""
        root, limit = self._ready.spool, self._ready.settings.spool_mb << 20
        try:
            spool.thin(root)
            removed = retention.make_room(root, retention.used_bytes(root) - limit, now)
            if removed:
                self._tell(
                    f"the spool is full: {len(removed)} batches that no drive has were removed, the oldest first"
                )
            is_over = retention.used_bytes(root) > limit
        except OSError as error:
            log.warning("the spool can't be thinned", exc_info=True)
            return spool.unusable(root, error)
        return spool.full(root, limit) if is_over else None

    def _space(self, is_shipped: bool) -> Space:
        root, limit = self._ready.spool, self._ready.settings.spool_mb << 20
        waiting = len(spool.waiting(inventory.find(root)))
        left = min(max(0, limit - retention.used_bytes(root)), disks.free_bytes(root))
        return Space(self._dispatch.free if is_shipped else None, waiting, left, is_shipped)

    def _tell(self, text: str) -> None:
        self._report.note(_now(), text)


def _now() -> datetime:
    return datetime.now().astimezone().replace(microsecond=0)
