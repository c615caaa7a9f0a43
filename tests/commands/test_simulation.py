import random
import re
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.commands.simulation import Laptop, delete_race, open_lost_race, run_laptops
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, load, private_server
from meosbackup.mysql.programs import find_dump_program
from meosbackup.system import process
from tests.toolkit.servers import DATA, EMPTY, INDIVIDUAL, INNODB, RELAY, contents, databases, query
from tests.toolkit.waiting import wait_until

COUNTED = ("ocard", "opunch", "orunner")


def counters(server: PrivateServer, database: str) -> dict[str, tuple[int, int]]:
    """Return for each table that laptops write the greatest Counter of its rows, and what oCounter says."""
    return {
        table: query(
            server, f"SELECT COALESCE(MAX(t.Counter), 0), MAX(o.{table}) FROM `{database}`.`{table}` t"
            f" RIGHT JOIN `{database}`.ocounter o ON TRUE",
        )[0]
        for table in COUNTED
    }  # fmt: skip


def counts(server: PrivateServer, database: str) -> dict[str, int]:
    return {table: len(rows) for table, rows in contents(server, database).items()}


def test_a_card_is_read_out(server: PrivateServer) -> None:
    before, numbers = counts(server, INDIVIDUAL), counters(server, INDIVIDUAL)
    with closing(Laptop(server, INDIVIDUAL, seed=1)) as laptop:
        laptop.read_card()
    assert counts(server, INDIVIDUAL) == before | {"ocard": before["ocard"] + 1}
    [(number, punches, finish, status, start)] = query(
        server,
        f"SELECT c.CardNo, c.Punches, r.FinishTime, r.Status, r.StartTime FROM `{INDIVIDUAL}`.ocard c"
        f" JOIN `{INDIVIDUAL}`.orunner r ON r.Card = c.Id AND r.CardNo = c.CardNo WHERE c.Counter = %s",
        numbers["ocard"][0] + 1,
    )
    assert number > 0
    assert re.fullmatch(r"(\d+-\d+\.\d#\d+;){3,}", punches)
    assert f"1-{start // 10}.{start % 10}#" in punches
    assert f"2-{finish // 10}.{finish % 10}#" in punches
    assert finish > start > 0
    assert status in {1, 3, 4}
    assert counters(server, INDIVIDUAL) == numbers | {
        table: (numbers[table][0] + 1, numbers[table][0] + 1) for table in ("ocard", "orunner")
    }


def test_a_card_is_read_again_when_all_have_come_in(server: PrivateServer) -> None:
    query(server, f"UPDATE `{RELAY}`.orunner SET Status = 20 WHERE FinishTime = 0")
    before = counts(server, RELAY)
    with_card = query(server, f"SELECT COUNT(*) FROM `{RELAY}`.orunner WHERE Card <> 0")
    query(server, f"UPDATE `{RELAY}`.orunner SET Removed = 1 WHERE Card = 0")
    with closing(Laptop(server, RELAY)) as laptop:
        for _ in range(5):
            laptop.read_card()
    assert with_card[0][0] > 0
    assert counts(server, RELAY) == before


def test_a_late_entry_a_punch_and_a_status(server: PrivateServer) -> None:
    before, numbers = counts(server, INNODB), counters(server, INNODB)
    with closing(Laptop(server, INNODB, seed=3)) as laptop:
        laptop.enter_late()
        laptop.add_punch()
        laptop.change_status()
        assert (laptop.changes, laptop.failures) == (3, 0)
        assert laptop.longest_wait > 0
    assert counts(server, INNODB) == before | {
        "orunner": before["orunner"] + 1, "opunch": before["opunch"] + 1
    }  # fmt: skip
    after = counters(server, INNODB)
    assert after["orunner"] == (numbers["orunner"][0] + 2,) * 2
    assert after["opunch"] == (numbers["opunch"][0] + 1,) * 2
    assert after["ocard"] == numbers["ocard"]


def test_a_client_is_listed_while_it_is_connected(server: PrivateServer) -> None:
    with closing(Laptop(server, INDIVIDUAL, name="Målgång")) as laptop:
        laptop.touch_monitor()
        laptop.touch_monitor()
        listed = f"SELECT Client, Count, Counter, Removed FROM `{INDIVIDUAL}`.omonitor"
        assert query(server, listed) == [("Målgång", 2, 0, 0)]
    assert query(server, listed) == [("Målgång", 2, 0, 1)]


def test_an_empty_race_can_be_worked_on(server: PrivateServer) -> None:
    with closing(Laptop(server, EMPTY)) as laptop:
        for _ in range(30):
            laptop.change()
        assert (laptop.changes, laptop.failures) == (30, 0)
    assert len(contents(server, EMPTY)["ocard"]) > 0


