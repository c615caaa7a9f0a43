"""The picture of the day, as a reader sees and uses it in a real browser."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from meosbackup.batch import names
from meosbackup.batch.model import SAFETY
from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_server import PageServer
from meosbackup.guide import page
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import TROUBLE, DayBatch, Happening, Picture, RaceState
from tests.toolkit.browser import Reader
from tests.toolkit.guides import SPARE
from tests.toolkit.pictured_days import LONG, MINUTE, RELAY, Counts, at, batch, facts, largest_day, race_day

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
COLOURS = {
    "gap": "bad", "trouble": "bad", "alarm": "bad", "words": "bad",
    "off": "quiet", "present": "good", "safety": "accent",
}  # fmt: skip
"""The colours of signs, as the page calls them."""


class Drawing:
    """The picture of the day on a page that is open in a browser."""

    def __init__(self, tab: "Page") -> None:
        self.tab = tab
        self.whole = tab.locator("#picture")
        self.svg = tab.locator("svg.picture-svg")
        self.slider = tab.get_by_role("slider")
        self.list = tab.locator(".picture-list tr")
        self.slider.scroll_into_view_if_needed()

    @property
    def told(self) -> str:
        """What the line below the picture tells."""
        return self.tab.locator(".picture-told").text_content() or ""

    @property
    def axis(self) -> list[str]:
        """The times on the axis."""
        return self.svg.locator(".picture-time").all_text_contents()

    @property
    def chosen(self) -> str:
        """The time of the backup that the page tells how to get back to."""
        [found] = re.findall(r"\d\d:\d\d:\d\d", self.tab.locator("#chosen .moment").inner_text())
        return str(found)

    def x(self, clock: str) -> float:
        """Return where a time is, by the first and the last one on the axis."""
        labels = self.svg.locator(".picture-time").all()
        first, last = (at(f"{one.text_content()}:00") for one in (labels[0], labels[-1]))
        left, right = middle(labels[0])[0], middle(labels[-1])[0]
        return left + (at(clock) - first) / (last - first) * (right - left)

    def hover(self, clock: str, text: str = LONG) -> None:
        """Point to a time, on the height of a text."""
        self.tab.mouse.move(self.x(clock), self.y(text))

    def y(self, text: str) -> float:
        """Return on what height a text of the picture stands."""
        return middle(self.svg.get_by_text(text, exact=True))[1]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.slider.press(key)

    def button(self, name: str) -> "Locator":
        return self.whole.get_by_role("button", name=name, exact=True)

    def fill(self, kind: str) -> str:
        """Return the colour of a kind of sign."""
        return str(self.svg.locator(f".{kind}").first.evaluate("one => getComputedStyle(one).fill"))

    def colour(self, name: str) -> str:
        """Return one of the page's colours."""
        self.whole.evaluate("(one, name) => { one.style.caretColor = `var(--${name})`; }", name)
        return str(self.whole.evaluate("one => getComputedStyle(one).caretColor"))

    def strokes(self, kind: str) -> int:
        """Return how many signs one path of this kind consists of."""
        return (self.svg.locator(f".{kind}").get_attribute("d") or "").count("M")


def middle(one: "Locator") -> tuple[float, float]:
    box = one.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


Open: TypeAlias = Callable[..., Drawing]


@pytest.fixture
def opened(reader: Reader, tmp_path: Path) -> Open:
    """Opens the page that tells of a day."""

    def open_page(told: PageFacts, **options: Any) -> Drawing:
        path = tmp_path / "RESTORE.html"
        path.write_text(page.page_html(told), "utf-8")
        return Drawing(reader.open(path, **options))

    return open_page


def line(told: Picture, batch: DayBatch, *remarks: str) -> str:
    """Return what the line below the picture should tell of a batch."""
    races = [
        f"{race.name}: Entries {state.entries:,}, Finished {state.finished:,}, Cards {state.cards:,}"
        + ". OLDER than the backup." * state.is_older
        for race in told.races
        if (state := batch.states.get(race.key))
    ]
    return " ".join([f"{batch.taken:%H:%M:%S}", *remarks, *races])


def batch_at(told: Picture, clock: str) -> DayBatch:
    [found] = [one for one in told.batches if one.taken == at(clock)]
    return found


