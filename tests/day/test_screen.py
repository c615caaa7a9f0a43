"""Race day on a screen: its last line, its bell; and when it stands still or is gone, backups go on."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.day import Day
from tests.toolkit.runs import tool_environment, with_password
from tests.toolkit.servers import INDIVIDUAL, query
from tests.toolkit.waiting import PATIENCE, limit, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs tmux and signals")

LEAVES_WITHIN = 4.5
"""Seconds that the tool may take to leave, with one for the screen."""


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    return Day(tmp_path, server=server)


def wait_for_new_batch(day: Day) -> None:
    before = len(day.batches())
    query(day.server, f"UPDATE {INDIVIDUAL}.orunner SET StartTime = StartTime + 10 WHERE Id = 1")
    wait_until(lambda: len(day.batches()) > before, "another batch on the drive")


def is_over(process_id: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{process_id}/stat").read_text().split()[2]
    except OSError:
        return True


def test_the_last_line_stays_below_all_others_until_the_end(day: Day) -> None:
    away = day.folder / "away"
    with day.terminal("--interval", "2", columns=100) as screen:
        screen.wait_for(r"next backup in \d s, newest good backup \d\d:\d\d:\d\d \(\d s old\)$")
        screen.wait_for(r"next backup in \d s, newest good backup \S+ \(current as of \d\d:\d\d:\d\d\)$")
        day.target.rename(away)
        screen.wait_for(r"FAIL since \d\d:\d\d:\d\d, next backup in \d s, newest good backup \S+ \(.*\)$")
        assert screen.rang
        away.rename(day.target)
        screen.wait_for("all is well again")
        seen = screen.text.splitlines()
        assert sum("next backup in" in line or "backing up" in line for line in seen) <= 1
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0
        assert not re.search("next backup in|backing up|newest good backup", screen.words.partition("well again")[2])


def test_a_quiet_day_has_no_last_line_and_no_bell(day: Day) -> None:
    with day.terminal("--interval", "1", "--quiet", "--port", "1") as screen:
        screen.wait_for("FAIL The server", times=3)
        assert not re.search("next backup in|backing up", screen.words)
        assert not screen.rang


def test_ctrl_s_stops_the_screen_but_no_backup(day: Day) -> None:
    with day.terminal("--interval", "1") as screen:
        screen.wait_for("OK race list")
        wait_until(lambda: len(day.batches()) == 1, "the first batch on the drive")
        screen.press("C-s")
        seen = screen.words
        wait_for_new_batch(day)
        wait_for_new_batch(day)
        assert screen.words.count("OK race list") <= seen.count("OK race list") + 1  # a line may have been on its way
        screen.press("C-q")
        screen.wait_for("OK race list", times=3)
        assert screen.words.count("next backup in") <= 1  # it hasn't piled up

        screen.press("C-s")
        wait_for_new_batch(day)
        os.kill(screen.process_id, signal.SIGTERM)
        code, seconds = screen.wait_for_end()
        assert code == 0
        assert seconds < limit(LEAVES_WITHIN)
    assert "OK stopped; 4 batches made" in day.log.read_text("utf-8")
    assert day.leftovers() == []


def test_a_window_that_is_closed_ends_the_day_like_ctrl_c(day: Day) -> None:
    with day.terminal() as screen:
        screen.wait_for("OK race list")
        process_id = screen.process_id
        screen.close()
        wait_until(lambda: is_over(process_id), "the end of the tool")
    assert "OK stopped; 1 batch made, the newest is from" in day.log.read_text("utf-8")
    assert day.leftovers() == []

    with day.terminal("restore", "--race", INDIVIDUAL) as screen:
        screen.wait_for("Restore this")
        process_id = screen.process_id
        screen.close()
        wait_until(lambda: is_over(process_id), "the end of the tool")
    log = day.log.read_text("utf-8")
    assert "Nothing was done." in log or "ended by" in log
    assert "unexpected error" not in log


def test_a_pipe_whose_reader_ends_does_not_end_the_day(day: Day) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "meosbackup", *day.arguments("--interval", "1")],
        env={**tool_environment(), **with_password()}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert "Server" in process.stdout.readline()
        process.stdout.close()
        wait_until(lambda: len(day.batches()) == 1, "the first batch")
        wait_for_new_batch(day)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""
    assert "OK stopped; 2 batches made" in day.log.read_text("utf-8")

    # What is short is quiet, too: for a reader that leaves, and with no output at all.
    listing = f"{sys.executable} -m meosbackup list {' '.join(day.folders)}"
    for command in (f"{listing} | head -1; exit ${{PIPESTATUS[0]}}", f"{listing} >&-", f"{listing} | true"):
        quiet = subprocess.run(
            ["bash", "-c", command], env=tool_environment(), capture_output=True, encoding="utf-8", check=False
        )
        assert (quiet.returncode, quiet.stderr) == (0, ""), command
        assert len(quiet.stdout.splitlines()) <= 1
