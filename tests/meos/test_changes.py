"""What counts as a change of a race, and what doesn't; and a race list that changes while races are dumped."""

import re
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.batch import names
from meosbackup.commands.simulation import Laptop, delete_race
from meosbackup.guide import restore_txt
from meosbackup.meos import changes
from meosbackup.meos.changes import DatabaseState, TableState
from meosbackup.mysql.private_server import PrivateServer, load
from meosbackup.mysql.sessions import session
from meosbackup.settings.model import Settings
from meosbackup.store import inventory
from tests.toolkit.batches import assert_batches_are_whole, dump_file
from tests.toolkit.place import Place, new_place
from tests.toolkit.programs import waiting_dump
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, told
from tests.toolkit.servers import (
    DATA,
    EMPTY,
    FILES,
    INDIVIDUAL,
    INNODB,
    MEOS_PASSWORD,
    MEOS_USER,
    RELAY,
    list_race,
    query,
)
from tests.toolkit.states import NOON, is_changed, look
from tests.toolkit.waiting import wait_until
from tests.tools import equality
from tests.tools.equality import set_engine, touch

NEW = "meos_20261122_220000_3e7"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def test_a_race_that_comes_and_one_that_goes_while_others_are_dumped(place: Place, server: PrivateServer) -> None:
    patient = ("--config", config(place, "lock_limit = 100"))
    with running(place, server, "--once", *patient, "--mysqldump", waiting_dump(place)) as tool:
        wait_until((place.folder / "dumping").exists, "the first dump")
        load(server, DATA / "big.sql")
        list_race(server, "New", NEW.upper())
        query(server, f"UPDATE meosmain.oevent SET Name = 'Changed' WHERE NameId = '{RELAY}'")
        delete_race(server, EMPTY)
        (place.folder / "gate").touch()
        told(tool.ended(), 0, "race list + 4 races")
    assert_batches_are_whole(place)
    [folder] = place.batch_folders
    whole = inventory.read(folder)
    assert whole.complete
    assert {entry.database for entry in whole.databases} == {*FILES, NEW} - {EMPTY}
    assert whole.race_list is not None
    assert NEW in (folder / dump_file(whole.race_list).file).read_text("utf-8").lower()


# Until when a batch is known to hold


def test_the_drive_tells_until_when_its_batch_held(place: Place, server: PrivateServer) -> None:
    """The stick wears out, so that RESTORE.txt isn't written at each tick, but when the batch holds no more."""
    top = place.target / "meosbackup" / names.GUIDE_FILE
    with running(place, server, "--interval", "1") as tool:
        tool.waits_for("OK no changes since", times=3)
        before = top.stat().st_mtime_ns
        first = restore_txt.held_in(top.read_text(restore_txt.ENCODING))
        tool.waits_for("OK no changes since", times=6)
        assert top.stat().st_mtime_ns == before
        server.stop()
        tool.waits_for("FAIL")
        wait_until(lambda: top.stat().st_mtime_ns != before, "RESTORE.txt written anew")
        second = restore_txt.held_in(top.read_text(restore_txt.ENCODING))
        assert second is not None
        assert second > inventory.read(place.batch_folders[-1]).taken.replace(tzinfo=None)
        server.start()
        query(server, f"INSERT INTO {INDIVIDUAL}.oclub (Name) VALUES ('new')")
        wait_until(lambda: len(place.batch_folders) == 2, "another batch")
        tool.waits_for("all is well again")
        wait_until(
            lambda: restore_txt.held_in(top.read_text(restore_txt.ENCODING)) is None, "RESTORE.txt of that batch"
        )
        tool.waits_for("OK no changes since", times=tool.said.count("OK no changes since") + 2)
        told(tool.press_ctrl_c(), 0, "stopped; 2 batches made")
    third = restore_txt.held_in(top.read_text(restore_txt.ENCODING))
    assert first is None
    assert third is not None
    assert third > inventory.read(place.batch_folders[-1]).taken.replace(tzinfo=None)
    told(run_meosbackup("verify", "--target", place.target), 0)


