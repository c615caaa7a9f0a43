"""`meosbackup restore`: races of a batch back on the race server, and on a spare one; what it shows, asks and saves."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.commands.common import STATE_FOLDER
from meosbackup.commands.simulation import Laptop, delete_race, open_lost_race
from meosbackup.mysql.private_server import PrivateServer, load
from meosbackup.store import inventory
from meosbackup.system import lock
from tests.toolkit.batches import dump_file
from tests.toolkit.runs import run_meosbackup, told
from tests.toolkit.servers import (
    BIG,
    DATA,
    EMPTY,
    INDIVIDUAL,
    INNODB,
    RACE_LIST,
    RELAY,
    databases,
    everything,
    query,
    rows_of,
)
from tests.toolkit.tent import NAMES, RACES, Tent, assert_tidy, work_on

CANONICAL = {
    "oEvent", "oRunner", "oTeam", "oClass", "oClub", "oCourse", "oControl", "oCard", "oPunch", "oCounter", "oMonitor",
}  # fmt: skip


def listed(server: PrivateServer) -> list[tuple[Any, ...]]:
    """Return what the race list says of each race, as MeOS reads it: MeOSMain.oEvent in that very spelling."""
    return query(
        server, "SELECT Id, Name, Annotation, Date, ZeroTime, NameId, Version, Removed FROM MeOSMain.oEvent ORDER BY Id"
    )


def checksums(server: PrivateServer, database: str) -> list[tuple[Any, ...]]:
    """Return what the server makes of each table, and when it made and last wrote it."""
    names = [str(name) for (name,) in query(server, f"SHOW TABLES FROM `{database}`")]
    tables = ", ".join(f"`{database}`.`{name}`" for name in names)
    times = query(
        server, "SELECT TABLE_NAME, CREATE_TIME, UPDATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " ORDER BY TABLE_NAME", database,
    )  # fmt: skip
    return [*query(server, f"CHECKSUM TABLE {tables}"), *times]


@pytest.fixture
def rich(server: PrivateServer, tent: Tent) -> StoredBatch:
    """A batch of the server's races, with changes of every kind and a map among the reference tables."""
    work_on(server, INDIVIDUAL, INNODB)
    query(server, f"INSERT INTO `{RELAY}`.oimage (Filename, Image) VALUES ('map', %s)", "\n\\'\x1a" * 5000)
    return tent.back_up(server)


# On a spare server


def test_all_races_come_back_on_an_empty_server(
    server: PrivateServer, spare: PrivateServer, tent: Tent, rich: StoredBatch
) -> None:
    said = tent.restore(spare)
    assert databases(spare) == {RACE_LIST, *RACES}
    for database in RACES:
        assert rows_of(spare, database) == rows_of(server, database)
        assert f"OK {NAMES[database]}" in re.sub(" +", " ", said)
    assert len(rows_of(spare, RELAY)["oimage"]) == 1
    assert listed(spare) == listed(server)
    assert f"Batch from {rich.when}" in said
    assert "not there; it will be created" in said
    assert f"User name meos Port {spare.port}" in said
    assert f"start meosbackup again: meosbackup --target {tent.target} --any-disk --host {spare.host}" in said
    assert tent.batches() == [rich]  # nothing was replaced, so nothing was saved
    assert list(tent.at(spare).spool.iterdir()) == []
    engines = (
        "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE 'meos\\_%'"
        " AND TABLE_NAME NOT IN ('dbrunner', 'dbclub', 'oimage') ORDER BY 1, 2"
    )
    assert query(spare, engines) == query(server, engines)
    assert {engine for _, _, engine in query(spare, engines)} == {"MyISAM", "InnoDB"}


