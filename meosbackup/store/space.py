"""How long the room on a drive lasts at the present rate: a pure function of its batches and its free bytes."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from meosbackup import wording
from meosbackup.batch.model import Batch, StoredBatch
from meosbackup.batch.names import PAGE_FILE
from meosbackup.store import inventory, retention
from meosbackup.store.drive import Place
from meosbackup.store.retention import Kept
from meosbackup.system import disks

LONGEST = 24
"""Hours; whatever lasts longer than a day lasts for the day."""

NOTED_BELOW = 6
"""Hours of room below which the user should know."""

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_LEAST = timedelta(minutes=10)
"""What a rate is measured over at least."""

_SLACK = 1 << 14
"""Bytes that a file takes beyond its own size: half a cluster of a usual stick."""

_PAGE = 250_000
"""Bytes that a RESTORE.html takes, with a long day of a few races in it."""


@dataclass(frozen=True)
class Outlook:
    """For how many whole hours a drive takes every new batch, LONGEST at most.

    `hours_keeping_all` is how long that takes no old batch; after that, retention deletes some to make room.
    """

    hours: int
    hours_keeping_all: int

    @property
    def is_full_soon(self) -> bool:
        """Whether the drive will be full within an hour, although everything that may be deleted is."""
        return self.hours < 1

    @property
    def is_noted(self) -> bool:
        """Whether the user should know, since the drive may not last for the day."""
        return self.hours < NOTED_BELOW

    def __str__(self) -> str:
        if self.hours_keeping_all >= self.hours:
            return f"enough for {about(self.hours)}"
        when = f"after {about(self.hours_keeping_all)}" if self.hours_keeping_all else "from now on"
        return f"enough for {about(self.hours)} (old batches are deleted {when})"


def on_drive(
    batches: Sequence[StoredBatch], bytes_an_hour: float, free: int, reserve: int, now: datetime
) -> Outlook:  # fmt: skip
    """Return how long a drive with these batches, oldest first, and these free bytes lasts.

    `reserve` is what retention keeps free as long as it finds batches to delete. `now` is local time with its zone.
    """
    kept = [
        retention.kept_from(stored, frees=_size(stored.batch), pinned=retention.is_kept(stored, now))
        for stored in batches
    ]  # fmt: skip
    held = sum(one.frees for one in kept)

    def is_too_long(hours: int) -> bool:
        stays = retention.floor([*kept, *_coming(kept, bytes_an_hour, hours, now)], now + hours * _HOUR)
        return sum(one.frees for one in stays) > free + held

    hours = bisect_left(range(1, LONGEST + 1), True, key=is_too_long)
    return Outlook(hours, min(hours, int(max(0, free - reserve) / bytes_an_hour)))


def bytes_an_hour(batches: Sequence[Batch], interval: int, now: datetime) -> float | None:
    """Return how fast a drive with these batches, oldest first, fills up; None if there are none to tell by.

    It is the rate of the last hour, or of the part of it since the first batch in it. Where that is less than ten
    minutes ago, it is the most that the newest batch makes likely: one of its size each `interval` seconds. Reference
    dumps don't count, since each is kept once.
    """
    if (measured := _measured(batches, now)) is not None:
        return measured
    return _size(batches[-1]) * (_HOUR / timedelta(seconds=interval)) if batches else None


def most_bytes_an_hour(dumps: Sequence[int], interval: int, *, with_meosxml: bool) -> float:
    """Return how fast a drive without batches fills up if every dump, of which these are the sizes, is new each time.

    A `.meosxml` is hardly ever larger than its dump.
    """
    size = sum(dumps) * (2 if with_meosxml else 1) + (2 * len(dumps) + 4) * _SLACK + _PAGE
    return size * (_HOUR / timedelta(seconds=interval))


def at_present(where: Place, reserve_mb: int | None, free: int, now: datetime) -> Outlook | None:
    """Return how long the drive that is plugged in lasts at the rate of the last hour; None if that isn't known yet.

    `free` are its free bytes. Raises OSError.
    """
    batches = inventory.find(where.root).batches
    rate = _measured([stored.batch for stored in batches], now)
    reserve = retention.reserve_bytes(disks.total_bytes(where.target), reserve_mb)
    return None if rate is None else on_drive(batches, rate, free, reserve, now)


def about(hours: int) -> str:
    """Return whole hours of an Outlook in words."""
    if hours >= LONGEST:
        return "more than a day"
    return f"about {wording.number(hours, 'hour')}" if hours else "less than an hour"


def _measured(batches: Sequence[Batch], now: datetime) -> float | None:
    recent = [batch for batch in batches if now - _HOUR <= batch.taken <= now]
    span = now - min((batch.taken for batch in recent), default=now)
    return sum(map(_size, recent)) * (_HOUR / span) if span >= _LEAST else None


def _coming(kept: Sequence[Kept], bytes_an_hour: float, hours: int, now: datetime) -> list[Kept]:
    """Return the batches of the coming hours, as if there were one each minute."""
    newest = kept[-1].sequence if kept else 0
    return [
        Kept(Path(), newest + minute, now + minute * _MINUTE, int(bytes_an_hour / 60), True, False, frozenset())
        for minute in range(1, hours * 60 + 1)
    ]


def _size(batch: Batch) -> int:
    page = _SLACK + _PAGE if PAGE_FILE in dict(batch.guides) else 0
    return sum(file.bytes + _SLACK for entry in batch.databases for file in entry.files) + 3 * _SLACK + page
