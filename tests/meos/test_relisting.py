"""A race's dump alone: fed with the plain `mysql` client, it brings the race back and lists it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.model import Batch, Race
from meosbackup.commands.simulation import delete_race
from meosbackup.meos import changes, relisting
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import find_client_program
from meosbackup.store import inventory
from tests.toolkit.batches import dump_file
from tests.toolkit.runs import run_meosbackup, server_options, with_password
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RACE_LIST, RELAY, contents, databases, query

RACES = (INDIVIDUAL, RELAY, EMPTY, INNODB)
OTHER_RACE = ("Ungdomens dag", "meos_20261121_080000_1")


@pytest.fixture
def dumps(server: PrivateServer, tmp_path: Path) -> dict[str, Path]:
    """The races' dumps, by database, of a batch that the tool made."""
    folder, target = tmp_path / "batches", tmp_path / "drive"
    target.mkdir()
    made = run_meosbackup(
        "--once", "--target", target, "--any-disk", "--spool", folder, "--log-file", tmp_path / "log", "--all-races",
        *server_options(server), env=with_password(),
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    [stored] = inventory.find(folder).batches
    return {entry.database: stored.folder / dump_file(entry).file for entry in stored.batch.races}


def feed(server: PrivateServer, entry: Path) -> None:
    """Do what a helper without meosbackup does: mysql < dump."""
    client = find_client_program(None).path
    address = [f"--socket={server.socket}"] if server.socket else [f"--host={server.host}", f"--port={server.port}"]
    with entry.open("rb") as statements:
        done = subprocess.run(
            [client, "--no-defaults", *address, "--user=root"], stdin=statements, capture_output=True, check=False
        )
    # MariaDB's client since 11.4 says what it thinks of a root without a password.
    said = [line for line in done.stderr.splitlines() if b"passwordless login" not in line]
    assert (done.returncode, said) == (0, [])


def race_list(server: PrivateServer) -> list[dict[str, Any]]:
    """Return the rows of the race list as MeOS finds them: MeOSMain.oEvent in that very spelling."""
    names = ("Id", "Name", "Annotation", "Date", "ZeroTime", "NameId", "Version", "Removed", "Modified", "Counter")
    rows = query(server, f"SELECT {', '.join(names)} FROM MeOSMain.oEvent ORDER BY Id")
    return [dict(zip(names, row, strict=True)) for row in rows]


def row_of(server: PrivateServer, database: str) -> dict[str, Any]:
    [row] = [row for row in race_list(server) if row["NameId"].lower() == database]
    return row


def own_id(server: PrivateServer, database: str) -> int:
    [(number,)] = query(server, f"SELECT Id FROM `{database}`.oevent")
    return int(number)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of its race; Modified and Counter serve the clients alone."""
    return {name: value for name, value in row.items() if name not in {"Modified", "Counter"}}


def race_rows(server: PrivateServer, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a race's race tables."""
    return {name: rows for name, rows in contents(server, database).items() if name not in changes.REFERENCE_TABLES}


@pytest.mark.parametrize("database", RACES)
def test_a_deleted_race_comes_back_and_is_listed(server: PrivateServer, dumps: dict[str, Path], database: str) -> None:
    query(server, "UPDATE MeOSMain.oEvent SET Version = 90")  # that of the batch, 101, is meant
    row, others, rows = (
        row_of(server, database),
        [row for row in race_list(server) if row["NameId"].lower() != database],
        race_rows(server, database),
    )
    delete_race(server, row["NameId"])
    assert race_list(server) == others
    feed(server, dumps[database])
    assert told(row_of(server, database)) == told({**row, "Version": 101})
    assert [row for row in race_list(server) if row["NameId"].lower() != database] == others
    assert race_rows(server, database) == rows
    assert own_id(server, database) == row["Id"]


@pytest.mark.parametrize("database", RACES)
def test_feeding_it_twice_changes_nothing_more(server: PrivateServer, dumps: dict[str, Path], database: str) -> None:
    delete_race(server, row_of(server, database)["NameId"])
    feed(server, dumps[database])
    rows = race_list(server), contents(server, database)
    query(server, "DO SLEEP(1.1)")  # so that a row that is written again would have another Modified
    feed(server, dumps[database])
    assert (race_list(server), contents(server, database)) == rows


@pytest.mark.parametrize("database", [INDIVIDUAL, INNODB])
def test_where_its_id_is_another_races_it_takes_a_free_one_in_both_places(
    server: PrivateServer, dumps: dict[str, Path], database: str
) -> None:
    row, rows = row_of(server, database), race_rows(server, database)
    delete_race(server, row["NameId"])
    query(server, "INSERT INTO MeOSMain.oEvent (Id, Name, NameId) VALUES (%s, %s, %s)", row["Id"], *OTHER_RACE)
    before = race_list(server)
    feed(server, dumps[database])
    new = row_of(server, database)
    assert new["Id"] not in {row["Id"] for row in before}
    assert told(new) == told({**row, "Id": new["Id"]})
    assert own_id(server, database) == new["Id"]
    assert [row for row in race_list(server) if row != new] == before
    back = race_rows(server, database)
    assert {name: back[name] for name in back if name != "oevent"} == {
        name: rows[name] for name in rows if name != "oevent"
    }

    after = race_list(server), contents(server, database)
    query(server, "DO SLEEP(1.1)")
    feed(server, dumps[database])
    assert (race_list(server), contents(server, database)) == after


def test_a_race_that_is_listed_under_another_id_keeps_that_one(server: PrivateServer, dumps: dict[str, Path]) -> None:
    query(server, "UPDATE MeOSMain.oEvent SET Id = 77 WHERE NameId = %s", row_of(server, RELAY)["NameId"])
    before = race_list(server)
    feed(server, dumps[RELAY])
    assert race_list(server) == before
    assert own_id(server, RELAY) == 77


def test_a_row_that_is_marked_removed_is_listed_again(server: PrivateServer, dumps: dict[str, Path]) -> None:
    before = race_list(server)
    query(server, "UPDATE MeOSMain.oEvent SET Removed = 1, Modified = Modified WHERE Id IN (1, 3)")
    feed(server, dumps[INDIVIDUAL])
    after = race_list(server)
    assert [row["Removed"] for row in after] == [0, 0, 1, 0]
    assert [told({**row, "Removed": 0}) for row in after] == list(map(told, before))


@pytest.mark.parametrize("database", RACES)
def test_a_spare_server_without_a_race_list_gets_one(
    server: PrivateServer, spare: PrivateServer, dumps: dict[str, Path], database: str
) -> None:
    assert databases(spare) == set()
    feed(spare, dumps[database])
    assert databases(spare) == {RACE_LIST, database}
    assert list(map(told, race_list(spare))) == [told(row_of(server, database))]
    assert race_rows(spare, database) == race_rows(server, database)


def test_the_race_list_that_it_makes_is_like_that_of_meos(
    server: PrivateServer, spare: PrivateServer, dumps: dict[str, Path]
) -> None:
    feed(spare, dumps[EMPTY])
    ask = (
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLUMN_KEY, CHARACTER_SET_NAME"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'meosmain' ORDER BY ORDINAL_POSITION"
    )
    assert query(spare, ask) == query(server, ask)


@pytest.mark.parametrize("database", RACES)
def test_a_server_that_tells_case_apart_lists_it_where_meos_looks(
    server: PrivateServer, exact: PrivateServer, dumps: dict[str, Path], database: str
) -> None:
    feed(exact, dumps[database])
    assert "MeOSMain" in databases(exact)
    assert list(map(told, race_list(exact))) == [told(row_of(server, database))]
    assert race_rows(exact, database) == race_rows(server, database)
    feed(exact, dumps[database])
    assert len(race_list(exact)) == 1


def test_all_races_of_a_server_find_room_on_one_list(
    server: PrivateServer, spare: PrivateServer, dumps: dict[str, Path]
) -> None:
    for database in reversed(RACES):
        feed(spare, dumps[database])
    assert list(map(told, race_list(spare))) == list(map(told, race_list(server)))
    for database in RACES:
        assert own_id(spare, database) == row_of(spare, database)["Id"]


# Text that others chose

NASTY = "x' OR 1=1; DROP DATABASE `victim`; -- \\' \" \\"


def test_a_nameid_is_never_sql(spare: PrivateServer, tmp_path: Path) -> None:
    query(spare, "CREATE DATABASE victim")
    query(spare, "CREATE DATABASE race")
    query(
        spare,
        "CREATE TABLE race.oevent (Id INT, Name TEXT, Annotation TEXT, Date TEXT, ZeroTime INT, Modified TIMESTAMP)",
    )
    query(spare, "INSERT INTO race.oevent VALUES (9, %s, %s, '', 0, NOW())", NASTY, NASTY)
    path = tmp_path / "statements.sql"
    path.write_bytes(relisting.statements(Race(NASTY, NASTY, NASTY, NASTY, 9, 101), "race", "oevent"))
    for _ in range(2):
        feed(spare, path)
    assert databases(spare) == {RACE_LIST, "race", "victim"}
    assert [(row["Id"], row["Name"], row["NameId"]) for row in race_list(spare)] == [(9, NASTY, NASTY)]


text = st.text(st.characters(exclude_categories=["Cs"]))
identifier = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1)
_PLAIN = relisting.statements(Race("", "", "", "meos", 1, 1), "database", "table").decode()
other_identifier = identifier.filter(lambda name: f"`{name}`" not in _PLAIN)
"""A name that the statements don't use for anything else, as they do `oEvent`."""


