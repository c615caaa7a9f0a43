"""RESTORE.html: its words, and what a reader sees and does in a real browser."""

import base64
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meosbackup.batch import names
from meosbackup.batch.model import Batch, Proof, Race, StoredFile
from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_server import PageServer
from meosbackup.guide import languages, page
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import Picture
from meosbackup.guide.restore_txt import restore_text
from tests.toolkit.browser import Reader
from tests.toolkit.guides import BATCH, INDIVIDUAL, RACE_LIST, RELAY, SPARE, TAKEN, TOP
from tests.toolkit.terminals import pasted_lines

if TYPE_CHECKING:
    from playwright.sync_api import Page

MINUTE = timedelta(minutes=1)
PRESENT = list(languages.every())
STEP_3, PART_A = "STEP 3 - BRING ALL RACES BACK", "PART A - WHAT IT SAYS, AND WHAT TO DO"
PART_C = "PART C - BRING BACK ONE RACE ONLY"
HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202egnikcah\u202d \u2066x",
    "a\u2028b\u2029c", "'\"`&amp;<!--", "{{ 7 * 7 }} {meos_import} %s", "langt" * 40,
]  # fmt: skip
"""Names of races that are meant to get out of where they stand."""


def batch_at(minutes: int) -> Batch:
    """Return the batch so many minutes after the first one."""
    taken = TAKEN - timedelta(minutes=30 - minutes)
    entries = []
    for entry in (RACE_LIST, INDIVIDUAL, RELAY):
        assert entry.dump is not None
        name = names.dump_name(names.stem_of(entry.dump.file), taken)
        meosxml = StoredFile(names.meosxml_name(name), 1, "00") if entry is INDIVIDUAL else None
        counts = entry.freshness and replace(entry.freshness, entries=40 + minutes, finished=minutes)
        entries.append(
            replace(entry, dump=replace(entry.dump, file=name), meosxml=meosxml, freshness=counts, taken=taken)
        )
    return replace(BATCH, sequence=minutes + 1, taken=taken, databases=tuple(entries))


BATCHES = [batch_at(minutes) for minutes in (0, 10, 20, 29, 30)]


def day_of(*batches: Batch) -> Picture:
    day = Picture()
    for batch in batches:
        day = day.with_batch(batch, names.folder_name(batch.taken))
    return day


def facts(*batches: Batch) -> PageFacts:
    """Return what the page at the top of a drive tells, two minutes after its last batch."""
    newest = batches[-1]
    return PageFacts(newest, day_of(*batches), names.folder_name(newest.taken), newest.taken + 2 * MINUTE)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[PageFacts], Path]:
    """Write a page where it lies on a drive, and return its path."""

    def write(facts: PageFacts) -> Path:
        folder = tmp_path / "USB stick" / names.ROOT_FOLDER
        folder /= names.folder_name(facts.batch.taken) if facts.folder is None else ""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / names.PAGE_FILE
        path.write_text(page.page_html(facts), "utf-8")
        return path

    return write


def lines(tab: "Page") -> list[str]:
    """Return the lines to paste that the page shows."""
    return tab.locator("#list .command code").all_text_contents()


def pasted(tab: "Page") -> str:
    """Paste what is in the clipboard into a field, and return it."""
    tab.locator("#time").fill("")
    tab.locator("#time").focus()
    tab.keyboard.press("Control+V")
    return tab.locator("#time").input_value()


@pytest.mark.parametrize("code", PRESENT)
def test_each_language_has_the_words_of_all(code: str) -> None:
    english, words = languages.words("en"), languages.words(code)
    assert list(words) == list(english)
    for key, text in words.items():
        assert text.strip() == text != ""
        assert Counter(re.findall(r"\{\w+\}", text)) == Counter(re.findall(r"\{\w+\}", english[key])), key
        assert "<" not in text, key
    taken_from_words = {name for text in words.values() for name in re.findall(r"\{(meos_\w+)\}", text)}
    assert taken_from_words <= set(words)


