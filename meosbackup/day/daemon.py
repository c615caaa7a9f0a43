"""The race day: a tick at once, then one every interval, until Ctrl-C."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from meosbackup import notices
from meosbackup.backup.backup import Backup
from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch
from meosbackup.console import Console
from meosbackup.day import day_status, last_line, record
from meosbackup.day.alarm_watch import AlarmWatch
from meosbackup.day.closing import Closing, Lost
from meosbackup.day.day_status import DayStatus
from meosbackup.day.notify_thread import NotifyThread
from meosbackup.day.page_server import PageServer
from meosbackup.day.record import Listener
from meosbackup.day.rehearsal_thread import RehearsalThread
from meosbackup.day.report import Report
from meosbackup.day.shipping_orders import Leave
from meosbackup.day.shipping_thread import ShippingThread
from meosbackup.day.spare_watch import SpareWatch
from meosbackup.day.ticks import Ended, Made, Standing, Ticks
from meosbackup.day.timetable import Timetable
from meosbackup.errors import PageUnavailableError
from meosbackup.guide.page_data import PageFacts
from meosbackup.mysql import programs
from meosbackup.mysql.programs import Program
from meosbackup.restore import feeding
from meosbackup.restore.spare_replacement import Spare
from meosbackup.settings import command_line
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import drive, inventory, shipping, spool
from meosbackup.store.drive import Place
from meosbackup.store.shipping import Shipper
from meosbackup.system import awake, console_modes, receivers, signals

log = logging.getLogger(__name__)

STOP_SECONDS = 2.2
"""How long a tick that is running may take to leave once Ctrl-C was pressed."""
_SHIPPING_SECONDS = 2.0
"""How much of that batches may still be copied to the drive."""

_SLEEPS = "this computer can't be kept awake from here: check in its settings that it doesn't go to sleep by itself"


@dataclass(frozen=True)
class Ready:
    """What was found to be in order before the first tick."""

    settings: Settings
    program: Program
    place: Place
    spool: Path
    spare: Spare | None


def prepare(settings: Settings, spool_root: Path) -> Ready:
    """Check that there are a target, a dump program and a spool. Raises MeosBackupError."""
    chosen = drive.checked_target(settings.target, any_disk=settings.any_disk)
    program = programs.find_dump_program(settings.mysqldump)
    spool.prepare(spool_root, chosen)
    spare = feeding.spare_of(settings, program, spool_root)
    return Ready(settings, program, drive.place(chosen), spool_root, spare)


def run(ready: Ready, console: Console, seconds: float = math.inf) -> bool:
    """Back up until Ctrl-C or SIGTERM, or for `seconds`; return whether nobody stopped it before that.

    Raises LoginRefusedError if the server refuses the login from the start.
    """
    end = time.monotonic() + seconds
    day = begin(ready, console)
    with _attended(ready.settings), signals.stopping(day.stop):
        timetable = Timetable(ready.settings.interval, day.begin_tick, day.clock_jumped)
        with console.status_line() as show:
            while time.monotonic() < end and not day.stop.wait(timetable.run_pending()):
                day.collect()
                if day.ended.refused is not None:
                    raise day.ended.refused
                show(last_line.parts(_now(), timetable.due_in, day.tick_began, day.status))
        is_stopped = day.stop.is_set()
        day.leave()
    return not is_stopped


@contextmanager
def _attended(settings: Settings) -> Iterator[None]:
    """Have neither the computer's sleep nor a click in the window make the day stand still, until the block ends."""
    with console_modes.no_quick_edit(), ExitStack() as stack:
        if settings.stay_awake and not stack.enter_context(awake.kept()):
            notices.tell(_SLEEPS)
        yield


def run_once(ready: Ready, console: Console) -> int:
    """Make one batch and bring it to the drive; return the exit code. Raises LoginRefusedError."""
    day = begin(ready, console, is_only_tick=True)
    with signals.stopping(day.stop):
        day.begin_tick()
        while day.tick_began is not None and not day.stop.is_set():
            day.collect(0.05)
        day.leave()
    if day.ended.refused is not None:
        raise day.ended.refused
    codes = {trouble.error.exit_code for trouble in day.ended.troubles}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


def begin(ready: Ready, console: Console, *, is_only_tick: bool = False) -> "Day":
    """Tidy the spool and the drive, print the block at the start, and start the threads of a day.

    An only tick waits for the drive, however slow it is, and sends no messages. Raises DriveGoneError,
    DriveFailedError, and WrongUsageError if messages can't be sent as the user wants it.
    """
    told = () if is_only_tick else receivers.find(ready.settings.notify)
    notify = NotifyThread(told)
    report, stop = Report(console), threading.Event()

    def tell(text: str) -> None:
        report.note(_now(), text)

    notices.listen(tell)
    spool.tidy(ready.spool)
    shipper = Shipper(ready.spool, ready.place, ready.settings.reserve_mb, threading.Event(), tell)
    drive_id = shipping.attach(shipper, _now())
    on_drive, found = shipping.look(ready.place), inventory.find(ready.spool)
    sequence = max(found.highest_sequence, on_drive.highest_sequence)
    target = ready.place.target
    page = None if is_only_tick else _live_page(ready.settings, tell)
    addresses = page.addresses(ready.settings.host) if page else []
    report.started(
        ready.settings, target, ready.spool, drive.free_bytes(target), addresses, [one.name for one in told]
    )  # fmt: skip
    results = SimpleQueue[Made | Standing | DayStatus | Ended]()
    listeners: list[Listener] = [partial(_write_status, ready.spool), lambda status, _: results.put(status)]
    listeners += [notify.tell, *([page.post] if page else [])]
    shipping_thread = ShippingThread(shipper, drive_id, on_drive)
    ticks = Ticks(
        ready.settings, ready.spool, report, Backup(ready.settings, ready.program, ready.spool, sequence),
        shipping_thread, RehearsalThread(ready.program, stop), results, stop,
        record.begun(on_drive, found, _now(), ready.settings.interval, listeners), is_only_tick,
        AlarmWatch(ready.settings, report, shipping_thread),
        SpareWatch(ready.spare, report) if ready.spare else None,
    )  # fmt: skip
    day = Day(ticks, notify, ready.place, found.newest, page)
    day.start()
    return day


