"""Restoring without meosbackup: RESTORE.txt's own lines for Linux, pasted as they stand into a terminal."""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meosbackup.commands.simulation import Laptop, delete_race
from meosbackup.meos import changes
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.day import Day
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RACE_LIST, RELAY, contents, counts, databases, query
from tests.toolkit.terminals import paste, pasted_lines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these are the lines for Linux")

RACES = (INDIVIDUAL, RELAY, EMPTY, INNODB)
STEP_3, STEP_4, PART_C = "STEP 3 - LINUX (bash)", "STEP 4 - LINUX (bash)", "PART C - LINUX (bash)"


@dataclass(frozen=True)
class Helper:
    """A helper with the drive in hand, at the computer of the spare server; `folder` is open in the file manager."""

    drive: Path
    home: Path

    def guide(self, folder: Path) -> str:
        # read_bytes: Python would turn CRLF into LF
        return (folder / "RESTORE.txt").read_bytes().decode("utf-8-sig")

    def paste(self, folder: Path, lines: list[str]) -> str:
        screens = [paste(line, folder, self.home) for line in lines]
        assert all("ERROR" not in screen for screen in screens), screens
        return "\n".join(screens)


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    """A day with one batch on the drive, and changes of every kind in it."""
    day = Day(tmp_path, server=server)
    for seed, database in enumerate((INDIVIDUAL, INNODB)):
        laptop = Laptop(server, database, seed=seed)
        for change in (laptop.enter_late, laptop.read_card, laptop.add_punch, laptop.change_status):
            change()
        laptop.close()
    query(server, f"INSERT INTO {RELAY}.oimage (Filename, Image) VALUES ('map', %s)", "\n\\'\x1a" * 5000)
    day.once()
    return day


@pytest.fixture
def helper(day: Day, spare: PrivateServer, tmp_path: Path) -> Helper:
    drive, home = tmp_path / "USB stick (meos & co)", tmp_path / "home"
    shutil.copytree(day.root, drive)
    home.mkdir()
    (home / ".my.cnf").write_text(f"[client]\nsocket={spare.socket}\nport={spare.port}\n", "utf-8")
    return Helper(drive, home)


def everything(server: PrivateServer) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    return {database: contents(server, database) for database in (RACE_LIST, *RACES)}


@pytest.mark.parametrize("place", ["in the batch", "at the top"])
def test_the_lines_of_step_3_bring_everything_back(day: Day, spare: PrivateServer, helper: Helper, place: str) -> None:
    assert databases(spare) == set()
    folder = helper.drive if place == "at the top" else inventory.find(helper.drive).batches[-1].folder
    guide = helper.guide(folder)
    lines = pasted_lines(guide, STEP_3)
    assert len(lines) == 1 + len(RACES) + 4
    helper.paste(folder, lines)
    assert databases(spare) == {RACE_LIST, *RACES}
    before, after = everything(day.server), everything(spare)
    assert after == before
    assert sum(len(rows) for tables in after.values() for rows in tables.values()) > 500
    assert len(after[RELAY]["oimage"]) == 1

    screen = helper.paste(folder, pasted_lines(guide, STEP_4))
    assert "Höstmedeln «Осень» O'Cup" in screen
    for number, database in enumerate(RACES, 1):
        assert re.search(rf"\|\s+{number} \|\s+{counts(day.server, database)[0]} \|", screen)


def test_the_race_tables_alone_are_enough_to_carry_on(day: Day, spare: PrivateServer, helper: Helper) -> None:
    lines = pasted_lines(helper.guide(helper.drive), STEP_3)
    helper.paste(helper.drive, [line for line in lines if "reference/" not in line])
    for database in (RACE_LIST, *RACES):
        expected = contents(day.server, database)
        found = contents(spare, database)
        assert found == {name: rows for name, rows in expected.items() if name in found}
        assert expected.keys() - found.keys() <= changes.REFERENCE_TABLES


@pytest.mark.parametrize("is_deleted", [True, False], ids=["a race that was deleted", "a race that was ruined"])
def test_one_race_alone_comes_back_and_the_others_stay(
    day: Day, spare: PrivateServer, helper: Helper, is_deleted: bool
) -> None:
    guide = helper.guide(helper.drive)
    step_3 = pasted_lines(guide, STEP_3)
    helper.paste(helper.drive, step_3)
    # What happened since the batch, in the race that must come back and in the others.
    if is_deleted:
        delete_race(spare, "meos_20261122_211702_1E5")
    else:
        query(spare, f"DELETE FROM {INDIVIDUAL}.orunner")
        query(spare, f"DROP TABLE {INDIVIDUAL}.dbrunner")
    query(spare, f"UPDATE {RELAY}.orunner SET Name = 'Newer' LIMIT 1")
    query(spare, "UPDATE meosmain.oevent SET Annotation = 'newer' WHERE Name LIKE 'Staf%'")
    others = {database: contents(spare, database) for database in (RELAY, EMPTY, INNODB)}

    lines = pasted_lines(guide, PART_C)
    assert len(lines) == len(RACES)
    of_race = [line for line in lines if INDIVIDUAL in line or "Hostmedeln" in line]
    assert of_race == lines[:1]
    reference = [line for line in step_3 if "reference/Hostmedeln" in line]
    assert len(reference) == 1
    for _ in range(2):  # it may be run again without harm
        helper.paste(helper.drive, of_race + reference)
        assert contents(spare, INDIVIDUAL) == contents(day.server, INDIVIDUAL)
        assert {database: contents(spare, database) for database in others} == others
        columns = "Id, Name, Date, ZeroTime, LOWER(NameId), Version, Removed"
        row = f"SELECT {columns} FROM meosmain.oevent WHERE LOWER(NameId) = '{INDIVIDUAL}'"
        assert query(spare, row) == query(day.server, row)
        assert query(spare, "SELECT COUNT(*) FROM meosmain.oevent") == [(len(RACES),)]
        assert query(spare, "SELECT Annotation FROM meosmain.oevent WHERE Name LIKE 'Staf%'") == [("newer",)]
