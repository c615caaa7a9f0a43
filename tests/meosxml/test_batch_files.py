"""Each race's `.meosxml` goes to the drive with its dump; where none can be made, nothing else is lost."""

import hashlib
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from meosbackup.batch.model import Entry, Race, StoredBatch, StoredFile
from meosbackup.console import Console
from meosbackup.day.report import Report
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.meosxml import convert
from meosbackup.meosxml.batch_files import MeosFiles
from meosbackup.meosxml.convert import Source
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import dump_file, dump_of
from tests.toolkit.day import Day
from tests.toolkit.meosfiles import LISTS, MAPS, decoded, made_by_meos
from tests.toolkit.servers import DATA, EMPTY, INDIVIDUAL, INNODB, RELAY, query

RACES = {INDIVIDUAL: "individual", RELAY: "relay", EMPTY: "empty", INNODB: "innodb"}
UTC_CLOCK = {"TZ": "UTC"}
OFF = {"MEOSBACKUP_MEOSXML": "false", **UTC_CLOCK}


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    return Day(tmp_path, server=server)


def file_of(stored: StoredBatch, database: str) -> Path:
    """Return a race's file in a batch, which is as `batch.json` says."""
    entry = dump_of(stored.batch, database)
    assert entry.dump is not None
    assert entry.meosxml is not None
    assert entry.meosxml.file == entry.dump.file.replace(".dump.sql", ".meosxml")
    path = stored.folder / entry.meosxml.file
    data = path.read_bytes()
    assert (entry.meosxml.bytes, entry.meosxml.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return path


def files(day: Day) -> list[set[str]]:
    return [{path.name for path in stored.folder.glob("*.meosxml")} for stored in day.stored()]


def test_each_race_has_the_file_that_meos_makes_of_it(day: Day, tmp_path: Path) -> None:
    day.once(env=UTC_CLOCK)
    [stored] = day.stored()
    for database, race in RACES.items():
        made = file_of(stored, database)
        assert Counter(made.read_bytes().splitlines()) == Counter(made_by_meos(race).splitlines())
        entry = dump_of(stored.batch, database)
        assert entry.dump is not None
        convert.convert(Source(stored.folder / entry.dump.file, 101), tmp_path / "again.meosxml", threading.Event())
        assert (tmp_path / "again.meosxml").read_bytes() == made.read_bytes()
    assert dump_of(stored.batch, "meosmain").meosxml is None
    assert len(files(day)[0]) == len(RACES)


def test_the_file_of_an_unchanged_race_is_carried(day: Day) -> None:
    day.once(env=UTC_CLOCK)
    query(day.server, f"UPDATE {RELAY}.orunner SET Name = 'Åsa <2>' WHERE Id = 1")
    day.once(env=UTC_CLOCK)
    first, second = day.stored()
    for database in RACES:
        one, other = file_of(first, database), file_of(second, database)
        assert (one.read_bytes() == other.read_bytes()) == (database != RELAY)
    assert "<Name>Åsa &lt;2&gt;</Name>" in file_of(second, RELAY).read_text("utf-8")
    in_spool = list(day.spool.glob("*/*/*.meosxml"))
    assert len(in_spool) == len(RACES)


def test_it_can_be_switched_off_and_on_again(day: Day) -> None:
    day.once(env=OFF)
    day.once(env=UTC_CLOCK)
    day.once(env=OFF)
    assert [len(found) for found in files(day)] == [0, len(RACES), 0]
    off, on, off_again = day.batches()
    assert [entry.unchanged_since for entry in (*on.races, *off_again.races)] == [off.sequence] * 2 * len(RACES)
    assert all(entry.meosxml is None for entry in (*off.databases, *off_again.databases))


def test_a_race_that_cannot_be_converted_loses_its_file_alone_and_says_why(day: Day) -> None:
    query(day.server, "UPDATE meosmain.oevent SET Version = 0 WHERE NameId LIKE %s", f"{RELAY}%")
    screen = " ".join(day.once(env=UTC_CLOCK).stdout.split())
    [stored] = day.stored()
    assert stored.batch.complete
    relay = dump_of(stored.batch, RELAY)
    assert (relay.meosxml, relay.error) == (None, None)
    assert (stored.folder / dump_file(relay).file).is_file()
    assert len(files(day)[0]) == len(RACES) - 1
    assert "NOTE no .meosxml file for Stafettkväll – Relais d'Été (2026-11-23): The dump Stafettkvall" in screen
    assert "version isn't known" in screen
    assert "Its dump is good and is backed up." in screen


def test_an_image_of_a_map_comes_from_the_reference_tables(day: Day) -> None:
    image = bytes(range(256)) * 40
    query(day.server, f"UPDATE {RELAY}.oevent SET Lists = %s, Maps = %s", LISTS, MAPS)
    day.once(env=UTC_CLOCK)
    query(
        day.server, f"INSERT INTO {RELAY}.oimage (Id, Filename, Part, Image) VALUES (%s, 'karta.png', 0, UNHEX(%s))",
        2**64 - 1, image.hex(),
    )  # fmt: skip
    day.once(env=UTC_CLOCK)
    before, after = day.stored()
    assert dump_file(dump_of(before.batch, RELAY)).sha256 == dump_file(dump_of(after.batch, RELAY)).sha256
    assert ET.parse(file_of(before, RELAY)).find("Images") is None
    found = ET.parse(file_of(after, RELAY)).find("Images/Image")
    assert found is not None
    assert found.get("filename") == "karta.png"
    assert decoded(found.text or "") == image


RACE = Race("Kväll", "", "2026-11-22", "meos_1", 1, 101)
DUMP = Entry("meos_1", RACE, dump=StoredFile("Kvall_1.dump.sql", 1, "0" * 64))
NEVER = threading.Event()


def test_a_dump_of_which_no_file_can_be_made_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Kvall_1.dump.sql").write_bytes((DATA / "meosmain.sql").read_bytes())
    maker, taken = MeosFiles(tmp_path), datetime.now(UTC)
    entry = maker.bring(replace(DUMP, meosxml=StoredFile("gone.meosxml", 1, "0")), tmp_path, tmp_path, taken, NEVER)
    assert entry == DUMP
    [missing] = maker.missing((entry,))
    assert missing.race == RACE
    assert "4 rows" in missing.reason
    monkeypatch.delattr(convert, "convert")
    assert maker.bring(DUMP, tmp_path, None, taken, NEVER) == DUMP
    assert maker.missing((entry,)) == (missing,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that is always full")
def test_a_disk_that_was_full_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "Kvall_1.dump.sql").write_bytes((DATA / "relay.sql").read_bytes())
    maker, taken = MeosFiles(tmp_path), datetime.now(UTC)
    (tmp_path / "Kvall_1.meosxml").symlink_to("/dev/full")
    entry = maker.bring(DUMP, tmp_path, None, taken, NEVER)
    assert entry.meosxml is None
    assert "No space left" in maker.missing((entry,))[0].reason
    entry = maker.bring(DUMP, tmp_path, None, taken, NEVER)
    assert entry.meosxml is not None
    assert maker.missing((entry,)) == ()


def test_why_a_race_has_no_file_is_told_once(day: Day) -> None:
    day.once(env=UTC_CLOCK)
    [stored] = day.stored()
    screen = StringIO()
    report, now = Report(Console(stream=screen)), datetime.now(UTC)
    for minute in range(3):
        report.without_file(now, stored, [LeftOutRace(RACE, f"The dump of minute {minute} is no good.")])
        report.without_file(now, None, [])
    assert screen.getvalue().count("NOTE") == 1
    report.without_file(now, stored, [])
    report.without_file(now, stored, [LeftOutRace(RACE, "Again.")])
    assert screen.getvalue().count("NOTE") == 2