def test_a_server_that_tells_case_apart_gets_the_names_of_meos(
    server: PrivateServer, exact: PrivateServer, tent: Tent, rich: StoredBatch
) -> None:
    tent.restore(exact)
    name_ids = {entry.race.name_id for entry in rich.batch.races if entry.race}
    assert databases(exact) == {"MeOSMain", *name_ids}
    assert any(name != name.lower() for name in name_ids)
    for name in name_ids:
        tables = {str(table) for (table,) in query(exact, f"SHOW TABLES FROM `{name}`")}
        assert tables >= CANONICAL
        assert tables <= CANONICAL | {"dbRunner", "dbClub", "oImage"}
        assert rows_of(exact, name) == rows_of(server, name)
    assert query(exact, "SHOW TABLES FROM MeOSMain") == [("oEvent",)]
    assert listed(exact) == listed(server)

    query(exact, "UPDATE MeOSMain.oEvent SET Name = 'changed'")
    work_on(exact, *name_ids, seed=9)
    tent.restore(exact, "--batch", rich.when, "--whole-list")
    assert everything(exact) == everything(server)
    assert databases(exact) == {"MeOSMain", *name_ids}


def test_what_comes_from_a_server_that_tells_case_apart_suits_others(
    exact: PrivateServer, spare: PrivateServer, tent: Tent
) -> None:
    load(exact, DATA / "lctn0.sql")
    tent.back_up(exact)
    tent.restore(spare)
    assert databases(spare) == {name.lower() for name in databases(exact)}
    [race] = databases(spare) - {RACE_LIST}
    assert rows_of(spare, race) == rows_of(exact, race)
    assert listed(spare) == listed(exact)

    before, [name_id] = everything(exact), databases(exact) - {"MeOSMain"}
    query(exact, f"UPDATE `{name_id}`.oRunner SET Name = 'nobody'")
    tent.restore(exact, "--batch", tent.batches()[0].when)  # and back to where it came from
    assert everything(exact) == before
    assert databases(exact) == {"MeOSMain", name_id}


def test_two_races_that_differ_in_case_only(exact: PrivateServer, spare: PrivateServer, tent: Tent) -> None:
    load(exact, DATA / "lctn0.sql")
    [one] = databases(exact) - {"MeOSMain"}
    other = one.lower()
    tent.back_up(exact)
    query(exact, f"CREATE DATABASE `{other}`")
    for (table,) in query(exact, f"SHOW TABLES FROM `{one}`"):
        query(exact, f"CREATE TABLE `{other}`.`{table}` LIKE `{one}`.`{table}`")
        query(exact, f"INSERT INTO `{other}`.`{table}` SELECT * FROM `{one}`.`{table}`")
    query(exact, f"UPDATE `{other}`.oRunner SET Name = 'the other'")
    query(exact, f"UPDATE `{other}`.oEvent SET Id = 99, Name = 'Samma', NameId = '{other}'")
    query(exact, f"INSERT INTO MeOSMain.oEvent (Id, Name, NameId, Version) VALUES (99, 'Samma', '{other}', 101)")
    before = both(exact, one, other)
    assert before[one]["orunner"] != before[other]["orunner"]
    stored = tent.back_up(exact)
    assert [entry.database for entry in stored.batch.races] == [one, other]
    assert len({dump_file(entry).sha256 for entry in stored.batch.races}) == 2
    folders = [word for word in tent.at(exact).folders if word != "--any-disk"]
    listed = told(run_meosbackup("list", *folders), 0)
    assert "Samma (no date)" in listed
    assert len(told(run_meosbackup("list", *folders, "--race", other), 0).split("complete")) == 2
    told(run_meosbackup("verify", *folders), 0, "all good")
    told(run_meosbackup("export", "--to", tent.folder / "files", *folders), 0)
    assert len(list((tent.folder / "files").iterdir())) == 2

    for name in (one, other):  # one of them alone
        query(exact, f"DELETE FROM `{name}`.oCard")
        tent.restore(exact, "--race", name)
        assert both(exact, one, other) == before
    names = listed_names(exact)
    for name in databases(exact):
        query(exact, f"DROP DATABASE `{name}`")
    tent.restore(exact)  # both on an empty server
    assert both(exact, one, other) == before
    assert listed_names(exact) == names

    said = tent.restore(spare, expected=1)  # where they would be one
    assert "NOT RESTORED: to this server (lower_case_table_names), it is the same database as" in said
    assert rows_of(spare, other)["orunner"] == before[one]["orunner"]
    tent.restore(spare, "--race", other)
    assert rows_of(spare, other)["orunner"] == before[other]["orunner"]


