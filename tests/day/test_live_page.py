"""The live page in a browser: green or red for the whole screen, and red by itself when meosbackup is gone."""

import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_server import MOST_READERS, PageServer
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import ALARM, TROUBLE, Happening, Picture
from meosbackup.mysql.private_server import PrivateServer, free_port
from tests.toolkit import qr_codes
from tests.toolkit.browser import Reader
from tests.toolkit.day import Day
from tests.toolkit.guides import BATCH, INDIVIDUAL, SPARE, TOP
from tests.toolkit.place import new_place
from tests.toolkit.running import running
from tests.toolkit.waiting import PATIENCE, limit, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

GREEN, RED = "rgb(20, 105, 58)", "rgb(168, 29, 23)"
RED_WITHIN = 15.0
"""Seconds from meosbackup's end until the page is red."""


@pytest.fixture
def page_server(reader: Reader) -> Iterator[PageServer]:
    server = PageServer(0, a_status())
    server.start()
    reader.allowed += [f"http://127.0.0.1:{server.port}/day.json", "Failed to load resource: .*"]
    yield server
    server.stop()


def a_status() -> DayStatus:
    return DayStatus(datetime.now().astimezone(), 60)


def good() -> DayStatus:
    """Return how things stand when all is well, and the newest backup is three minutes old."""
    now = datetime.now().astimezone()
    taken = now - timedelta(seconds=200)
    return DayStatus(now, 60, (), taken, taken, now, 0, 27_400_000_000, 9)


def opened(reader: Reader, server: PageServer) -> "Page":
    return reader.open(f"http://127.0.0.1:{server.port}/", now=datetime.now().astimezone())


def posted(tab: "Page", server: PageServer, status: DayStatus, facts: PageFacts | None = None) -> None:
    """Post a status, and let the page ask for it at once."""
    server.post(status, facts)
    tab.clock.fast_forward(3500)


def expect(tab: "Page", verdict: str, colour: str) -> None:
    tab.get_by_role("heading", name=verdict, exact=True).wait_for()
    wait_until(lambda: verdict in tab.title(), f"the title {verdict!r}")
    assert tab.evaluate("getComputedStyle(document.getElementById('live')).backgroundColor") == colour
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == colour


def test_the_whole_screen_says_how_things_stand(reader: Reader, page_server: PageServer) -> None:
    tab = opened(reader, page_server)
    tab.get_by_role("heading", name="Waiting for the first backup").wait_for()

    posted(tab, page_server, good())
    expect(tab, "All is well", GREEN)
    said = tab.locator("#live").inner_text()
    assert re.search(r"3 minutes old\s+Newest good backup on the drive: \d\d:\d\d:\d\d", said)
    assert "Nothing had changed by " in said
    assert "Free on the drive: 27.4 GB, enough for about 9 h" in said
    assert tab.evaluate("document.getElementById('live').offsetHeight >= innerHeight - 20")

    hostile = "<img src=x onerror=alert(1)> \u202e is missing"
    trouble = Happening(TROUBLE, "a", hostile, "Batches wait.", "Plug it in.", good().moment)
    posted(tab, page_server, replace(good(), wrong=(trouble,), waiting=2))
    expect(tab, "Trouble", RED)
    tab.get_by_role("heading", name=hostile).wait_for()
    said = " ".join(tab.locator("#live").inner_text().split())
    assert re.search(r"since \d\d:\d\d:\d\d Batches wait. What to do: Plug it in.", said)
    assert "Backups that are not on the drive yet: 2" in said

    posted(tab, page_server, replace(good(), spare=replace(SPARE, as_of=None)))
    tab.get_by_text("The spare server 192.168.1.21 is not ready yet.").wait_for()
    posted(tab, page_server, replace(good(), spare=replace(SPARE, as_of=good().moment)))
    tab.get_by_text(re.compile(r"The spare server 192.168.1.21 has all races as of \d\d:\d\d:\d\d\.")).wait_for()
    assert "Except: Ungdomsstafetten (it was changed there)" in tab.locator("#live").inner_text()

    lost = Happening(ALARM, "a", "Långdistans lost 38 entries.", "", "", good().moment)
    posted(tab, page_server, replace(good(), wrong=(trouble, lost)))
    expect(tab, "ALARM", RED)
    assert tab.locator("#live h2").all_inner_texts() == [lost.what, hostile]

    stuck = good().moment - timedelta(seconds=200)
    posted(tab, page_server, replace(good(), moment=stuck))
    expect(tab, "No answer from meosbackup", RED)
    tab.get_by_text(f"it has not finished a backup since {stuck:%H:%M:%S}.").wait_for()

    posted(tab, page_server, good())
    expect(tab, "All is well", GREEN)
    page_server.stop()
    tab.clock.fast_forward(3500)
    time.sleep(0.5)
    tab.clock.fast_forward(9000)
    expect(tab, "No answer from meosbackup", RED)
    assert "Go to the computer with meosbackup." in tab.locator("#live").inner_text()