def test_a_day_is_drawn_with_all_that_happened(opened: Open, tmp_path: Path) -> None:
    told = race_day()
    picture = opened(told)
    picture.tab.screenshot(path=tmp_path / "picture.png", full_page=True)
    texts = picture.svg.locator("text").all_text_contents()
    assert picture.axis == [f"{hour:02}:00" for hour in range(8, 16)]
    assert {LONG, RELAY, "Test", "deleted", "No backup: 13 minutes", "meosbackup was not running: 6 minutes"} <= {
        *texts
    }
    for begin in ("Test (2026-11-22) was deleted", "Långdistans lost 38", "No answer from MySQL", "The drive is"):
        assert [text for text in texts if text.startswith(begin)]

    for kind, colour in COLOURS.items():
        assert picture.fill(f"picture-{kind}") == picture.colour(colour)
    gap = picture.svg.locator(".picture-gap").bounding_box()
    assert gap
    assert gap["x"] == pytest.approx(picture.x("12:51:00"), abs=2)
    assert gap["x"] + gap["width"] == pytest.approx(picture.x("13:04:00"), abs=2)
    assert middle(picture.svg.locator(".picture-safety"))[0] == pytest.approx(picture.x("11:45:38"), abs=2)
    assert middle(picture.svg.locator(".picture-deleted"))[0] == pytest.approx(picture.x("09:12:00"), abs=2)

    backups = [one for one in told.day.batches if one.is_backup]
    assert picture.strokes("picture-removed") == len(told.removed) > 100
    assert picture.strokes("picture-present") == len(backups) - len(told.removed)
    assert picture.fill("picture-removed") == "none"
    assert picture.svg.locator(".picture-numbers").all_text_contents() == ["387 / 412", "158 / 168", "90 / 96", "– / –"]


def test_what_happened_is_listed_in_words(opened: Open) -> None:
    picture = opened(race_day())
    rows = [" ".join(row.split()) for row in picture.list.all_inner_texts()]
    assert [row.split(" ", 1)[0] for row in rows] == [str(place) for place in range(1, 11)]
    assert rows[3:7] == [
        ("4 11:40:00 to 11:47:00 ALARM Långdistans lost 38 of its 412 entries between 11:39:00 and 11:40:00. Left: 374"
        " entries. The batch from 11:39:00 has it as it was before that. If this was a mistake, stop meosbackup with"
        " Ctrl-C, and run: meosbackup restore --batch 11:39:00"),
        "5 11:45:38 What was on the server before a restore replaced it",
        "6 12:51:00 to 13:04:00 No backup: 13 minutes",
        ("7 12:52:00 to 13:04:00 Trouble No answer from MySQL on localhost, port 3306."
        " Nothing has been backed up since 12:51:00. Check that MySQL is running there."),
    ]  # fmt: skip
    assert rows[2].startswith("3 09:12:00 Test is not in the backups any more: it was deleted, or left out on purpose.")
    assert rows[8] == "9 14:40:00 to 14:46:40 meosbackup was not running: 6 minutes"
    picture.button("09:12:00").click()
    assert picture.axis[0] == "08:50"
    assert picture.told.startswith("09:12:00 no longer on the drive Långdistans: Entries 402")


def test_the_mouse_tells_the_numbers_and_chooses(opened: Open) -> None:
    told = race_day()
    picture = opened(told)
    newest = told.day.batches[-1]
    assert picture.told == line(told.day, newest)
    picture.button("11:40:00 to 11:47:00").click()
    picture.hover("11:43:20")
    assert picture.told == line(told.day, batch_at(told.day, "11:43:00"), "no longer on the drive")
    assert "Entries 374, Finished 1" in picture.told
    assert picture.svg.locator(".picture-numbers").first.text_content() == "108 / 374"
    picture.hover("11:45:38", "Backups")
    assert picture.told == line(told.day, batch_at(told.day, "11:45:38"), "Saved before a restore")
    picture.hover("11:45:40")  # elsewhere, what a restore saved is not meant
    assert picture.told.startswith("11:45:00 ")
    picture.tab.mouse.move(5, 5)
    assert picture.told == line(told.day, newest)

    picture.hover("11:55:50")
    picture.tab.mouse.down()
    picture.tab.mouse.up()
    assert picture.chosen == "11:55:00"
    picture.tab.get_by_role("link", name="Backup from 11:55:00: Bring the races back").click()
    assert picture.tab.locator("#steps").evaluate("one => Math.abs(one.getBoundingClientRect().top)") < 5
    picture.slider.scroll_into_view_if_needed()
    picture.hover("11:45:38", "Backups")
    picture.tab.mouse.down()
    picture.tab.mouse.up()
    assert picture.chosen == "11:45:38"
    picture.tab.mouse.move(5, 5)
    assert picture.told.startswith("11:45:38 ")


