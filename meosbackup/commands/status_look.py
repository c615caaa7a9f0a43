"""The look that `status` takes: at the target, this computer's spool, and what a race day left there."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from meosbackup.commands.common import STATE_FOLDER, spool_of
from meosbackup.day import day_status
from meosbackup.day.day_status import DayStatus
from meosbackup.errors import DriveFailedError, DriveGoneError, MeosBackupError, NoBackupsError
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import available, drive, inventory, spool
from meosbackup.store.inventory import Inventory
from meosbackup.system import lock
from meosbackup.system.lock import Holder

log = logging.getLogger(__name__)

_PATIENCE = 20.0
"""Seconds that a look may take; a drive may hang."""
_INTERVALS = 2.5
_SECONDS = 15
"""How old a sign of life may be, a backup or the wait of a batch: so many intervals, and so many seconds."""


@dataclass(frozen=True)
class Look:
    """What was found of a target, and of this computer's spool, at a moment.

    `holder` is the meosbackup that uses the target, `other` one that uses the spool with another target, and `status`
    what the race day that uses both left in the spool. `error` is why the drive can't be read. `is_home` tells whether
    the drive's batches are known to come from this computer. The times are those of the newest backups and of the
    batches that are only here.
    """

    settings: Settings
    now: datetime
    holder: Holder | None
    other: Holder | None
    status: DayStatus | None
    error: MeosBackupError | None
    is_home: bool
    on_drive: datetime | None
    on_computer: datetime | None
    waiting: tuple[datetime, ...]

    @property
    def is_running(self) -> bool:
        """Whether a race day runs on this target."""
        return self.holder is not None and not self.holder.command

    @property
    def limit(self) -> timedelta:
        """How old anything may be."""
        interval = self.status.interval if self.status else self.settings.interval
        return timedelta(seconds=_INTERVALS * interval + _SECONDS)


def take_in_time(settings: Settings) -> Look:
    """Return what `take` returns, or raise what it raises; DriveFailedError if the drive hangs."""
    answers = SimpleQueue[Look | Exception]()

    def look() -> None:
        try:
            answers.put(take(settings))
        except Exception as error:
            log.info("the look failed", exc_info=True)
            answers.put(error)

    threading.Thread(target=look, name="look", daemon=True).start()
    try:
        answer = answers.get(timeout=_PATIENCE)
    except Empty:
        what, do = f"The drive at {settings.target} doesn't answer.", "Pull it out, plug it in, and run this again."
        raise DriveFailedError(what, "The latest changes may be only on this computer.", do) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def take(settings: Settings) -> Look:
    """Look at the target and the spool, without changing or creating anything.

    Raises NoBackupsError, DriveGoneError or DriveFailedError if the drive can't be read, and nothing is known of it.
    """
    now, target, root = datetime.now().astimezone(), settings.target, spool_of(settings)
    locks = STATE_FOLDER / "locks"
    holder = lock.holder(locks, root if target == SPOOL else target) if target else None
    other = lock.holder(locks, root) if holder is None else None
    if other is not None and target is not None and lock.holds(other, target):  # a link that leads elsewhere by now
        holder, other = other, None
    in_spool = available.in_spool(root)
    status = day_status.read(root) if holder and not holder.command and lock.holds(holder, root) else None
    newest, of_drive, drive_id, error = status.on_drive if status else None, in_spool, None, None
    if target != SPOOL:
        try:
            on_drive = inventory.take(drive.root(target) if target and holder else inventory.root_of(target))
            drive_id = drive.identity(drive.Place(on_drive.root.parent, may_be_system_disk=True))
            newest = _taken(on_drive)
            of_drive = available.of_drive(on_drive.root, root)
        except (NoBackupsError, DriveGoneError, DriveFailedError) as failed:
            if target is None or (holder is None and not in_spool.batches):
                raise
            error = failed
    is_home = holder is not None or bool(of_drive.batches)
    waiting = spool.waiting(in_spool, drive_id) if is_home else []
    return Look(
        settings, now, holder, other, status, error, is_home, newest, _taken(of_drive),
        tuple(stored.batch.taken for stored in waiting),
    )  # fmt: skip


def _taken(found: Inventory) -> datetime | None:
    return found.newest.batch.taken if found.newest else None
