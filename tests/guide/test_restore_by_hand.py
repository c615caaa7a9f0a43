"""Restoring without meosbackup: RESTORE.txt's own lines for Linux, pasted as they stand into a terminal."""

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meosbackup.commands.simulation import Laptop, delete_race
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.batches import dump_file
from tests.toolkit.day import Day
from tests.toolkit.guides import chapter
from tests.toolkit.installations import had
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RACE_LIST, RELAY, contents, counts, databases, query
from tests.toolkit.terminals import paste, pasted_lines
from tests.tools.matrix import installations

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these are the lines for Linux")

RACES = (INDIVIDUAL, RELAY, EMPTY, INNODB)
HOSTILE = "';\n\\! touch owned\n`$(touch owned)` -- \\"
STEP_3, PART_C = "STEP 3 - BRING ALL RACES BACK", "PART C - BRING BACK ONE RACE ONLY"


@dataclass(frozen=True)
class Helper:
    """A helper with the drive in hand, at the computer of the spare server; `folder` is open in the file manager."""

    drive: Path
    home: Path

    def guide(self, folder: Path) -> str:
        # read_bytes: Python would turn CRLF into LF
        return (folder / "RESTORE.txt").read_bytes().decode("utf-8-sig")

    def paste(self, folder: Path, lines: list[str]) -> str:
        """Paste lines into one terminal, and return what it shows."""
        screen = paste("\n".join(lines), folder, self.home)
        assert "ERROR" not in screen, screen
        return screen


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    """A day with one batch on the drive, and changes of every kind in it."""
    day = Day(tmp_path, server=server)
    for seed, database in enumerate((INDIVIDUAL, INNODB)):
        laptop = Laptop(server, database, seed=seed)
        for change in (laptop.enter_late, laptop.read_card, laptop.add_punch, laptop.change_status):
            change()
        laptop.close()
    query(server, f"UPDATE {RACE_LIST}.oevent SET Name = %s WHERE NameId = '{EMPTY}'", HOSTILE)
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


def ran_by(client: str, folder: Path) -> str:
    """Return the line that makes `mysql` the client program of an installation, as PART A's line for PATH does."""
    folder.mkdir()
    (folder / "mysql").symlink_to(had(client).client)
    return f"PATH={folder}:$PATH"


@pytest.mark.parametrize(("place", "client"), [("in the batch", installations.OWN), ("at the top", "MySQL 9.7")])
def test_one_line_and_one_password_bring_everything_back(
    day: Day, spare: PrivateServer, helper: Helper, tmp_path: Path, place: str, client: str
) -> None:
    assert databases(spare) == set()
    folder = helper.drive if place == "at the top" else inventory.find(helper.drive).batches[-1].folder
    guide = helper.guide(folder)
    *cd, line = pasted_lines(guide, STEP_3)
    assert bool(cd) == (place == "at the top")
    screen = helper.paste(folder, [ran_by(client, tmp_path / "programs"), *cd, line])
    assert screen.count("password: ") == 1
    assert databases(spare) == {RACE_LIST, *RACES}
    before, after = everything(day.server), everything(spare)
    assert after == before
    assert sum(len(rows) for tables in after.values() for rows in tables.values()) > 500
    assert len(after[RELAY]["oimage"]) == 1

    told = [line for line in screen.splitlines() if line.startswith("Restoring ")]
    assert told[:2] == ["Restoring 1 of 9: race list", "Restoring 2 of 9: Höstmedeln «Осень» O'Cup"]
    assert told[-1].startswith("Restoring 9 of 9: reference tables of ")
    shown = screen.replace("\\\\", "\\").splitlines()[-len(RACES) - 1 :]  # the client doubles each backslash
    assert shown == [line.strip() for line in chapter(guide.split("\r\n"), "STEP 4 - ")[-len(RACES) - 1 :]]
    assert list(helper.drive.rglob("owned")) == []
    for database, line in zip(RACES, shown, strict=False):
        number = counts(day.server, database)[0]
        assert line.startswith(f"{number} of {number} entries: ")
    assert shown[-1] == "Restored: the race list and 4 races."


@pytest.mark.parametrize("client", [installations.OWN, "MySQL 9.7"])
def test_it_stops_at_the_first_error(
    day: Day, spare: PrivateServer, helper: Helper, tmp_path: Path, client: str
) -> None:
    stored = inventory.find(helper.drive).batches[-1]
    second = stored.path(dump_file(stored.batch.races[1]))
    second.write_bytes(second.read_bytes().replace(b"INSERT INTO", b"DELETE FROM no.such; INSERT INTO", 1))
    [line] = pasted_lines(helper.guide(stored.folder), STEP_3)
    lines = [ran_by(client, tmp_path / "programs"), f"{line}; echo it ended with $?"]
    screen = paste("\n".join(lines), stored.folder, helper.home)
    assert "it ended with 1" in screen
    assert re.findall("ERROR [0-9]+|Restor[^:]+", screen)[-2:] == ["Restoring 3 of 9", "ERROR 1100"]
    assert databases(spare) == {RACE_LIST, INDIVIDUAL, RELAY}


@pytest.mark.parametrize("is_deleted", [True, False], ids=["a race that was deleted", "a race that was ruined"])
def test_one_race_alone_comes_back_and_the_others_stay(
    day: Day, spare: PrivateServer, helper: Helper, is_deleted: bool
) -> None:
    folder = inventory.find(helper.drive).batches[-1].folder
    guide = helper.guide(folder)
    helper.paste(folder, pasted_lines(guide, STEP_3))
    # What happened since the batch, in the race that must come back and in the others.
    if is_deleted:
        delete_race(spare, "meos_20261122_211702_1E5")
    else:
        query(spare, f"DELETE FROM {INDIVIDUAL}.orunner")
        query(spare, f"DROP TABLE {INDIVIDUAL}.dbrunner")
    query(spare, f"UPDATE {RELAY}.orunner SET Name = 'Newer' LIMIT 1")
    query(spare, "UPDATE meosmain.oevent SET Annotation = 'newer' WHERE Name LIKE 'Staf%'")
    others = {database: contents(spare, database) for database in (RELAY, EMPTY, INNODB)}

    of_race = [line for line in pasted_lines(guide, PART_C) if "Hostmedeln" in line]
    assert ["reference/" in line for line in of_race] == [False, True]
    for _ in range(2):  # they may be run again without harm
        helper.paste(folder, of_race)
        assert contents(spare, INDIVIDUAL) == contents(day.server, INDIVIDUAL)
        assert {database: contents(spare, database) for database in others} == others
        columns = "Id, Name, Date, ZeroTime, LOWER(NameId), Version, Removed"
        row = f"SELECT {columns} FROM meosmain.oevent WHERE LOWER(NameId) = '{INDIVIDUAL}'"
        assert query(spare, row) == query(day.server, row)
        assert query(spare, "SELECT COUNT(*) FROM meosmain.oevent") == [(len(RACES),)]
        assert query(spare, "SELECT Annotation FROM meosmain.oevent WHERE Name LIKE 'Staf%'") == [("newer",)]
