"""Which races are backed up: as a rule without a server, and by the real command with one."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.choosing import matching
from meosbackup.batch.model import Entry, Race
from meosbackup.commands.simulation import open_lost_race
from meosbackup.meos.race_list import ListedRace, parsed_date, select
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, load, private_server
from tests.toolkit.batches import dump_file, dump_of
from tests.toolkit.day import Day
from tests.toolkit.servers import (
    DATA,
    EMPTY,
    INDIVIDUAL,
    INNODB,
    MEOS_PASSWORD,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    contents,
    counts,
    list_race,
    query,
)

TODAY = date(2026, 11, 22)


def listed(name: str, day: str = "2026-11-22", name_id: str = "", *, removed: bool = False) -> ListedRace:
    return ListedRace(Race(name, "", day, name_id or f"id_of_{name}", 1, 101), removed)


# The rule

RACES = (
    listed("Långdistans", "2026-11-22", "meos_20261122_211702_1E5"),
    listed("Medeldistans", "2026-11-21", "meos_20261121_090000_2"),
    listed("Lång", "2025-05-01", "oxygen_vardag"),
    listed("Lång", "2024-05-01", "another_of_that_name"),
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lång", [2, 3]),  # a whole name goes before a part of one
        ("LÅNGDIST", [0]),
        ("distans", [0, 1]),
        ("meos_20261122_211702_1e5", [0]),
        ("vardag", [2]),
        ("Stafett", []),
    ],
)
def test_a_race_is_called_by_its_name_its_name_id_or_a_part(name: str, found: list[int]) -> None:
    races = [item.race for item in RACES]
    assert matching(name, races) == [races[place] for place in found]


@pytest.mark.parametrize(
    ("day", "is_recent"),
    [
        ("2026-11-22", True), ("2026-11-19", True), ("2026-11-18", False), ("2027-08-01", True), ("1999-01-01", False),
        ("", True), ("i morgon", True), ("2026-13-45", True), ("22/11 2020", True), (" 2026-11-18\n", False),
        ("0000-00-00", True),
    ],
)  # fmt: skip
def test_races_of_the_last_days_are_chosen_and_those_whose_date_is_not_readable(day: str, is_recent: bool) -> None:
    selection = select([listed("Race", day)], [], names=[], days=3, today=TODAY)
    assert len(selection.chosen) == is_recent
    assert [item.reason for item in selection.left_out] == [
        "older than 3 days; --all-races backs it up too" for _ in range(not is_recent)
    ]


@pytest.mark.parametrize(
    ("former", "days", "names", "is_chosen"),
    [
        ("2026-11-22", 3, [], True), ("2026-11-18", 3, [], False), (None, 3, [], False), ("i morgon", 3, [], True),
        ("2026-11-22", 3, ["Other"], False), ("2026-11-22", None, [], True),
    ],
)  # fmt: skip
def test_a_race_whose_date_moved_stays_chosen(
    former: str | None, days: int | None, names: list[str], is_chosen: bool
) -> None:
    items = [listed("Race", "2025-11-22", name_id="Vm"), listed("Other")]
    dates = {"vm": former} if former else {}
    selection = select(items, [], names=names, days=days, today=TODAY, former_dates=dates)
    found = {chosen.race.name: chosen.former_date for chosen in selection.chosen}
    assert ("Race" in found) == is_chosen
    assert found.get("Race") == (former if is_chosen and days else None)


@given(
    items=st.lists(st.builds(
        ListedRace,
        st.builds(
            Race, st.text(max_size=6), st.just(""), st.text(st.characters()) | st.dates().map(str),
            st.text("aAbBåÅ_", max_size=3), st.just(1), st.just(101),
        ),
        st.booleans(),
    ), max_size=8, unique_by=lambda item: item.race.name_id.lower()),
    databases=st.lists(st.text("aAbBåÅ_", max_size=3), max_size=8, unique_by=str.lower),
    names=st.lists(st.text("aAbBåÅ_", min_size=1, max_size=3), max_size=2),
    days=st.none() | st.integers(0, 10**12),
    today=st.dates(),
)  # fmt: skip
def test_each_race_is_chosen_or_left_out_for_a_reason(
    items: list[ListedRace], databases: list[str], names: list[str], days: int | None, today: date
) -> None:
    selection = select(items, databases, names=names, days=days, today=today)
    chosen = [item.race for item in selection.chosen]
    left_out = [item.race for item in selection.left_out]
    assert sorted(map(repr, chosen + left_out)) == sorted(repr(item.race) for item in items)
    assert [item.race for item in items if item.race in chosen] == chosen
    assert all(item.reason for item in selection.left_out)
    present = [item.race for item in items if not item.removed]
    assert all(race in present for race in chosen)
    for race in present:
        day = parsed_date(race.date)
        if names:
            assert (race in chosen) == any(race in matching(name, present) for name in names)
        else:
            assert (race in chosen) == (days is None or day is None or (today - day).days <= days)
    assert selection.unmatched == tuple(name for name in names if not matching(name, present))
    by_lower_case = {name.lower(): name for name in databases}
    assert all(item.database == by_lower_case.get(item.race.name_id.lower()) for item in selection.chosen)


def test_of_two_databases_that_differ_in_case_the_one_that_is_meant_is_taken() -> None:
    selection = select([listed("Race", name_id="Vm")], ["VM", "Vm", "vm"], names=[], days=3, today=TODAY)
    assert [item.database for item in selection.chosen] == ["Vm"]


# With a server


@pytest.mark.parametrize("name", ["mysql", "MySQL", "sys", "information_schema", "performance_schema"])
def test_a_row_that_names_a_database_of_the_server_itself_is_left_out(name: str) -> None:
    selection = select([listed("Evil", name_id=name)], [name], names=("Evil",), days=None, today=date(2026, 11, 22))
    assert selection.chosen == ()
    assert [left.reason for left in selection.left_out] == ["its database is the server's own"]


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    return Day(tmp_path, server=server)


def backed_up(day: Day) -> set[str]:
    """Return the races of the newest batch on the target."""
    return {entry.database for entry in day.batches()[-1].races}


def set_date(server: PrivateServer, database: str, text: str) -> None:
    query(server, "UPDATE meosmain.oevent SET Date = %s WHERE LOWER(NameId) = %s", text, database)


def days_ago(number: int) -> str:
    return str(datetime.now().astimezone().date() - timedelta(days=number))


def words(text: str) -> str:
    return " ".join(text.split())


def test_dates_names_and_marks_choose_the_races(day: Day) -> None:
    set_date(day.server, INDIVIDUAL, days_ago(2))
    set_date(day.server, RELAY, days_ago(10))
    set_date(day.server, EMPTY, "i morgon")
    set_date(day.server, INNODB, days_ago(-200))
    recent = {INDIVIDUAL, EMPTY, INNODB}

    screen = words(day.once("--days", "3").stdout)
    assert backed_up(day) == recent
    relay = rf"Stafettkväll – Relais d'Été \({days_ago(10)}\)"
    assert re.search(rf"Not backed up {relay}: older than 3 days; --all-races backs it up too", screen)
    day.once("--days", "11")
    assert backed_up(day) == {*recent, RELAY}
    day.once("--race", "stafett")
    assert backed_up(day) == {RELAY}
    day.once("--race", "Tom tävling", "--race", INNODB.upper())
    assert backed_up(day) == {EMPTY, INNODB}
    query(day.server, "UPDATE meosmain.oevent SET Removed = 1 WHERE LOWER(NameId) = %s", INNODB)
    screen = words(day.once("--all-races").stdout)
    assert backed_up(day) == {INDIVIDUAL, EMPTY, RELAY}
    assert re.search(r"Not backed up InnoDB-tävlingen \([-0-9]+\): marked as removed", screen)
    screen = words(day.once("--race", "Natt-DM", "--race", "Tom").stdout)
    assert backed_up(day) == {EMPTY}
    assert "NOTE no race is called Natt-DM yet" in screen
    assert all(whole.complete for whole in day.batches())


def test_rows_without_a_database_are_named_once_and_are_no_fault(day: Day) -> None:
    list_race(day.server, "----", "")
    list_race(day.server, "----", "----")
    list_race(day.server, "On the other server", "meos_20261101_100000_1", date="2026-11-01")
    with day.terminal("--interval", "1", "--all-races") as screen:
        screen.wait_for("OK race list \\+ 4 races")
        screen.wait_for("OK no changes")
        assert screen.words.count("On the other server (2026-11-01): The server has no database") == 1
        assert screen.words.count("----") in {2, 3}  # with the NameId, or without
        list_race(day.server, "Late and elsewhere", "meos_20261102_100000_1", date="2026-11-02")
        screen.wait_for(r"NOTE Late and elsewhere \(2026-11-02\) is not backed up: The server has no database")
        shown = len(re.findall("no changes", screen.words))
        screen.wait_for("no changes", times=shown + 1)
        assert screen.words.count("Late and elsewhere") == 1
        assert "FAIL" not in screen.words
    assert all(whole.complete for whole in day.batches())
    assert backed_up(day) == {INDIVIDUAL, RELAY, EMPTY, INNODB}


def test_a_row_that_names_the_race_list_itself_does_no_harm(day: Day) -> None:
    list_race(day.server, "Odd", "MeOSMain")
    for _ in range(2):
        day.once()
        assert backed_up(day) == {INDIVIDUAL, RELAY, EMPTY, INNODB}
        assert day.batches()[-1].complete
        assert day.batches()[-1].race_list is not None


def older(day: Day, database: str) -> tuple[Entry, Entry]:
    """Return a database's dump in the first batch, and in the newest, where it is a good one of an earlier moment."""
    before, after = dump_of(day.batches()[0], database), dump_of(day.batches()[-1], database)
    assert not day.batches()[-1].complete
    assert after.error
    assert (dump_file(after).sha256, dump_file(after).bytes) == (dump_file(before).sha256, dump_file(before).bytes)
    assert after.taken == before.taken
    assert (after.freshness, after.reference) == (before.freshness, before.reference)
    folder = day.stored()[-1].folder
    assert after.taken
    assert f"{after.taken:%Y-%m-%d_%H-%M-%S}" in dump_file(after).file
    assert (folder / dump_file(after).file).stat().st_size == dump_file(after).bytes
    guide = words((folder / "RESTORE.txt").read_text("utf-8-sig"))
    assert "NOT COMPLETE: 1 race older." in guide
    assert f"OLDER than the batch: from {after.taken:%H:%M:%S}" in guide
    return before, after