# What changes a table, and what doesn't


TOUCHED = {
    "oclub": "INSERT INTO {} (Name) VALUES ('new')",
    "orunner": "UPDATE {} SET Name = 'another' ORDER BY Id LIMIT 1",
    "ocard": "DELETE FROM {} ORDER BY Id LIMIT 1",
    "ocontrol": "REPLACE INTO {} (Id, Name) SELECT Id, 'replaced' FROM {} LIMIT 1",
    "opunch": "TRUNCATE TABLE {}",
    "ocounter": "TRUNCATE TABLE {}",
    "dbclub": "TRUNCATE TABLE {}",
    "oclass": "ALTER TABLE {} ADD COLUMN more INT",
    "ocourse": "DROP TABLE {}",
}
UNTOUCHED = {
    "oevent": "SELECT * FROM {}",
    "oteam": "LOCK TABLES {} WRITE",
    "dbrunner": "FLUSH TABLES {}",
    "oimage": "UPDATE {} SET Id = Id",
}


def test_tables_of_any_name_are_seen_and_views_are_none_of_them(server: PrivateServer) -> None:
    odd = "a,b;c\n-'\"\\ åω字"
    query(server, f"CREATE TABLE {INDIVIDUAL}.`{odd}` (Id INT) ENGINE = MyISAM")
    query(server, f"CREATE VIEW {INDIVIDUAL}.`{odd} v` AS SELECT 1 AS Id")
    query(server, "CREATE DATABASE empty_one")
    with session(Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)) as asked:
        seen = changes.states(asked, [INDIVIDUAL, "empty_one", "missing"], NOON)
    assert odd in [table.name for table in seen[INDIVIDUAL].tables]
    assert [one.name for one in seen[INDIVIDUAL].not_tables] == [f"{odd} v"]
    assert seen["empty_one"].tables == seen["missing"].tables == ()


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_whatever_is_done_to_a_table_shows(server: PrivateServer, engine: str) -> None:
    set_engine(server, INDIVIDUAL, engine)
    for table in ("ocounter", "dbclub", "opunch"):
        touch(server, INDIVIDUAL, table)
    [(_, course)] = query(server, f"SHOW CREATE TABLE {INDIVIDUAL}.ocourse")
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)
    time.sleep(2.1)  # until the times of all tables tell what happens from now on
    before = look(settings)
    for table, statement in {**TOUCHED, **UNTOUCHED}.items():
        query(server, statement.format(*[f"{INDIVIDUAL}.{table}"] * 2))
    query(server, str(course).replace("`ocourse`", f"{INDIVIDUAL}.ocourse"))
    after = look(settings)
    assert {table for table in before if is_changed(before[table], after[table])} == set(TOUCHED)
    assert not any(is_changed(before[table], after[table]) for table in UNTOUCHED)
    server.stop()
    server.start()
    restarted = look(settings)
    assert all(is_changed(before[table], restarted[table]) for table in TOUCHED)
    assert {is_changed(after[table], restarted[table]) for table in UNTOUCHED} == {engine == "InnoDB"}


SECOND = timedelta(seconds=1)


def one_table(
    name: str = "oRunner", *, engine: str = "MyISAM", updated: datetime | None = NOON, created: datetime = NOON
) -> tuple[TableState, ...]:
    return (TableState(name, engine, 7, 1000, 8, created, updated),)


