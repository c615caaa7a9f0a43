"""meosbackup killed, its drive pulled out, the power cut, at any moment: what is whole stays, and nothing is lost."""

import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.commands.simulation import run_laptops
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory
from tests.toolkit.batches import faults, leftovers, waiting
from tests.toolkit.drives import EXFAT, EXT4, FAT32, Drive, Slot, copy_of, make_drive, repair, slot
from tests.toolkit.place import Place
from tests.toolkit.running import running
from tests.toolkit.servers import INDIVIDUAL
from tests.toolkit.waiting import PATIENCE, wait_until
from tests.tools import torture

EVERY_SECOND = ("--interval", "1")
POWER_CUTS = 3


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Slot]:
    with slot(tmp_path) as place:
        yield place


@pytest.fixture
def evening() -> threading.Event:
    """When it is set, the laptops go home: a slow drive gets what waits, and nothing new."""
    return threading.Event()


@pytest.fixture
def busy(server: PrivateServer, evening: threading.Event) -> Iterator[PrivateServer]:
    """A server with a race that changes about three times a second."""
    with run_laptops(server, [INDIVIDUAL], evening, pause=0.3):
        yield server


def sequences(root: Path) -> list[int]:
    return [stored.batch.sequence for stored in inventory.find(root).batches]


@pytest.mark.long
def test_killed_and_pulled_out_at_random_moments(server: PrivateServer, spare: PrivateServer, tmp_path: Path) -> None:
    with torture.stage(server, spare, tmp_path, seed=7) as where:
        torture.torture(where, kills=6, pulls=2, each=4, tell=print)
    assert where.figures.kills_amid_shipping
    assert where.figures.batches_restored_and_compared == 3


def test_the_next_start_minds_no_lock_and_removes_leftovers_alone(
    stick: Slot, busy: PrivateServer, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    root = drive.root(stick.place)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect("  OK    race list ")
        wait_until(lambda: not waiting(tmp_path / "spool"), "an empty spool")
        day.kill()
    assert list(tmp_path.glob("meosbackup/locks/*.json")), "it had no time to take its locks away"
    remains = [
        root / "2026-11-21" / "10-00-00.partial" / "batch.json",
        root / "reference" / "Stafett_12345678.dump.sql.partial",
        tmp_path / "spool" / "2026-11-21" / "10-00-00.partial" / "batch.json",
        tmp_path / "spool" / "work-abc" / "batch" / "batch.json",
    ]
    empty = root / "2026-11-21" / "11-00-00"
    somebodys = [stick.place / "Strand.partial", stick.place / "2026-11-21" / "10-00-00.partial" / "Strand.jpg"]
    for path in (*remains, *somebodys):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("cut sho", "utf-8")
    empty.mkdir()  # FAT keeps no more than that of a folder whose renaming the power cut
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect("  OK    race list ")
        wait_until(lambda: not waiting(tmp_path / "spool"), "an empty spool")
        day.stop()
    assert not list(tmp_path.glob("meosbackup/locks/*.json"))
    assert not [path for path in (*remains, empty) if path.exists()]
    assert all(path.exists() for path in somebodys)
    assert faults(root) == []


@pytest.mark.parametrize("kind", [EXFAT, FAT32, EXT4])
def test_a_power_cut_leaves_whole_batches_and_nothing_that_was_shipped_is_lost(
    kind: str, stick: Slot, busy: PrivateServer, evening: threading.Event, tmp_path: Path
) -> None:
    chance, used = random.Random(3), make_drive(kind, tmp_path / "image")
    root, spool_root = drive.root(stick.place), tmp_path / "spool"
    stick.plug(used)
    cuts: list[Drive] = []
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect("  OK    race list ")
        end = time.monotonic() + PATIENCE
        while len(cuts) < POWER_CUTS:
            assert time.monotonic() < end, "no cut came amid shipping"
            torture.bide(root, chance)
            with day.paused():
                if not cuts and not leftovers(root):  # the first one has to come amid shipping
                    continue
                shutil.copytree(spool_root, tmp_path / f"day {len(cuts)}" / "spool")
                with stick.paused():
                    cuts.append(copy_of(used, tmp_path / f"cut-{len(cuts)}"))
        day.stop()
    for number, cut in enumerate(cuts):
        repair(cut)
        stick.plug(cut)
        assert faults(root) == []
        left = tmp_path / f"day {number}" / "spool"
        shipped = set(range(1, max(sequences(left)) + 1)) - {stored.batch.sequence for stored in waiting(left)}
        assert shipped <= set(sequences(root)), "what is marked as shipped has reached the medium"
    highest = max(sequences(left) + sequences(root))
    with running(Place(tmp_path / f"day {number}", stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect("  OK    race list ")
        evening.set()
        wait_until(lambda: not waiting(left), "an empty spool")
        day.stop()
    assert faults(root) == []
    assert leftovers(root) == []
    assert sequences(root)[: highest + 1] == list(range(1, highest + 2)), "the next one has the next number"
    assert not list(left.glob("work-*"))
