"""What counts as a change of a race, and what doesn't; and a race list that changes while races are dumped."""

from pathlib import Path

import pytest

from meosbackup import batch
from meosbackup.sandbox import PrivateServer, load
from meosbackup.simulation import delete_race
from tests.bad import Place, assert_batches_are_whole, new_place, running, told, until, waiting_dump
from tests.day import list_race
from tests.support import DATA, EMPTY, FILES, RELAY, query

NEW = "meos_20261122_220000_3e7"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def test_a_race_that_comes_and_one_that_goes_while_others_are_dumped(place: Place, server: PrivateServer) -> None:
    with running(place, server, "--once", "--mysqldump", waiting_dump(place)) as tool:
        until((place.folder / "dumping").exists, "the first dump")
        load(server, DATA / "big.sql")
        list_race(server, "New", NEW.upper())
        query(server, f"UPDATE meosmain.oevent SET Name = 'Changed' WHERE NameId = '{RELAY}'")
        delete_race(server, EMPTY)
        (place.folder / "gate").touch()
        told(tool.ended(), 0, "race list + 4 races")
    assert_batches_are_whole(place)
    [folder] = place.batches
    whole = batch.read(folder)
    assert whole.complete
    assert {dump.database for dump in whole.databases} == {*FILES, NEW} - {EMPTY}
    assert whole.race_list is not None
    assert whole.race_list.file is not None
    assert NEW in (folder / whole.race_list.file).read_text("utf-8").lower()