def test_the_keyboard_tells_the_numbers_and_chooses(opened: Open) -> None:
    told = race_day()
    picture = opened(told)
    batches = told.day.batches
    label = picture.slider.get_attribute("aria-label") or ""
    assert label.startswith(f"Backups of 4 races from 07:30 to 15:54: {len(batches)}.")
    picture.tab.keyboard.press("Tab")
    picture.button("Zoom in").focus()
    picture.tab.keyboard.press("Tab")
    assert (
        picture.slider.evaluate("one => one === document.activeElement && getComputedStyle(one).outlineStyle")
        == "solid"
    )
    picture.press("Home", "ArrowRight", "ArrowRight")
    assert picture.told.startswith(f"{batches[2].taken:%H:%M:%S} ")
    assert [picture.slider.get_attribute(f"aria-value{one}") for one in ("now", "max", "text")] == [
        "2", str(len(batches) - 1), f"{batches[2].taken:%H:%M:%S}",
    ]  # fmt: skip
    picture.press("End", "ArrowRight", "ArrowLeft")
    assert picture.told == line(told.day, batches[-2])
    picture.press("Enter")
    assert picture.chosen == f"{batches[-2].taken:%H:%M:%S}"
    for _ in range(3):
        picture.press("+")
    assert picture.axis[-1] == "15:50"
    picture.press("Home")  # the view goes along
    assert picture.axis[:2] == ["07:30", "07:40"] or picture.axis[0] == "07:40"
    picture.press("-", "-", "-")
    assert picture.button("Whole day").get_attribute("aria-pressed") == "true"


def test_an_hour_is_shown_and_moved(opened: Open) -> None:
    picture = opened(race_day())
    picture.button("1 hour").click()
    assert picture.axis == ["15:00", "15:10", "15:20", "15:30", "15:40", "15:50"]
    assert picture.button("1 hour").get_attribute("aria-pressed") == "true"
    picture.hover("15:20:00")
    picture.tab.mouse.down()
    picture.tab.mouse.move(picture.x("15:50:00"), picture.y(LONG), steps=4)
    picture.tab.mouse.up()
    assert picture.chosen == "15:54:00"  # what is moved isn't chosen
    picture.tab.wait_for_function("() => document.querySelector('.picture-time').textContent === '14:30'")
    assert picture.x("14:46:40") == pytest.approx(end_of(picture.svg.locator(".picture-off")), abs=2)
    assert "meosbackup was not running: 6 minutes" in picture.svg.locator("text").all_text_contents()
    picture.button("Zoom in").click()
    picture.button("Zoom in").click()
    assert len(picture.axis) > 5
    picture.button("Whole day").click()
    assert picture.axis[0] == "08:00"


def end_of(one: "Locator") -> float:
    box = one.bounding_box()
    assert box
    return box["x"] + box["width"]


def test_a_phone_shows_all_of_it_and_takes_fingers(opened: Open) -> None:
    told = race_day()
    picture = opened(told, **PHONE)
    assert picture.tab.evaluate("document.documentElement.scrollWidth") <= 360
    name, numbers = (picture.svg.locator(one).first.bounding_box() for one in (".picture-name", ".picture-numbers"))
    assert name
    assert numbers
    assert abs(name["y"] - numbers["y"]) < 5
    picture.tab.touchscreen.tap(picture.x("12:30:30"), picture.y(RELAY))
    assert picture.chosen == "12:30:00"
    assert picture.told.startswith("12:30:00 ")

    fingers = picture.tab.context.new_cdp_session(picture.tab)
    spots = [(picture.x(clock), picture.y(RELAY) + 20) for clock in ("11:00:00", "12:00:00", "10:00:00", "13:00:00")]
    for kind, touched in (("Start", spots[:2]), ("Move", spots[2:]), ("End", [])):
        points = [{"x": x, "y": y, "id": place} for place, (x, y) in enumerate(touched)]
        fingers.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    picture.svg.get_by_text("11:30").wait_for()
    assert [picture.x(clock) for clock in ("11:00:00", "12:00:00")] == pytest.approx([x for x, _ in spots[2:]], abs=2)
    assert picture.chosen == "12:30:00"


def test_a_large_day_has_a_lane_for_each_race(opened: Open) -> None:
    told = replace(largest_day(), spare=SPARE)
    assert len(page.page_html(told).encode()) <= 225_000
    picture = opened(told)
    assert picture.svg.locator(".picture-name").count() == picture.svg.locator(".picture-entries").count() == 30
    assert picture.strokes("picture-present") == 600
    picture.press("Home")
    assert "races not listed here: 24" in picture.told
    assert picture.svg.locator(".picture-numbers").last.text_content() == "1 / 329"
    assert picture.list.count() == 0
    assert "Nothing went wrong." in picture.whole.inner_text()