def test_the_same_seed_makes_the_same_changes(server: PrivateServer, spare: PrivateServer) -> None:
    load(spare, DATA / "individual.sql")
    seed = random.randrange(1000)
    for one in (server, spare):
        with closing(Laptop(one, INDIVIDUAL, seed=seed)) as laptop:
            for _ in range(40):
                laptop.change()
    for table in COUNTED:
        rows = f"SELECT * FROM `{INDIVIDUAL}`.{table} ORDER BY Id"
        columns = [name for (name, *_) in query(server, f"SHOW COLUMNS FROM `{INDIVIDUAL}`.{table}")]
        modified = columns.index("Modified")
        first, second = (
            [(*row[:modified], *row[modified + 1 :]) for row in query(one, rows)] for one in (server, spare)
        )
        assert first == second, f"seed {seed}"


def test_laptops_at_work_keep_their_counters_whole_under_a_running_dump(server: PrivateServer, tmp_path: Path) -> None:
    dump_program = find_dump_program(None).path
    races = (INDIVIDUAL, INNODB)
    earlier = {race: counters(server, race) for race in races}
    stop = threading.Event()
    with run_laptops(server, (*races, *races), stop, pause=0.01) as laptops:
        for run in range(6):
            result = process.run(
                [dump_program, "--no-defaults", f"--host={server.host}", f"--port={server.port}", "--user=root",
                 f"--result-file={tmp_path / str(run)}", "--databases", *races], limit=30,
            )  # fmt: skip
            assert result.code == 0, result.errors
            for race in races:
                now = counters(server, race)
                assert all(now[table] >= earlier[race][table] for table in COUNTED)
                earlier[race] = now
    assert all(laptop.changes > 5 for laptop in laptops)
    assert [laptop.failures for laptop in laptops] == [0] * 4
    assert all(laptop.longest_wait > 0 for laptop in laptops)
    for race in races:
        assert all(in_rows == in_counter for in_rows, in_counter in counters(server, race).values())
        for table in COUNTED:
            changed = f"FROM `{race}`.{table} WHERE Counter > 0"
            assert query(server, f"SELECT COUNT(*) - COUNT(DISTINCT Counter) {changed}") == [(0,)]
        assert query(server, f"SELECT COUNT(*) FROM `{race}`.omonitor WHERE Removed = 0") == [(0,)]
    assert not [thread for thread in threading.enumerate() if "_work" in thread.name]


def test_laptops_outlive_a_restart_of_the_server(server: PrivateServer) -> None:
    with run_laptops(server, [INNODB], threading.Event(), pause=0.01) as [laptop]:
        wait_until(lambda: laptop.changes > 3, "changes")
        server.kill()
        wait_until(lambda: laptop.failures > 0, "a failure")
        server.start()
        before = laptop.changes
        wait_until(lambda: laptop.changes > before + 3, "more changes")


def test_laptops_end_early_when_they_are_told_to(server: PrivateServer) -> None:
    stop = threading.Event()
    with run_laptops(server, [INDIVIDUAL], stop, pause=0.01) as [laptop]:
        wait_until(lambda: laptop.changes > 0, "a change")
        stop.set()
        wait_until(
            lambda: query(server, f"SELECT Removed FROM `{INDIVIDUAL}`.omonitor") == [(1,)], "the laptop's leave"
        )
        changes = laptop.changes
        time.sleep(0.1)
        assert laptop.changes == changes


def test_a_race_is_deleted_and_opened_again_as_an_empty_shell(server: PrivateServer) -> None:
    name_id = "meos_20261122_211713_94"
    tables = set(contents(server, RELAY))
    delete_race(server, name_id)
    assert RELAY not in databases(server)
    assert query(server, "SELECT COUNT(*) FROM meosmain.oevent WHERE NameId = %s", name_id) == [(0,)]
    assert query(server, "SELECT COUNT(*) FROM meosmain.oevent") == [(3,)]
    open_lost_race(server, name_id, like=INDIVIDUAL)
    assert contents(server, RELAY) == {table: [] for table in tables}


@pytest.mark.skipif(sys.platform != "linux", reason="the file system must tell MeOSMain from meosmain")
def test_names_in_upper_case_are_found_as_the_server_spells_them(server_program: ServerProgram) -> None:
    name_id = "meos_20261122_211713_94ABC"
    with private_server(program=server_program, lower_case_table_names=0) as plain:
        load(plain, DATA / "lctn0.sql")
        with closing(Laptop(plain, name_id.lower())) as laptop:
            laptop.read_card()
            laptop.touch_monitor()
            assert laptop.changes == 1
        open_lost_race(plain, "meos_lost_1E5", like=name_id)
        assert query(plain, "SHOW TABLES FROM `meos_lost_1E5` LIKE 'oRunner'") == [("oRunner",)]
        delete_race(plain, name_id)
        assert databases(plain) == {"MeOSMain", "meos_lost_1E5"}
        assert query(plain, "SELECT NameId FROM MeOSMain.oEvent WHERE NameId = %s", name_id) == []
