"""What a receiver is told of a day, and when."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from meosbackup.day.day_status import DayStatus
from meosbackup.day.notify_thread import Telling
from meosbackup.guide.picture import ALARM, TROUBLE, Happening
from meosbackup.system.receivers import Message

START = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
DRIVE, SERVER, LOST = "drive", "server", "lost"
WELL: frozenset[str] = frozenset()


class Day:
    """A day with a tick each minute, and all that its receiver took, with the minute."""

    def __init__(self) -> None:
        self.telling = Telling("tent-pc")
        self.minute = -1
        self.taken: list[tuple[int, Message]] = []
        self.tries = 0
        self._began: dict[str, datetime] = {}

    def tick(self, *wrong: str, takes: bool = True) -> None:
        self.minute += 1
        now = START + timedelta(minutes=self.minute)
        self._began = {key: self._began.get(key, now) for key in wrong}
        standing = tuple(
            Happening(ALARM if key == LOST else TROUBLE, key, f"The {key} is gone.", "It hurts.", "Do it.", began)
            for key, began in self._began.items()
        )
        message = self.telling.next(DayStatus(now, 60, standing, on_drive=START, on_computer=START))
        if message is not None:
            self.tries += 1
            self.telling.sent(is_taken=takes)
            if takes:
                self.taken.append((self.minute, message))

    def ticks(self, minutes: int, *wrong: str, takes: bool = True) -> None:
        for _ in range(minutes):
            self.tick(*wrong, takes=takes)

    @property
    def told(self) -> list[tuple[int, str]]:
        return [(minute, message.title.removeprefix("meosbackup: ")) for minute, message in self.taken]


def test_trouble_is_told_at_once_after_ten_minutes_and_at_its_end() -> None:
    day = Day()
    day.tick()
    day.ticks(30, DRIVE)
    day.ticks(30)
    assert day.told == [(0, "started"), (1, "FAIL"), (11, "FAIL"), (31, "all is well again")]
    texts = [message.body for _, message in day.taken]
    where = "Newest good backup on the drive: 14:00:00."
    assert texts[1] == f"FAIL: The drive is gone.\nIt hurts.\nDo it.\n\n{where}\n\n14:01:00, computer tent-pc"
    assert texts[2].startswith("FAIL since 14:01:00: The drive is gone.\nIt hurts.\nDo it.\n")
    assert texts[3].startswith("Over, from 14:01:00 to 14:31:00: The drive is gone.\n\nNewest good backup")
    assert [message.mood for _, message in day.taken] == ["info", "failure", "failure", "success"]


def test_several_things_are_told_in_one_message_and_an_alarm_gives_it_its_title() -> None:
    day = Day()
    day.tick(DRIVE, LOST)
    day.tick(DRIVE, LOST, SERVER)
    day.tick(SERVER)
    day.tick()
    assert day.told == [(0, "ALARM"), (1, "FAIL"), (2, "partly well again"), (3, "all is well again")]
    texts = [message.body for _, message in day.taken]
    assert "FAIL: The drive is gone." in texts[0]
    assert "ALARM: The lost is gone." in texts[0]
    assert "Still wrong, since 14:00:00: The drive is gone." in texts[1]
    assert texts[2].count("Over, from 14:00:00 to 14:02:00") == 2
    assert "Still wrong, since 14:01:00: The server is gone." in texts[2]


def test_many_things_are_counted() -> None:
    day = Day()
    day.tick(*(f"race {number}" for number in range(30)))
    [(_, message)] = day.taken
    assert message.body.count("FAIL: ") == 5
    assert "And 25 more." in message.body


def test_what_comes_and_goes_is_told_four_times_and_not_all_day() -> None:
    day = Day()
    day.tick()
    for _ in range(60):
        day.tick(DRIVE)
        day.tick()
    day.ticks(20)
    assert day.told == [
        (0, "started"), (1, "FAIL"), (2, "all is well again"), (3, "FAIL"), (13, "FAIL"), (130, "all is well again"),
    ]  # fmt: skip
    assert day.taken[3][1].body.startswith("FAIL again: ")
    day.tick(DRIVE)
    assert day.told[-1] == (141, "FAIL")
    assert day.taken[-1][1].body.startswith("FAIL: ")


def test_an_alarm_that_grows_is_not_over() -> None:
    telling, taken = Telling("tent-pc"), []
    now = START + timedelta(minutes=1)
    for what in ("Långdistans lost 38 entries.", "Långdistans lost 60 entries."):
        taken.append(telling.next(DayStatus(now, 60, (Happening(ALARM, what, what, "", "", now),))))
        telling.sent(is_taken=True)
    assert [message and message.title for message in taken] == ["meosbackup: ALARM"] * 2
    assert taken[1] is not None
    assert taken[1].body == (
        "ALARM: Långdistans lost 60 entries.\n\nThere is no good backup yet.\n\n14:01:00, computer tent-pc"
    )


def test_what_was_not_taken_is_tried_again_less_and_less_often_and_what_is_new_at_once() -> None:
    day = Day()
    day.tick()
    tried = []
    for minute in range(1, 31):
        before = day.tries
        day.tick(DRIVE, *([SERVER] if minute >= 24 else []), takes=False)
        tried += [minute] if day.tries > before else []
    assert tried == [1, 2, 4, 8, 13, 18, 23, 24, 29]
    day.ticks(6, DRIVE, SERVER)
    assert day.told == [(0, "started"), (34, "FAIL")]
    assert day.taken[-1][1].body.count("FAIL: ") == 2


def test_what_was_over_before_the_receiver_took_it_is_never_told() -> None:
    day = Day()
    day.ticks(3, DRIVE, takes=False)
    day.ticks(20)
    assert [title for _, title in day.told] == ["started"]


KEYS = (DRIVE, SERVER, LOST)
WRONG = st.frozensets(st.sampled_from(KEYS))
TICKS = st.lists(st.tuples(WRONG, st.booleans(), st.integers(1, 14)), max_size=40)


def lived(ticks: Iterable[tuple[frozenset[str], bool, int]]) -> Day:
    day = Day()
    for wrong, takes, minutes in ticks:
        day.ticks(minutes, *sorted(wrong), takes=takes)
    return day


@given(TICKS, WRONG)
def test_in_the_end_the_receiver_knows_what_stands(
    ticks: Sequence[tuple[frozenset[str], bool, int]], last: frozenset[str]
) -> None:
    day = lived(ticks)
    day.ticks(30, *sorted(last))
    count = len(day.taken)
    day.ticks(60, *sorted(last))
    assert len(day.taken) == count
    mentioned = {key: [text for _, text in day.taken if f"The {key} is gone." in text.body] for key in KEYS}
    for key in KEYS:
        if key in last:
            assert mentioned[key]
            assert "Over" not in mentioned[key][-1].body.partition(f": The {key} is gone.")[0].rpartition("\n\n")[2]
    if not last:
        assert day.told[-1][1] in {"started", "all is well again"}


@given(TICKS)
def test_well_is_said_only_where_nothing_is_wrong(ticks: Sequence[tuple[frozenset[str], bool, int]]) -> None:
    day = lived(ticks)
    wrong_at = [wrong for wrong, _, minutes in ticks for _ in range(minutes)]
    for minute, message in day.taken:
        assert (message.mood == "success") == (message.title == "meosbackup: all is well again")
        if message.mood == "success":
            assert wrong_at[minute] == WELL


@given(st.lists(st.booleans(), min_size=20, max_size=300))
def test_one_thing_is_told_few_times_however_it_comes_and_goes(there: Sequence[bool]) -> None:
    day = Day()
    for is_there in there:
        day.tick(*([DRIVE] if is_there else []))
    minutes = [minute for minute, title in day.told if title != "started"]
    for minute in minutes:
        assert sum(minute <= other < minute + 10 for other in minutes) <= 4
