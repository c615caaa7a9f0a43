"""The drive pulled out, swapped, write-protected, slow or lying, while meosbackup runs: on real file systems."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.batch import names
from meosbackup.commands.simulation import Laptop, run_laptops
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory
from tests.toolkit.batches import faults, leftovers, waiting
from tests.toolkit.drives import EXFAT, EXT4, FAT32, FUSEFAT, NTFS, TMPFS, Slot, check, make_drive, slot
from tests.toolkit.place import Place
from tests.toolkit.running import BELL, Running, running
from tests.toolkit.runs import STOPS_WITHIN, run_meosbackup, server_options, with_password
from tests.toolkit.servers import INDIVIDUAL, fill_reference_tables
from tests.toolkit.waiting import limit, wait_until

EVERY_SECOND = ("--interval", "1")
BACKED_UP = r"  OK    race list \+ 4 races, "
RULE = "=" * 79
WELL_AGAIN = (
    r"  OK    all is well again; trouble from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d(; .* waited .* on the drive now)?$"
)


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Slot]:
    """A place for drives; in the end nothing was ever written to the system's disk below it."""
    with slot(tmp_path) as place:
        yield place


@pytest.fixture
def busy(server: PrivateServer) -> Iterator[PrivateServer]:
    """A server with a race that changes about three times a second."""
    with run_laptops(server, [INDIVIDUAL], threading.Event(), pause=0.3):
        yield server


def sequences(root: Path) -> list[int]:
    return [stored.batch.sequence for stored in inventory.find(root).batches]


def stop_when_all_is_shipped(day: Running, spool: Path) -> None:
    wait_until(lambda: not waiting(spool), "an empty spool")
    assert day.stop() < limit(STOPS_WITHIN)


def assert_all_is_shipped(target: Path, spool: Path) -> None:
    """See that all that was ever made is on the drive, and whole; but for a batch that was new when it was stopped."""
    root = drive.root(target)
    new = len(waiting(spool))
    assert new <= 1
    assert leftovers(root) == []
    assert faults(root) == []
    assert sequences(root) == list(range(1, max(sequences(spool)) + 1 - new))


@pytest.mark.parametrize("kind", [EXFAT, NTFS, FAT32, EXT4])
def test_batches_arrive_whole(kind: str, stick: Slot, server: PrivateServer, tmp_path: Path) -> None:
    """Names, times and links that a file system can't hold would be found here: see `faults`."""
    used = make_drive(kind, tmp_path / "image")
    stick.plug(used)
    with (
        running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day,
        closing(Laptop(server, INDIVIDUAL)) as laptop,
    ):
        day.expect(BACKED_UP)
        laptop.change()
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")
    newest = inventory.find(drive.root(stick.place)).newest
    assert newest is not None
    assert newest.batch.sequence >= 2
    assert newest.folder.name in (drive.root(stick.place) / names.GUIDE_FILE).read_text("utf-8-sig")
    stick.leave()
    check(used)