def test_every_number_of_a_day_is_read_by_the_page(opened: Open) -> None:
    big = 2**53 - 1
    states = [
        RaceState(0, 0, 0, False, False), RaceState(7, 5, 12, True, False), RaceState(big, 8, 0, True, True),
        None, None, RaceState(15, 15, 15, False, True), RaceState(16, 14, 31, False, False),
        RaceState(1, big, big, True, False), RaceState(2_000_000, 3, 1_000, True, False),
        RaceState(2_000_001, 10, 1_014, True, False),
    ]  # fmt: skip
    day = largest_day(1, 1).day
    key = day.races[0].key
    batches = []
    for step, state in enumerate(states):
        taken, name = at("20:00:00") + step * 77 * MINUTE, f"2026-11-22/00-00-{step:02}"
        batches.append(DayBatch(taken, taken, name, step % 4 != 3, step % 3 != 2, {key: state} if state else {}))
    day = replace(day, batches=tuple(batches))
    newest = batch(batches[-1].taken, {"A": Counts(1)})
    picture = opened(PageFacts(newest, day, batches[-1].name, batches[-1].held))
    picture.press("Home")
    for one in batches:
        remarks = ["Saved before a restore"] * (not one.is_backup) + ["NOT COMPLETE"] * (not one.is_complete)
        time = "" if one.taken > at("23:59:59") else "22 Nov "
        assert picture.told == time + line(day, one, *remarks)
        picture.press("ArrowRight")


@pytest.mark.parametrize("name", ["</script><svg onload=alert(1)>", "\u202eabc <b>", "'\"&amp;`{{7*7}}", "Å" * 300])
def test_a_race_may_be_called_anything(opened: Open, name: str) -> None:
    day = Picture()
    for minute in range(3):
        now = at("12:00:00") + minute * MINUTE
        day = day.with_batch(batch(now, {name: Counts(minute)} if minute < 2 else {}), names.folder_name(now))
    wrong = Happening(TROUBLE, "a", f"{name} failed.", name, name, at("12:01:00"))
    picture = opened(facts(day.with_standing([wrong]), batch(at("12:02:00"), {"A": Counts(1)})), **PHONE)
    [race] = day.races
    shown = race.name[:20]
    assert (picture.svg.locator(".picture-name").text_content() or "").startswith(shown)
    assert shown in picture.list.first.inner_text()
    assert f"{race.name} is not in the backups any more" in " ".join(picture.list.all_inner_texts())
    assert picture.tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_night_before_is_there_if_one_looks_for_it(opened: Open) -> None:
    day = Picture().started(at("00:10:00"), 60)
    evening, morning = ([at(clock) + minute * MINUTE for minute in range(60)] for clock in ("00:10:00", "09:00:00"))
    for now in evening:
        day = day.with_batch(batch(now, {"A": Counts(now.minute)}), names.folder_name(now))
    day = day.started(at("08:59:50"), 60)
    for now in morning:
        day = day.with_batch(batch(now, {"A": Counts(now.minute)}), names.folder_name(now))
    picture = opened(facts(day, batch(morning[-1], {"A": Counts(59)})))
    assert picture.axis[0].startswith("09:")
    picture.button("Zoom out").click()
    for _ in range(4):
        picture.button("Zoom out").click()
    assert picture.axis[0] == "01:00"
    assert "meosbackup was not running: 7 hours 50 minutes" in picture.svg.locator("text").all_text_contents()


@pytest.mark.parametrize(
    ("wrong", "gaps"),
    [
        ([], [("12:10:00", "12:20:00", "off")]),
        ([("12:11:00", "12:20:00")], [("12:10:00", "12:20:00", "gap")]),
        ([("12:11:00", "12:14:00")], [("12:10:00", "12:14:00", "gap"), ("12:14:00", "12:20:00", "off")]),
    ],
)
def test_a_time_without_backups_is_red_unless_meosbackup_was_off(
    opened: Open, wrong: list[tuple[str, str]], gaps: list[tuple[str, str, str]]
) -> None:
    day = Picture()
    for clock in ("12:00:00", "12:20:30"):
        now = at(clock)
        day = day.with_batch(batch(now, {"A": Counts(now.minute)}), names.folder_name(now))
    held = tuple(replace(one, held=one.taken + (10 if one.taken.minute == 0 else 1) * MINUTE) for one in day.batches)
    troubles = [
        replace(Happening(TROUBLE, "a", "It failed.", "", "", at(began)), ended=at(ended)) for began, ended in wrong
    ]
    day = replace(day, batches=held, happenings=tuple(troubles)).started(at("12:20:00"), 60)
    picture = opened(facts(day, batch(at("12:20:30"), {"A": Counts(20)})))
    for begin, end, kind in gaps:
        box = [one.bounding_box() for one in picture.svg.locator(f".picture-{kind}").all()]
        [found] = [one for one in box if one]
        assert found["x"] == pytest.approx(picture.x(begin), abs=2)
        assert found["x"] + found["width"] == pytest.approx(picture.x(end), abs=2)
    assert picture.svg.locator(".picture-gap, .picture-off").count() == len(gaps)


