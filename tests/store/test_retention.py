"""What retention gives up where room is short, and what it never does."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.model import Batch, Entry, Race, Server, StoredBatch, StoredFile
from meosbackup.store.retention import Kept, expendable, kept_from, reserve_bytes

NOW = datetime(2026, 11, 22, 14, 3, tzinfo=timezone(timedelta(hours=1)))
MINUTE = timedelta(minutes=1)
EVERYTHING = 1 << 60
RACES = ["meosmain", "meos_1", "meos_2", "meos_3"]


def made(sequence: int, taken: datetime, *, frees: int = 1, complete: bool = True, good: Iterable[str] = RACES) -> Kept:
    return Kept(Path(str(sequence)), sequence, taken, frees, complete, pinned=False, good=frozenset(good))


def without(batches: Iterable[Kept], gone: Iterable[Kept]) -> set[Kept]:
    return set(batches) - set(gone)


def clock_times(batches: Iterable[Kept]) -> list[str]:
    return [f"{kept.taken:%d %H:%M}" for kept in sorted(batches, key=lambda kept: kept.sequence)]


# What must stay, told again from the requirements: by the fields of a clock, not by reckoning.


def ten_minutes(kept: Kept) -> Hashable:
    time = kept.taken.astimezone(UTC)
    return time.date(), time.hour, time.minute // 10


def hour(kept: Kept) -> Hashable:
    time = kept.taken.astimezone(UTC)
    return time.date(), time.hour


def age(kept: Kept, now: datetime) -> timedelta:
    return now.astimezone(UTC) - kept.taken.astimezone(UTC)


def newest(batches: Iterable[Kept]) -> int:
    """Return a sequence rather than a batch: two laptops may have given the same one."""
    return max(kept.sequence for kept in batches)


def assert_floor(before: Sequence[Kept], after: set[Kept], now: datetime) -> None:
    assert {kept for kept in before if kept.pinned or not kept.is_backup} <= after
    before, after = [kept for kept in before if kept.is_backup], {kept for kept in after if kept.is_backup}
    assert {kept for kept in before if age(kept, now) <= 60 * MINUTE} <= after
    within_a_day = [kept for kept in before if age(kept, now) <= timedelta(days=1)]
    assert_newest_of_each(ten_minutes, within_a_day, before, after)
    assert_newest_of_each(hour, before, before, after)
    assert not before or newest(before) == newest(after)
    whole = [kept for kept in before if kept.complete]
    assert not whole or newest(whole) == newest(kept for kept in after if kept.complete)
    for race in RACES:
        holders = [kept for kept in before if race in kept.good]
        assert not holders or newest(holders) == newest(kept for kept in after if race in kept.good)


def assert_newest_of_each(
    span: Callable[[Kept], Hashable], asked: Iterable[Kept], before: Sequence[Kept], after: set[Kept]
) -> None:
    for wanted in {span(kept) for kept in asked}:
        left = [kept for kept in after if span(kept) == wanted]
        assert left
        assert newest(left) == newest(kept for kept in before if span(kept) == wanted)


ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(minutes * MINUTE))
# Far more often than chance would have it: times that are close to now, and to each other.
TIMES = st.one_of(
    st.builds(lambda ago, zone: (NOW - ago * MINUTE).astimezone(zone), st.integers(-90, 400), ZONES),
    st.builds(lambda ago, zone: (NOW - ago * 10 * MINUTE).astimezone(zone), st.integers(-20, 500), ZONES),
    st.builds(lambda ago, start: NOW - (start + ago) * MINUTE, st.integers(0, 70), st.sampled_from([120, 1400, 1800])),
    st.builds(lambda seconds: NOW - timedelta(seconds=seconds), st.integers(-10_000, 200_000)),
    st.datetimes(datetime(1980, 1, 1), datetime(2099, 1, 1), timezones=ZONES),  # noqa: DTZ001 - bounds have no zone
)
A_BATCH = st.builds(
    Kept, folder=st.just(Path()), sequence=st.integers(1, 60), taken=TIMES, frees=st.integers(0, 50),
    complete=st.booleans(), pinned=st.sampled_from([False] * 9 + [True]), good=st.frozensets(st.sampled_from(RACES)),
    is_backup=st.sampled_from([True] * 9 + [False]),
)  # fmt: skip
# Left to itself, hypothesis makes short lists, of which hardly any batch may go.
SOME_BATCHES = (
    st.sampled_from([0, 1, 2, 5, 20, 40])
    .flatmap(lambda count: st.lists(A_BATCH, min_size=count, max_size=count))
    .map(lambda batches: [replace(kept, folder=Path(str(place))) for place, kept in enumerate(batches)])
)
MISSING = st.one_of(st.integers(-5, 400), st.just(EVERYTHING))


@given(SOME_BATCHES, MISSING)
def test_never_fewer_than_the_floor(batches: list[Kept], missing: int) -> None:
    gone = expendable(batches, missing, NOW)
    assert len(set(gone)) == len(gone)
    assert set(gone) <= set(batches)
    if batches:
        assert_floor(batches, without(batches, gone), NOW)


@given(SOME_BATCHES)
def test_all_else_may_go(batches: list[Kept]) -> None:
    left = without(batches, expendable(batches, EVERYTHING, NOW))

    def is_newest(kept: Kept, others: Iterable[Kept]) -> bool:
        return kept.sequence == newest(others)

    backups = [kept for kept in batches if kept.is_backup]
    for kept in left & set(backups):
        assert (
            kept.pinned
            or age(kept, NOW) <= 60 * MINUTE
            # Ten minutes that began more than a day ago may not all be over.
            or (age(kept, NOW) <= timedelta(days=1) + 10 * MINUTE
                and is_newest(kept, [other for other in backups if ten_minutes(other) == ten_minutes(kept)]))
            or is_newest(kept, [other for other in backups if hour(other) == hour(kept)])
            or is_newest(kept, backups)
            or (kept.complete and is_newest(kept, [other for other in backups if other.complete]))
            or any(is_newest(kept, [other for other in backups if race in other.good]) for race in kept.good)
        )  # fmt: skip


@given(SOME_BATCHES, MISSING)
def test_no_more_than_needed_and_the_oldest_first(batches: list[Kept], missing: int) -> None:
    gone = expendable(batches, missing, NOW)
    may_go = expendable(batches, EVERYTHING, NOW)
    assert [kept.sequence for kept in may_go] == sorted(kept.sequence for kept in may_go)
    assert gone == may_go[: len(gone)]
    gained = sum(kept.frees for kept in gone)
    assert gained >= missing or gone == may_go
    if gone:
        assert gained - gone[-1].frees < missing


@given(SOME_BATCHES, st.integers(max_value=0))
def test_nothing_goes_while_there_is_room(batches: list[Kept], missing: int) -> None:
    assert expendable(batches, missing, NOW) == []


@given(SOME_BATCHES, MISSING)
def test_is_stable_under_repetition(batches: list[Kept], missing: int) -> None:
    gone = expendable(batches, missing, NOW)
    left = without(batches, gone)
    assert expendable(left, missing - sum(kept.frees for kept in gone), NOW) == []
    # In one go or in two, the same batches may go and the same stay.
    assert gone + expendable(left, EVERYTHING, NOW) == expendable(batches, EVERYTHING, NOW)


@given(SOME_BATCHES, MISSING, st.randoms())
def test_the_order_in_which_batches_are_found_is_nothing(batches: list[Kept], missing: int, random: Random) -> None:
    shuffled = random.sample(batches, len(batches))
    assert expendable(shuffled, missing, NOW) == expendable(batches, missing, NOW)


PAUSES = st.one_of(st.sampled_from([1, 1, 1, 3, 9, 10, 11]), st.integers(1, 2000))


@given(st.lists(st.tuples(PAUSES, st.integers(0, 5), st.booleans(), st.frozensets(st.sampled_from(RACES))), min_size=1))
def test_the_floor_holds_over_days(ticks: list[tuple[int, int, bool, frozenset[str]]]) -> None:
    """Whatever was given up on the way, all is there that the floor of all batches ever made asks for."""
    ever: list[Kept] = []
    left: set[Kept] = set()
    minutes = accumulate(pause for pause, *_ in ticks)
    for sequence, (minute, (_, missing, complete, good)) in enumerate(zip(minutes, ticks, strict=True)):
        now = NOW + minute * MINUTE
        new = made(sequence, now, complete=complete, good=good)
        ever.append(new)
        left.add(new)
        left -= set(expendable(left, missing, now))
        assert_floor(ever, left, now)


def test_a_full_drive_on_the_third_day() -> None:
    times = [NOW - minutes * MINUTE for minutes in range(48 * 60 + 1)]
    batches = [made(sequence, taken) for sequence, taken in enumerate(reversed(times))]
    left = clock_times(without(batches, expendable(batches, EVERYTHING, NOW)))
    assert left[:3] == ["20 14:59", "20 15:59", "20 16:59"]
    assert left[23:26] == ["21 13:59", "21 14:09", "21 14:19"]
    assert left[-64:-58] == ["22 12:39", "22 12:49", "22 12:59", "22 13:03", "22 13:04", "22 13:05"]
    assert left[-1] == "22 14:03"
    assert len(left) == 24 + 138 + 61


def test_the_day_ends_in_the_middle_of_ten_minutes_whose_clock_was_set_back() -> None:
    """The newest of these ten minutes is more than a day old by its time, and stands for one that is not."""
    a_day_ago = NOW - timedelta(days=1)
    within = made(1, a_day_ago + 2 * MINUTE)
    beyond = made(2, a_day_ago - 2 * MINUTE)
    later = made(3, a_day_ago + 20 * MINUTE)
    assert ten_minutes(within) == ten_minutes(beyond) != ten_minutes(later)
    assert expendable([within, beyond, later, made(4, NOW)], EVERYTHING, NOW) == [within]


def test_the_last_good_dump_of_a_deleted_race_stays() -> None:
    batches = [made(sequence, NOW - (5000 - sequence) * MINUTE, good=["meosmain"]) for sequence in range(60)]
    batches[7] = replace(batches[7], good=frozenset({"meosmain", "meos_deleted"}))
    batches[8] = replace(batches[8], good=frozenset({"meosmain", "meos_deleted"}))
    left = without(batches, expendable(batches, EVERYTHING, NOW))
    assert batches[7] not in left
    assert batches[8] in left


def test_a_clock_that_was_set_back_costs_no_batch() -> None:
    """The two hours before it was set back lie in the future now, and only who made them knows how old they are."""
    ahead = [made(sequence, NOW + (sequence - 120) * MINUTE + timedelta(days=400)) for sequence in range(120)]
    since = [made(sequence, NOW + (sequence - 125) * MINUTE) for sequence in range(120, 126)]
    assert expendable([*ahead, *since], EVERYTHING, NOW) == []


def test_a_clock_that_jumps_forward_leaves_the_newest_of_each_hour() -> None:
    batches = [made(sequence, NOW + sequence * MINUTE) for sequence in range(120)]
    late = NOW + timedelta(days=4000)
    left = without(batches, expendable(batches, EVERYTHING, late))
    assert clock_times(left) == ["22 14:59", "22 15:59", "22 16:02"]
    assert_floor(batches, left, late)


def test_the_night_when_an_hour_comes_twice() -> None:
    summer, winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
    first = made(1, datetime(2026, 10, 25, 2, 30, tzinfo=summer))
    again = made(2, datetime(2026, 10, 25, 2, 30, tzinfo=winter))
    assert expendable([first, again], EVERYTHING, NOW) == []


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=23, minutes=59)), timezone(-timedelta(hours=23))])
@pytest.mark.parametrize(("end", "gone"), [("0001-01-01T00:00:00", 1), ("9999-12-31T23:59:59", 0)])
def test_times_at_the_ends_of_the_calendar(zone: timezone, end: str, gone: int) -> None:
    moment = datetime.fromisoformat(end).replace(tzinfo=zone)
    batches = [made(1, moment), made(2, moment), made(3, NOW)]
    assert expendable(batches, 1, NOW) == batches[:gone]


def test_a_pinned_copy_of_a_batch_is_told_from_the_other() -> None:
    old = made(1, NOW - timedelta(days=30))
    pinned = replace(old, folder=Path("copy"), pinned=True)
    batches = [pinned, old, made(2, NOW - timedelta(days=30) + MINUTE), made(3, NOW)]
    assert expendable(batches, EVERYTHING, NOW) == [old]


def test_good_is_what_was_dumped_or_has_not_changed_since() -> None:
    def race(name_id: str) -> Race:
        return Race(name="", annotation="", date="", name_id=name_id, id=1, version=1)

    batch = Batch(
        7, NOW, False, Server("localhost", 3306, "MariaDB", "10.11", 0), "mysqldump", "0.1.0",
        (
            Entry("meosmain", dump=StoredFile("a", 1, "00")),
            Entry("meos_new", race("meos_NEW"), dump=StoredFile("b", 1, "00")),
            Entry("meos_same", race("meos_Same"), dump=StoredFile("c", 1, "00"), unchanged_since=6),
            Entry("meos_crashed", race("meos_Crashed"), dump=StoredFile("d", 1, "00"), error="The table is crashed."),
            Entry("meos_absent", race("meos_Absent"), error="There is no such database."),
        ),
    )  # fmt: skip
    kept = kept_from(StoredBatch(Path("there"), batch), frees=12, pinned=True)
    assert kept == Kept(Path("there"), 7, NOW, 12, False, True, frozenset({"meosmain", "meos_new", "meos_same"}))


@pytest.mark.parametrize(
    ("total", "wanted_mb", "reserve"),
    [
        (8_000_000_000, None, 400_000_000),
        (64_000_000_000, None, 1 << 30),
        (8_000_000_000, 300, 300 << 20),
        (64_000_000_000, 4096, 4096 << 20),
        (64_000_000_000, 0, 0),
        (0, None, 0),
    ],
)
def test_reserve(total: int, wanted_mb: int | None, reserve: int) -> None:
    assert reserve_bytes(total, wanted_mb) == reserve
