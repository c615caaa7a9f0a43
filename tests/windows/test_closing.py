"""Each way in which Windows ends a program: the last line, the newest batch on the drive, and no login left behind."""

import re
from pathlib import Path

import pytest

from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.system import login_file
from tests.toolkit.runs import server_options, told
from tests.toolkit.servers import INDIVIDUAL, query
from tests.toolkit.waiting import wait_until
from tests.toolkit.windows import Windows, WindowsPlace
from tests.toolkit.windows_day import end


def left_behind(plugged_in: WindowsPlace) -> list[Path]:
    return [*plugged_in.spool.glob("work-*"), *plugged_in.target.rglob("*.partial*")]


@pytest.mark.parametrize("event", ["break", "close", "log off"])
def test_a_day_ends_in_order(event: str, machine: Windows, server: PrivateServer, plugged_in: WindowsPlace) -> None:
    with machine.console(*machine.tool, *plugged_in.options, *server_options(server)) as screen:
        screen.wait_for("OK race list [+] 4 races")
        wait_until(lambda: plugged_in.batch_folders, "the batch on the drive")
        end(machine, event)
        screen.wait_for_end()
    assert re.search("OK stopped; 1 batch made, .* on the drive\n", plugged_in.log.read_text("utf-8"))
    assert left_behind(plugged_in) == []


def test_a_window_closed_in_the_middle_of_a_dump_leaves_no_login(
    machine: Windows, server: PrivateServer, plugged_in: WindowsPlace
) -> None:
    more = ["--race", "Höstmedeln «Осень» O'Cup"]

    def logins() -> list[Path]:
        return list(plugged_in.spool.glob(f"*/{login_file.NAME}"))

    def is_dumping() -> bool:
        return bool(query(server, "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'"))

    with private_server.connect(server) as laptop, laptop.cursor() as cursor:
        for is_closed in (True, False):
            cursor.execute(f"LOCK TABLES {INDIVIDUAL}.orunner WRITE")
            with machine.running(*plugged_in.options, *server_options(server), *more) as day:
                wait_until(is_dumping, "a dump that waits for a table")
                assert len(logins()) == 1
                if is_closed:
                    end(machine, "close")
                    assert logins() == []
                    assert "OK stopped; 0 batches made" in plugged_in.log.read_text("utf-8")
                else:
                    day.process.kill()
                cursor.execute("UNLOCK TABLES")  # the dump program of a process that was killed goes on
    assert len(logins()) == 1
    told(machine.meosbackup("list", *plugged_in.folders), 1, "There is no batch in")
    assert logins() == []
