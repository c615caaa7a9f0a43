"""Batches that are kept for a while, and marks that are not believed."""

import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Server, StoredBatch
from meosbackup.store import inventory, keeping, retention, spool
from meosbackup.store.keeping import Keep

NOW = datetime(2026, 11, 22, 14, 7, tzinfo=timezone(timedelta(hours=1)))
DAY = timedelta(days=1)
KEEP = Keep(keeping.evening_after(NOW), "Långdistans lost 38 entries")


def in_spool(root: Path, sequence: int, taken: datetime) -> StoredBatch:
    """Write a batch without databases, as one that is on a drive."""
    folder = root / f"{taken:%Y-%m-%d/%H-%M-%S}"
    folder.mkdir(parents=True)
    batch = Batch(sequence, taken, True, Server("laptop-1", 3306, "MySQL", "8.0.45", 1), "mysqldump", "1.0.0", ())
    batch_file.write(folder, batch)
    stored = StoredBatch(folder, batch)
    spool.mark_shipped(stored, "a drive")
    return stored


def test_a_batch_is_kept_until_the_evening_after(tmp_path: Path) -> None:
    assert KEEP.until == datetime(2026, 11, 23, 23, 59, 59, tzinfo=NOW.tzinfo)
    assert keeping.read(tmp_path, NOW) is None
    keeping.mark(tmp_path, KEEP)
    assert str(keeping.read(tmp_path, NOW)) == "kept until 2026-11-23 evening: Långdistans lost 38 entries"
    assert keeping.read(tmp_path, NOW + 1.4 * DAY) == keeping.read(tmp_path, NOW)
    assert keeping.read(tmp_path, NOW + 1.5 * DAY) is None
    assert [path.name for path in tmp_path.iterdir()] == ["KEPT"]


@pytest.mark.parametrize("content", [
    b"", b"for ever\n", b"2026-11-23T23:59:59\nno zone", b"2026-11-26T23:59:59+01:00\ntoo long",
    b"9999-12-31T23:59:59+01:00\nfor ever", b"2026-11-23T23:59:59+01:00\n\xff", b"2026-11-23T23:59:59+01:00\n" * 100,
])  # fmt: skip
def test_a_mark_that_is_not_ours_keeps_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "KEPT").write_bytes(content)
    assert keeping.read(tmp_path, NOW) is None


def test_a_mark_that_is_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no FIFOs, and links need a privilege")
    keeping.mark(tmp_path, KEEP)
    (tmp_path / "KEPT").rename(tmp_path / "elsewhere")
    (tmp_path / "KEPT").symlink_to(tmp_path / "elsewhere")
    assert keeping.read(tmp_path, NOW) is None
    (tmp_path / "KEPT").unlink()
    os.mkfifo(tmp_path / "KEPT")
    assert keeping.read(tmp_path, NOW) is None


def test_what_is_shown_of_a_mark_controls_no_terminal(tmp_path: Path) -> None:
    keeping.mark(tmp_path, Keep(KEEP.until, "Lång\x1b[31m\nlost" + "!" * 900))
    read = keeping.read(tmp_path, NOW)
    assert read
    assert "\x1b" not in str(read)
    assert len(str(read)) < 200


def test_neither_the_spool_nor_retention_deletes_it_before_that(tmp_path: Path) -> None:
    times = [NOW - timedelta(hours=5, minutes=minutes) for minutes in (4, 3, 2, 1)]
    first, *_, last = [in_spool(tmp_path, number, taken) for number, taken in enumerate(times, 1)]
    keeping.mark(first.folder, KEEP)
    retention.make_room(tmp_path, 1 << 40, NOW)
    assert [stored.folder for stored in inventory.find(tmp_path).batches] == [first.folder, last.folder]
    spool.thin(tmp_path, NOW.astimezone(UTC))
    assert first.folder.exists()
    spool.thin(tmp_path, NOW + 2 * DAY)
    assert [stored.folder for stored in inventory.find(tmp_path).batches] == [last.folder]
