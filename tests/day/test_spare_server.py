"""A spare server, kept up to date over a day: what is there, what is left alone, and what is told of it."""

from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.day import Day
from tests.toolkit.runs import in_one_line
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RELAY, databases, enter_runner, query, rows_of

RACES = (INDIVIDUAL, RELAY, EMPTY, INNODB)


@pytest.fixture
def day(tmp_path: Path, server: PrivateServer) -> Day:
    return Day(folder=tmp_path, server=server)


def standby(spare: PrivateServer) -> list[str]:
    return ["--standby", f"{spare.host}:{spare.port}"]


def assert_same(server: PrivateServer, spare: PrivateServer, *races: str) -> None:
    for race in races or RACES:
        assert rows_of(spare, race) == rows_of(server, race)


def test_all_races_come_to_the_spare_server(day: Day, server: PrivateServer, spare: PrivateServer) -> None:
    said = day.once(*standby(spare)).stdout
    assert "spare server ready" in in_one_line(said)
    assert_same(server, spare)
    assert databases(spare) == databases(server) | {"meosbackup"}
    enter_runner(server, RELAY)
    day.once(*standby(spare))
    assert_same(server, spare)


def test_a_race_that_was_changed_there_is_not_fed_any_more(
    day: Day, server: PrivateServer, spare: PrivateServer
) -> None:
    day.once(*standby(spare))
    query(spare, f"UPDATE {INDIVIDUAL}.orunner SET Name = 'X' LIMIT 1")
    before = rows_of(spare, INDIVIDUAL)
    enter_runner(server, INDIVIDUAL)
    enter_runner(server, RELAY)
    said = in_one_line(day.once(*standby(spare)).stdout)
    assert "ALARM MeOS works on the spare server now: Höstmedeln «Осень» O'Cup (it was changed there)" in said
    assert rows_of(spare, INDIVIDUAL) == before
    assert_same(server, spare, RELAY)
