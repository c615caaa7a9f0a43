"""FAT32, what most sticks are sold with: all that is done with a drive, and what this file system can't hold."""

import errno
import json
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from meosbackup.batch import names
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive, inventory, retention, shipping
from meosbackup.store.drive import Place
from meosbackup.store.shipping import Shipper
from meosbackup.system import durable, files
from tests.toolkit.batches import faults, leftovers
from tests.toolkit.drives import FAT32, Drive, Slot, check, copy_of, make_drive, slot, told_of
from tests.toolkit.runs import run_meosbackup, server_options, with_password
from tests.toolkit.servers import INDIVIDUAL, contents

LARGEST_FILE = (4 << 30) - 1


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Slot]:
    with slot(tmp_path) as place:
        yield place


def run(command: str, stick: Slot, folder: Path, *more: str) -> str:
    """Run a command with a drive, and return what it says."""
    done = run_meosbackup(
        *command.split(), "--target", stick.place, *more, env={**with_password(), "XDG_STATE_HOME": str(folder)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_batch_is_made_listed_verified_and_restored(
    stick: Slot, server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    used = make_drive(FAT32, tmp_path / "image")
    stick.plug(used)
    run("--once --all-races", stick, tmp_path, *server_options(server))
    [listed] = json.loads(run("list --json", stick, tmp_path))
    assert len(listed["databases"]) == 5
    assert "FAIL" not in run("verify", stick, tmp_path)
    run("restore --yes", stick, tmp_path, *server_options(spare))
    assert contents(spare, INDIVIDUAL)["orunner"] == contents(server, INDIVIDUAL)["orunner"]
    stick.leave()
    check(used)


def test_two_batches_of_one_second_lie_beside_each_other(stick: Slot, server: PrivateServer, tmp_path: Path) -> None:
    used = make_drive(FAT32, tmp_path / "image")
    stick.plug(used)
    root = drive.root(stick.place)
    run("--once --all-races", stick, tmp_path, *server_options(server))
    [there] = inventory.find(root).batches
    path = there.folder / names.BATCH_FILE
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "sequence": 500}), "utf-8")
    [mark] = (tmp_path / "meosbackup").rglob("SHIPPED")
    mark.unlink()
    run("--once --all-races", stick, tmp_path, *server_options(server))
    folders = {found.batch.sequence: found.folder for found in inventory.find(root).batches}
    assert folders[500] == there.folder
    assert folders[1].name.startswith(f"{there.folder.name}_")  # _2, or _3 where the newest is from this second, too
    assert faults(root) == []
    assert leftovers(root) == []
    stick.leave()
    check(used)


def test_no_name_of_a_file_that_is_replaced_leads_to_free_room(
    stick: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, cuts, sync = make_drive(FAT32, tmp_path / "image"), list[Drive](), files.sync
    stick.plug(used)

    def sync_and_cut(path: Path) -> None:
        sync(path)
        cuts.append(copy_of(used, tmp_path / f"cut-{len(cuts)}"))

    monkeypatch.setattr(files, "sync", sync_and_cut)
    for size in (5_000, 10_000):
        cuts.clear()
        durable.write_all(stick.place, {name: bytes(size) for name in (names.GUIDE_FILE, names.PAGE_FILE)})
    # What is written next would get that room, and lose it when the name is given to another file.
    assert [told for cut in cuts if "free cluster" in (told := told_of(cut))] == []
    assert len(cuts) == 5


def test_what_was_tidied_up_does_not_come_back_after_a_power_cut(stick: Slot, tmp_path: Path) -> None:
    used = make_drive(FAT32, tmp_path / "image")
    stick.plug(used)
    place = Place(stick.place, may_be_system_disk=False)
    shipper = Shipper(tmp_path, place, None, threading.Event(), print)
    shipping.attach(shipper, datetime.now().astimezone())
    left = [
        place.root / "2026-11-22" / "14-03-00.partial" / "batch.json",
        place.root / names.REFERENCE_FOLDER / "Tom_12345678.dump.sql.partial",
        place.root / f"{names.GUIDE_FILE}.partial",
    ]
    unnamed = place.root / names.REFERENCE_FOLDER / "Tom_87654321.dump.sql"
    for path in (*left, unnamed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(5_000))
    stick.leave()
    stick.plug(used)
    shipping.attach(shipper, datetime.now().astimezone())
    retention.make_room(place.root, 1 << 40, datetime.now().astimezone())
    cut = copy_of(used, tmp_path / "cut")
    stick.plug(cut)
    assert [path.name for path in (*left, unnamed, left[0].parent) if path.exists()] == []


def test_a_file_of_4_gb_is_refused_with_words_for_it(stick: Slot, tmp_path: Path) -> None:
    stick.plug(make_drive(FAT32, tmp_path / "image"))
    with (stick.place / "large").open("wb", buffering=0) as file:
        file.seek(LARGEST_FILE)
        with pytest.raises(OSError) as met:
            file.write(b"-")
    assert met.value.errno == errno.EFBIG
    assert "can't hold a file of this size (FAT32: 4 GB at most)" in str(drive.explained(stick.place, met.value))
