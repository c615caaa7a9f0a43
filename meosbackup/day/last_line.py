"""The terminal's last line over a day: what comes next, how old the newest good backup is, and for how long it fits."""

from collections.abc import Iterator
from datetime import datetime

from meosbackup import wording
from meosbackup.day.day_status import DayStatus
from meosbackup.guide.picture import ALARM
from meosbackup.store import space


def parts(now: datetime, due_in: float, began: datetime | None, status: DayStatus | None) -> list[str]:
    """Return the parts of the line, the most important first.

    The next tick is due in so many seconds; `began` is when the one that is running began, None if none is. `status`
    is how the latest tick left things, None if none has ended yet.
    """
    if status is None:
        return [_next(now, due_in, began)]
    return [*_wrong(status, now), _next(now, due_in, began), *_facts(status, now)]


def _wrong(status: DayStatus, now: datetime) -> Iterator[str]:
    """Yield since when there is trouble, and since when an alarm stands."""
    for word, is_meant in (("FAIL", False), ("ALARM", True)):
        since = [one.began for one in status.wrong if (one.kind == ALARM) is is_meant]
        if since:
            yield f"{word} since {wording.when(min(since), now)}"


def _next(now: datetime, due_in: float, began: datetime | None) -> str:
    if began is None:
        return f"next backup in {_short(due_in)}"
    seconds = (now - began).total_seconds()
    return f"backing up for {_short(seconds)}" if seconds >= 2 else "backing up …"


def _facts(status: DayStatus, now: datetime) -> Iterator[str]:
    if status.on_drive is None:
        yield "no backup on the drive yet"
    else:
        yield f"newest good backup {wording.when(status.on_drive, now)} ({_age(status.on_drive, status, now)})"
    if status.waiting:
        yield f"{status.waiting:,} waiting on this computer"
    if status.hours is not None and status.is_well:  # as of when the drive was there last
        yield f"room for {space.about(status.hours)}"


def _age(on_drive: datetime, status: DayStatus, now: datetime) -> str:
    """Return how old the drive's newest backup is, or until when nothing had changed since."""
    until = status.unchanged_until
    if until is not None and until > on_drive == status.on_computer:
        return f"current as of {wording.when(until, now)}"
    return f"{_short((now - on_drive).total_seconds())} old"


def _short(seconds: float) -> str:
    """Return a duration in few letters: `37 s`, `12 min`, `5 h`."""
    for unit, name, least in ((3_600, "h", 7_200), (60, "min", 120)):
        if seconds >= least:
            return f"{round(seconds / unit)} {name}"
    return f"{max(0, round(seconds))} s"
