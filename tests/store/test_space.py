"""For how many hours the room on a drive lasts, by the rules that delete old batches."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.batch.model import Batch, Entry, Server, StoredBatch, StoredFile
from meosbackup.store import space

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
MB = 1_000_000
GB = 1000 * MB


def made(minutes_ago: int, size: int = MB) -> StoredBatch:
    """Return a batch that takes this size on a drive, files and what they waste of their clusters."""
    taken, sequence = NOW - timedelta(minutes=minutes_ago), 10_000 - minutes_ago
    dump = StoredFile("meosmain.dump.sql", size - 4 * (1 << 14), "")
    entry = Entry("meosmain", dump=dump, taken=taken, reference=StoredFile("../../reference/a", 10 * GB, ""))
    server = Server("localhost", 3306, "MySQL", "8.0.45", 1)
    return StoredBatch(Path(str(sequence)), Batch(sequence, taken, True, server, "", "", (entry,)))


def rate(*batches: StoredBatch, interval: int = 60) -> float | None:
    return space.bytes_an_hour([stored.batch for stored in batches], interval, NOW)


def test_the_rate_is_that_of_the_last_hour() -> None:
    before = [made(minute) for minute in range(300, 60, -1)]
    assert rate(*before, made(60), made(40), made(20)) == 3 * MB
    assert rate(*before, made(30), made(10)) == 4 * MB, "of its half since the first one"


def test_the_rate_of_a_drive_that_tells_little_is_the_highest_likely_one() -> None:
    assert rate() is None
    assert rate(made(5), made(1, 2 * MB)) == 120 * MB
    assert rate(made(3000, 3 * MB), interval=30) == 360 * MB


MINUTES = [made(minute) for minute in range(180, 0, -1)]


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (10 * GB, "enough for more than a day"),
        (400 * MB, "enough for more than a day (old batches are deleted after about 5 hours)"),
        (0, "enough for about 17 hours (old batches are deleted from now on)"),
    ],
)
def test_old_batches_make_room_for_a_long_time(free: int, words: str) -> None:
    """Of three hours' minutes, the last hour's and each ten minutes' newest stay: 108 MB may be deleted."""
    assert str(space.on_drive(MINUTES, 60 * MB, free, 100 * MB, NOW)) == words


def test_a_drive_on_which_nothing_may_be_deleted_is_full_when_its_free_bytes_are_used() -> None:
    """A stick that fills up within the hour in which everything stays."""
    first = [made(minute) for minute in range(30, 0, -1)]
    found = space.on_drive(first, 60 * MB, 20 * MB, 0, NOW)
    assert (found.hours, found.is_full_soon, str(found)) == (0, True, "enough for less than an hour")
    found = space.on_drive(first, 60 * MB, 60 * MB, 0, NOW)
    assert not found.is_full_soon


def test_a_full_stick_that_lives_on_what_is_deleted_is_not_full_soon() -> None:
    """Each minute a batch of the last hour gets old enough to go, and makes room for the next one."""
    long = [made(minute) for minute in range(12 * 60, 0, -1)]
    found = space.on_drive(long, 60 * MB, 2 * MB, 2 * MB, NOW)
    assert found.hours == space.LONGEST
    assert not found.is_noted


def test_an_empty_drive_lasts_by_the_rate_alone() -> None:
    found = space.on_drive([], 60 * MB, 90 * MB, 0, NOW)
    assert str(found) == "enough for about 5 hours (old batches are deleted after about 1 hour)"
    assert found.is_noted