def test_the_rest_of_the_page_is_renewed_under_its_reader_s_hands(reader: Reader, page_server: PageServer) -> None:
    day = Picture().with_batch(BATCH, TOP)
    facts = PageFacts(BATCH, day, TOP, good().moment)
    page_server.post(good(), facts)
    tab = opened(reader, page_server)
    tab.get_by_role("tab", name="Linux").click()
    later = replace(BATCH, taken=BATCH.taken + timedelta(minutes=10), databases=(*BATCH.databases[:1], INDIVIDUAL))
    name = TOP.replace("21-30", "21-40")
    posted(tab, page_server, good(), PageFacts(later, day.with_batch(later, name), name, good().moment))
    wait_until(lambda: "21:40" in tab.locator("#newest").inner_text(), "the newer backup")
    assert tab.get_by_role("tab", name="Linux").get_attribute("aria-selected") == "true"


def test_the_sound_is_switched_on_by_hand(reader: Reader, page_server: PageServer) -> None:
    page_server.post(good())
    tab = opened(reader, page_server)
    tab.evaluate("""() => {
        window.tones = 0;
        const create = AudioContext.prototype.createOscillator;
        AudioContext.prototype.createOscillator = function () { tones++; return create.call(this); };
    }""")

    def tones() -> int:
        return int(tab.evaluate("tones"))

    lost = Happening(ALARM, "a", "Långdistans lost 38 entries.", "", "", good().moment)
    posted(tab, page_server, replace(good(), wrong=(lost,)))
    expect(tab, "ALARM", RED)
    assert tones() == 0
    tab.get_by_role("button", name="Turn the sound on").click()
    tab.get_by_text("The sound is on.").wait_for()
    wait_until(lambda: tones() > 2, "the sound of an alarm that stands")
    heard = tones()

    posted(tab, page_server, replace(good(), wrong=(lost, replace(lost, key="b"))))
    wait_until(lambda: tones() > heard, "the sound of another alarm")
    heard = tones()
    tab.clock.fast_forward(61_000)
    wait_until(lambda: tones() > heard, "the sound again after a minute")

    posted(tab, page_server, good())
    expect(tab, "All is well", GREEN)
    tab.get_by_role("button", name="Turn the sound off").click()
    heard = tones()
    posted(tab, page_server, replace(good(), wrong=(replace(lost, key="c"),)))
    expect(tab, "ALARM", RED)
    assert tones() == heard


@contextmanager
def hanging_readers(port: int) -> Iterator[None]:
    """Take all places of readers again and again, until the block ends, and ask for nothing."""
    is_over = threading.Event()

    def hang() -> None:
        while not is_over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as reader:
                reader.settimeout(0.2)
                while not is_over.is_set():
                    with suppress(TimeoutError):
                        if not reader.recv(1000):
                            break

    threads = [threading.Thread(target=hang) for _ in range(MOST_READERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="needs Debian's browser")
def test_a_day_on_the_page_until_it_is_killed(
    server: PrivateServer, reader: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    reader.allowed += [f"http://127.0.0.1:{port}/day.json", "Failed to load resource: .*"]
    with running(new_place(tmp_path), server, "--interval", "1", "--page-port", str(port)) as tool:
        assert re.search(rf"Page +http://\S+:{port}/", tool.expect("^Page"))
        tool.expect("  OK ")
        with hanging_readers(port):
            for _ in range(5):
                tool.expect("  OK ")

        tab = reader.open(f"http://127.0.0.1:{port}/")
        expect(tab, "All is well", GREEN)
        server.stop()
        try:
            expect(tab, "Trouble", RED)
            said = tab.locator("#live").inner_text()
            assert f"{server.host}, port {server.port}" in said
            assert "What to do:" in said
        finally:
            server.start()
        expect(tab, "All is well", GREEN)
        assert tab.locator("#page").inner_text() != ""

        began = time.monotonic()
        tool.kill()
        expect(tab, "No answer from meosbackup", RED)
        seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\nred {seconds:.1f} s after the end of meosbackup")  # noqa: T201
    assert seconds < limit(RED_WITHIN)


@pytest.mark.skipif(sys.platform == "win32", reason="needs tmux")
def test_a_screen_shows_the_address_as_a_qr_code_if_there_is_room(server: PrivateServer, tmp_path: Path) -> None:
    day, port = Day(tmp_path, server=server), free_port()
    with day.terminal("--page-port", str(port)) as screen:
        screen.wait_for("OK race list")
        rows = [line for line in screen.text.splitlines() if re.fullmatch("[█▀▄ ]{20,}", line)]
        [address, *_] = re.findall(r"http://\S+/", screen.words)
        assert qr_codes.drawn(rows) == qr_codes.expected(address)
    with day.terminal("--page-port", str(port), columns=30) as screen:
        screen.wait_for("Page http://")
        assert "█" not in screen.text


def test_a_port_that_is_taken_stops_no_backup(server: PrivateServer, tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with running(new_place(tmp_path), server, "--interval", "1", "--page-port", str(port)) as tool:
            tool.waits_for(f"NOTE The live page can't use port {port}: another program uses it.")
            tool.waits_for("Start meosbackup again with another port, such as --page-port 8080.")
            tool.expect("  OK ")
            assert "http://" not in tool.text