class Day:
    """A day as the main thread sees it; its ticks are run by a thread that gets moments and gives results.

    `newest` is the newest batch, `ended` what the latest tick came to, `status` how it left things, and `tick_began`
    when the one that is running began, None if none is; all as of the last `collect`.
    """

    def __init__(
        self, ticks: Ticks, notify: NotifyThread, place: Place, newest: StoredBatch | None, page: PageServer | None
    ) -> None:  # fmt: skip
        """Prepare the day; `start` starts it, and the end of the day stops the page. `place` is the drive's."""
        self.ticks = ticks
        self.newest = newest
        self.ended = Ended()
        self.status: DayStatus | None = None
        self.tick_began: datetime | None = None
        self._notify = notify
        self._place = place
        self._page = page
        self._made: list[StoredBatch] = []
        self._lost: tuple[Lost, ...] = ()
        self._moments: SimpleQueue[datetime | None] = SimpleQueue()
        # A daemon thread: one that hangs in a dead server's answer must not hold up the end.
        self._thread = threading.Thread(target=ticks.run, args=(self._moments,), name="tick", daemon=True)

    @property
    def stop(self) -> threading.Event:
        """Set when the day is to end."""
        return self.ticks.stop

    def start(self) -> None:
        """Start the threads."""
        self._notify.start()
        self.ticks.shipping.start()
        if self.ticks.spare:
            self.ticks.spare.thread.start()
        self._thread.start()

    def begin_tick(self) -> None:
        """Have a tick run, unless the one before is still running."""
        self.collect()
        now = _now()
        if self.tick_began is not None:
            self.ticks.report.overdue(now, self.tick_began)
            return
        self.tick_began = now
        self._moments.put(now)

    def clock_jumped(self, seconds: float) -> None:
        """Report that this computer's clock jumped."""
        self.ticks.report.clock_jumped(_now(), seconds)

    def collect(self, seconds: float = 0.0) -> None:
        """Take in what ticks came to; wait for the first result for `seconds` at most."""
        with suppress(Empty):
            self._take(self.ticks.results.get(timeout=seconds))
            while True:
                self._take(self.ticks.results.get_nowait())

    def _take(self, result: Made | Standing | DayStatus | Ended) -> None:
        match result:
            case Made(batch):
                self.newest = batch
                self._made.append(batch)
            case Standing(lost):
                self._lost = lost
            case DayStatus():
                self.status = result
            case Ended():
                self.ended, self.tick_began = result, None

    def leave(self) -> None:
        """Have all threads give up, wait for them for STOP_SECONDS at most, and print the last lines.

        The drive gets what it takes in that time.
        """
        began, shipping = time.monotonic(), self.ticks.shipping

        def left(seconds: float) -> float:
            return max(0.0, began + seconds - time.monotonic())

        self.stop.set()
        self._notify.stop()
        if self.ticks.spare:
            self.ticks.spare.thread.give_up()
        self._moments.put(None)
        self._thread.join(left(_SHIPPING_SECONDS))
        shipping.send(Leave())
        shipping.join(left(_SHIPPING_SECONDS))
        shipping.give_up()
        for thread in (self._thread, shipping, self.ticks.rehearsals, self._notify):
            thread.join(left(STOP_SECONDS))
        if self.ticks.spare:
            self.ticks.spare.thread.join(left(STOP_SECONDS))
        if self._thread.is_alive():
            log.warning("the tick at %s didn't end within %s s", self.tick_began, STOP_SECONDS)
        if self._page is not None:
            self._page.stop()
        self.collect()
        if self.ended.refused is None:
            self._close()

    def _close(self) -> None:
        """Print what the day came to, and where its batches are."""
        waiting = spool.waiting(inventory.find(self.ticks.spool))
        latest = self.ticks.shipping.at_last()
        brought = [latest.brought[stored.name] for stored in self._made if stored.name in latest.brought]
        is_there = latest.trouble is None and latest.newest is not None
        self.ticks.report.closed(_now(), Closing(
            len(self._made), len(brought), len(set(brought)), self.newest.batch if self.newest else None,
            tuple(stored.batch for stored in waiting), self.ticks.spool,
            latest.trouble, self._place.root / names.GUIDE_FILE if is_there else None,
            command_line.command(self.ticks.settings, "--once"),
            command_line.command(replace(self.ticks.settings, target=SPOOL), "restore"), self._lost,
        ))  # fmt: skip


def _live_page(settings: Settings, tell: Callable[[str], None]) -> PageServer | None:
    """Serve the live page if it is wanted. If that can't be done, it is told, and the day goes on without it."""
    if settings.page_port is None:
        return None
    try:
        page = PageServer(settings.page_port, DayStatus(_now(), settings.interval))
    except PageUnavailableError as error:
        tell(str(error))
        return None
    page.start()
    return page


def _write_status(root: Path, status: DayStatus, _: PageFacts | None) -> None:
    """Leave in the spool how things stand, for other programs on this computer."""
    try:
        day_status.write(root, status)
    except OSError:
        log.warning("the status can't be written", exc_info=True)


def _now() -> datetime:
    return datetime.now().astimezone().replace(microsecond=0)