@given(text, text, other_identifier, other_identifier, st.integers(0, 2**31))
def test_no_text_leaves_its_literal(name: str, name_id: str, database: str, table: str, version: int) -> None:
    def shape(statements: bytes, *names: str) -> str:
        lines = statements.decode()
        for known in names:
            lines = lines.replace("`" + known.replace("`", "``") + "`", "`?`")
        return re.sub("X'[0-9a-f]*'", "X'?'", lines)

    race = Race(name, name, name, name_id, 1, version)
    plain = relisting.statements(Race("", "", "", "meos", 1, version), "database", "table")
    assert shape(relisting.statements(race, database, table), database, table) == shape(plain, "database", "table")
    assert {bytes.fromhex(digits.decode()) for digits in re.findall(rb"X'([0-9a-f]*)'", relisting.statements(
        race, database, table))} == {name_id.encode()}  # fmt: skip


@given(text)
def test_nothing_of_a_race_but_its_nameid_stands_there_as_text(name: str) -> None:
    race, plain = Race(name, name, name, "meos_1", 1, 101), Race("", "", "", "meos_1", 1, 101)
    assert relisting.statements(race, "d", "t") == relisting.statements(plain, "d", "t")


def test_a_batch_says_what_its_dumps_say(dumps: dict[str, Path]) -> None:
    found: Batch = inventory.read(next(iter(dumps.values())).parent)
    assert {entry.database for entry in found.races} == set(RACES)
    assert all(dumps[entry.database].read_bytes().count(relisting.MARK) == 4 for entry in found.races)
