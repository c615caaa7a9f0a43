"""The thread that keeps the spare server up to date, so that no tick waits for it."""

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from queue import Empty, SimpleQueue

from meosbackup import errors
from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError, SpareServerError, StoppedError
from meosbackup.restore import feeding
from meosbackup.restore.feeding import Fed, Kept
from meosbackup.restore.spare_replacement import Spare
from meosbackup.system import process

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpareStatus:
    """How the spare server was after its latest feeding.

    All races that may be fed are there as they were at `as_of`, None if they never were since the start. `error` is
    what prevented the latest feeding, or a part of it.
    """

    as_of: datetime | None = None
    races: tuple[Kept, ...] = ()
    deleted: tuple[str, ...] = ()
    error: MeosBackupError | None = None


@dataclass(frozen=True)
class _Feed:
    """Bring the spare server up to this batch, which shows the races as they were at this moment."""

    newest: StoredBatch
    moment: datetime


class SpareThread:
    """The thread, as the tick's thread sees it, which asks for feedings; only the newest is done of those that wait."""

    def __init__(self, spare: Spare) -> None:
        """Prepare to feed a spare server; `latest` is how it was after the latest feeding that is known."""
        self.latest = SpareStatus()
        self._stop = spare.stop
        self._unanswered: list[datetime] = []
        self._messages: SimpleQueue[_Feed | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[int, SpareStatus]] = SimpleQueue()
        # A daemon thread: a server that hangs must not hold up the end.
        self._thread = threading.Thread(
            target=_Feeding(spare).run, args=(self._messages, self._answers), name="spare", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def feed(self, now: datetime, newest: StoredBatch, moment: datetime) -> None:
        """Have the spare server brought up to a batch, which shows the races as they were at this moment."""
        self._unanswered.append(now)
        self._messages.put(_Feed(newest, moment))

    def settled(self, seconds: float | None) -> bool:
        """Wait until every feeding is done or given up, for `seconds` at most (None: without end); tell whether it is.

        `latest` is up to date then.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while self._unanswered:
            left = None if end is None else max(0.0, end - time.monotonic())
            try:
                count, self.latest = self._answers.get(timeout=left)
            except Empty:
                return False
            del self._unanswered[:count]
        return True

    @property
    def busy_since(self) -> datetime | None:
        """Since when a feeding is wanted that isn't done yet, as far as that is known; None if all are."""
        return self._unanswered[0] if self._unanswered else None

    def give_up(self) -> None:
        """Have the thread end, and give up what it is feeding; the race on the spare server stays as it is then."""
        self._stop.set()
        self._messages.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread to end after `give_up`, for `seconds` at most."""
        self._thread.join(seconds)


class _Feeding:
    """What the thread does and remembers; only that thread touches it."""

    def __init__(self, spare: Spare) -> None:
        self._spare = spare
        self._status = SpareStatus()
        self._checked = ""

    def run(self, messages: SimpleQueue[_Feed | None], answers: SimpleQueue[tuple[int, SpareStatus]]) -> None:
        """Take messages until a None; one feeding answers all that came before it."""
        while (message := messages.get()) is not None:
            count = 1
            while not messages.empty():  # nobody else takes any
                message = messages.get()
                if message is None:
                    answers.put((count, self._status))
                    return
                count += 1
            self._feed(message)
            answers.put((count, self._status))

    def _feed(self, message: _Feed) -> None:
        try:
            with process.low_priority():
                fed = feeding.feed(self._spare, message.newest, self._checked)
        except StoppedError:
            log.info("the feeding of %s was given up", message.newest.when)
        except MeosBackupError as error:
            log.warning("the spare server was not fed", exc_info=True)
            self._status = replace(self._status, error=error)
        except Exception as error:
            log.exception("feeding the spare server hit an unexpected error")
            means = "Backups are not affected. It will retry automatically."
            unexpected = errors.unexpected(error, "Feeding the spare server", means, kind=SpareServerError)
            self._status = replace(self._status, error=unexpected)
        else:
            self._checked = fed.server
            self._status = self._after(fed, message.moment)

    def _after(self, fed: Fed, moment: datetime) -> SpareStatus:
        failed = [kept for kept in fed.races if kept.error is not None]
        is_fed = any(kept.is_current for kept in fed.races)
        is_done = is_fed and all(kept.is_current or kept.stopped for kept in fed.races)
        error = feeding.race_error(failed, self._spare.own) if failed else None
        return SpareStatus(moment if is_done else self._status.as_of, fed.races, fed.deleted, error)
