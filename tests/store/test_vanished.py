"""What vanishes from the drive, or can't be written to it, is noticed by the next tick, though nothing changed."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.batch import names
from meosbackup.commands.simulation import Laptop
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory
from tests.toolkit.batches import faults
from tests.toolkit.drives import EXFAT, Slot, copy_of, make_drive, slot, written_bytes
from tests.toolkit.place import Place
from tests.toolkit.running import Running, running
from tests.toolkit.servers import INDIVIDUAL

EVERY_SECOND = ("--interval", "1")
BACKED_UP = r"  OK    race list \+ 4 races, "
UNCHANGED = r"  OK    no changes since .* free$"
AGAIN = r"  NOTE  no longer on the drive, and copied there again: the batch from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Slot]:
    with slot(tmp_path) as place:
        yield place


def change(day: Running, laptop: Laptop, times: int) -> None:
    for _ in range(times):
        laptop.change()
        day.expect(BACKED_UP)


def test_nothing_that_happens_to_the_drive_stays_unnoticed_while_no_race_changes(
    stick: Slot, server: PrivateServer, tmp_path: Path
) -> None:
    used = make_drive(EXFAT, tmp_path / "image")
    stick.plug(used)
    root = drive.root(stick.place)
    with running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        day.expect(UNCHANGED)

        before = written_bytes(stick)
        day.expect(UNCHANGED)
        day.expect(UNCHANGED)
        assert written_bytes(stick) == before, "looking wears out no stick"

        stick.protect()
        day.expect("  FAIL  The drive at .* is write-protected")
        stick.protect(protect=False)
        day.expect("  OK    all is well again")
        day.expect(UNCHANGED)

        newest = inventory.find(root).batches[-1]
        [dump, *_] = newest.folder.glob("Hostmedeln*.dump.sql")
        for gone in (newest.folder, dump, root / names.REFERENCE_FOLDER):
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
            assert newest.when in day.expect(AGAIN)
            day.expect(UNCHANGED)
            assert faults(root) == []
            assert [stored.batch for stored in inventory.find(root).batches] == [newest.batch]
        assert "lacks" not in day.text

        with stick.paused():
            copy = copy_of(used, tmp_path / "copy")
        with closing(Laptop(server, INDIVIDUAL)) as laptop:
            change(day, laptop, 3)
        first, second, third = (stored.when for stored in inventory.find(root).batches[1:])
        stick.plug(copy)
        assert third in day.expect(AGAIN)
        day.expect(
            f"  NOTE  the drive lacks batches that it had: 2 batches, from {first} to {second}. Somebody deleted them,"
            " or this is a copy of the drive$"
        )
        day.expect(UNCHANGED)
        day.expect(UNCHANGED)
        assert day.text.count("the drive lacks") == 1
        day.stop()
    assert faults(root) == []
    assert [stored.when for stored in inventory.find(root).batches] == [newest.when, third]
