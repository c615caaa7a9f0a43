"""A full drive, and a full spool: what may go goes by the rules and is announced, and everything else stays."""

import hashlib
import re
import shutil
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from meosbackup.batch import batch_file, names
from meosbackup.batch.model import StoredBatch
from meosbackup.commands.simulation import delete_race, run_laptops
from meosbackup.errors import MeosBackupError
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory, retention, shipping, space, top_of_drive
from meosbackup.store.shipping import Shipper
from meosbackup.system import durable
from tests.toolkit.batches import faults, leftovers, waiting
from tests.toolkit.drives import EXFAT, FAT32, TMPFS, Slot, check, make_drive, slot
from tests.toolkit.place import Place
from tests.toolkit.running import Running, running
from tests.toolkit.runs import STOPS_WITHIN, run_meosbackup, server_options, with_password
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RELAY
from tests.toolkit.waiting import limit, wait_until

EVERY_SECOND = ("--interval", "1")
BACKED_UP = "  OK    race list "
WELL_AGAIN = "  OK    all is well again"
SPARE = 50_000
"""Bytes that a drive has left, beside its reserve, when a test begins: hardly room for one batch."""


@dataclass(frozen=True)
class Seeds:
    """Real batches, to make old ones of: one with the relay, and one of after it was deleted."""

    with_relay: StoredBatch
    without: StoredBatch


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Slot]:
    with slot(tmp_path) as place:
        yield place


@pytest.fixture
def seeds(server: PrivateServer, tmp_path: Path) -> Seeds:
    for name_id in (INNODB, EMPTY):
        delete_race(server, name_id)
    with_relay = seed(server, tmp_path / "with relay")
    delete_race(server, RELAY)
    return Seeds(with_relay, seed(server, tmp_path / "without"))


@pytest.fixture
def evening() -> threading.Event:
    """When it is set, the laptops go home: a slow drive gets what waits, and nothing new."""
    return threading.Event()


@pytest.fixture
def busy(seeds: Seeds, server: PrivateServer, evening: threading.Event) -> Iterator[PrivateServer]:
    """A server whose only race changes about three times a second."""
    with run_laptops(server, [INDIVIDUAL], evening, pause=0.3):
        yield server