@pytest.mark.parametrize(
    ("tables", "asked", "later", "changed"),
    [
        (one_table(), NOON + 2 * SECOND, NOON + 60 * SECOND, False),
        (one_table(engine="InnoDB"), NOON + 2 * SECOND, NOON + 60 * SECOND, False),
        (one_table(), NOON, NOON + 60 * SECOND, True),
        (one_table(), NOON + SECOND, NOON + 60 * SECOND, True),
        (one_table(created=NOON + 2 * SECOND), NOON + 2 * SECOND, NOON + 60 * SECOND, True),
        (one_table(), NOON + 2 * SECOND, NOON + SECOND, True),
        (one_table(updated=None), NOON + 2 * SECOND, NOON + 60 * SECOND, True),
        (one_table(engine="Aria"), NOON + 2 * SECOND, NOON + 60 * SECOND, True),
        (one_table("oMonitor", updated=None), NOON + 2 * SECOND, NOON + 60 * SECOND, False),
        (one_table("oImage", updated=None), NOON + 2 * SECOND, NOON + 60 * SECOND, False),
    ],
    ids=["MyISAM", "InnoDB", "that second", "the one before", "made just now", "clock set back", "no time", "Aria",
         "oMonitor", "reference"],
)  # fmt: skip
def test_in_doubt_a_race_has_changed(
    tables: tuple[TableState, ...], asked: datetime, later: datetime, changed: bool
) -> None:
    before, now = DatabaseState(INDIVIDUAL, asked, tables), DatabaseState(INDIVIDUAL, later, tables)
    assert changes.race_tables_changed(before, now) is changed


def test_signs_of_life_make_no_batch_and_quiet_ticks_lock_nothing(place: Place, server: PrivateServer) -> None:
    """Held against what the server itself says it was asked. InnoDB tables without a time are dumped in doubt."""
    set_engine(server, INNODB, "MyISAM")
    query(server, "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    try:
        with running(place, server, "--interval", "1") as tool, closing(Laptop(server, INDIVIDUAL)) as laptop:
            tool.waits_for("OK no changes since", times=3)
            query(server, "TRUNCATE TABLE mysql.general_log")
            seen = tool.said.count("OK no changes since")
            for times in range(seen + 1, seen + 4):
                laptop.touch_monitor()
                tool.waits_for("OK no changes since", times=times)
            asked = "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE user_host LIKE 'meos%'"
            said = [str(argument) for (argument,) in query(server, asked)]
            told(tool.press_ctrl_c(), 0, "stopped; 1 batch made")
    finally:
        query(server, "SET GLOBAL general_log = OFF")
        query(server, "SET GLOBAL log_output = 'FILE'")
    assert sum(bool(re.search("UPDATE_TIME.* FROM information_schema.TABLES", statement)) for statement in said) >= 3
    assert not [statement for statement in said if re.match("LOCK|FLUSH|SELECT /\\*|CHECKSUM|SHOW CREATE", statement)]
    assert not [statement for statement in said if re.search("FROM `meos_", statement)]


def test_a_dump_in_doubt_that_differs_in_signs_of_life_makes_no_batch(place: Place, server: PrivateServer) -> None:
    """A laptop is open all day, and InnoDB tables have no time after the server was started in the morning."""
    server.stop()
    server.start()
    with running(place, server, "--interval", "1") as tool, closing(Laptop(server, INNODB)) as laptop:
        for times in range(1, 4):
            laptop.touch_monitor()
            tool.waits_for("OK no changes since", times=times)
        told(tool.press_ctrl_c(), 0, "stopped; 1 batch made")


def test_everything_is_dumped_each_time_where_that_is_wanted(place: Place, server: PrivateServer) -> None:
    with running(place, server, "--interval", "1", "--config", config(place, "skip_unchanged = false")) as tool:
        tool.waits_for("OK race list + 4 races", times=3)
        told(tool.press_ctrl_c(), 0)
    assert_batches_are_whole(place)
    assert {entry.unchanged_since for entry in inventory.read(place.batch_folders[-1]).databases} == {None}


def config(place: Place, text: str) -> Path:
    path = place.folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


# Whatever happens meanwhile, the next batch equals the server


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_the_next_batch_equals_the_server(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path, engine: str
) -> None:
    with equality.stage(server, spare, tmp_path, engine, seed=5) as stage:
        for play in (equality.busy_round, equality.settled_round, equality.restart_round):
            play(stage)
            stage.compare(stage.tick())
