"""`meosbackup check`: a line for each thing that race day needs, and nothing left behind."""

import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.checkups import RACES, check, failed, findings, to_do
from tests.toolkit.drives import small_disk
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import dump_wrapper, waiting_dump
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import INDIVIDUAL, RACE_LIST, list_race, query
from tests.toolkit.waiting import wait_until

THINGS = ["drive", "waiting room", "server", "clock", "table names", "changes", "dump program", "client program"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_a_good_set_up_is_all_well(place: Place, server: PrivateServer) -> None:
    result = check(place, server)
    told(result, 0)
    found = findings(result)
    assert failed(result) == {}
    assert list(found) == [*THINGS, "race list", *RACES, "space", "sleep", "notify"]
    assert re.fullmatch(r"70 entries, 43 finished; dump good, \d+ kB", found[RACES[0]][0][1])
    assert re.fullmatch(r"[\d.]+ GB free on the drive, enough for more than a day", found["space"][0][1])
    assert "Not backed up" not in result.stdout
    assert result.stdout.splitlines()[-1] == "Ready for race day."
    assert result.stderr == ""


def test_it_leaves_nothing_behind(place: Place, server: PrivateServer) -> None:
    told(check(place, server), 0)
    assert everything_in(place.target) == {}
    assert everything_in(place.spool) == {}
    told(once(place, server), 0)
    before = everything_in(place.target), everything_in(place.spool)
    result = check(place, server)
    told(result, 0, "1 batch on it, the newest from")
    assert (everything_in(place.target), everything_in(place.spool)) == before


def test_it_does_not_disturb_a_backup_that_is_under_way(place: Place, server: PrivateServer) -> None:
    patient = place.folder / "patient.toml"
    patient.write_text("lock_limit = 100\n", "utf-8")
    with running(place, server, "--once", "--config", patient, "--mysqldump", waiting_dump(place)) as tool:
        wait_until((place.folder / "dumping").exists, "the first dump")
        told(check(place, server, "--log-file", place.folder / "check.log"), 0)
        (place.folder / "gate").touch()
        told(tool.ended(), 0, "race list + 4 races")
    assert inventory.read(place.batch_folders[0]).complete


@pytest.mark.parametrize("rights", [
    ["SELECT ON *.*"],
    [f"SELECT, LOCK TABLES ON {RACE_LIST}.*", f"SELECT, LOCK TABLES ON {INDIVIDUAL}.*"],
    [f"SELECT, LOCK TABLES ON {RACE_LIST}.*"],
])  # fmt: skip
def test_a_missing_right(place: Place, server: PrivateServer, rights: list[str]) -> None:
    query(server, "REVOKE ALL ON *.* FROM meos@'%'")
    for right in rights:
        query(server, f"GRANT {right} TO meos@'%'")
    result = check(place, server)
    told(result, 1)
    lines = {line for text in failed(result).values() for line in re.findall("GRANT [^;]+;", text)}
    assert len(lines) == 1, result.stdout
    query(server, lines.pop())
    told(check(place, server), 0)


def test_no_race_list(place: Place, spare: PrivateServer) -> None:
    result = check(place, spare)
    told(result, 1)
    assert failed(result).keys() == {"race list"}
    assert "no race list" in failed(result)["race list"]
    assert "--host" in failed(result)["race list"]
    assert findings(result).keys() >= {"server", "table names", "dump program"}


def test_without_drive_and_server_the_rest_is_checked(place: Place, server: PrivateServer) -> None:
    place.target.rmdir()
    result = check(place, server, "--port", "1")
    told(result, 1)
    assert failed(result).keys() == {"drive", "server"}
    assert "Plug the drive in" in failed(result)["drive"]
    assert "no server listens on this port (Connection refused)" in failed(result)["server"]
    assert "Check that MySQL or MariaDB is running there" in failed(result)["server"]
    assert findings(result).keys() == {
        "drive", "waiting room", "dump program", "client program", "server", "sleep", "notify",
    }  # fmt: skip
    plug_in, start = to_do(result)
    assert plug_in.startswith("drive: Plug the drive in")
    assert start == "server: Check that MySQL or MariaDB is running there, and that --port is its port."
    assert not place.target.exists()


def test_a_system_disk_and_a_login_that_is_refused(place: Place, server: PrivateServer) -> None:
    options = [option for option in place.options if option != "--any-disk"]
    result = run_meosbackup("check", *options, *server_options(server), env=with_password("another-word"))
    assert "another-word" not in told(result, 1)
    assert failed(result).keys() == {"drive", "server"}
    assert "add --any-disk" in failed(result)["drive"]
    assert "refuses the user meos" in failed(result)["server"]
    assert "--ask-password" in failed(result)["server"]


def test_what_cannot_be_written_and_a_missing_program(place: Place, server: PrivateServer) -> None:
    place.spool.write_text("a file")
    with small_disk(place.target, read_only=True):
        result = check(place, server, "--mysqldump", place.folder / "nothing")
    told(result, 1)
    assert failed(result).keys() == {"drive", "waiting room", "dump program"}
    assert "write-protection switch" in failed(result)["drive"]
    assert "With --spool" in failed(result)["waiting room"]
    assert "with --mysqldump PROGRAM" in failed(result)["dump program"]
    assert findings(result).keys() == {*THINGS, "sleep", "notify"}
    assert result.stdout.count("not tried, since something above is missing") == len(RACES)


def test_a_spool_that_is_no_folder_leaves_the_rest_checked(place: Place, server: PrivateServer) -> None:
    place.spool.write_text("a file")
    result = check(place, server)
    told(result, 1)
    assert failed(result).keys() == {"waiting room"}


def test_a_spool_without_room_for_a_dump(place: Place, server: PrivateServer) -> None:
    with small_disk(place.spool, "40k"):
        result = check(place, server)
    told(result, 1)
    assert "Make room on this computer's disk, where the spool is" in " ".join(failed(result).values())


def test_a_drive_without_room_and_a_clock_that_is_behind(place: Place, server: PrivateServer) -> None:
    with small_disk(place.target, "2m"):
        told(once(place, server), 0)
        path = place.batch_folders[0] / "batch.json"
        document = json.loads(path.read_text("utf-8"))
        document["taken"] = (datetime.now().astimezone() + timedelta(hours=1)).isoformat()
        path.write_text(json.dumps(document), "utf-8")
        result = check(place, server)
    told(result, 1)
    assert failed(result).keys() == {"space", "drive"}
    assert "enough for less than an hour" in failed(result)["space"]
    assert to_do(result) == [
        "drive: Set this computer's clock.",
        "space: Delete other files (photos …) from the drive, or use a larger one.",
    ]


def test_clocks_that_differ_and_no_race_of_these_days(place: Place, server: PrivateServer) -> None:
    query(server, f"UPDATE {RACE_LIST}.oevent SET Date = '1999-05-01'")
    query(server, f"SET GLOBAL init_connect = 'SET timestamp = {time.time() + 3600:.0f}'")
    query(server, "REVOKE ALL ON *.* FROM meos@'%'")  # who has all rights is spared init_connect
    query(server, "GRANT SELECT, LOCK TABLES ON *.* TO meos@'%'")
    try:
        result = check(place, server, "--days", "3")
    finally:
        query(server, "SET GLOBAL init_connect = ''")
    told(result, 1)
    assert failed(result).keys() == {"clock", "race"}
    assert re.search(r"3,(59\d|60\d) seconds apart: correct the one that is wrong", failed(result)["clock"])
    assert "--all-races" in failed(result)["race"]


def test_a_race_that_is_not_there_and_dumps_that_fail(place: Place, server: PrivateServer) -> None:
    wrapper = dump_wrapper(place.folder, "exit 0")
    result = check(place, server, "--mysqldump", wrapper, "--race", "Tom tävling", "--race", "Vårracet")
    told(result, 1, "Not backed up", f"{RACES[3]}: not among the races asked for")
    assert failed(result).keys() == {"race", "race list", RACES[2]}
    assert failed(result)["race"] == "no race is called Vårracet. Correct --race, or create it in MeOS."
    assert "wrote no dump" in failed(result)[RACES[2]]
    assert everything_in(place.spool) == {}


def test_a_damaged_table(place: Place, server: PrivateServer) -> None:
    query(server, "FLUSH TABLES")
    path = server.folder / "data" / INDIVIDUAL / "orunner.MYD"
    path.write_bytes(path.read_bytes()[:5000])
    result = check(place, server)
    told(result, 1)
    assert failed(result).keys() == {RACES[0]}
    assert "The table orunner of this race is damaged" in failed(result)[RACES[0]]
    assert "Repair Selected Competition" in to_do(result)[0]


def test_wrong_settings_are_told_before_anything_is_checked(place: Place, server: PrivateServer) -> None:
    result = check(place, server, "--interval", "-1")
    told(result, 2, "--interval is '-1'")
    assert result.stdout == ""


def test_a_client_program_that_is_missing_stops_no_race_day(place: Place, server: PrivateServer) -> None:
    result = check(place, server, "--mysql", place.folder / "nothing")
    said = told(result, 0, "NOTE client program: The client program", "Only `meosbackup restore` needs it")
    assert "with --mysql PROGRAM" in said
    assert said.endswith("Ready for race day. Read the 1 NOTE above.")


def test_a_new_drive_that_is_small_and_races_that_are_left_out(place: Place, server: PrivateServer) -> None:
    for number in range(1, 16):
        list_race(server, f"Race {number}", f"gone_{number}")
    with small_disk(place.target, "64m"):
        result = check(place, server)
    told(result, 0, "Read the 1 NOTE above.")
    [(word, text)] = findings(result)["space"]
    assert word == "NOTE"
    assert re.search(
        r"MB free on the drive, enough for about [1-5] hours? \(old batches are deleted .*\)\. Delete", text
    )
    rows = result.stdout.partition("Not backed up")[2].partition("\n\n")[0].split("\n")
    assert rows[0].strip() == "Race 15 (no date): the server has no database for it"
    assert rows[-1].strip() == "and 4 more"
    assert len(rows) == 12
