"""A spare server, kept up to date over a day: what is there, what is left alone, and what is told of it."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.commands.simulation import Laptop, delete_race, open_lost_race
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, connect, load, private_server
from meosbackup.system import disks
from tests.toolkit.day import Day
from tests.toolkit.drives import small_disk
from tests.toolkit.running import running
from tests.toolkit.runs import told, tool_environment, with_password
from tests.toolkit.servers import (
    EMPTY,
    FILES,
    INDIVIDUAL,
    INNODB,
    RELAY,
    databases,
    enter_runner,
    having,
    make_pristine,
    query,
    rows_of,
)
from tests.toolkit.tent import NAMES, RACES, races
from tests.toolkit.waiting import PATIENCE, wait_until

IN_USE = "ALARM MeOS works on the spare server now"


@pytest.fixture
def day(tmp_path: Path, server: PrivateServer) -> Day:
    return Day(folder=tmp_path, server=server)


def standby(spare: PrivateServer, host: str = "") -> list[str]:
    return ["--standby", f"{host or spare.host}:{spare.port}"]


def feed(day: Day, spare: PrivateServer, *more: str, env: Mapping[str, str] | None = None, expected: int = 0) -> str:
    """Make a batch, bring the spare server up to it, and return what was said in one line."""
    done = day.once(*standby(spare), *more, env=env, expected=expected)
    return told(done, expected)


def adopt(day: Day, spare: PrivateServer, answer: str) -> str:
    """Start with --adopt-standby, answer, and return what was said in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "meosbackup", *day.arguments("--once", *standby(spare), "--adopt-standby")],
        env={**tool_environment(), **with_password()}, input=answer, capture_output=True, encoding="utf-8",
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return told(done, 0)


def listed(server: PrivateServer, *columns: str) -> list[tuple[object, ...]]:
    return query(server, f"SELECT {', '.join(columns or ('Name', 'Date', 'NameId', 'Version'))} FROM MeOSMain.oEvent")


def assert_same(server: PrivateServer, spare: PrivateServer, *names: str) -> None:
    """See that the spare server has the same rows in every table, and nothing half done."""
    for name in names or RACES:
        assert rows_of(spare, name) == rows_of(server, name), name
    assert not [name for name in databases(spare) if name.startswith("meosbackup-")]


# What is there


