"""What the page at the top of the drive tells of a day with accidents, in which meosbackup was started twice."""

import re
import sys
from datetime import datetime
from pathlib import Path

import pytest

from meosbackup.commands.simulation import delete_race
from meosbackup.guide import page
from meosbackup.guide.picture import ALARM, START, TROUBLE, Picture
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.day import Day
from tests.toolkit.runs import run_meosbackup
from tests.toolkit.servers import INDIVIDUAL, RELAY, enter_runner
from tests.toolkit.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tmux is not for Windows")


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    return Day(tmp_path, server=server)


def picture(day: Day) -> Picture:
    """Return the day that the page at the top tells of."""
    found = page.day_in((day.root / "RESTORE.html").read_text("utf-8"))
    assert found is not None
    return found


def test_the_page_tells_of_batches_quiet_times_trouble_and_alarms_also_after_a_new_start(day: Day) -> None:
    with day.terminal("--interval", "1") as screen:
        wait_until(day.batches, "a batch")
        screen.wait_for("no changes", times=3)
        enter_runner(day.server, RELAY)
        wait_until(lambda: day.batches()[1:], "a second batch")
        screen.wait_for("no changes", times=5)
        day.server.stop()
        wait_until(lambda: [one for one in picture(day).happenings if one.kind == TROUBLE], "trouble on the page")
        [trouble] = picture(day).standing
        assert trouble.what.startswith("The server at")
        assert trouble.do.startswith("Check that")
        quiet, _ = picture(day).batches[:2]
        assert quiet.held > quiet.taken  # the trouble made it worth telling
        day.server.start()
        wait_until(lambda: not picture(day).standing, "the end of it on the page")
        delete_race(day.server, RELAY)
        wait_until(lambda: [one for one in picture(day).standing if one.kind == ALARM], "an alarm on the page")
        screen.press("C-c")
        screen.wait_for_end()
    before = picture(day)
    with day.terminal("--interval", "1") as screen:
        screen.wait_for("no changes")
        wait_until(lambda: len(picture(day).batches) > len(before.batches), "a batch of the second run on the page")
        screen.press("C-c")
        screen.wait_for_end()
    after = picture(day)
    assert [one.kind for one in after.happenings] == [START, TROUBLE, ALARM, START]
    assert after.standing == ()
    assert [one.name for one in after.batches] == [stored.name for stored in day.stored()]
    with_relay = [RELAY in one.states for one in after.batches]
    assert with_relay == sorted(with_relay, reverse=True)  # it is in the first ones, and then no more
    assert not all(with_relay)
    assert {race.key for race in after.races} >= {RELAY, INDIVIDUAL}


def test_each_batch_has_a_page_of_its_own_that_ends_with_it(day: Day) -> None:
    day.once()
    enter_runner(day.server, RELAY)
    day.once()
    first, second = day.stored()
    pages = [(stored.folder / "RESTORE.html").read_text("utf-8") for stored in (first, second)]
    assert [page.folder_in(text) for text in pages] == [None, None]
    days = [page.day_in(text) for text in pages]
    assert [[one.name for one in found.batches] for found in days if found] == [[first.name], [first.name, second.name]]
    assert page.folder_in((day.root / "RESTORE.html").read_text("utf-8")) == second.name


def test_a_drive_without_a_page_gives_one_of_all_its_batches(day: Day) -> None:
    """As after a newer version took over from one that wrote none."""
    day.once()
    (day.root / "RESTORE.html").unlink()
    day.once()
    assert [one.name for one in picture(day).batches] == [stored.name for stored in day.stored()]


def test_the_page_says_that_a_rehearsal_proved_a_batch(day: Day) -> None:
    day.once()
    assert '"proof":null' in (day.root / "RESTORE.html").read_text("utf-8")
    assert run_meosbackup("rehearse", *day.folders).returncode == 0
    found = re.search(r'"proof":\{"batch":(\d+)', (day.root / "RESTORE.html").read_text("utf-8"))
    assert found
    [stored] = day.stored()
    assert datetime.fromtimestamp(int(found[1]), stored.batch.taken.tzinfo) == stored.batch.taken