def seed(server: PrivateServer, folder: Path) -> StoredBatch:
    """Make a batch somewhere else."""
    (folder / "drive").mkdir(parents=True)
    made = run_meosbackup(
        "--once", "--all-races", "--any-disk", "--target", folder / "drive", "--spool", folder / "spool",
        "--log-file", folder / "log", *server_options(server), env={**with_password(), "XDG_STATE_HOME": str(folder)},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    [stored] = inventory.find(drive.root(folder / "drive")).batches
    return stored


def add_old(stored: StoredBatch, root: Path, sequence: int, taken: datetime) -> Path:
    """Add a batch as if it had been made long ago, with the reference dumps that it names."""
    folder = root / f"{taken:%Y-%m-%d}" / f"{taken:%H-%M-%S}"
    partial = root / "old.partial"
    copy_files(stored.folder, partial)
    batch_file.write(partial, replace(stored.batch, sequence=sequence, taken=taken))
    copy_files(stored.folder / f"../../{names.REFERENCE_FOLDER}", root / names.REFERENCE_FOLDER)
    folder.parent.mkdir(exist_ok=True)
    return partial.replace(folder)


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder, without their rights, which not every file system can hold."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        shutil.copyfile(path, target / path.name)


def ago(minutes_of_group: int, **back: int) -> datetime:
    """Return a time so many minutes after the start of an hour of long ago."""
    then = datetime.now().astimezone() - timedelta(**back)
    return datetime.fromtimestamp(then.timestamp() // 3600 * 3600 + 60 * minutes_of_group).astimezone()


def fill(target: Path) -> Path:
    """Put a holiday picture on a drive that leaves hardly any room beside the reserve; return it."""
    usage = shutil.disk_usage(target)
    picture = target / "Strand.jpg"
    picture.write_bytes(b"\xff" * (usage.free - usage.total // 20 - SPARE))
    return picture


def everything(root: Path) -> dict[Path, str]:
    """Return all files below a folder with their SHA-256."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


def removals_told(lines: list[str]) -> list[tuple[int, str, str]]:
    """Return how many batches each line told to be removed, and the times of the first and the last of them."""
    time = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"
    told = []
    for line in lines:
        if one := re.search(f"nearly full: the batch from {time} was deleted to make room", line):
            told.append((1, one[1], one[1]))
        elif some := re.search(f"nearly full: (\\d+) batches from {time} to {time} were deleted to make room", line):
            told.append((int(some[1]), some[2], some[3]))
    return told


@pytest.mark.parametrize(("kind", "megabytes"), [(EXFAT, 12), pytest.param(FAT32, 40, marks=pytest.mark.long)])
def test_a_full_drive_loses_what_the_rules_let_go_and_nothing_else(
    kind: str, megabytes: int, stick: Slot, busy: PrivateServer, evening: threading.Event, seeds: Seeds,
    tmp_path: Path,
) -> None:  # fmt: skip
    used = make_drive(kind, tmp_path / "image", megabytes)
    stick.plug(used)
    root = drive.root(stick.place)
    root.mkdir()
    old = {
        "relay, first": add_old(seeds.with_relay, root, 1, ago(1, days=3)),
        "relay, newest": add_old(seeds.with_relay, root, 3, ago(3, days=3)),
        "pinned": add_old(seeds.without, root, 4, ago(4, days=3)),
        "hour, first": add_old(seeds.without, root, 5, ago(5, days=3)),
        "hour, newest": add_old(seeds.without, root, 7, ago(59, days=3)),
        "ten minutes, first": add_old(seeds.without, root, 8, ago(1, hours=5)),
        "ten minutes, newest": add_old(seeds.without, root, 9, ago(9, hours=5)),
        "next ten minutes": add_old(seeds.without, root, 10, ago(10, hours=5)),
        "half an hour ago": add_old(seeds.without, root, 11, datetime.now().astimezone() - timedelta(minutes=30)),
    }  # fmt: skip
    (old["pinned"] / names.PIN_FILE).touch()
    may_go = ["relay, first", "hour, first", "ten minutes, first"]
    picture = fill(stick.place)

    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, terminal=True) as day:
        day.expect(r"  FAIL  The drive at .* is full, and every batch on it must be kept\. .*\d+ batch")
        assert [name for name, folder in old.items() if not folder.exists()] == may_go
        going = [batch_time(old[name]) for name in may_go]
        for count, first, last in removals_told(day.lines):
            assert (going[0], going[count - 1]) == (first, last), "the oldest go first"
            del going[:count]
        assert not going, "each one that went was announced"
        assert faults(root) == []
        before = everything(stick.place)
        assert_goes_on_in_the_spool(day, tmp_path)
        assert everything(stick.place) == before, "what is on a full drive is untouched"
        assert_restorable_relay(root)

        evening.set()
        picture.unlink()
        day.expect(WELL_AGAIN)
        stop_when_all_is_shipped(day, tmp_path)
    assert faults(root) == []
    assert leftovers(root) == []
    stick.leave()
    check(used)


def test_a_drive_that_will_be_full_is_told_in_time(
    stick: Slot, seeds: Seeds, server: PrivateServer, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image", 64))
    root, now = drive.root(stick.place), datetime.now().astimezone()
    root.mkdir()
    for minutes in range(50, 10, -2):
        add_old(seeds.without, root, 100 - minutes, now - timedelta(minutes=minutes))
    batches = inventory.find(root).batches
    rate = space.bytes_an_hour([stored.batch for stored in batches], 60, now)
    assert rate is not None

    sizes = range(0, 64 << 20, 10_000)
    first, second, third = (
        sizes[bisect_right(sizes, left, key=lambda free: space.on_drive(batches, rate, free, 0, now).hours) - 1]
        for left in (4, 2, 0)
    )
    with running(Place(tmp_path, stick.place), server, *EVERY_SECOND, terminal=True) as day:
        day.expect(BACKED_UP)
        assert "NOTE" not in day.text
        leave_free(stick.place, first)
        day.expect(r"  NOTE  \d+\.\d MB free on the drive, enough for about [345] hours.* or have another drive ready$")
        day.expect("  OK    no changes")
        leave_free(stick.place, second)
        day.expect(r"  NOTE  \d+\.\d MB free on the drive, enough for about [12] hours?.*\. Delete")
        day.expect("  OK    no changes")
        leave_free(stick.place, third)
        told = day.expect(rf"  FAIL  The drive at {stick.place} has room for less than an hour \([\d.]+ [kM]B free\)\.")
        assert day.lines[day.lines.index(told) - 1].endswith("=" * 79)
        day.expect("  FAIL  The drive at .* has room for less than an hour")
        for picture in stick.place.glob("*.jpg"):
            picture.unlink()
        day.expect(f"{WELL_AGAIN}.*")
        day.expect("  OK    no changes")
        day.stop()
    assert len([line for line in day.lines if "  NOTE  " in line]) == 2


def leave_free(target: Path, free: int) -> None:
    """Put another picture on a drive, so that this is left free."""
    picture = target / f"Strand {free}.jpg"
    picture.write_bytes(b"\xff" * (shutil.disk_usage(target).free - free))


def test_a_file_that_a_full_drive_does_not_take_leaves_nothing(stick: Slot, tmp_path: Path) -> None:
    stick.plug(make_drive(TMPFS, tmp_path / "image", 1))
    guide = stick.place / names.GUIDE_FILE
    durable.write(guide, b"old")
    with pytest.raises(OSError, match="No space left"):
        durable.write(guide, bytes(2 << 20))
    assert everything(stick.place) == {guide: hashlib.sha256(b"old").hexdigest()}


def test_a_batch_waits_where_its_guide_at_the_top_would_find_no_room(stick: Slot, seeds: Seeds, tmp_path: Path) -> None:
    spool = seeds.without.folder.parents[3] / "spool"
    stick.plug(make_drive(TMPFS, tmp_path / "image", 2))
    shipper = Shipper(spool, drive.place(stick.place), 1, threading.Event(), lambda _: None)
    arrived = partial(top_of_drive.write_guides, shipper.place)
    drive_id = shipping.attach(shipper, datetime.now().astimezone())
    references = spool / names.REFERENCE_FOLDER
    taken = sum(path.stat().st_size + 4095 & ~4095 for folder in (seeds.without.folder, references)
                for path in folder.iterdir())  # fmt: skip
    free = shutil.disk_usage(stick.place).free
    (stick.place / "Strand.jpg").write_bytes(bytes(free - taken - 8192))
    with pytest.raises(MeosBackupError, match="is full"):
        shipping.ship_waiting(shipper, drive_id, inventory.find(spool), arrived)
    assert not inventory.find(drive.root(stick.place)).batches, "it would not be the one that RESTORE.txt tells of"
    (stick.place / "Strand.jpg").unlink()
    shipping.ship_waiting(shipper, drive_id, inventory.find(spool), arrived)
    assert faults(drive.root(stick.place)) == []


def batch_time(folder: Path) -> str:
    """Return the time of a batch as it is told; its folder may be gone by now."""
    return f"{folder.parent.name} {folder.name.replace('-', ':')}"


def assert_goes_on_in_the_spool(day: Running, folder: Path) -> None:
    there = len(waiting(folder / "spool"))
    day.skip()
    for _ in range(2):
        day.expect("  FAIL  The drive at .* is full, and every batch on it must be kept")
    assert len(waiting(folder / "spool")) >= there + 1


def assert_restorable_relay(root: Path) -> None:
    """See that a good dump of the race that was deleted is still there, with its reference tables."""
    dumps = [
        (stored.folder, entry) for stored in inventory.find(root).batches for entry in stored.batch.races
        if entry.database == RELAY
    ]  # fmt: skip
    [(folder, entry)] = dumps
    assert entry.dump is not None
    assert entry.reference is not None
    assert (folder / entry.dump.file).is_file()
    assert (folder / entry.reference.file).is_file()


def stop_when_all_is_shipped(day: Running, folder: Path) -> None:
    wait_until(lambda: not waiting(folder / "spool"), "an empty spool")
    assert day.stop() < limit(STOPS_WITHIN)


def test_a_spool_over_its_limit_is_thinned_by_the_same_rules_and_told(
    stick: Slot, busy: PrivateServer, evening: threading.Event, seeds: Seeds, tmp_path: Path
) -> None:
    used = make_drive(EXFAT, tmp_path / "image")
    stick.plug(used)
    root, spool = drive.root(stick.place), tmp_path / "spool"
    root.mkdir()
    add_old(seeds.without, root, 100, datetime.now().astimezone() - timedelta(days=1))
    config = tmp_path / "limit.toml"
    config.write_text("spool_mb = 1\n", "utf-8")
    with running(Place(tmp_path, stick.place), busy, *EVERY_SECOND, "--config", config, terminal=True) as day:
        day.expect(BACKED_UP)
        stick.leave()
        day.expect("  FAIL  The drive is missing")
        old = [add_old(seeds.without, spool, 50 + minute, ago(minute, hours=5)) for minute in range(5)]
        recent = [
            add_old(seeds.without, spool, 60 + minute, datetime.now().astimezone() - timedelta(minutes=20 - minute))
            for minute in range(10)
        ]  # fmt: skip
        day.expect("  NOTE  the waiting room is full: 4 batches that no drive has were deleted, oldest first")
        day.expect("  FAIL  The spool .* holds more than its limit of 1 MiB")
        assert [folder.exists() for folder in old] == [False, False, False, False, True]
        assert all(folder.exists() for folder in recent)
        there = len(waiting(spool))
        day.expect("  FAIL  The spool .* holds more than its limit of 1 MiB")
        day.expect("  FAIL  The spool .* holds more than its limit of 1 MiB")
        assert len(waiting(spool)) > there, "backups go on"
        evening.set()
        stick.plug(used)
        day.expect(WELL_AGAIN)
        stop_when_all_is_shipped(day, tmp_path)
    assert faults(root) == []
    assert {50 + 4, *range(60, 70), 100, 101} <= {stored.batch.sequence for stored in inventory.find(root).batches}
    assert retention.used_bytes(spool) < 1 << 20
