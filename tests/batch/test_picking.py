"""Which batch a race is taken from if the chosen one doesn't have it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from meosbackup.batch.model import BACKUP, SAFETY, Batch, Entry, Race, Server, StoredBatch, StoredFile
from meosbackup.batch.picking import lost, pick
from meosbackup.errors import WrongUsageError

START = datetime(2026, 11, 22, 14, tzinfo=UTC)
DUMP = StoredFile("race.dump.sql", 4, sha256(b"dump").hexdigest())


@pytest.fixture
def batches(tmp_path: Path) -> list[StoredBatch]:
    """Five batches: last year's race, two races, only one of them, what a restore saved, and one without a dump."""
    last_year, relay = race("Långdistans", "meos_2025"), race("Stafett", "meos_1")
    evening, long = race("Stafettkväll", "meos_2"), race("Långdistans", "meos_3")
    held = [[last_year], [relay, evening, long], [evening, long], [relay, evening], [evening, replace(long, dump=None)]]
    found = []
    for sequence, entries in enumerate(held, 1):
        folder = tmp_path / f"14-0{sequence}-00"
        folder.mkdir()
        (folder / DUMP.file).write_bytes(b"dump")
        server = Server("laptop-1", 3306, "MariaDB", "10.11", 1)
        kind = SAFETY if sequence == 4 else BACKUP
        taken = START + timedelta(minutes=sequence)
        found.append(StoredBatch(folder, Batch(sequence, taken, True, server, "", "", tuple(entries), kind=kind)))
    return found


def race(name: str, name_id: str) -> Entry:
    return Entry(name_id, Race(name, "", "2026-11-22", name_id, 1, 101), dump=DUMP)


def picked(batches: list[StoredBatch], *names: str, chosen: int = 5) -> list[tuple[str, int]]:
    return [
        (one.entry.key, one.stored.batch.sequence if one.entry.dump else 0)
        for one in pick(batches, batches[chosen - 1], names)
    ]


def test_a_race_comes_from_the_newest_backup_before_the_chosen_batch_that_has_it(batches: list[StoredBatch]) -> None:
    assert picked(batches) == [("meos_2", 5), ("meos_3", 0)]
    assert picked(batches, "Stafettkväll", "meos_1") == [("meos_2", 5), ("meos_1", 2)]
    assert picked(batches, "långdistans") == [("meos_3", 3)]
    assert picked(batches, "2025", chosen=3) == [("meos_2025", 1)]
    (batches[2].folder / DUMP.file).write_bytes(b"damaged")
    assert picked(batches, "Långdistans") == [("meos_3", 2)]
    for stored in batches[:2]:
        (stored.folder / DUMP.file).unlink()
    assert picked(batches, "meos_3", "meos_1") == [("meos_3", 0), ("meos_1", 0)]


def test_a_part_of_a_name_doesnt_hide_a_deleted_race_of_that_name(batches: list[StoredBatch]) -> None:
    with pytest.raises(WrongUsageError, match=r"could be each of these races: Stafettkväll \(meos_2\), Stafett \("):
        picked(batches, "Stafett")
    assert picked(batches, "Stafett", chosen=2) == [("meos_1", 2)]
    with pytest.raises(WrongUsageError, match="has no race Stafett, nor has one before it"):
        picked(batches, "Stafett", chosen=1)


def test_what_only_earlier_batches_have_is_told(batches: list[StoredBatch]) -> None:
    assert [(one.entry.key, one.stored.batch.sequence) for one in lost(batches, batches[4])] == [
        ("meos_1", 2), ("meos_2025", 1),
    ]  # fmt: skip
    assert lost(batches, batches[0]) == []