def both(server: PrivateServer, *names: str) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    return {name: rows_of(server, name) for name in names}


def listed_names(server: PrivateServer) -> list[tuple[Any, ...]]:
    return query(server, "SELECT Id, NameId FROM MeOSMain.oEvent ORDER BY Id")


# On the race server


def test_a_deleted_race_comes_back_alone(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    before, rows = everything(server), listed(server)
    delete_race(server, "meos_20261122_211702_1E5")
    others = {name: checksums(server, name) for name in RACES if name != INDIVIDUAL}
    said = tent.restore(server, "--race", "höstmedeln")
    assert listed(server) == rows
    assert {name: tables for name, tables in everything(server).items() if name != RACE_LIST} == {
        name: tables for name, tables in before.items() if name != RACE_LIST
    }
    assert {name: checksums(server, name) for name in others} == others
    assert [row for row in rows_of(server, RACE_LIST)["oevent"] if row[0] != 1] == [
        row for row in before[RACE_LIST]["oevent"] if row[0] != 1
    ]
    assert "Stafettkväll" not in said
    assert tent.saved() == []


def test_one_race_is_set_back_and_all_others_are_left_alone(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    before = rows_of(server, RELAY)
    work_on(server, *RACES)
    query(server, "UPDATE MeOSMain.oEvent SET Annotation = 'new', Version = 90")
    others = {name: checksums(server, name) for name in (INDIVIDUAL, EMPTY, INNODB, RACE_LIST)}
    tent.restore(server, "--race", "Stafettkväll", "--batch", backed_up.when)
    assert rows_of(server, RELAY) == before
    assert {name: checksums(server, name) for name in others} == others
    assert_tidy(server)


def test_what_is_replaced_is_saved_first_and_comes_back_by_another_restore(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    then = everything(server)
    work_on(server, *RACES, seed=7)
    query(server, f"INSERT INTO `{INNODB}`.dbclub (Id, Name) VALUES (1, 'Sävedalens AIK')")
    now = everything(server)
    said = tent.restore(server, "--batch", backed_up.when)
    assert {name: everything(server)[name] for name in (RELAY, EMPTY, INDIVIDUAL)} == {
        name: then[name] for name in (RELAY, EMPTY, INDIVIDUAL)
    }
    [saved] = tent.saved()
    assert saved.batch.sequence > backed_up.batch.sequence
    assert f"saved as the batch from {saved.when}" in said
    assert inventory.find(tent.at(server).spool).batches[-1].batch == saved.batch

    tent.restore(server, "--batch", saved.when)
    assert everything(server) == now
    assert len(tent.saved()) == 2
    assert_tidy(server)


def test_the_whole_list_is_replaced_where_that_is_wished(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    before = everything(server)
    query(server, "DELETE FROM MeOSMain.oEvent WHERE Id = 2")
    query(server, "INSERT INTO MeOSMain.oEvent (Id, Name, NameId) VALUES (2, 'made since', 'meos_made_since')")
    query(server, "UPDATE MeOSMain.oEvent SET Name = 'other' WHERE Id = 1")
    said = tent.restore(server, "--whole-list", "--batch", backed_up.when)
    assert everything(server) == before
    assert "replaces the server's whole race list" in said
    [saved] = tent.saved()
    assert saved.batch.race_list is not None
    race_list = (saved.folder / dump_file(saved.batch.race_list).file).read_text("utf-8")
    assert "made since" in race_list


def test_a_race_made_since_is_neither_unlisted_nor_touched(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    load(server, DATA / "big.sql")
    query(server, "INSERT INTO MeOSMain.oEvent (Id, Name, NameId) VALUES (5, 'Storloppet', 'meos_20261122_220000_3E7')")
    before = checksums(server, BIG), listed(server), rows_of(server, RACE_LIST)
    tent.restore(server, "--batch", backed_up.when)
    assert (checksums(server, BIG), listed(server), rows_of(server, RACE_LIST)) == before


def test_where_its_id_is_taken_by_now_the_race_gets_a_free_one(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    delete_race(server, "meos_20261122_211702_1E5")
    query(server, "INSERT INTO MeOSMain.oEvent (Id, Name, NameId) VALUES (1, 'Ny tävling', 'meos_ny')")
    tent.restore(server, "--race", INDIVIDUAL)
    ids = {str(row[5]).lower(): row[0] for row in listed(server)}
    assert sorted(ids.values()) == [1, 2, 3, 4, 5]
    assert ids["meos_ny"] == 1
    assert ids[INDIVIDUAL] == 5
    assert query(server, f"SELECT Id FROM `{INDIVIDUAL}`.oevent") == [(5,)]


def test_the_empty_shell_that_meos_makes_of_a_lost_race_gives_way(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    before = everything(server)
    query(server, f"DROP DATABASE `{INDIVIDUAL}`")
    open_lost_race(server, INDIVIDUAL, like=RELAY)
    tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when)
    assert everything(server) == before


@pytest.mark.parametrize(
    "how",
    ["DELETE FROM MeOSMain.oEvent WHERE Id = 1", "UPDATE MeOSMain.oEvent SET Removed = 1", "DROP DATABASE meosmain"],
)
def test_a_race_that_isnt_listed_is_saved_too_before_it_is_replaced(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch, how: str
) -> None:
    then = rows_of(server, INDIVIDUAL)
    work_on(server, INDIVIDUAL, seed=8)
    now = rows_of(server, INDIVIDUAL)
    query(server, how)
    tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when)
    assert rows_of(server, INDIVIDUAL) == then
    assert [row[0] for row in listed(server) if str(row[5]).lower() == INDIVIDUAL and not row[-1]] == [1]
    [saved] = tent.saved()
    tent.restore(server, "--race", INDIVIDUAL, "--batch", saved.when)
    assert rows_of(server, INDIVIDUAL) == now


def test_what_cant_be_saved_is_not_replaced_but_by_force(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    then = rows_of(server, INDIVIDUAL)
    work_on(server, INDIVIDUAL, seed=8)
    query(server, f"DROP TABLE `{INDIVIDUAL}`.oevent")
    now = rows_of(server, INDIVIDUAL)
    said = tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when, expected=1)
    assert "can't be saved" in said
    assert "--force" in said
    assert rows_of(server, INDIVIDUAL) == now
    tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when, "--force")
    assert rows_of(server, INDIVIDUAL) == then


# What is shown, and asked


def test_a_dry_run_shows_and_changes_nothing(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    work_on(server, INDIVIDUAL, seed=11)
    delete_race(server, "meos_20261122_211713_94")
    query(server, "DO SLEEP(1.1)")
    before = databases(server), [checksums(server, name) for name in sorted(databases(server))]
    files = _files(tent.target)
    said = tent.restore(server, "--dry-run")
    assert (databases(server), [checksums(server, name) for name in sorted(databases(server))]) == before
    assert _files(tent.target) == files
    assert "dry run" in said
    assert all(name in said for name in NAMES.values())


def test_without_a_yes_nothing_is_done(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    work_on(server, INDIVIDUAL, seed=11)
    before, files = everything(server), _files(tent.target)
    for answer in ("nein\n", "\n", "what?\nwhat?\nwhat?\n", ""):
        said = tent.restore(server, "--batch", backed_up.when, answer=answer)
        assert "Restore this?" in said
        assert "Nothing was done" in said
        assert (everything(server), _files(tent.target)) == (before, files)


def test_a_yes_is_enough(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    before = rows_of(server, INDIVIDUAL)
    work_on(server, INDIVIDUAL, seed=11)
    tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when, answer="what?\n Tak.\n")
    assert rows_of(server, INDIVIDUAL) == before


def test_then_and_now_and_what_is_lost_are_shown(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    [entry] = [entry for entry in backed_up.batch.races if entry.database == INDIVIDUAL]
    assert entry.freshness is not None
    query(server, f"UPDATE `{INDIVIDUAL}`.orunner SET FinishTime = 50000 WHERE FinishTime = 0 ORDER BY Id LIMIT 3")
    query(server, f"UPDATE `{INDIVIDUAL}`.orunner SET Removed = 1 WHERE FinishTime > 0 ORDER BY Id LIMIT 1")
    last = entry.freshness.last_change
    assert last is not None
    query(server, f"UPDATE `{INDIVIDUAL}`.orunner SET Modified = FROM_UNIXTIME(%s) WHERE Counter > 0",
          int(last.timestamp()) + 720)  # fmt: skip
    said = tent.restore(server, "--dry-run", "--race", INDIVIDUAL)
    then, now = said.split("on the server:")
    entries, finished = entry.freshness.entries, entry.freshness.finished
    assert f"{entries} entries, {finished} finished, {entry.freshness.cards} cards, last change" in then
    assert f"{last.astimezone():%H:%M:%S}" in then
    assert f"{entries - 1} entries, {finished + 2} finished" in now
    assert "WILL BE LOST: the last 12 minutes of changes on the server (+2 finished)" in now


def test_a_time_after_all_batches_takes_the_one_before_and_a_server_with_nothing_newer_loses_nothing(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    said = tent.restore(server, "--dry-run", "--batch", "2100-01-01")
    assert said.count("the server has nothing newer") == len(RACES)
    assert "LOST" not in said
    assert f"Batch from {backed_up.when}" in said
    assert "before" in said


def test_a_meosbackup_that_uses_the_drive_is_to_be_stopped_first(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    before = everything(server)
    with lock.held(STATE_FOLDER / "locks", [tent.target]):
        said = tent.restore(server, "--race", "Stafett", expected=1)
    assert "press Ctrl-C in its window" in said
    assert f"Then run this again: meosbackup restore --batch latest --race Stafett --target {tent.target}" in said
    assert everything(server) == before


def test_what_isnt_there_is_wrong_usage(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    for more, words in (
        (["--batch", "1999-01-01"], "oldest is from"),
        (["--batch", "soon"], "is not the time of a batch"),
        (["--race", "meos_"], "could be each of these races"),
        (["--race", "sprint"], "has no race sprint"),
    ):
        assert words in tent.restore(server, *more, expected=2)


def test_a_drive_without_batches_is_wrong_usage(server: PrivateServer, tent: Tent) -> None:
    tent.target.mkdir()
    assert "no folder meosbackup" in tent.restore(server, expected=2)


# While MeOS is open


def test_a_race_that_meos_has_open_is_not_replaced(server: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    laptops = [Laptop(server, INDIVIDUAL, name=name) for name in ("Målgång", "Sekretariat")]
    for laptop in laptops:
        laptop.touch_monitor()
        laptop.change()
    before = rows_of(server, INDIVIDUAL)
    said = tent.restore(server, "--batch", backed_up.when, expected=1)
    assert "open on: Målgång, Sekretariat" in said
    assert "Nothing was done" in said
    assert rows_of(server, INDIVIDUAL) == before
    assert tent.saved() == []

    tent.restore(server, "--race", "relay", "--batch", backed_up.when, expected=2)
    tent.restore(server, "--race", RELAY, "--batch", backed_up.when)  # that one is nobody's
    laptops[0].close()
    assert "open on: Sekretariat" in tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when, expected=1)
    tent.restore(server, "--race", INDIVIDUAL, "--batch", backed_up.when, "--force")
    assert {row[0] for row in rows_of(server, INDIVIDUAL)["orunner"]} <= {row[0] for row in before["orunner"]}
    assert rows_of(server, INDIVIDUAL) != before
    laptops[1].close()


def test_a_client_that_left_half_a_minute_ago_hinders_nobody(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    laptop = Laptop(server, INDIVIDUAL, name="Målgång")
    laptop.touch_monitor()
    query(server, f"UPDATE `{INDIVIDUAL}`.omonitor SET Modified = NOW() - INTERVAL 40 SECOND")
    assert "dry run" in tent.restore(server, "--dry-run", "--race", INDIVIDUAL)
    laptop.close()


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip
