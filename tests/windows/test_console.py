"""The console of Windows: its modes are set while meosbackup runs, and backups go on when it stands still."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit import windows_events
from tests.toolkit.runs import server_options, with_password
from tests.toolkit.servers import INDIVIDUAL, query
from tests.toolkit.waiting import wait_until
from tests.toolkit.windows import Windows, WindowsPlace
from tests.toolkit.windows_day import end


def test_escape_codes_are_on_and_quick_edit_is_off_until_the_end(
    machine: Windows, server: PrivateServer, plugged_in: WindowsPlace
) -> None:
    told = plugged_in.folder / "modes.txt"
    command = [*machine.tool, *plugged_in.options, *server_options(server)]
    python = machine.parts.python / "python.exe"
    with machine.console(python, Path(windows_events.__file__), "modes", told, *command) as screen:
        screen.wait_for("OK race list [+] 4 races")
        told.with_suffix(".go").touch()
        screen.wait_for("OK stopped; 1 batch made")
        assert screen.wait_for_end()[0] == 0
    before, meanwhile, after, code = told.read_text().splitlines()
    assert (before, meanwhile, after, code) == ("0xc0 0x0", "0x80 0x4", "0xc0 0x0", "0")
    assert "keeping awake: SetThreadExecutionState" in plugged_in.log.read_text("utf-8")


def test_backups_go_on_while_nobody_reads_what_is_printed(
    machine: Windows, server: PrivateServer, plugged_in: WindowsPlace
) -> None:
    if sys.platform == "win32":
        pytest.skip("these tests bring a Windows of their own to Linux")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = os.write(writing, b"x" * (1 << 20))
    os.set_blocking(writing, True)
    command = machine.command(*machine.tool, *plugged_in.options, *server_options(server), "--interval", "2")
    with subprocess.Popen(
        command, env=machine.environment_of(with_password()), stdin=subprocess.DEVNULL, stdout=writing
    ) as day:
        os.close(writing)
        try:
            wait_until(lambda: inventory.find(plugged_in.root).batches, "the first batch")
            query(server, f"UPDATE {INDIVIDUAL}.orunner SET StartTime = StartTime + 10, Counter = Counter + 1")
            wait_until(lambda: len(inventory.find(plugged_in.root).batches) == 2, "another batch")
            end(machine, "close")
        finally:
            day.kill()
    with os.fdopen(reading, "rb") as screen:
        assert screen.read(filled) == b"x" * filled
    assert "OK stopped; 2 batches made" in plugged_in.log.read_text("utf-8")
