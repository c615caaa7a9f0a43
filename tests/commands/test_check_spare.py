"""`meosbackup check --standby`: what is told of the spare server, and nothing left behind on it."""

import re
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer, load
from tests.toolkit.checkups import RACES, check, failed, findings, to_do
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.readme import README
from tests.toolkit.runs import Completed, told
from tests.toolkit.servers import FILES, INDIVIDUAL, MEOS_USER, RACE_LIST, databases, having, list_race, query

NAMES = ["spare server", *(f"spare server, {name}" for name in (
    "clock", "privileges", "programs", "table names", "races", "room", "max_allowed_packet",
))]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def standby(spare: PrivateServer) -> list[str]:
    return ["--standby", f"{spare.host}:{spare.port}"]


def login_of_readme(place: Place, spare: PrivateServer) -> list[str]:
    """Make a user there who has what README says is enough, and return the options that log in as that user."""
    [grant] = re.findall(r"^ +(GRANT .*PROCESS.*;)$", README, re.MULTILINE)
    query(spare, "CREATE USER feeder@'%' IDENTIFIED BY 'word'")
    query(spare, grant.replace("'meos'", "'feeder'"))
    config = place.folder / "spare.toml"
    config.write_text("standby_user = 'feeder'\nstandby_password = 'word'\n", "utf-8")
    return [*standby(spare), "--config", str(config)]


def of_spare(result: Completed) -> dict[str, tuple[str, str]]:
    return {name: found[-1] for name, found in findings(result).items() if name.startswith("spare server")}


def test_a_spare_server_that_is_ready(place: Place, server: PrivateServer, exact: PrivateServer) -> None:
    options = login_of_readme(place, exact)
    result = check(place, server, *options)
    told(result, 0)
    found = of_spare(result)
    assert [*found] == NAMES
    assert {word for word, _ in found.values()} == {"OK"}
    assert "1 on the race server and 0 on the spare one, which works" in found["spare server, table names"][1]
    assert re.search(r"needed for all races.*; [\d.]+ GB free there", found["spare server, room"][1])
    assert databases(exact) == set()
    assert of_spare(check(place, server)) == {}

    told(once(place, server, *options), 0, "spare server ready")
    query(exact, "UPDATE `meos_20261122_211702_1E5`.oRunner SET Name = 'X' LIMIT 1")
    before = databases(exact)
    result = check(place, server, *options)
    said = told(result, 0, "Ready for race day. Read the 1 NOTE above.", "--adopt-standby")
    assert f"{RACES[0]} (it was changed there)" in of_spare(result)["spare server, races"][1]
    assert "InnoDB-tävlingen" not in of_spare(result)["spare server, races"][1], said
    assert databases(exact) == before


@pytest.mark.parametrize("rights", ["SELECT", "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, LOCK TABLES"])
def test_a_privilege_is_missing_there(place: Place, server: PrivateServer, spare: PrivateServer, rights: str) -> None:
    query(spare, f"REVOKE ALL ON *.* FROM {MEOS_USER}@'%'")
    query(spare, f"GRANT {rights} ON *.* TO {MEOS_USER}@'%'")
    result = check(place, server, *standby(spare))
    told(result, 1)
    assert failed(result).keys() == {"spare server, privileges"}
    [line] = re.findall("GRANT [^;]+;", to_do(result)[0])
    query(spare, line)
    told(check(place, server, *standby(spare)), 0)
    assert databases(spare) == set()


def test_the_race_server_itself_is_refused(place: Place, server: PrivateServer) -> None:
    before = databases(server)
    result = check(place, server, "--standby", f"127.1:{server.port}")
    told(result, 1)
    assert "is the race server itself, under another name or address" in failed(result)["spare server"]
    assert to_do(result) == [
        "spare server: With --standby, name the server of another computer; or leave --standby out."
    ]
    assert databases(server) == before


def test_no_server_there_and_no_client_program(place: Place, server: PrivateServer) -> None:
    result = check(place, server, "--standby", "127.0.0.1:1", "--mysql", place.folder / "nothing")
    told(result, 1)
    assert failed(result).keys() == {"client program", "spare server"}
    assert failed(result)["spare server"].startswith("The spare server at 127.0.0.1, port 1 doesn't answer")
    assert "--standby names its port" in failed(result)["spare server"]
    assert "retry" not in failed(result)["spare server"]


def test_what_of_its_settings_is_in_the_way(place: Place, server: PrivateServer, spare: PrivateServer) -> None:
    query(server, f"UPDATE {INDIVIDUAL}.orunner SET Annotation = REPEAT('x', 2000) LIMIT 1")
    with having(spare, read_only=1, max_allowed_packet=1024, sql_mode="ANSI_QUOTES"):
        result = check(place, server, *standby(spare))
    told(result, 1)
    assert failed(result).keys() == {"spare server, read_only", "spare server, max_allowed_packet"}
    assert "SET GLOBAL max_allowed_packet" in failed(result)["spare server, max_allowed_packet"]
    assert of_spare(result)["spare server, sql_mode"][0] == "NOTE"


def test_the_room_on_another_computer(place: Place, server: PrivateServer, spare: PrivateServer) -> None:
    another_host = f"127.1:{spare.port}"  # not known to be this computer's
    result = check(place, server, "--standby", another_host)
    said = told(result, 0)
    assert re.search(r"needed for all races.*; how much is free there can't be told from here", said)
    if "MariaDB" not in query(spare, "SELECT VERSION()")[0][0]:
        pytest.skip("only MariaDB has the plugin")
    query(spare, "INSTALL SONAME 'disks'")
    try:
        result = check(place, server, "--standby", another_host)
    finally:
        query(spare, "UNINSTALL SONAME 'disks'")
    assert re.search(r"[\d.]+ GB free there", of_spare(result)["spare server, room"][1])


def test_races_that_are_one_to_the_spare_server(place: Place, exact: PrivateServer, spare: PrivateServer) -> None:
    load(exact, FILES[RACE_LIST])
    for name_id in ("Relay_1", "relay_1"):
        query(exact, f"CREATE DATABASE {name_id}")
        list_race(exact, f"The {name_id}", name_id)
    result = check(place, exact, *standby(spare))
    assert (
        "The Relay_1 (no date) and The relay_1 (no date) are the same"
        in of_spare(result)["spare server, table names"][1]
    )
