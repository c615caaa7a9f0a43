"""The threads that tell people how the day goes, one for each receiver: none waits for another, and no tick for one."""

import platform
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue

from meosbackup import notices
from meosbackup.day import messages, telling
from meosbackup.day.day_status import DayStatus
from meosbackup.day.telling import Due, Key, Known
from meosbackup.guide.page_data import PageFacts
from meosbackup.system.receivers import Message, Receiver

_LONGEST_PAUSE = 300
"""Seconds for which a receiver that takes nothing is left alone, unless there is something new."""
_NOT_TAKEN = (
    "didn't take a message: check the internet connection, and its URL in notify. Backups continue, and it will be"
    " tried again"
)


class NotifyThread:
    """Tells each receiver what goes wrong on a day, and what is over."""

    def __init__(self, receivers: Sequence[Receiver]) -> None:
        self._statuses: list[SimpleQueue[DayStatus | None]] = [SimpleQueue() for _ in receivers]
        # Daemon threads: one that hangs in a receiver's answer must not hold up the end.
        self._threads = [
            threading.Thread(target=_serve, args=pair, name=f"notify {number}", daemon=True)
            for number, pair in enumerate(zip(receivers, self._statuses, strict=True), 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def tell(self, status: DayStatus, _: PageFacts | None = None) -> None:
        """Have the receivers told what is new; return at once."""
        self._put(status)

    def stop(self) -> None:
        """Have the receivers told that the day is over, and nothing after that; return at once."""
        self._put(None)

    def join(self, seconds: float) -> None:
        """Wait until all receivers were told, for `seconds` at most."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _put(self, status: DayStatus | None) -> None:
        for statuses in self._statuses:
            statuses.put(status)


def send_trial(receivers: Sequence[Receiver], seconds: float) -> list[tuple[Receiver, bool]]:
    """Send a message to all receivers at the same time; return with each whether it took it within `seconds`."""
    results: SimpleQueue[tuple[int, bool]] = SimpleQueue()
    message, end = messages.trial(_now(), platform.node()), time.monotonic() + seconds

    def send(number: int, receiver: Receiver) -> None:
        results.put((number, receiver.take(message)))

    for pair in enumerate(receivers):
        threading.Thread(target=send, args=pair, name="notify", daemon=True).start()
    taken = [False] * len(receivers)
    with suppress(Empty):
        for _ in receivers:
            number, taken[number] = results.get(timeout=max(0.0, end - time.monotonic()))
    return list(zip(receivers, taken, strict=True))


class Telling:
    """What a receiver is told, status after status; what it doesn't take is tried again, as things are by then."""

    def __init__(self, computer: str) -> None:
        self._computer = computer
        self._known: dict[Key, Known] = {}
        self._tried: tuple[Due, ...] = ()
        self._moment: datetime | None = None
        self._has_begun = False
        self._failures = self._skipped = 0

    def next(self, status: DayStatus) -> Message | None:
        """Return the message to be sent now, if there is any; `sent` must be told what became of it."""
        self._known, self._moment = telling.seen(self._known, status), status.moment
        dues = telling.due(self._known, status)
        if not dues and self._has_begun:
            return None
        if self._failures and set(dues) <= set(self._tried) and self._skipped < _pause(self._failures, status.interval):
            self._skipped += 1
            return None
        self._tried, self._skipped = dues, 0
        if dues:
            return messages.news(dues, status, self._computer)
        return messages.started(status, self._computer)

    def sent(self, *, is_taken: bool) -> None:
        """Remember whether the message was taken."""
        self._failures = 0 if is_taken else self._failures + 1
        if is_taken and self._moment is not None:
            self._has_begun = True
            self._known = telling.told(self._known, self._tried, self._moment)


def _pause(failures: int, interval: int) -> int:
    """Return for how many ticks a receiver is left alone that took nothing so many times in a row."""
    return min((1 << min(failures - 1, 16)) - 1, max(0, _LONGEST_PAUSE // interval - 1))


def _serve(receiver: Receiver, statuses: SimpleQueue[DayStatus | None]) -> None:
    """Tell a receiver what is due after each status, until a None comes."""
    story, latest, is_over = Telling(platform.node()), None, False
    while not is_over:
        status, is_over = _newest(statuses)
        latest = status or latest
        message = None if is_over or status is None else story.next(status)
        if message is not None:
            is_taken = receiver.take(message)
            story.sent(is_taken=is_taken)
            if not is_taken:
                notices.tell(f"{receiver.name} {_NOT_TAKEN}")
    receiver.take(messages.stopped(latest, _now(), platform.node()))


def _newest(statuses: SimpleQueue[DayStatus | None]) -> tuple[DayStatus | None, bool]:
    """Wait for a status; return the newest one, since others are stale by now, and whether the day is over."""
    newest = following = statuses.get()
    with suppress(Empty):
        while following is not None:
            newest, following = following, statuses.get_nowait()
    return newest, following is None


def _now() -> datetime:
    return datetime.now().astimezone().replace(microsecond=0)
