"""The day that a page tells of: what joins it and what leaves it, how it is read back, and from whose hands."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch import names
from meosbackup.batch.model import BACKUP, SAFETY
from meosbackup.guide import page, picture_data
from meosbackup.guide import picture as picture_module
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import ALARM, KINDS, START, TROUBLE, DayBatch, DayRace, Happening, Picture, RaceState
from meosbackup.text import clean
from tests.toolkit.guides import BATCH
from tests.toolkit.pictured_days import MINUTE, Counts, at, batch, largest_day, race_day

NOON = at("12:00:00")
HOUR = timedelta(hours=1)

counts = st.one_of(st.integers(0, 20), st.integers(0, 2**53 - 1))
race_states = st.builds(RaceState, counts, counts, counts, st.booleans(), st.booleans())
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
folders = st.integers(2, 99).map("2026-11-22/12-00-00_{}".format)


@st.composite
def days(draw: st.DrawFn, zone: timezone) -> Picture:
    """Draw a day with texts that are fit to be shown, and times in whole seconds; its clock may jump."""
    moments = st.datetimes(datetime(1971, 1, 2), datetime(2199, 12, 30)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0, tzinfo=zone)
    )
    shown = texts.map(lambda text: clean(text, 60))
    races = draw(st.lists(st.builds(DayRace, texts, shown, shown, texts), max_size=4, unique_by=lambda race: race.key))
    batches, taken = [], draw(moments)
    for step in draw(st.lists(st.one_of(st.just(60), st.integers(-90_000, 90_000)), max_size=8)):
        taken += timedelta(seconds=step)
        name = draw(st.one_of(st.just(names.folder_name(taken)), folders))
        held = taken + timedelta(seconds=draw(st.integers(0, 5_000)))
        states = {race.key: draw(race_states) for race in races if draw(st.booleans())}
        batches.append(DayBatch(taken, held, name, draw(st.booleans()), draw(st.booleans()), states))
    happenings = st.builds(Happening, st.sampled_from(KINDS), shown, shown, shown, shown, moments, st.none() | moments)
    return Picture(
        draw(st.integers(1, 86_400)), tuple(races), tuple(batches), tuple(draw(st.lists(happenings, max_size=3))),
        draw(st.none() | moments),
    )  # fmt: skip


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
zoned_days = zones.flatmap(lambda zone: st.tuples(st.just(zone), days(zone)))


@given(zoned_days)
def test_a_page_tells_the_next_run_the_same_day(zoned: tuple[timezone, Picture]) -> None:
    zone, told = zoned
    assert picture_data.read(json.loads(json.dumps(picture_data.document(told, zone))), zone) == told


def page_of(told: Picture, zone: timezone) -> PageFacts:
    return PageFacts(replace(BATCH, taken=BATCH.taken.astimezone(zone)), told, None, NOON)


@pytest.mark.parametrize("text", ["</script><!--", "\ud800", "\u2028\u202e\x00\n", "&lt;'\"\\", "å" * 5_000, ""])
def test_a_text_that_is_not_fit_to_be_shown_is_cleaned_on_its_way(text: str) -> None:
    told = Picture(
        happenings=(Happening(TROUBLE, text, text, text, text, NOON),), races=(DayRace("a", text, text, "a"),)
    )
    read = page.day_in(page.page_html(page_of(told, UTC)))
    assert read is not None
    assert read.happenings[0].what == clean(text, 1_000)
    assert read.races[0].name == clean(text, 60)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
tracks = st.text(f"{picture_data._LETTERS}\u0100\u0111\u02ff é", max_size=30)


@given(zoned_days, st.data())
def test_whatever_a_page_says_a_day_is_read_or_none(zoned: tuple[timezone, Picture], data: st.DataObject) -> None:
    zone, told = zoned
    document = {"zone": 60, "day": picture_data.document(told, zone)}
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = document
        while isinstance(holder, dict | list) and holder:
            key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
            if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
                holder[key] = data.draw(json_values | tracks)
                break
            holder = holder[key]
    read = page.day_in(as_page(document))
    if read is not None:  # and what was read can be told again
        assert picture_data.read(
            json.loads(json.dumps(picture_data.document(read, zone), ensure_ascii=False).encode()), zone
        )


def as_page(document: object) -> str:
    return f'<script type="application/json" id="data">{json.dumps(document)}</script>'


def bomb(**parts: Any) -> str:
    """Return a page of the largest size that is read, with so much of something."""
    return as_page({"zone": 60, "day": {**picture_data.document(Picture(), UTC), **parts}})


def race(track: str) -> dict[str, str]:
    return {"key": "a", "name": "", "date": "", "stem": "", "track": track}


@pytest.mark.parametrize(
    "make",
    [
        lambda: bomb(batches="AAA" * 1_300_000),
        lambda: bomb(batches="AAA" * 1_500, races=[race("\u0100")] * 40_000),
        lambda: bomb(batches="AAA" * 1_500, races=[{**race("CAAA"), "key": str(place)} for place in range(40_000)]),
        lambda: bomb(batches="AAA" * 1_500, races=[race("CAAA" * 900_000)]),
        lambda: bomb(batches="_" * 3_900_000),
        lambda: bomb(batches="AAA", races=[race("________________C")]),
        lambda: bomb(happenings=[[]] * 300_000),
        lambda: bomb(names={str(place): "a" for place in range(50_000)}),
        lambda: bomb(interval=10**4_000),
        lambda: as_page(0).replace("0", "[" * 1_000_000),
        lambda: as_page(0).replace("0", "9" * 3_900_000),
    ],
    ids=["batches", "races", "lanes", "changes", "number", "far", "happenings", "names", "interval", "depth", "digits"],
)
def test_a_page_that_is_a_bomb_takes_little_memory(make: Callable[[], str]) -> None:
    told = make()
    assert len(told) <= page.LARGEST
    tracemalloc.start()
    page.day_in(told)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


def test_a_large_day_is_small_on_its_page() -> None:
    told = largest_day().day
    assert (len(told.batches), len(told.races)) == (600, 30)
    zone = timezone(HOUR)
    assert len(json.dumps(picture_data.document(told, zone), ensure_ascii=False).encode()) < 50_000
    assert picture_data.read(picture_data.document(told, zone), zone) == told


def test_a_real_day_is_told_in_full() -> None:
    facts = race_day()
    assert page.day_in(page.page_html(facts)) == facts.day


def with_batches(told: Picture, moments: list[datetime], kind: str = BACKUP, entries: int = 1) -> Picture:
    for moment in moments:
        name = names.folder_name(moment)
        told = told.with_batch(batch(moment, {"A": Counts(entries)}, kind), f"{name}_{len(told.batches) + 2}")
    return told


@given(st.lists(st.integers(-3 * 86_400, 3 * 86_400), min_size=1, max_size=20))
def test_a_day_has_the_batches_of_24_hours_however_the_clock_jumps(seconds: list[int]) -> None:
    told = Picture()
    for place, second in enumerate(seconds):
        now = NOON + timedelta(seconds=second)
        new = batch(now, {f"Race {place % 3}": Counts(place)})
        told = told.with_batch(new, f"{names.folder_name(now)}_{place + 2}")
        held = told.held(now + MINUTE)
        assert [one for one in told.batches if one.name.endswith(f"_{place + 2}")] != []
        assert all(abs(now - one.taken) <= 24 * HOUR for one in told.batches)
        assert [one.taken for one in told.batches] == sorted(one.taken for one in told.batches)
        assert {one.key for one in told.races} == {key for one in told.batches for key in one.states}
        assert max(one.taken for one in held.batches if one.held == now + MINUTE) <= now + MINUTE


def test_a_batch_that_the_day_has_stays_as_it_is() -> None:
    told = Picture().with_batch(batch(NOON, {"A": Counts(1)}), "2026-11-22/12-00-00").held(NOON + MINUTE)
    assert told.with_batch(batch(NOON, {}), "2026-11-22/12-00-00") == told


def test_batches_held_until_the_last_look_are_backups() -> None:
    told = with_batches(Picture(), [NOON])
    told = with_batches(told, [NOON + MINUTE], SAFETY).held(NOON + 2 * MINUTE)
    assert [one.held for one in told.batches] == [NOON + 2 * MINUTE, NOON + MINUTE]
    assert Picture().held(NOON) == Picture()


def test_of_more_races_a_day_has_fewer_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_module, "MOST_STATES", 20)
    told = Picture()
    for minute in range(20):
        now = NOON + minute * MINUTE
        told = told.with_batch(batch(now, {"A": Counts(1), "B": Counts(1), "C": Counts(1)}), names.folder_name(now))
    assert [one.taken for one in told.batches] == [NOON + minute * MINUTE for minute in range(14, 20)]


def happening(kind: str, key: str, began: datetime) -> Happening:
    return Happening(kind, key, "What.", "Means.", "Do.", began)


def test_what_stands_has_begun_once_and_ends_when_it_is_not_there_any_more() -> None:
    no_server, no_drive = (happening(TROUBLE, key, NOON) for key in ("server", "drive"))
    later = NOON + MINUTE
    told = Picture().with_standing([no_server]).with_standing([replace(no_server, began=later), no_drive])
    assert told.standing == (no_server, no_drive)
    assert told.ended(later, [no_drive]).standing == (no_drive,)
    again = told.ended(later).with_standing([replace(no_server, began=later)])
    assert [(one.key, one.ended) for one in again.happenings] == [("server", later), ("drive", later), ("server", None)]


def test_an_alarm_and_a_trouble_of_one_key_are_two() -> None:
    both = [happening(kind, "a", NOON) for kind in (TROUBLE, ALARM)]
    told = Picture().with_standing(both)
    assert told.standing == tuple(both)
    assert told.ended(NOON, both[1:]).standing == (both[1],)


def test_what_stood_when_meosbackup_was_killed_ended_when_it_last_told_of_it() -> None:
    told = (
        Picture()
        .with_standing([happening(TROUBLE, "server", NOON)])
        .ended(NOON + 3 * MINUTE, [happening(TROUBLE, "server", NOON)])
    )
    started = told.started(NOON + 5 * HOUR, 30)
    assert started.standing == ()
    assert [(one.kind, one.began, one.ended) for one in started.happenings] == [
        (TROUBLE, NOON, NOON + 3 * MINUTE),
        (START, NOON + 5 * HOUR, NOON + 5 * HOUR),
    ]
    assert started.interval == 30


def test_what_ended_a_day_ago_leaves_and_what_stands_stays() -> None:
    told = Picture().with_standing([happening(TROUBLE, "server", NOON)]).ended(NOON + MINUTE)
    told = told.with_standing([happening(TROUBLE, "drive", NOON)])
    told = with_batches(told, [NOON + 23 * HOUR])
    assert [one.key for one in told.happenings] == ["server", "drive"]
    assert [one.key for one in with_batches(told, [NOON + 25 * HOUR]).happenings] == ["drive"]
