"""What counts as a change of a race, and what doesn't; and a race list that changes while races are dumped."""

from pathlib import Path

import pytest

from meosbackup import batch, guide
from meosbackup.sandbox import PrivateServer, load
from meosbackup.simulation import delete_race
from tests.bad import Place, assert_batches_are_whole, new_place, running, told, until, waiting_dump
from tests.day import list_race
from tests.support import DATA, EMPTY, FILES, INDIVIDUAL, RELAY, query, run_meosbackup

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


# Until when a batch is known to hold


def test_the_drive_tells_until_when_its_batch_held(place: Place, server: PrivateServer) -> None:
    """The stick wears out, so that RESTORE.txt isn't written at each tick, but when the batch holds no more."""
    top = place.target / "meosbackup" / batch.GUIDE_FILE
    with running(place, server, "--interval", "1") as tool:
        tool.waits_for("OK nothing changed since", times=3)
        before = top.stat().st_mtime_ns
        first = guide.held_in(top.read_text(guide.ENCODING))
        tool.waits_for("OK nothing changed since", times=6)
        assert top.stat().st_mtime_ns == before
        server.stop()
        tool.waits_for("FAIL")
        until(lambda: top.stat().st_mtime_ns != before, "RESTORE.txt written anew")
        second = guide.held_in(top.read_text(guide.ENCODING))
        assert second is not None
        assert second > batch.read(place.batches[-1]).taken.replace(tzinfo=None)
        server.start()
        query(server, f"INSERT INTO {INDIVIDUAL}.oclub (Name) VALUES ('new')")
        until(lambda: len(place.batches) == 2, "another batch")
        tool.waits_for("all is well again")
        until(lambda: guide.held_in(top.read_text(guide.ENCODING)) is None, "RESTORE.txt of that batch")
        tool.waits_for("OK nothing changed since", times=tool.said.count("OK nothing changed since") + 2)
        told(tool.press_ctrl_c(), 0, "stopped; 2 batches made")
    third = guide.held_in(top.read_text(guide.ENCODING))
    assert first is None
    assert third is not None
    assert third > batch.read(place.batches[-1]).taken.replace(tzinfo=None)
    told(run_meosbackup("verify", "--target", place.target), 0)
