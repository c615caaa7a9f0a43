"""What sounds an alarm, what ends it, and what doesn't sound one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.batch.model import Batch, Entry, Freshness, Race, Server, StoredBatch, StoredFile
from meosbackup.day.alarms import Alarm, Alarms, Kind, News, falls, grouped
from meosbackup.meos.race_list import REMOVED, ChosenRace, LeftOutRace, Selection

START = datetime(2026, 11, 22, 14, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG = Race("Långdistans", "", "2026-11-22", "meos_1E5", 1, 101)
RELAY = Race("Stafett", "", "2026-11-22", "meos_2", 2, 101)
COUNTS = Freshness(None, 412, 208, 187, 640)


def counts(entries: int = 412, finished: int = 208, cards: int = 187, punches: int = 640) -> Freshness:
    return Freshness(None, entries, finished, cards, punches)


def a_race(race: Race = LONG, freshness: Freshness | None = COUNTS, error: str | None = None) -> Entry:
    return Entry(race.key, race, freshness, StoredFile(f"{race.key}.dump.sql", 1, "00"), START, error=error)


@dataclass
class Watch:
    """A run whose ticks come each minute."""

    alarms: Alarms = field(default_factory=Alarms)
    now: datetime = START
    sequence: int = 0

    def look(
        self, *entries: Entry, chosen: Sequence[ChosenRace] | None = None, left_out: Sequence[LeftOutRace] = ()
    ) -> News:
        """Look at a new batch a minute later; its races are those on the list, unless `chosen` says otherwise."""
        self.now += MINUTE
        self.sequence += 1
        batch = Batch(
            self.sequence, self.now, True, Server("laptop-1", 3306, "MySQL", "8.0.45", 1), "mysqldump", "1.0.0", entries
        )
        listed = [ChosenRace(entry.race, entry.database) for entry in entries if entry.race]
        selection = Selection(tuple(listed if chosen is None else chosen), tuple(left_out), ())
        return self.alarms.look(self.now, selection, StoredBatch(Path(f"{self.now:%H-%M-%S}"), batch))


def only(news: News) -> Alarm:
    [alarm] = news.raised
    return alarm


@pytest.mark.parametrize(("before", "after", "fallen"), [
    (counts(), counts(), ()),
    (counts(), counts(entries=408), ()),
    (counts(), counts(entries=404), ()),  # 8 of 412 are less than 2 %
    (counts(), counts(entries=403), ("entries",)),
    (counts(entries=6), counts(entries=2), ()),
    (counts(entries=6), counts(entries=1), ("entries",)),
    (counts(entries=250), counts(entries=245), ("entries",)),
    (counts(), counts(500, 190, 100, 0), ("finished", "cards", "punches")),
    (counts(), None, ()),
    (None, counts(), ()),
])  # fmt: skip
def test_a_count_falls_by_five_and_by_two_percent(
    before: Freshness | None, after: Freshness | None, fallen: tuple[str, ...]
) -> None:
    assert falls(before, after) == fallen


def test_what_was_lost_is_told_and_that_it_is_back() -> None:
    watch = Watch()
    assert watch.look(a_race(), a_race(RELAY)) == News()
    alarm = only(watch.look(a_race(freshness=counts(374, 188)), a_race(RELAY)))
    assert f"{alarm.what} {alarm.more}" == (
        "Långdistans lost 38 of its 412 entries and 20 of its 208 finished runners between 14:07:00 and 14:08:00."
        " Left: 374 entries, 188 finished runners."
    )
    assert (alarm.brief, alarm.before.batch.batch.sequence) == (
        "Långdistans lost 38 entries, 20 finished runners", 1,
    )  # fmt: skip
    assert watch.look(a_race(freshness=counts(411, 208)), a_race(RELAY)) == News()
    [(over, told)] = watch.look(a_race(freshness=counts(412, 208, cards=186)), a_race(RELAY)).over
    assert (over, told) == (
        alarm, "what Långdistans lost is back: 412 entries, 208 finished, 186 cards, 640 punches",
    )  # fmt: skip
    assert watch.alarms.standing == {}


def test_an_alarm_is_repeated_each_ten_minutes() -> None:
    watch = Watch()
    watch.look(a_race())
    alarm = only(watch.look())
    due = [minute for minute in range(1, 32) if watch.alarms.due(watch.now + minute * MINUTE) == [alarm]]
    assert due == [10, 20, 30]


def test_what_is_lost_within_ten_minutes_is_one_accident_and_later_another() -> None:
    watch = Watch()
    for entries in (412, 300, 200):
        news = watch.look(a_race(freshness=counts(entries)))
    assert only(news).what.startswith("Långdistans lost 212 of its 412 entries between 14:07:00 and 14:09:00.")
    assert only(news).before.batch.batch.sequence == 1
    watch.now += 10 * MINUTE
    later = only(watch.look(a_race(freshness=counts(100))))
    assert later.what.startswith("Långdistans lost 100 of its 200 entries")
    assert later.before.batch.batch.sequence == 3
    assert list(watch.alarms.standing.values()) == [later]


def test_a_count_that_rose_and_fell_after_the_accident_is_none_of_it() -> None:
    watch = Watch()
    for freshness in (counts(), counts(entries=12), counts(entries=410, finished=300)):
        watch.look(a_race(freshness=freshness))
    assert watch.look(a_race(freshness=counts(entries=410))) == News()


@pytest.mark.parametrize(("chosen", "left_out", "said"), [
    ([], [], "Långdistans was deleted between 14:07:00 and 14:08:00. It had 412 entries, 208 finished, "),
    ([ChosenRace(LONG, None)], [], "The database of Långdistans disappeared between 14:07:00 and 14:08:00. It had 412"),
    ([], [LeftOutRace(LONG, REMOVED)], "Långdistans was marked as removed between 14:07:00 and 14:08:00. It had 412 "),
])  # fmt: skip
def test_a_race_that_is_gone(chosen: list[ChosenRace], left_out: list[LeftOutRace], said: str) -> None:
    watch = Watch()
    watch.look(a_race(), a_race(RELAY))
    relay = ChosenRace(RELAY, RELAY.key)
    carried = [a_race(error="The server has no database.")] if chosen else []
    alarm = only(watch.look(*carried, a_race(RELAY), chosen=[*chosen, relay], left_out=left_out))
    assert f"{alarm.what} {alarm.more}".startswith(said)
    assert (alarm.kind, alarm.before.batch.batch.sequence) == (Kind.GONE, 1)
    assert watch.look(*carried, a_race(RELAY), chosen=[*chosen, relay], left_out=left_out) == News()
    back = watch.look(a_race(freshness=counts(entries=12)), a_race(RELAY))
    assert [told for _, told in back.over] == ["Långdistans is back: 12 entries, 208 finished, 187 cards, 640 punches"]
    assert only(back).what.startswith("Långdistans lost 400 of its 412 entries between 14:07:00 and 14:10:00.")


def test_a_race_that_is_gone_has_one_alarm_and_one_that_cannot_be_dumped_has_none() -> None:
    watch = Watch()
    watch.look(a_race(), a_race(RELAY))
    assert only(watch.look(a_race(freshness=counts(12)), a_race(RELAY))).kind is Kind.FELL
    damaged = a_race(freshness=counts(12), error="The table is crashed.")
    assert watch.look(damaged, a_race(RELAY)) == News()
    assert only(watch.look(a_race(RELAY))).kind is Kind.GONE
    assert [kind for _, kind in watch.alarms.standing] == [Kind.GONE]


def test_a_race_whose_date_moved() -> None:
    watch = Watch()
    watch.look(a_race())
    moved = Race("Långdistans", "", "2025-11-22", LONG.name_id, 1, 101)
    chosen = [ChosenRace(moved, moved.key, "2026-11-22")]
    alarm = only(watch.look(a_race(moved), chosen=chosen))
    assert f"{alarm.what} {alarm.more}" == (
        "Långdistans was dated 2026-11-22, and is now dated 2025-11-22. It is still backed up; after a new start, only"
        " with --all-races."
    )
    assert watch.look(a_race(moved), chosen=chosen) == News()
    assert [told for _, told in watch.look(a_race()).over] == ["Långdistans is dated 2026-11-22 now"]


@pytest.mark.parametrize("reason", ["older than 3 days; --all-races backs it up too", "not among the races asked for"])
def test_a_race_that_is_left_out_for_another_reason_sounds_no_alarm_and_ends_its_own(reason: str) -> None:
    watch = Watch()
    watch.look(a_race(), a_race(RELAY))
    only(watch.look(a_race(freshness=counts(12)), a_race(RELAY)))
    assert watch.look(a_race(RELAY), left_out=[LeftOutRace(LONG, reason)]) == News()
    assert watch.look(a_race(RELAY)) == News()
    assert watch.alarms.standing == {}


def test_what_one_batch_undoes_is_one_group() -> None:
    watch = Watch()
    watch.look(a_race(), a_race(RELAY))
    raised = watch.look(a_race(freshness=counts(12))).raised
    assert [[alarm.kind for alarm in group] for group in grouped(raised)] == [[Kind.GONE, Kind.FELL]]
    later = watch.look().raised
    assert [len(group) for group in grouped([*raised, *later])] == [2, 1]
