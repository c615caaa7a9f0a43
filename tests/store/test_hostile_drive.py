"""A drive on which somebody planted links, pipes and folders: nothing outside of it is touched, and all is said."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Entry, Proof, Race, Server, StoredBatch, StoredFile
from meosbackup.errors import DriveFailedError
from meosbackup.store import drive, inventory, retention, shipping, top_of_drive
from meosbackup.store.drive import Place
from meosbackup.store.shipping import Shipper
from tests.toolkit.links import huge_file, link, pipe

TAKEN = datetime(2026, 11, 22, 14, 3, tzinfo=timezone(timedelta(hours=1)))
FOLDER = "2026-11-22/14-03-00"
DUMP = b"-- a dump\n"


@dataclass(frozen=True)
class Scene:
    """A drive and a spool with one batch that waits, and what is outside of both, as old as the hills."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "drive" / "meosbackup"

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    def ship(self) -> None:
        """Do all that a race day writes to a drive, with hardly any room left."""
        place = Place(self.folder / "drive", may_be_system_disk=True)
        shipper = Shipper(self.folder / "spool", place, None, threading.Event(), lambda _: None)
        drive_id = shipping.attach(shipper, TAKEN)
        arrived = list[StoredBatch]()
        shipping.ship_waiting(shipper, drive_id, inventory.find(shipper.spool), arrived.append)
        for newest in arrived:
            top_of_drive.note_proof(place, newest, Proof(TAKEN, TAKEN))
        retention.make_room(self.root, 1 << 40, TAKEN)

    def assert_untouched(self) -> None:
        files = ("file", "drive.json", "Tom_1.dump.sql")
        assert {path.name for path in self.outside.iterdir()} == {"14-03-00", *files}
        assert {path.stat().st_mtime for path in (self.outside, *self.outside.iterdir())} == {1}
        assert {(self.outside / name).read_bytes() for name in files} == {b"theirs"}
        assert list((self.outside / "14-03-00").iterdir()) == []

    def assert_whole(self) -> None:
        [stored] = [found for found in inventory.find(self.root).batches if found.folder.parent.parent == self.root]
        assert stored.path(stored.batch.races[0].files[0]).read_bytes() == DUMP
        assert top_of_drive.read_proof(self.root) == Proof(TAKEN, TAKEN)
        assert drive.identity(Place(self.root.parent, may_be_system_disk=True))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    found = Scene(tmp_path)
    waiting(tmp_path / "spool")
    found.root.mkdir(parents=True)
    (found.outside / "14-03-00").mkdir(parents=True)
    for name in ("file", "drive.json", "Tom_1.dump.sql"):
        (found.outside / name).write_bytes(b"theirs")
    for path in (*found.outside.iterdir(), found.outside):
        os.utime(path, (1, 1))
    return found


def waiting(spool: Path) -> StoredBatch:
    folder = spool / FOLDER
    folder.mkdir(parents=True)
    (spool / "reference").mkdir()
    (spool / "reference" / "Tom_1.dump.sql").write_bytes(DUMP)
    (folder / "Tom.dump.sql").write_bytes(DUMP)
    (folder / "RESTORE.txt").write_bytes(b"A guide")
    (folder / "PINNED").touch()
    sha256 = hashlib.sha256(DUMP).hexdigest()
    race = Race("Tom", "", "2026-11-22", "tom", 1, 101)
    entry = Entry(
        "tom", race, None, StoredFile("Tom.dump.sql", len(DUMP), sha256), TAKEN,
        reference=StoredFile("../../reference/Tom_1.dump.sql", len(DUMP), sha256),
    )  # fmt: skip
    batch = Batch(1, TAKEN, True, Server("laptop", 3306, "MySQL", "8.0.45", 1), "mysqldump", "1.0.0", (entry,))
    batch_file.write(folder, batch)
    return StoredBatch(folder, batch)


REFUSED = ["", "drive.json", "2026-11-22", "reference"]
REPLACED = [
    "drive.json.partial", "RESTORE.txt", "RESTORE.txt.partial", "proof.json", "proof.json.partial", FOLDER,
    f"{FOLDER}.partial", "reference/Tom_1.dump.sql", "reference/Tom_1.dump.sql.partial",
]  # fmt: skip


@pytest.mark.parametrize("to", ["", "file", "missing"])
@pytest.mark.parametrize("name", [*REFUSED, *REPLACED])
def test_no_link_on_a_drive_is_followed(scene: Scene, name: str, to: str) -> None:
    planted = scene.root / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    if not name:
        planted.rmdir()
    link(planted, scene.outside / to)
    if name in REFUSED:
        with pytest.raises(DriveFailedError, match="it is a link, and links are not followed") as error:
            scene.ship()
        assert str(planted) in error.value.what
        assert planted.is_symlink()
    else:
        scene.ship()
        scene.assert_whole()
    scene.assert_untouched()


def a_folder(path: Path) -> None:
    (path / "within").mkdir(parents=True)


def deep_json(path: Path) -> None:
    path.write_bytes(b"[" * 9_000)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [*REFUSED[1:], *REPLACED, f"{FOLDER}/batch.json"])
@pytest.mark.parametrize("make", [pipe, a_folder, huge_file, deep_json])
def test_what_is_no_plain_file_never_hangs_nor_crashes(
    scene: Scene, name: str, make: Callable[[Path], None]
) -> None:  # fmt: skip
    planted = scene.root / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    make(planted)
    try:
        scene.ship()
    except DriveFailedError as error:
        assert f"{planted} is in the way" in error.what  # noqa: PT017 - either is fine
    else:
        scene.assert_whole()


def test_a_pin_that_is_a_link_pins_and_is_not_followed(scene: Scene) -> None:
    scene.ship()
    pin = scene.root / FOLDER / "PINNED"
    pin.unlink()
    link(pin, scene.outside / "file")
    [stored] = inventory.find(scene.root).batches
    assert inventory.is_pinned(stored)
    scene.assert_untouched()


@pytest.mark.parametrize("identity", ["a\nb", "å", "", "x" * 65, None, 7])
def test_a_mark_that_is_not_ours_is_replaced(scene: Scene, identity: object) -> None:
    (scene.root / "drive.json").write_text(f'{{"format": 1, "id": {identity!r}}}'.replace("'", '"'), "utf-8")
    scene.ship()
    scene.assert_whole()