def test_the_last_good_dump_of_a_race_that_vanished_stays_in_each_batch(day: Day) -> None:
    day.once()
    query(day.server, f"DROP DATABASE {RELAY}")
    for _ in range(2):
        screen = words(day.once(expected=1).stdout)
        assert f"FAIL Stafettkväll – Relais d'Été (2026-11-23): The server has no database {RELAY}." in screen
        assert f"and restore it with: meosbackup restore --race {RELAY} --target {day.target}" in screen
        assert "Still saved, on the drive: race list + 3 of 4 races" in screen
        _, after = older(day, RELAY)
        assert after.error
        assert "no database" in after.error
    assert [whole.complete for whole in day.batches()] == [True, False, False]

    load(day.server, DATA / "relay.sql")
    day.once()
    whole = day.batches()[-1]
    assert whole.complete
    assert dump_of(whole, RELAY).error is None


def test_an_empty_shell_pushes_no_good_dump_aside(day: Day) -> None:
    day.once()
    query(day.server, f"DROP DATABASE {RELAY}")
    open_lost_race(day.server, RELAY, like=INDIVIDUAL)
    for _ in range(2):
        day.once(expected=1)
        _, after = older(day, RELAY)
        assert after.error
        assert "empty shell" in after.error


def test_an_empty_shell_that_was_never_a_race_is_named_and_left_out(day: Day) -> None:
    list_race(day.server, "Shell", "meos_shell", date="2026-11-22")
    open_lost_race(day.server, "meos_shell", like=INDIVIDUAL)
    screen = words(day.once().stdout)
    assert re.search(r"Not backed up Shell \(2026-11-22\): The database meos_shell is an empty shell", screen)
    assert backed_up(day) == {INDIVIDUAL, RELAY, EMPTY, INNODB}
    assert day.batches()[-1].complete


