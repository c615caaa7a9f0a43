"""Any batch gives files for MeOS, by the real command, on a computer that has no server and never had one."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pytest

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Entry, Freshness, Race, Server, StoredFile
from meosbackup.commands import export
from meosbackup.console import Console
from meosbackup.dump.reader import Table
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.meosxml import convert
from meosbackup.meosxml.convert import Source
from meosbackup.store import inventory
from tests.toolkit.dumps import COMPLETED, MYSQL, statements
from tests.toolkit.links import link
from tests.toolkit.meosfiles import LISTS, MAPS, NEVER, decoded, made_by_meos, race_of, tree
from tests.toolkit.runs import run_meosbackup
from tests.toolkit.servers import DATA

TAKEN = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
RACES = {
    "individual": Race("Höstmedeln «Осень» O'Cup", "", "2026-11-22", "meos_20261122_211702_1E5", 1, 101),
    "relay": Race("Stafettkväll", "", "2026-11-23", "meos_20261122_211713_94", 2, 101),
}


@dataclass(frozen=True)
class Drive:
    """A drive with a batch of 14:03, of before there were files for MeOS, and one of 14:04 that has them."""

    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "drive"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def batch(self, minute: int) -> Path:
        return self.target / f"meosbackup/2026-11-22/14-0{minute}-00"

    def export(self, *races: str, when: str = "latest", expected: bool = True) -> str:
        """Export races of a batch, and return what the screen shows."""
        screen = StringIO()
        done = export.run(inventory.take(self.target / "meosbackup"), when, races, self.out, Console(stream=screen))
        assert done == expected, screen.getvalue()
        return screen.getvalue()

    def made(self) -> set[str]:
        return {path.name for path in self.out.iterdir()} if self.out.exists() else set()

    def is_meos_own(self, name: str, race: str) -> bool:
        lines = (self.out / name).read_bytes().splitlines()
        return Counter(lines) == Counter(made_by_meos(race).splitlines())


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    found = Drive(tmp_path)
    for minute in (3, 4):
        folder = found.batch(minute)
        folder.mkdir(parents=True)
        dumps = tuple(dump_of(folder, name, minute, with_file=minute == 4) for name in RACES)
        taken = TAKEN + timedelta(minutes=minute - 3)
        server = Server("laptop", 3306, "MySQL", "8.0.45", 1)
        batch_file.write(folder, Batch(minute, taken, True, server, "mysqldump", "0.1.0", dumps))
    return found


def dump_of(folder: Path, race: str, minute: int, *, with_file: bool) -> Entry:
    name = f"{race}_2026-11-22_14-0{minute}-00"
    data = (DATA / f"{race}.sql").read_bytes()
    path = folder / f"{name}.dump.sql"
    path.write_bytes(data)
    written = None
    if with_file:
        made = convert.convert(Source(path, 101), folder / f"{name}.meosxml", NEVER)
        written = StoredFile(f"{name}.meosxml", made.bytes, made.sha256)
    return Entry(
        RACES[race].name_id.lower(), RACES[race], Freshness(TAKEN, 70, 41, 40, 12),
        StoredFile(path.name, len(data), sha256(data).hexdigest()), TAKEN, meosxml=written,
    )  # fmt: skip


def change(folder: Path, **changes: object) -> None:
    """Change what a batch says of its first race."""
    found = inventory.read(folder)
    first, *others = found.databases
    batch_file.write(folder, replace(found, databases=(replace(first, **changes), *others)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("minute", "when"), [(3, "14:03"), (4, "latest")])
def test_all_races_of_a_batch(drive: Drive, minute: int, when: str) -> None:
    screen = drive.export(when=when)
    names = {race: f"{race}_2026-11-22_14-0{minute}-00.meosxml" for race in RACES}
    assert drive.made() == set(names.values())
    assert all(drive.is_meos_own(name, race) for race, name in names.items())
    assert f"Batch from 2026-11-22 14:0{minute}:00" in screen
    assert screen.count("OK ") == 2
    assert f"OK    Höstmedeln «Осень» O'Cup (2026-11-22): {drive.out / names['individual']}, " in screen
    assert "Import Competition" in screen


def test_the_command_alone_will_do(drive: Drive) -> None:
    """Without the programs of a server, too: PATH leads nowhere."""
    options: list[str | Path] = [
        "--target",
        drive.target,
        "--batch",
        "14:03",
        "--race",
        "Stafett",
        "--log-file",
        drive.folder / "log",
    ]
    result = run_meosbackup("export", *options, "--to", drive.out, env={"PATH": os.devnull})
    assert result.returncode == 0, result.stdout + result.stderr
    assert drive.is_meos_own("relay_2026-11-22_14-03-00.meosxml", "relay")
    result = run_meosbackup("export", *options, "--race", "Nobody", "--to", drive.out)
    assert result.returncode == 2
    assert "has no race Nobody" in result.stdout + result.stderr


def test_what_is_in_the_folder_stays(drive: Drive) -> None:
    drive.out.mkdir()
    kept = drive.out / "relay_2026-11-22_14-04-00.meosxml"
    kept.write_text("what a laptop went on with")
    drive.export("Stafett")
    assert kept.read_text() == "what a laptop went on with"
    assert drive.made() == {kept.name, "relay_2026-11-22_14-04-00_2.meosxml"}


@pytest.mark.parametrize("damaged", [".meosxml", ".dump.sql"])
def test_where_one_file_is_damaged_the_other_will_do(drive: Drive, damaged: str) -> None:
    path = drive.batch(4) / f"individual_2026-11-22_14-04-00{damaged}"
    path.write_bytes(path.read_bytes().replace(b"2026", b"2027", 1))
    drive.export()
    assert drive.is_meos_own("individual_2026-11-22_14-04-00.meosxml", "individual")


def test_a_race_that_is_damaged_fails_alone(drive: Drive) -> None:
    for path in drive.batch(4).glob("individual*"):
        path.write_bytes(path.read_bytes()[:-1])
    screen = drive.export(expected=False)
    assert "FAIL  Höstmedeln" in screen
    assert "Choose another batch with --batch" in screen
    assert drive.made() == {"relay_2026-11-22_14-04-00.meosxml"}


def test_a_link_on_the_drive_is_not_followed(drive: Drive) -> None:
    [file, dump] = sorted(drive.batch(4).glob("individual*"), reverse=True)
    for path in (file, dump):
        elsewhere = path.rename(drive.folder / path.name)
        link(path, elsewhere)
    assert "FAIL  Höstmedeln" in drive.export(expected=False)


def test_a_dump_of_before_the_batch_is_told(drive: Drive) -> None:
    change(drive.batch(4), error="The table orunner is damaged.")
    assert "OLDER than the batch: from " in drive.export()


def test_a_race_without_a_dump_fails(drive: Drive) -> None:
    change(drive.batch(4), dump=None, meosxml=None)
    assert "There is no dump of this race" in drive.export(expected=False)


def test_images_come_from_the_reference_tables(drive: Drive, tmp_path: Path) -> None:
    text = race_of(tmp_path, {"oEvent": {"Id": 1, "Lists": LISTS, "Maps": MAPS}}).read_bytes()
    images = statements(
        Table("oImage", ("Id", "Filename", "Part", "Image"), "MyISAM"), [(17, "a.png", 0, b"\x89")], MYSQL
    )
    reference = drive.target / "meosbackup/reference/individual_1.dump.sql"
    reference.parent.mkdir()
    data = images + COMPLETED
    reference.write_bytes(data)
    dump = drive.batch(3) / "individual_2026-11-22_14-03-00.dump.sql"
    dump.write_bytes(text)
    kept = StoredFile(f"../../reference/{reference.name}", len(data), sha256(data).hexdigest())
    written = StoredFile(dump.name, len(text), sha256(text).hexdigest())
    change(drive.batch(3), dump=written, reference=kept)
    drive.export("Höst", when="14:03")
    [path] = drive.out.iterdir()
    image = tree(path.read_bytes()).find("Images/Image")
    assert image is not None
    assert decoded(image.text or "") == b"\x89"
    reference.write_bytes(b"damaged")
    assert "without its images" in drive.export("Höst", when="14:03")


def test_what_is_not_there_is_said_before_anything_is_written(drive: Drive) -> None:
    for when, race, word in (("13:00", "Höst", "no batch as old"), ("latest", "Nobody", "has no race Nobody")):
        with pytest.raises(WrongUsageError, match=word):
            drive.export(race, when=when)
    assert drive.made() == set()


def test_a_folder_that_cannot_be_made(drive: Drive) -> None:
    drive.out.write_text("a file")
    with pytest.raises(MeosBackupError, match="can't be created"):
        drive.export()