def test_races_and_what_changes_come_to_the_spare_server(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    query(spare, "CREATE DATABASE meosbackup")  # its table was about to be made when something ended that
    assert "Spare server 127.0.0.1, port" in (said := feed(day, spare))
    assert "spare server ready" in said
    assert_same(server, spare)
    assert listed(spare) == listed(server)
    times = "SELECT TABLE_NAME, CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
    made = query(spare, times, INNODB)

    enter_runner(server, RELAY)
    query(server, f"DELETE FROM {RELAY}.dbrunner")
    query(server, f"DELETE FROM {RELAY}.dbclub")
    query(server, f"UPDATE {INDIVIDUAL}.oevent SET Name = 'Ny', Counter = Counter + 1")
    query(server, "UPDATE MeOSMain.oEvent SET Name = 'Ny' WHERE NameId LIKE '%1E5'")
    feed(day, spare)
    assert_same(server, spare)
    assert listed(spare) == listed(server)
    again = query(
        spare, "SELECT TABLE_NAME, CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", INNODB
    )
    assert again == made  # what didn't change isn't put there again


def test_a_deleted_race_stays_and_others_there_are_left_alone(
    day: Day, server: PrivateServer, spare: PrivateServer
) -> None:
    load(spare, FILES[RELAY])
    query(spare, f"RENAME TABLE {RELAY}.orunner TO {RELAY}.mine")
    open_lost_race(spare, EMPTY, like=RELAY)
    others, before = ["meos_20250101_000000_1", "photos"], rows_of(spare, RELAY)
    for name in others:
        query(spare, f"CREATE DATABASE {name}")
    said = feed(day, spare)
    note = "NOTE not put on the spare server: Stafettkväll – Relais d'Été: there, but not from meosbackup."
    assert f"{note} To have it saved and replaced: meosbackup" in said
    assert "--adopt-standby" in said
    assert "spare server ready, except Stafettkväll" in said
    assert_same(server, spare, EMPTY)
    delete_race(server, INNODB)
    there = rows_of(spare, INNODB)
    feed(day, spare)
    assert rows_of(spare, RELAY) == before
    assert rows_of(spare, INNODB) == there
    assert {*others, INNODB, RELAY} <= databases(spare)


def test_the_login_of_the_spare_server_may_be_another(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    query(spare, "CREATE USER feeder@'%' IDENTIFIED BY 'other'")
    login = day.folder / "login.cnf"
    login.write_text("[client]\nuser=feeder\npassword=other\n")
    login.chmod(0o600)
    env = {"MEOSBACKUP_STANDBY_DEFAULTS_FILE": str(login)}
    said = feed(day, spare, env=env, expected=1)
    assert "as user feeder" in said
    assert "FAIL" in said
    assert (
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES ON *.* TO 'feeder'@'%'" in said
    )
    assert len(day.batches()) == 1
    privileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES"
    query(spare, f"GRANT {privileges} ON *.* TO feeder@'%'")
    with having(spare, read_only=1):
        said = feed(day, spare, env=env, expected=1)
        assert "read-only" in said
        assert "Backups are not affected." in said
    assert "spare server ready" in feed(day, spare, env=env)
    assert_same(server, spare)


# What is in use there


def test_a_race_that_was_changed_there_is_not_fed_any_more(
    day: Day, server: PrivateServer, spare: PrivateServer
) -> None:
    feed(day, spare)
    query(spare, f"UPDATE {INDIVIDUAL}.orunner SET Name = 'X' LIMIT 1")
    before = rows_of(spare, INDIVIDUAL)
    enter_runner(server, INDIVIDUAL)
    enter_runner(server, RELAY)
    said = feed(day, spare)
    assert f"{IN_USE}: Höstmedeln «Осень» O'Cup (it was changed there) is not fed any more." in said
    assert "spare server ready, except Höstmedeln" in said
    assert f"--port {spare.port} --standby 127.0.0.1:{server.port} --adopt-standby" in said
    assert rows_of(spare, INDIVIDUAL) == before
    assert_same(server, spare, RELAY)


@pytest.mark.parametrize("way", ["a sign of life", "a connection"])
def test_a_race_that_is_open_there_is_not_fed_any_more(
    day: Day, server: PrivateServer, spare: PrivateServer, way: str
) -> None:
    feed(day, spare)
    with closing(connect(spare, RELAY if way == "a connection" else "mysql")), closing(Laptop(spare, RELAY)) as laptop:
        if way == "a sign of life":
            laptop.touch_monitor()
        enter_runner(server, RELAY)
        before = rows_of(spare, RELAY)
        assert f"{IN_USE}: Stafettkväll – Relais d'Été (a program has it open there" in feed(day, spare)
    query(spare, f"DELETE FROM {RELAY}.omonitor")
    assert IN_USE in feed(day, spare)  # though it is closed by now
    assert rows_of(spare, RELAY)["orunner"] == before["orunner"] != rows_of(server, RELAY)["orunner"]


def test_what_is_in_use_can_be_saved_and_fed_again(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    load(spare, FILES[RELAY])
    feed(day, spare)
    query(spare, f"UPDATE {INDIVIDUAL}.orunner SET Name = 'X' LIMIT 1")
    enter_runner(spare, RELAY, "Only there")
    enter_runner(server, INDIVIDUAL)
    before = {name: rows_of(spare, name) for name in (INDIVIDUAL, RELAY)}

    said = adopt(day, spare, "no\n")
    assert "Nothing is replaced" in said
    assert {name: rows_of(spare, name) for name in before} == before
    assert not [one for one in day.batches() if not one.is_backup]

    said = adopt(day, spare, "yes\n")
    assert "Höstmedeln" in said
    assert "OK spare server: saved as the batch from" in said
    assert IN_USE not in said
    assert_same(server, spare)
    [saved] = [one for one in day.stored() if not one.batch.is_backup]
    query(spare, f"DROP DATABASE {RELAY}")
    restored = subprocess.run(
        [sys.executable, "-m", "meosbackup", "restore", "--yes", "--batch", saved.when, "--race", NAMES[RELAY],
         *day.folders, "--host", spare.host, "--port", str(spare.port)],
        env={**tool_environment(), **with_password()}, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    told(restored, 0)
    assert rows_of(spare, RELAY) == before[RELAY]


def test_a_race_that_meos_has_open_there_is_not_adopted(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    load(spare, FILES[RELAY])
    with closing(Laptop(spare, RELAY, name="Tent 2")) as laptop:
        laptop.touch_monitor()
        before = rows_of(spare, RELAY)
        said = adopt(day, spare, "yes\n")
        assert "NOT ADOPTED: MeOS has it open on Tent 2. Close it there first" in said
        assert rows_of(spare, RELAY) == before
    assert_same(server, spare, INDIVIDUAL)


# Which server it is


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "the host name", "the socket"])
def test_the_race_server_under_another_name_is_refused(day: Day, server: PrivateServer, name: str) -> None:
    host = {"the host name": platform.node(), "the socket": "localhost"}.get(name, name)
    before = races(server), databases(server)
    more = ["--socket", str(server.socket)] if name == "the socket" else []
    done = day.once("--standby", f"{host}:{server.port}", *more, expected=2)
    said = told(done, 2, "is the race server itself, under another name or address")
    assert "Nothing was put on it." in said
    assert (races(server), databases(server)) == before
    assert not day.stored()


# When it is away


def test_a_spare_server_that_comes_and_goes(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    spare.stop()
    day.target.mkdir()
    with running(day, server, "--interval", "1", "--all-races", *standby(spare)) as tool:
        tool.waits_for("FAIL The spare server at 127.0.0.1")
        tool.waits_for("Backups are not affected.")
        spare.start()
        tool.waits_for("spare server ready")
        assert_same(server, spare)
        spare.stop()
        tool.waits_for("It has the races as of")
        enter_runner(server, RELAY)
        batches = len(day.batches())
        wait_until(lambda: len(day.batches()) > batches, "a batch without the spare server")
        spare.start()
        tool.waits_for("all is well again", times=2)
        wait_until(lambda: rows_of(spare, RELAY) == rows_of(server, RELAY), "the spare server has caught up")
        server.stop()
        tool.waits_for("To go on there: in MeOS, page Competition")
        server.start()
        tool.press_ctrl_c()
    assert IN_USE not in tool.said


def test_a_spare_server_without_room_is_told(
    day: Day, server: PrivateServer, server_program: ServerProgram, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "120m") as disk, private_server(disk, program=server_program) as full:
        make_pristine(full, {}, {})
        feed(day, full)
        before = rows_of(full, INNODB)
        enter_runner(server, INNODB)
        with (disk / "filler").open("wb") as filler:
            filler.write(bytes(disks.free_bytes(disk) - 600_000))
        said = feed(day, full, expected=1)
        assert "could not be put on the spare server" in said
        assert "full" in said
        assert rows_of(full, INNODB) == before
        (disk / "filler").unlink()
        assert "spare server ready" in feed(day, full)
        assert_same(server, full)
