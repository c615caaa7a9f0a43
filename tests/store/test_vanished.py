"""What vanishes from the drive, or can't be written to it, is noticed by the next tick, though nothing changed."""

import re
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
from tests.toolkit.runs import run_meosbackup, told, with_password
from tests.toolkit.servers import INDIVIDUAL
from tests.toolkit.waiting import wait_until

EVERY_SECOND = ("--interval", "1")
BACKED_UP = r"  OK    race list \+ 4 races, "
UNCHANGED = r"  OK    no changes since .* free$"
AGAIN = r"  NOTE  no longer on the drive: the batch from [-\d]{10} [:\d]{8}; it will be copied there again$"


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
        pin = newest.folder / names.PIN_FILE
        for gone in (newest.folder, dump, root / names.REFERENCE_FOLDER):
            pin.touch()
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
            assert newest.when in day.expect(AGAIN)
            day.expect(UNCHANGED)
            assert faults(root) == []
            assert [stored.batch for stored in inventory.find(root).batches] == [newest.batch]
            assert pin.exists() == (gone != newest.folder)
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
    assert re.search(
        r"  OK    stopped; 4 batches made, the newest is from [\d:]{8}, all of them on the drive\n", day.text
    )


def test_the_last_lines_tell_what_is_on_this_computer_only_and_how_it_gets_to_a_drive(
    stick: Slot, server: PrivateServer, tmp_path: Path
) -> None:
    used = make_drive(EXFAT, tmp_path / "image")
    stick.plug(used)
    root, spool = drive.root(stick.place), tmp_path / "spool"
    with (
        running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day,
        closing(Laptop(server, INDIVIDUAL)) as laptop,
    ):
        day.expect(BACKED_UP)
        for then in ("come back", "stay away"):
            day.expect(UNCHANGED)
            stick.leave()
            for count in (1, 2):
                laptop.change()
                day.expect(f"  FAIL  The drive is missing .* {count} batch")
            if then == "come back":
                stick.plug(used)
                day.expect("  OK    all is well again; .*; the 2 batches that waited are on the drive now$")
        day.stop()
    *_, older, newer = inventory.find(spool).batches
    assert re.search(
        rf"  FAIL  stopped; 5 batches made, the newest is from {newer.when[11:]}; 2 batches are only on this computer"
        rf" \(from {older.when[11:]} to {newer.when[11:]}\), in {re.escape(str(spool))}\. The drive is missing from"
        rf" {re.escape(str(stick.place))}\. Plug it in again\. Then run this on this computer",
        day.text,
    )
    assert "To bring" not in day.text, "there is no RESTORE.txt to open"
    once, _, restore = (line.split() for line in day.lines[-3:])
    assert once[:2] == ["meosbackup", "--once"]
    assert restore[:4] == ["meosbackup", "restore", "--target", "spool"]
    more = ("--log-file", tmp_path / "log")
    environment = {**with_password(), "XDG_STATE_HOME": str(tmp_path)}
    told(run_meosbackup(*restore[1:], "--dry-run", *more, env=environment), 0, newer.when)
    only_here = f"2 batches are only on this computer, in {spool}, until meosbackup runs with a drive."
    told(run_meosbackup(*once[1:], *more, env=environment), 2, "is on the system's own disk", only_here)
    stick.plug(used)
    done = run_meosbackup(*once[1:], "--days", "36500", *more, env=environment)
    told(
        done,
        0,
        "; the 2 batches that waited are on the drive now; ",
        "stopped; 1 batch made",
        ", on the drive To bring",
    )
    assert faults(root) == []
    assert len(inventory.find(root).batches) == 6


def test_what_fits_into_the_time_to_stop_is_still_copied_to_the_drive(
    stick: Slot, server: PrivateServer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, bytes_per_second=600_000)
    with running(Place(tmp_path, stick.place), server, "--interval", "60", terminal=True) as day:
        wait_until(lambda: list(kept.glob("*/????-??-??/*.partial")), "a batch that is being copied")
        day.stop()
    assert re.search(r"  OK    stopped; 1 batch made, the newest is from [\d:]{8}, on the drive\n", day.text)
    assert len(inventory.find(drive.root(kept)).batches) == 1