@pytest.mark.parametrize("has_day", [False, True])
def test_what_a_restore_saved_may_be_all_that_there_is(opened: Open, has_day: bool) -> None:
    saved = batch(at("12:00:00"), {"A": Counts(1_200, 3, 4)}, SAFETY)
    day = Picture().with_batch(saved, "2026-11-22/12-00-00") if has_day else Picture()
    picture = opened(PageFacts(saved, day, None, at("12:00:10")))
    assert picture.told == "12:00:00 Saved before a restore" + " A: Entries 1,200, Finished 3, Cards 4" * has_day
    assert picture.svg.locator(".picture-safety").count() == 1


def test_of_many_things_the_latest_are_listed_and_those_before_are_folded_up(opened: Open) -> None:
    told = race_day()
    wrong = [
        Happening(TROUBLE, "a", f"The drive is write-protected: failure {place}.", "", "", began, began + MINUTE / 2)
        for place, began in enumerate(at("08:00:00") + place * MINUTE for place in range(40))
    ]
    picture = opened(replace(told, day=replace(told.day, happenings=(*wrong, *told.day.happenings))))
    numbers = picture.svg.locator(".picture-words-trouble").all_text_contents()
    assert numbers[:3] == ["2", "3", "4"]  # where there is no room for words
    assert picture.list.count() == 50
    assert picture.list.get_by_role("button").count() == 12
    picture.tab.locator("summary").get_by_text("07:29:58 to ").click()
    assert picture.list.get_by_role("button").count() == 50
    picture.button("08:20:00 to 08:20:30").click()
    assert picture.told.startswith("08:20:00 ")


def test_a_live_page_draws_the_next_batch_and_keeps_what_the_reader_looks_at(reader: Reader) -> None:
    told = race_day()
    newest = told.written
    later = newest + MINUTE
    grown = told.day.with_batch(batch(later, {LONG: Counts(413, 400, 401)}), names.folder_name(later))
    server = PageServer(0, DayStatus(newest, 60))
    server.start()
    server.post(DayStatus(newest, 60), told)
    address = f"http://127.0.0.1:{server.port}/"
    reader.allowed.append(re.escape(address) + ".*")
    try:
        picture = Drawing(reader.open(address))
        picture.slider.wait_for()
        picture.button("1 hour").click()
        picture.press("ArrowLeft")
        before = picture.told
        server.post(DayStatus(later, 60), facts(grown, batch(later, {LONG: Counts(413, 400, 401)})))
        picture.tab.locator(f"[role=slider][aria-valuemax='{len(told.day.batches)}']").wait_for()
        assert picture.told == before
        assert picture.axis == ["15:00", "15:10", "15:20", "15:30", "15:40", "15:50"]
        assert picture.slider.evaluate("one => one === document.activeElement")
        picture.press("End")
        assert picture.told.startswith("15:55:00 ")
    finally:
        reader.close()
        server.stop()


def test_a_day_that_has_only_begun_is_drawn_until_what_is_known(opened: Open) -> None:
    day = Picture()
    for minute in range(4):
        now = at("12:00:00") + minute * MINUTE
        day = day.with_batch(batch(now, {"A": Counts(40 + minute, 20)}), names.folder_name(now))
    failed = Happening(TROUBLE, "a", "It failed.", "", "", at("12:03:00"))
    day = replace(day, happenings=(failed,))
    picture = opened(facts(day, batch(at("12:03:00"), {"A": Counts(43, 20)})))
    assert picture.axis[-1] >= "12:09"
    for kind in ("entries", "finished"):
        box = picture.svg.locator(f".picture-{kind}").bounding_box()
        assert box
        assert box["x"] + box["width"] == pytest.approx(picture.x("12:03:00"), abs=5)
    box = picture.svg.locator(".picture-trouble").first.bounding_box()
    assert box
    assert box["width"] <= 6