def test_a_race_list_without_a_race_is_a_whole_batch(day: Day) -> None:
    query(day.server, "DELETE FROM meosmain.oevent")
    screen = words(day.once(expected=1).stdout)
    assert "FAIL No race is backed up: the race list has none. A race will be backed up as soon as" in screen
    assert "none yet; a new one is backed up as soon as it appears" in screen
    assert [entry.database for entry in day.batches()[-1].databases] == [RACE_LIST]
    assert day.batches()[-1].complete


# lower_case_table_names: 2 needs a file system that doesn't tell A from a, which Linux hasn't


@pytest.fixture(scope="module")
def case_sensitive_server(server_program: ServerProgram) -> Iterator[PrivateServer]:
    with private_server(program=server_program, lower_case_table_names=0) as server:
        load(server, DATA / "lctn0.sql")
        query(server, "CREATE USER %s@'%' IDENTIFIED BY %s", MEOS_USER, MEOS_PASSWORD)
        query(server, "GRANT ALL ON *.* TO %s@'%'", MEOS_USER)
        yield server


def test_names_are_taken_as_the_server_spells_them(
    case_sensitive_server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    day, race = Day(tmp_path, server=case_sensitive_server), "meos_20261122_211713_94ABC"
    day.once()
    [stored] = day.stored()
    assert stored.batch.server.lower_case_table_names == 0
    assert [entry.database for entry in stored.batch.databases] == ["MeOSMain", race]
    freshness = dump_of(stored.batch, race).freshness
    assert freshness
    assert freshness.entries == query(day.server, f"SELECT COUNT(*) FROM {race}.oRunner WHERE Removed = 0")[0][0] > 0
    assert "lower_case_table_names is 0" in words((stored.folder / "RESTORE.txt").read_text("utf-8-sig"))

    query(day.server, f"UPDATE {race}.oRunner SET Name = 'Ändrad' LIMIT 1")
    day.once()
    assert [entry.unchanged_since for entry in day.batches()[-1].databases] == [1, None]
    stored = day.stored()[-1]
    for entry in stored.batch.databases:
        load(spare, stored.folder / dump_file(entry).file)
        if entry.reference:
            load(spare, stored.folder / entry.reference.file)
        assert contents(spare, entry.database) == contents(day.server, entry.database)


def test_a_server_that_keeps_names_in_lower_case_is_asked_for_those(day: Day) -> None:
    day.once()
    [whole] = day.batches()
    assert whole.server.lower_case_table_names == 1
    entry = dump_of(whole, INDIVIDUAL)
    assert (entry.database, entry.race and entry.race.name_id) == (INDIVIDUAL, "meos_20261122_211702_1E5")
    assert entry.freshness
    assert entry.freshness.entries == counts(day.server, INDIVIDUAL)[0]