def test_a_drive_pulled_out_amid_copying_costs_nothing(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    fill_reference_tables(busy, INDIVIDUAL, 100_000)
    used = make_drive(EXFAT, tmp_path / "image", 256)
    stick.plug(used)
    root = drive.root(stick.place)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        wait_until(lambda: any(root.glob("reference/*")), "a file that is being copied")
        stick.pull()  # the place answers ENOTCONN
        first = day.expect(rf"  FAIL  The drive is missing from {re.escape(str(stick.place))}")
        assert_banner(day, first, "Backups continue on this computer.", "Plug it in again.")
        waits = [waiting_told(day.expect(r"  FAIL  The drive is missing .* \d+ batch")) for _ in range(2)]
        stick.leave()  # the place is an empty folder on the system's disk
        day.skip()
        waits.append(waiting_told(day.expect(r"  FAIL  The drive is missing .* \d+ batch")))
        assert waits == sorted(set(waits)), "each tick, one more waits"
        assert not any(stick.place.iterdir())
        stick.plug(used)
        assert not inventory.find(root).batches, "it was pulled out amid copying"
        assert leftovers(root) == [], "a reference dump is not renamed, since FAT may lose it then"
        day.expect(WELL_AGAIN)
        assert day.text.count(RULE) == 2, "one banner, however the place answered meanwhile"
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def assert_banner(day: Running, line: str, *sentences: str) -> None:
    """See that a line of trouble stands in a banner, with the bell before it and these sentences below it."""
    at = day.lines.index(line)
    wait_until(lambda: len(day.lines) > at + 1 + len(sentences), "the banner")
    assert day.lines[at - 1].removeprefix(BELL) == RULE
    assert BELL in day.lines[at - 1]
    assert [text.strip() for text in day.lines[at + 1 : at + 1 + len(sentences)]] == list(sentences)
    assert day.lines[at + 1 + len(sentences)] == RULE


def waiting_told(line: str) -> int:
    """Return how many batches a line says to wait; it also says what room the spool has, and rings the bell."""
    told = re.search(r"(\d+) batch(?:es are| is) waiting on this computer, with room for \d+\.\d GB more\.", line)
    assert told, line
    return int(told[1])


def test_an_unmounted_drive_is_gone_and_comes_back(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    used = make_drive(EXT4, tmp_path / "image")
    stick.plug(used)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stick.leave()
        assert_banner(
            day, day.expect("  FAIL  The drive is missing"), "Backups continue on this computer.", "Plug it in again."
        )
        assert BELL in day.expect("  FAIL  The drive is missing")
        assert not any(stick.place.iterdir())
        stick.plug(used)
        day.expect(WELL_AGAIN)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def test_a_drive_write_protected_for_a_while(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stick.protect()
        told = day.expect("  FAIL  The drive at .* is write-protected")
        assert waiting_told(told) < waiting_told(day.expect("  FAIL  The drive at .* is write-protected"))
        stick.protect(protect=False)
        day.expect(WELL_AGAIN)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def test_an_empty_drive_in_place_of_the_first(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    first, second = (make_drive(EXFAT, tmp_path / name) for name in ("first", "second"))
    stick.plug(first)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        day.expect(BACKED_UP)
        stick.leave()
        day.expect("  FAIL  The drive is missing")
        waited = {stored.batch.sequence for stored in waiting(tmp_path / "spool")}
        stick.plug(second)
        day.expect("  NOTE  another drive is plugged in; it gets the newest batch and all waiting ones")
        stop_when_all_is_shipped(day, tmp_path / "spool")
    on_second = sequences(drive.root(stick.place))
    assert faults(drive.root(stick.place)) == []
    second_id = drive.identity(drive.place(stick.place))
    stick.plug(first)
    on_first = sequences(drive.root(stick.place))
    assert faults(drive.root(stick.place)) == []
    assert second_id not in {None, drive.identity(drive.place(stick.place))}
    assert waited <= set(on_second)
    made = range(1, max(on_second) + 1)
    assert sorted({*on_first, *on_second}) == list(made), "each batch is on one of them"


def test_the_newest_batch_goes_to_a_second_drive_though_nothing_waits(
    stick: Slot, server: PrivateServer, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "first"))
    with running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        day.expect("  OK    no changes")
        stick.plug(make_drive(EXFAT, tmp_path / "second"))
        day.expect("  NOTE  another drive is plugged in")
        day.expect("  OK    no changes")
        day.stop()
    newest = inventory.find(tmp_path / "spool").newest
    assert newest is not None
    assert sequences(drive.root(stick.place)) == [newest.batch.sequence]
    assert faults(drive.root(stick.place)) == []


def test_a_drive_of_another_run_with_higher_sequences(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    first, second = (make_drive(EXFAT, tmp_path / name) for name in ("first", "second"))
    stick.plug(second)
    theirs = tmp_path / "theirs"
    with running(Place(theirs, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, theirs / "spool")
    renumber(drive.root(stick.place), 500)
    others = set(sequences(drive.root(stick.place)))
    stick.plug(first)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stick.plug(second)
        day.expect("  NOTE  another drive is plugged in")
        day.expect(BACKED_UP)
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    root = drive.root(stick.place)
    assert faults(root) == []
    ours = set(sequences(root)) - others
    assert others < set(sequences(root)), "theirs are all there"
    newest = inventory.find(root).newest
    assert newest is not None
    assert newest.batch.sequence in ours
    assert newest.batch.sequence > max(others), "ours, being newer, come after theirs"
    assert newest.folder.name in (root / names.GUIDE_FILE).read_text("utf-8-sig")


def renumber(root: Path, by: int) -> None:
    """Raise the sequence of every batch on a drive."""
    for stored in inventory.find(root).batches:
        path = stored.folder / names.BATCH_FILE
        document = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**document, "sequence": document["sequence"] + by}), "utf-8")


def test_a_slow_drive_delays_no_tick_and_no_end(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    fill_reference_tables(busy, INDIVIDUAL, 200_000)
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, bytes_per_second=2e5)  # it needs more than a minute for the reference tables
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        for _ in range(3):
            day.expect("  OK    race list .*; the drive is slow: ")
        assert not sequences(drive.root(kept)), "the reference tables of the first batch are still on their way"
        assert day.stop() < limit(STOPS_WITHIN)
    assert faults(drive.root(kept)) == []
    stick.plug_passing_through(kept)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def test_once_leaves_no_sooner_than_its_batch_is_on_a_slow_drive(
    stick: Slot, server: PrivateServer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, bytes_per_second=120_000)
    made = run_meosbackup(
        "--once", "--all-races", *EVERY_SECOND, "--target", stick.place, "--spool", tmp_path / "spool", "--log-file",
        tmp_path / "log", *server_options(server), env={**with_password(), "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    assert sequences(drive.root(kept)) == [1], made.stdout


def test_a_drive_that_tells_no_size_is_not_said_to_be_full(stick: Slot, server: PrivateServer, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, untold=True)
    with running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        day.expect("  OK    no changes")
        day.stop()
    assert " free" not in day.text
    found = run_meosbackup(
        "check", "--all-races", "--target", stick.place, "--spool", tmp_path / "spool", *server_options(server),
        env={**with_password(), "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "OK    space: unknown: the drive doesn't report it" in found.stdout


def test_a_drive_that_hangs_delays_no_tick_and_no_end(stick: Slot, server: PrivateServer, tmp_path: Path) -> None:
    """It hangs while it is asked for its mark.

    Amid a copy, FUSE would hold up the dump program's start as well: each new process closes the file that is open.
    """
    spool = tmp_path / "spool"
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    with (
        running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day,
        closing(Laptop(server, INDIVIDUAL)) as laptop,
    ):
        day.expect("  OK    no changes since .* free$")
        with stick.paused():
            for _ in range(2):
                laptop.change()
                day.expect(
                    r"  OK    race list .*; the drive is slow: \d+ batch(es are| is) waiting on this computer, with "
                )
        wait_until(lambda: not waiting(spool), "an empty spool")
        day.skip()
        day.expect("  OK    no changes since .* free$")
        with stick.paused():
            day.expect("  OK    no changes since .*; the drive is slow$")
            assert day.stop() < limit(STOPS_WITHIN)
    assert_all_is_shipped(stick.place, spool)


def test_a_drive_that_keeps_other_bytes_is_never_trusted(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, corrupt=True)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        told = day.expect("  FAIL  What was read back from .* is not what was written")
        assert waiting_told(told) < waiting_told(day.expect("  FAIL  What was read back "))
        stick.plug_passing_through(kept)
        day.expect(WELL_AGAIN)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def test_a_drive_that_loses_what_a_folder_holds_is_never_trusted(
    stick: Slot, busy: PrivateServer, tmp_path: Path
) -> None:
    stick.plug(make_drive(FUSEFAT, tmp_path / "image"))
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        waiting_told(day.expect("  FAIL  .* is not what was written"))
        day.expect("  FAIL  .* is not what was written")
        day.stop()
    assert faults(drive.root(stick.place)) == []
    assert len(waiting(tmp_path / "spool")) == max(sequences(tmp_path / "spool"))


def test_a_file_that_is_too_large_for_the_drive_is_told(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    stick.plug_passing_through(kept, largest_file=30_000)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        told = day.expect(r"  FAIL  The drive at .* can't hold a file of this size \(FAT32: 4 GB at most\)\.")
        assert_banner(
            day, told, "The batch is on this computer, not on the drive.",
            "Use a drive that is formatted as exFAT or NTFS.",
        )  # fmt: skip
        day.stop()
    assert sequences(drive.root(stick.place)) == []
    assert leftovers(drive.root(stick.place)) == []
    assert waiting(tmp_path / "spool") != []


def test_a_second_one_on_the_same_drive_or_spool_is_refused(stick: Slot, busy: PrivateServer, tmp_path: Path) -> None:
    stick.plug(make_drive(TMPFS, tmp_path / "image"))
    mine = {"--target": stick.place, "--spool": tmp_path / "spool"}
    (tmp_path / "target").mkdir()
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        for shared, place in mine.items():
            its = {"--target": tmp_path / "target", "--spool": tmp_path / "its", shared: place}
            second = run_meosbackup(
                "--once", "--any-disk", "--log-file", tmp_path / "its.log",
                *(part for pair in its.items() for part in pair), *server_options(busy),
                env={**with_password(), "XDG_STATE_HOME": str(tmp_path)},
            )  # fmt: skip
            assert second.returncode == 1
            assert f"is already using {place} (process {day.process.pid}, since 2" in second.stderr
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert_all_is_shipped(stick.place, tmp_path / "spool")


def test_a_reference_dump_that_went_bad_on_the_drive_is_replaced(
    stick: Slot, busy: PrivateServer, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    root = drive.root(stick.place)
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    [bad, *_] = root.glob("reference/*.dump.sql")
    bad.write_bytes(bad.read_bytes().swapcase())
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        stop_when_all_is_shipped(day, tmp_path / "spool")
    assert faults(root) == []
