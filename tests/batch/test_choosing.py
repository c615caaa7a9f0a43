"""What a person means by WHEN and by NAME."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meosbackup.batch.choosing import batch_at
from meosbackup.batch.model import SAFETY, Batch, Entry, Race, Server, StoredBatch, StoredFile
from meosbackup.batch.picking import pick
from meosbackup.errors import WrongUsageError

LOCAL = timezone(timedelta(hours=1))
SERVER = Server("laptop-1", 3306, "MariaDB", "10.11", 1)


def stored(sequence: int, taken: datetime, folder: str = "") -> StoredBatch:
    return StoredBatch(Path(folder), Batch(sequence, taken, True, SERVER, "mysqldump", "0.1.0", ()))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def day(*times: str) -> list[StoredBatch]:
    return [stored(sequence, at(text)) for sequence, text in enumerate(times, 1)]


DAY = day(
    "2026-11-21 14:03:00", "2026-11-22 13:59:58", "2026-11-22 14:03:00", "2026-11-22 14:03:30", "2026-11-22 14:10:00"
)


def sequence(batches: Sequence[StoredBatch], when: str) -> int:
    return batch_at(batches, when).stored.batch.sequence


# Which batch


def test_two_batches_of_one_second_are_told_apart_as_list_does() -> None:
    moment = at("2026-10-25 02:30:00")
    twice = [stored(1, moment, "02-30-00"), stored(2, moment, "02-30-00_2"), stored(3, moment, "02-30-00_3")]
    assert [batch_at(twice, item.when).stored for item in twice] == twice
    first = batch_at(twice, "02:30:00")
    assert (first.stored, "2026-10-25 02:30:00_2" in first.note) == (twice[0], True)
    with pytest.raises(WrongUsageError, match=r"2026-10-25 02:30:00, 2026-10-25 02:30:00_2"):
        batch_at(twice, "02:30")


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("latest", 5),
        (" LATEST ", 5),
        ("2026-11-22 14:03:00", 3),
        ("2026-11-22T14:03:00", 3),
        ("  2026-11-22   14:03:00 ", 3),
        ("2026-11-21 14:03:00", 1),
        ("2026-11-21 14", 1),
        ("2026-11-21", 1),
        ("14:03:30", 4),
        ("14:1", 5),
        ("14:10", 5),
        ("13", 2),
    ],
)
def test_a_batch_is_called_by_its_time_or_the_start_of_it(when: str, meant: int) -> None:
    chosen = batch_at(DAY, when)
    assert (chosen.stored.batch.sequence, chosen.note) == (meant, "")


@pytest.mark.parametrize(
    ("when", "candidates"),
    [
        ("14:03", ["2026-11-21 14:03:00", "2026-11-22 14:03:00", "2026-11-22 14:03:30"]),
        ("14:03:00", ["2026-11-21 14:03:00", "2026-11-22 14:03:00"]),
        ("2026-11-22 14:03", ["2026-11-22 14:03:00", "2026-11-22 14:03:30"]),
    ],
)
def test_a_time_that_several_batches_have_lists_them(when: str, candidates: list[str]) -> None:
    with pytest.raises(WrongUsageError) as caught:
        batch_at(DAY, when)
    times = {f"{item.batch.taken:%Y-%m-%d %H:%M:%S}" for item in DAY}
    assert sorted(text for text in times if text in caught.value.what) == candidates
    assert "Nothing was done" in caught.value.means


def test_of_very_many_candidates_the_newest_are_listed() -> None:
    many = [stored(number, at("2026-11-22 14:00:00") + number * timedelta(seconds=10)) for number in range(1, 300)]
    with pytest.raises(WrongUsageError) as caught:
        batch_at(many, "14")
    newest = [f"{item.batch.taken:%Y-%m-%d %H:%M:%S}" for item in many if item.batch.taken.hour == 14][-1]
    assert newest in caught.value.what
    assert len(caught.value.what) < 500


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("14:05", 4),
        ("14:03:29", 3),
        ("2026-11-22 14:09:59", 4),
        ("2026-11-22T14:09:59", 4),
        ("23:59", 5),
        ("2026-11-22 00:00", 1),
        ("2026-12-24", 5),
        ("12:00", 1),
    ],
)
def test_between_two_batches_it_is_the_one_before_and_that_is_told(when: str, meant: int) -> None:
    chosen = batch_at(DAY, when)
    assert chosen.stored.batch.sequence == meant
    assert "before" in chosen.note
    assert " ".join(when.replace("T", " ").split()) in chosen.note


def test_the_time_with_its_zone_as_batch_json_has_it() -> None:
    assert sequence(DAY, "2026-11-22T14:03:00+01:00") == 3
    assert sequence(DAY, "2026-11-22T13:03:00+00:00") == 3


def test_older_than_all_tells_the_oldest() -> None:
    for when in ("2026-11-21 14:02:59", "2020-01-01"):
        with pytest.raises(WrongUsageError, match="2026-11-21 14:03:00"):
            batch_at(DAY, when)


@pytest.mark.parametrize(
    "when", ["yesterday", "", " ", "25:00", "2026-13-01", "14:03:99", "-1", "\x1b[2J", "2026-11-22 14:61", "14h"]
)
def test_what_is_no_time_is_refused_in_words(when: str) -> None:
    with pytest.raises(WrongUsageError) as caught:
        batch_at(DAY, when)
    assert "\x1b" not in str(caught.value)


def test_without_any_batch_there_is_none_to_take() -> None:
    for when in ("latest", "14:03"):
        with pytest.raises(WrongUsageError, match="no backup"):
            batch_at([], when)


def test_latest_is_the_highest_sequence_whatever_the_clock_was() -> None:
    batches = [stored(1, at("2026-11-22 14:03:00")), stored(2, at("2026-11-22 11:00:00"))]
    assert sequence(batches, "latest") == 2
    assert sequence(batches, "14:03") == 1
    assert sequence(batches, "12:00") == 2


def test_the_hour_that_a_clock_change_repeats_is_ambiguous() -> None:
    summer, winter = timezone(timedelta(hours=2)), LOCAL
    batches = [
        stored(1, datetime(2026, 10, 25, 2, 30, tzinfo=summer)),
        stored(2, datetime(2026, 10, 25, 2, 30, tzinfo=winter)),
    ]
    with pytest.raises(WrongUsageError):
        batch_at(batches, "02:30:00")
    assert sequence(batches, "latest") == 2


seconds = st.integers(0, 3 * 86_400)
batches = st.lists(seconds, min_size=1, max_size=20, unique=True).map(
    lambda times: [stored(number, at("2026-11-20 00:00:00") + timedelta(seconds=time))
                   for number, time in enumerate(sorted(times), 1)]
)  # fmt: skip


@given(batches, st.data())
def test_every_batch_can_be_called_by_its_full_time(found: list[StoredBatch], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(found))
    chosen = batch_at(found, f"{wanted.batch.taken:%Y-%m-%d %H:%M:%S}")
    assert (chosen.stored, chosen.note) == (wanted, "")


@given(batches, seconds)
def test_any_moment_means_the_batch_that_stood_then(found: list[StoredBatch], second: int) -> None:
    moment = at("2026-11-20 00:00:00") + timedelta(seconds=second)
    standing = [item for item in found if item.batch.taken <= moment]
    when = f"{moment:%Y-%m-%d %H:%M:%S}"
    if standing:
        chosen = batch_at(found, when)
        assert chosen.stored == standing[-1]
        assert bool(chosen.note) == (standing[-1].batch.taken != moment)
    else:
        with pytest.raises(WrongUsageError):
            batch_at(found, when)


@given(batches, st.data())
def test_a_start_of_a_time_never_means_a_batch_that_has_another_one(
    found: list[StoredBatch], data: st.DataObject
) -> None:
    taken = data.draw(st.sampled_from(found)).batch.taken
    full = f"{taken:%Y-%m-%d %H:%M:%S}"
    start = full[: data.draw(st.integers(12, len(full)))].rstrip()
    try:
        chosen = batch_at(found, start)
    except WrongUsageError:
        assert sum(f"{item.batch.taken:%Y-%m-%d %H:%M:%S}".startswith(start) for item in found) > 1
    else:
        assert f"{chosen.stored.batch.taken:%Y-%m-%d %H:%M:%S}".startswith(start)


@given(batches, st.text())
def test_whatever_is_typed_there_is_a_batch_or_words(found: list[StoredBatch], when: str) -> None:
    try:
        said = batch_at(found, when).note
    except WrongUsageError as error:
        said = str(error)
    assert said.isprintable()


# What a restore saved


SAVED = [stored(6, at("2026-11-22 14:03:40")), stored(7, at("2026-11-22 14:12:00"))]
SAVED = [replace(one, batch=replace(one.batch, kind=SAFETY)) for one in SAVED]


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("latest", 5),
        ("2026-11-22 14:03:40", 6),
        ("2026-11-22T14:12:00", 7),
        ("14:1", 5),
        ("14:11", 5),
        ("14:13", 5),
        ("2026-11-22 14:04", 4),
    ],
)
def test_what_a_restore_saved_is_meant_by_its_date_and_time_alone(when: str, meant: int) -> None:
    assert sequence([*DAY, *SAVED], when) == meant


def test_a_time_that_only_what_a_restore_saved_has_leads_to_it_in_words() -> None:
    for when in ("14:12", "14:12:00", "2026-11-22 14:12"):
        with pytest.raises(WrongUsageError, match='--batch "2026-11-22 14:12:00"'):
            batch_at([*DAY, *SAVED], when)
    with pytest.raises(WrongUsageError, match="no backup"):
        batch_at(SAVED, "latest")


# Which races


def race(name: str, name_id: str, number: int = 1) -> Entry:
    return Entry(
        name_id.lower(),
        Race(name, "", "2026-11-22", name_id, number, 101),
        dump=StoredFile(f"{name_id}.dump.sql", 1, "00"),
    )


def entries_named(entries: Sequence[Entry], names: Sequence[str]) -> tuple[Entry, ...]:
    """Return what is meant in the only batch."""
    only = stored(1, at("2026-11-22 14:03:00"))
    only = replace(only, batch=replace(only.batch, databases=tuple(entries)))
    return tuple(picked.entry for picked in pick([only], only, names))


LONG = race("Långdistans", "meos_20261122_211702_1E5")
MIDDLE = race("Medeldistans", "meos_20261123_100000_2F", 2)
RELAY = race("Stafett", "meos_20261122_211713_94", 3)
ODD = race("94", "oxygen_race", 4)
LIST = Entry("meosmain", dump=StoredFile("meosmain.dump.sql", 1, "00"))
RACES = (LIST, LONG, MIDDLE, RELAY, ODD)


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ([], [LONG, MIDDLE, RELAY, ODD]),
        (["Långdistans"], [LONG]),
        (["LÅNGDISTANS"], [LONG]),
        (["lång"], [LONG]),
        (["meos_20261122_211702_1E5"], [LONG]),
        (["meos_20261122_211702_1e5"], [LONG]),
        (["1e5"], [LONG]),
        (["94"], [ODD]),  # its whole name goes before a part of another one's NameId
        (["stafett", "lång", "Stafett", "_94"], [RELAY, LONG]),
    ],
)
def test_races_are_called_by_name_nameid_or_a_part(names: list[str], meant: list[Entry]) -> None:
    assert list(entries_named(RACES, names)) == meant


@pytest.mark.parametrize(("name", "candidates"), [("distans", (LONG, MIDDLE)), ("20261122", (LONG, RELAY))])
def test_a_name_that_several_races_have_lists_them(name: str, candidates: tuple[Entry, ...]) -> None:
    with pytest.raises(WrongUsageError) as caught:
        entries_named(RACES, ["Stafett", name])
    shown = [entry for entry in RACES if entry.race and entry.race.name_id in caught.value.what]
    assert shown == list(candidates)


def test_two_races_of_one_name_are_told_apart_by_nameid() -> None:
    twins = (race("Natt-KM", "meos_1"), race("Natt-KM", "meos_2"))
    with pytest.raises(WrongUsageError, match=r"meos_1.*meos_2"):
        entries_named(twins, ["natt-km"])
    assert entries_named(twins, ["meos_2"]) == twins[1:]


@pytest.mark.parametrize("name", ["sprint", "meosmain", "\x1b[31m", "långdistans "])
def test_a_race_that_isnt_there_lists_those_that_are(name: str) -> None:
    with pytest.raises(WrongUsageError) as caught:
        entries_named(RACES, [name])
    assert "Långdistans" in caught.value.what
    assert "\x1b" not in str(caught.value)


names = st.text(st.sampled_from("abåÅ_1 "), min_size=1, max_size=4)


@given(st.lists(st.tuples(names, names), max_size=5, unique_by=lambda pair: pair[1].casefold()), names)
def test_a_name_means_one_race_that_bears_it_or_none(pairs: list[tuple[str, str]], name: str) -> None:
    entries = [race(*pair) for pair in pairs]
    bearing = [entry for entry in entries if entry.race and name.casefold() in
               f"{entry.race.name}\n{entry.race.name_id}".casefold()]  # fmt: skip
    assume(bearing)
    try:
        [found] = entries_named(entries, [name])
    except WrongUsageError:
        assert len(bearing) > 1
    else:
        assert found in bearing


def test_the_newest_of_two_batches_of_one_second_stands() -> None:
    moment = datetime(2026, 11, 22, 13, 3, tzinfo=UTC)
    assert sequence([stored(1, moment), stored(2, moment)], "13:04") == 2