def test_the_script_uses_words_that_are_there_and_declares_each_name_once() -> None:
    folder = resources.files("meosbackup.guide").joinpath("templates", "page")
    script = "".join(folder.joinpath(name).read_text("utf-8") for name in page.SCRIPTS)
    assert sorted(page.SCRIPTS) == sorted(one.name for one in folder.iterdir() if one.name.endswith(".js"))
    used = set(re.findall(r'(?:say|sentence)\("(\w+)"', script))
    assert [
        key for key in used if not any(known == key or known.startswith(key) for known in languages.words("en"))
    ] == []
    declared = Counter(re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", script, re.MULTILINE))
    assert [name for name, times in declared.items() if times > 1] == []


def test_what_stays_the_same_in_each_page_is_light() -> None:
    html = re.sub(
        r'<script type="application/json" id="data">.*?</script>|<pre id="text">.*?</pre>',
        "",
        page.page_html(facts(BATCH)),
        flags=re.DOTALL,
    )
    assert len(html.encode()) < 145_000  # the words of all languages are in it
    assert sum(len(key) + len(text) for key, text in languages.words("en").items()) < 12_500


def test_what_python_packed_in_any_way_is_unpacked(reader: Reader, tmp_path: Path) -> None:
    text = "".join(languages.words("uk").values())
    texts = ["", "a", "å" * 70_000, text]
    packed = []
    for level, strategy in ((0, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_FIXED)):
        for each in texts:
            packer = zlib.compressobj(level, wbits=-zlib.MAX_WBITS, strategy=strategy)
            packed.append(base64.b64encode(packer.compress(each.encode()) + packer.flush()).decode())
    script = resources.files("meosbackup.guide").joinpath("templates", "page", "inflate.js").read_text("utf-8")
    (tmp_path / "empty.html").write_text("<!doctype html>")
    tab = reader.open(tmp_path / "empty.html")
    tab.add_script_tag(content=script)
    assert tab.evaluate("(all) => all.map(unpacked)", packed) == texts * 3
    cut = packed[len(texts) + 3][:-400]
    assert (
        tab.evaluate("(text) => { try { return unpacked(text); } catch (error) { return error.message; } }", cut)
        == "damaged"
    )


def test_the_newest_backup_stands_first_and_gets_older(
    reader: Reader, written: Callable[[PageFacts], Path], tmp_path: Path
) -> None:
    told = replace(
        facts(*BATCHES), held=TAKEN + MINUTE, proof=Proof(BATCHES[1].taken, BATCHES[2].taken)
    )  # fmt: skip
    tab = reader.open(written(told), now=TAKEN + 3 * MINUTE)
    newest = tab.locator("#newest")
    assert newest.locator("#age").text_content() == "3 minutes old"
    tab.clock.run_for(61_000)
    assert newest.locator("#age").text_content() == "4 minutes old"
    text = newest.inner_text()
    assert "Sunday 22 November 2026, 21:30:00" in text.replace("Sunday, ", "Sunday ")
    for words in ("✓ Complete", "Nothing had changed by 21:31:00.", "Tested at 21:20:00: the backup from 21:10:00"):
        assert words in text
    rows = [row.locator("th, td") for row in newest.locator("tbody tr").all()]
    cells = [row.all_text_contents() for row in rows]
    assert cells[0] == ["Höstmedeln «Осень» O'Cup 2026-11-22", "70", "30", "40", "21:17:05"]
    assert "21 Nov" in cells[1][-1]
    tab.screenshot(path=tmp_path / "top.png", full_page=True)


def test_first_of_all_comes_the_spare_server(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    told = replace(facts(*BATCHES), spare=SPARE)
    path = written(told)
    tab = reader.open(path, permissions=["clipboard-read", "clipboard-write"])
    assert tab.locator("#page section").first.get_attribute("id") == "spare"
    spare = tab.locator("#spare")
    for words in (
        "The spare server 192.168.1.21 has all races as of 21:30:00.",
        "Except: Ungdomsstafetten (it was changed there)",
        "On the page Competition, choose Database Connection", "192.168.1.21", "meos", "that of the user meos", "3307",
    ):  # fmt: skip
        assert words in spare.inner_text()
    for summary, found in (("The race server is lost", 1), ("The old server runs again", 2)):
        spare.get_by_text(summary).click()
        assert spare.locator("details[open] li:visible").count() == 5 * found
    text = restore_text(BATCH, TOP, spare=SPARE)
    of_text = [line for line in pasted_lines(text, "FIRST OF ALL: THE SPARE SERVER") if "--host" in line]
    shown = spare.locator("code:visible").all_text_contents()
    assert [line.replace(f"'{path.parents[1]}'", "E:") for line in shown if "--host" in line] == of_text
    spare.locator(".copy").first.click()
    assert pasted(tab) == next(line for line in shown if "--host" in line)
    for hidden in (None, replace(SPARE, as_of=None)):
        assert reader.open(written(replace(told, spare=hidden))).locator("#spare").is_hidden()


def test_the_spare_server_can_be_read_from_a_page_whoever_wrote_it() -> None:
    html = page.page_html(replace(facts(BATCH), spare=SPARE))
    assert page.spare_in(html) == SPARE
    assert page.spare_in(page.page_html(facts(BATCH))) is None
    assert page.spare_in(html.replace('"port":3307', '"port":"x"')) is None
    assert page.spare_in(html.replace('"without":[', '"without":7,"x":[')) is None


def test_a_clock_that_is_behind_tells_no_age(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    tab = reader.open(written(facts(*BATCHES)), now=TAKEN + MINUTE)
    assert "old" not in tab.locator("#newest").inner_text()
    assert "clock differs" in (tab.locator("#age").text_content() or "")
    tab.clock.run_for(90_000)
    assert tab.locator("#age").text_content() == "2 minutes old"


def test_what_is_not_complete_is_said_with_the_reason(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    missing = replace(INDIVIDUAL, dump=None, meosxml=None, error="Its <b>table</b> crashed.")
    older = replace(RELAY, error="The server stopped.")
    batch = replace(BATCH, databases=(replace(RACE_LIST, error="It timed out."), missing, older), complete=False)
    tab = reader.open(written(facts(batch)))
    text = tab.locator("#newest").inner_text()
    for words in (
        "✗ NOT COMPLETE", "MISSING from this backup", "Why: Its <b>table</b> crashed.", "Why: It timed out.",
        "OLDER than the backup: from 20:40:00.", "Why: The server stopped.",
    ):  # fmt: skip
        assert words in text
    tab.locator("#tab-windows").click()
    tab.locator("#race").select_option(INDIVIDUAL.key)
    assert lines(tab) == []
    assert "MISSING" in tab.locator("#list").inner_text()


@pytest.mark.parametrize(("system", "name"), [("windows", "WINDOWS"), ("linux", "LINUX (Ubuntu, Debian)")])
def test_its_lines_are_those_of_the_text(
    reader: Reader, written: Callable[[PageFacts], Path], system: str, name: str
) -> None:
    told = facts(*BATCHES)
    tab = reader.open(written(told))
    text = restore_text(told.batch, told.folder)
    tab.locator(f"#tab-{system}").click()
    server, [_, restore] = pasted_lines(text, f"STEP 2 - {name}"), pasted_lines(text, STEP_3)
    opened = r'pushd "E:\meosbackup\2026-11-22\21-30-00"'
    address = "ipconfig"
    if system == "linux":
        folder = written(told).parent / TOP
        opened, address = f"cd '{folder}'", "hostname -I"
    drive = "E:" if system == "windows" else f"'{folder.parents[2]}'"
    helped = [line for line in pasted_lines(text, PART_A) if line.startswith("set") == (system == "windows")]
    assert lines(tab) == [*server, opened, restore, address, f"meosbackup --target {drive} --ask-password", *helped]

    tab.locator("#race").select_option(INDIVIDUAL.key)
    race_list, dump, reference, _, relay_reference = [*pasted_lines(text, PART_C), None]
    assert relay_reference is None
    assert lines(tab) == [opened, dump, race_list, reference, *helped]


def test_another_batch_s_lines_follow_from_its_time(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    path = written(facts(*BATCHES))
    for batch in BATCHES:
        written(replace(facts(batch), folder=None))
    tab = reader.open(path)
    tab.locator("#tab-windows").click()
    tab.locator("#race").select_option(INDIVIDUAL.key)
    tab.locator("#time").fill("21:15")
    tab.locator("#time").press("Enter")
    assert tab.locator("#batch").input_value() == "2026-11-22/21-10-00"
    assert tab.locator("#chosen .number").all_inner_texts()[:3] == ["50 −20", "10 −20", "40"]
    older = restore_text(BATCHES[1], None)
    race_list, dump, *_ = pasted_lines(older, PART_C)
    assert lines(tab)[:3] == [r'pushd "E:\meosbackup\2026-11-22\21-10-00"', dump, race_list]
    tab.locator("#tab-quick").click()
    file = names.meosxml_name(dump.split('"')[-2])
    assert lines(tab) == [rf"E:\meosbackup\2026-11-22\21-10-00\{file}"]
    tab.locator("#tab-tool").click()
    drive = path.parents[1]
    assert lines(tab)[0] == (
        f"meosbackup restore --target '{drive}' --batch \"2026-11-22 21:10:00\""
        " --race meos_20261122_211702_1E5 --ask-password"
    )
    tab.locator("#tab-linux").click()
    reader.allowed.append(r"file://.*/RESTORE\.html")
    tab.get_by_role("link", name="See this backup's own page").first.click()
    assert tab.url.endswith("/meosbackup/2026-11-22/21-10-00/RESTORE.html")
    assert "The backup in this folder" in tab.locator("#newest").inner_text()
    tab.get_by_role("link", name="Is there a newer one?").click()
    assert tab.url == path.as_uri()


def test_a_time_means_the_backup_that_was_the_newest_then(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    tab = reader.open(written(facts(*BATCHES)))
    for typed, found in {
        "21:10": "21-10-00", "2112": "21-10-00", "21.29.59": "21-29-00", "9:00": "21-00-00", "23:59": "21-30-00",
        "25:00": None, "soon": None,
    }.items():  # fmt: skip
        tab.locator("#batch").select_option("2026-11-22/21-20-00")
        tab.locator("#time").fill(typed)
        tab.locator("#time").press("Enter")
        assert tab.locator("#batch").input_value() == f"2026-11-22/{found or '21-20-00'}", typed
        assert ("Type a time" in tab.locator("#steps").inner_text()) == (found is None), typed


def test_a_deleted_backup_leads_to_the_nearest_ones(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    told = replace(facts(*BATCHES), removed={f"2026-11-22/21-{minutes}-00" for minutes in (10, 20)})
    tab = reader.open(written(told))
    tab.locator("#batch").select_option("2026-11-22/21-20-00")
    assert lines(tab) == []
    nearest = tab.locator("#list button")
    assert nearest.all_inner_texts() == ["21:00:00", "21:29:00"]
    nearest.last.click()
    assert tab.locator("#batch").input_value() == "2026-11-22/21-29-00"
    assert lines(tab) != []


def test_what_happened_leads_to_the_steps(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    tab = reader.open(written(facts(*BATCHES)))
    chosen = tab.locator("[role=tab][aria-selected=true]")
    tab.get_by_role("button", name="The server is broken or lost").click()
    assert chosen.inner_text() == "Linux"  # as is the drive's path
    tab.get_by_role("button", name="A race was deleted or ruined").click()
    assert lines(tab) == []  # first, which one?
    assert tab.evaluate("document.activeElement.id") == "race"
    tab.get_by_role("button", name="MeOS must go on at once").click()
    assert chosen.inner_text() == "One laptop, no server"
    assert len(lines(tab)) == 2  # the relay has no file: meosbackup makes it
    tab.get_by_role("button", name="The mistake is in this backup too").click()
    assert tab.evaluate("document.activeElement.id") == "batch"


def test_the_drive_and_the_password_stand_in_the_lines_and_are_kept_nowhere(
    reader: Reader, written: Callable[[PageFacts], Path]
) -> None:
    tab = reader.open(written(facts(*BATCHES)))
    tab.locator("#tab-windows").click()
    tab.locator("#drive").fill("f:\\")
    tab.locator("#password").fill("hemligt1")
    assert [line for line in lines(tab) if "PASSWORD" in line] == []
    assert "IDENTIFIED BY 'hemligt1'" in lines(tab)[1]
    assert lines(tab)[2] == r'pushd "f:\meosbackup\2026-11-22\21-30-00"'
    tab.locator("#password").fill("x'; DROP")
    assert "IDENTIFIED BY 'PASSWORD'" in lines(tab)[1]
    assert tab.locator("#password").get_attribute("aria-invalid") == "true"
    assert "hemligt1" not in tab.evaluate(
        "JSON.stringify(Object.entries(localStorage)) + document.documentElement.outerHTML"
    )
    tab.reload()
    tab.locator("#tab-windows").click()
    assert "IDENTIFIED BY 'PASSWORD'" in lines(tab)[1]


@pytest.mark.parametrize("has_clipboard", [True, False], ids=["by the clipboard", "by an older way"])
def test_copy(reader: Reader, written: Callable[[PageFacts], Path], has_clipboard: bool) -> None:
    permissions = ["clipboard-read", "clipboard-write"] if has_clipboard else []
    tab = reader.open(written(facts(*BATCHES)), permissions=permissions)
    if not has_clipboard:
        tab.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    tab.locator("#tab-windows").click()
    buttons = tab.locator(".copy")
    for place in (0, 3):
        buttons.nth(place).click()
        buttons.nth(place).and_(tab.locator(".is-copied")).wait_for()
        assert buttons.all_inner_texts().count("Copied") == 1
        assert tab.locator("#told").text_content() == "Copied"
        assert pasted(tab) == lines(tab)[place]


def test_ticks_stay_with_their_backup(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    tab = reader.open(written(facts(*BATCHES)))
    tab.locator("#tab-linux").click()
    tab.get_by_label("Close MeOS on every computer").check()
    tab.get_by_label("What happened after").check()
    done = re.compile(r"Done: (\d+) of \d+")
    assert done.findall(tab.locator("#list").inner_text()) == ["2"]
    tab.reload()
    tab.locator("#tab-windows").click()
    assert tab.get_by_label("Close MeOS on every computer").is_checked()
    assert done.findall(tab.locator("#list").inner_text()) == ["2"]
    tab.locator("#batch").select_option("2026-11-22/21-20-00")
    assert done.findall(tab.locator("#list").inner_text()) == ["0"]
    tab.locator("#batch").select_option(TOP)
    tab.get_by_role("button", name="Remove all ticks").click()
    assert done.findall(tab.locator("#list").inner_text()) == ["0"]


def test_a_browser_that_keeps_nothing_does_all_the_same(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    path = written(facts(*BATCHES))
    tab = reader.open(path)
    tab.context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})")
    tab.reload()
    tab.get_by_label("Use one laptop only").check()
    tab.locator("#tab-linux").click()
    tab.locator("#tab-quick").click()
    assert tab.get_by_label("Use one laptop only").is_checked()


def test_whatever_races_are_called_is_text(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    entries = [
        replace(
            INDIVIDUAL, database=f"meos_{number}", error=hostile,
            race=Race(hostile, hostile, hostile, f"meos_{number}", number, 101),
        )
        for number, hostile in enumerate(HOSTILE)
    ]  # fmt: skip
    batches = [replace(one, databases=(RACE_LIST, *entries)) for one in BATCHES]
    tab = reader.open(written(facts(*batches)), viewport={"width": 360, "height": 740})
    tab.on("dialog", lambda dialog: reader.noted.append(f"dialog: {dialog.message}"))
    shown = tab.locator("#newest tbody bdi").all_text_contents()
    for name in HOSTILE[0], HOSTILE[1], HOSTILE[4], HOSTILE[5]:
        assert name in shown
    tab.locator("#batch").select_option("2026-11-22/21-20-00")
    for name in ("quick", "windows", "linux", "tool"):
        tab.locator(f"#tab-{name}").click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.evaluate("document.querySelectorAll('script, img, iframe').length") == 3


def test_nothing_runs_or_loads_that_is_not_the_page_s_own(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    path = written(facts(*BATCHES))
    bad = '<script>window.bad = 1</script><img src="x.png" onerror="window.bad = 1"><style>h1 {color: red}</style>'
    path.write_text(path.read_text("utf-8").replace('<main id="page">', f'{bad}<main id="page">'), "utf-8")
    reader.allowed += [r".*Content Security Policy.*", r"file:.*/x\.(png|json)"]  # noted, though never asked for
    tab = reader.open(path)
    assert tab.evaluate("window.bad") is None
    assert tab.evaluate("fetch('x.json').then(() => 'loaded', () => 'refused')") == "refused"
    assert tab.locator("h1").evaluate("one => getComputedStyle(one).color") != "rgb(255, 0, 0)"
    assert tab.locator("#age").is_visible()


def test_the_language_is_the_browser_s_or_chosen_by_hand(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    path = written(facts(*BATCHES))
    for code, locale in {"sv": "sv-SE", "nb": "no", "uk": "uk-UA", "en": "pl-PL"}.items():
        tab = reader.open(path, locale=locale)
        expected = code if code in PRESENT else "en"
        assert tab.locator("html").get_attribute("lang") == expected
        assert tab.locator("h1").text_content() == languages.words(expected)["title"]
    for code in PRESENT:
        tab.locator("#language").select_option(code)
        assert tab.locator("#language").evaluate("one => one === document.activeElement")
        assert tab.title() == languages.words(code)["title"]
        assert tab.locator("#batch").input_value() == TOP
    tab.reload()
    assert tab.locator("html").get_attribute("lang") == PRESENT[-1]


def test_all_of_it_is_within_reach_of_the_keyboard(reader: Reader, written: Callable[[PageFacts], Path]) -> None:
    tab = reader.open(written(facts(*BATCHES)), permissions=["clipboard-read", "clipboard-write"])

    def go_to(selector: str) -> None:
        for _ in range(80):
            tab.keyboard.press("Tab")
            if tab.evaluate(f"document.activeElement.matches('{selector}')"):
                outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", selector
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    go_to("#language")
    go_to("[data-answer=now]")
    tab.keyboard.press("Enter")
    go_to("[role=tab]")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.id") == "tab-windows"
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("document.activeElement.id") == "tab-tool"
    tab.keyboard.press("Home")
    go_to("#list input[type=checkbox]")
    tab.keyboard.press("Space")
    assert tab.locator("#list input").first.is_checked()
    go_to(".copy")
    tab.keyboard.press("Enter")
    tab.locator(".copy.is-copied:focus").wait_for()
    assert pasted(tab) == lines(tab)[0]


def test_a_phone_needs_no_scrolling_to_the_side_in_any_language(
    reader: Reader, written: Callable[[PageFacts], Path], tmp_path: Path
) -> None:
    told = replace(facts(*BATCHES), spare=SPARE)
    tab = reader.open(written(told), viewport={"width": 360, "height": 740})
    tab.locator("#batch").select_option("2026-11-22/21-20-00")
    assert tab.evaluate(WIDTHS, PRESENT) == [360] * 4 * len(PRESENT)
    tab.screenshot(path=tmp_path / "phone.png", full_page=True)


WIDTHS = """(languages) => languages.flatMap((code) => {
  const list = document.getElementById("language");
  list.value = code;
  list.dispatchEvent(new Event("change"));
  for (const more of document.querySelectorAll("details")) more.open = true;
  return [...document.querySelectorAll("[role=tab]")].map((tab) => {
    tab.click();
    return document.documentElement.scrollWidth;
  });
})"""
"""Returns the width of the page in each language and with each tab."""


def test_a_newer_backup_does_not_disturb_who_follows_the_steps_on_the_live_page(reader: Reader) -> None:
    server = PageServer(0, DayStatus(TAKEN, 60))
    server.start()
    try:
        reader.allowed.append(f"http://127.0.0.1:{server.port}/day.json")
        server.post(DayStatus(TAKEN, 60), facts(*BATCHES[:-1]))
        tab = reader.open(f"http://127.0.0.1:{server.port}/")
        tab.locator("#tab-windows").click()
        step = tab.get_by_label("Close MeOS on every computer")
        step.focus()
        server.post(DayStatus(TAKEN + MINUTE, 60), replace(facts(*BATCHES[:-1]), held=TAKEN))
        tab.get_by_text("Nothing had changed by 21:30:00.").wait_for()
        assert tab.evaluate("document.activeElement.dataset.step") == "save_close"
        step.check()
        server.post(DayStatus(TAKEN + MINUTE, 60), facts(*BATCHES))
        tab.locator("#newest").get_by_text("21:30:00").wait_for()
        assert tab.locator("#batch").input_value() == "2026-11-22/21-29-00"
        assert r'pushd "E:\meosbackup\2026-11-22\21-29-00"' in lines(tab)
        assert step.is_checked()
    finally:
        server.stop()


def test_print(reader: Reader, written: Callable[[PageFacts], Path], tmp_path: Path) -> None:
    tab = reader.open(written(facts(*BATCHES)), color_scheme="dark")
    tab.locator("#tab-windows").click()
    tab.emulate_media(media="print")
    assert tab.locator("body").evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
    for selector in (".copy", "#batch", "#tab-linux", ".answer"):
        assert not tab.locator(selector).first.is_visible(), selector
    assert all(step.is_visible() for step in tab.locator("#list li, #list code").all())
    assert len(tab.pdf(path=tmp_path / "page.pdf", format="A4")) > 20_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_letters_can_be_read(
    reader: Reader, written: Callable[[PageFacts], Path], tmp_path: Path, scheme: str
) -> None:
    missing = replace(INDIVIDUAL, dump=None, meosxml=None, error="Its table crashed.")
    told = facts(*BATCHES[:-1], replace(BATCH, databases=(RACE_LIST, missing, RELAY), complete=False))
    tab = reader.open(written(replace(told, spare=SPARE)), color_scheme=scheme)
    tab.locator("#tab-windows").click()
    tab.get_by_text("The race server is lost").click()
    tab.locator("#list input").first.check()
    tab.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    assert tab.evaluate(LOW_CONTRAST) == []


LOW_CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3)
      .map((one) => one / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return /, 0\\)$/.test(color) && element.parentElement ? paper(element.parentElement) : color;
  };
  const hasText = (element) => [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  const ratio = (element) => {
    const pair = [light(getComputedStyle(element).color), light(paper(element))].sort((one, other) => other - one);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  return [...document.querySelectorAll("#page *")]
    .filter((one) => one.getClientRects().length && !one.closest("svg") && hasText(one) && ratio(one) < 4.5)
    .map((one) => one.className + ": " + one.textContent + " " + ratio(one));
}"""
"""Returns the elements of the page whose text has less contrast to what is behind it than WCAG's level AA asks for."""


@pytest.mark.parametrize("why", ["no JavaScript", "a script that the browser can't read"])
def test_where_the_script_does_not_run_the_page_is_restore_txt(
    reader: Reader, written: Callable[[PageFacts], Path], why: str
) -> None:
    told = facts(*BATCHES)
    path = written(told)
    has_javascript = why != "no JavaScript"
    if has_javascript:
        path.write_text(path.read_text("utf-8").replace('"use strict";', '"use strict"; class {'), "utf-8")
        reader.allowed.append(".*Content Security Policy.*")
    tab = reader.open(path, java_script_enabled=has_javascript, viewport={"width": 360, "height": 740})
    text = restore_text(told.batch, told.folder).replace("\r\n", "\n")
    assert tab.locator("pre").inner_text().strip() == text.strip()
    assert tab.locator("pre").bounding_box()["width"] <= 360  # type: ignore[index]


def test_on_windows_the_lines_have_the_drive_of_the_page(reader: Reader) -> None:
    told = facts(*BATCHES)
    for address, drive in {"E:": "E:", "D:/Min%20plats": r"D:\Min plats"}.items():
        tab = reader.open(
            f"file:///{address}/meosbackup/{names.PAGE_FILE}", instead=page.page_html(told)
        )  # fmt: skip
        assert lines(tab)[0].startswith(rf"{drive}\meosbackup\2026-11-22\21-30-00\Hostmedeln")
        tab.locator("#tab-tool").click()
        written = f'"{drive}"' if " " in drive else drive
        assert lines(tab)[-1] == f"meosbackup --target {written} --ask-password"
