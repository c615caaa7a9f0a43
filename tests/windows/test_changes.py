"""A server on Windows, where the time of a MyISAM table's file tells nothing: no change is missed."""

import time
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.meos import test_changes
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import INDIVIDUAL, RELAY
from tests.toolkit.waiting import wait_until
from tests.tools import unseen


def test_check_says_how_changes_are_seen(server: PrivateServer, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    folders = ("--target", target, "--any-disk", "--spool", tmp_path / "spool", "--log-file", tmp_path / "log")
    result = run_meosbackup("check", *folders, *server_options(server), env=with_password())
    told(result, 0, "OK changes: the server runs on Windows, whose tables can change without a new time")


def test_what_meos_does_is_in_the_next_batch(server: PrivateServer, spare: PrivateServer, tmp_path: Path) -> None:
    with unseen.ground(server, spare, tmp_path, limit=59) as ground:
        time.sleep(unseen.SETTLED)
        assert ground.tick()
        for name, change in ground.of_meos(RELAY):
            change()
            ground.see(name, is_own=True)


def test_a_change_without_a_sign_is_in_a_later_batch(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    with unseen.ground(server, spare, tmp_path, limit=3) as ground:
        unseen.upload(server, INDIVIDUAL)  # after which another takes as many bytes
        time.sleep(unseen.SETTLED)
        assert ground.tick()
        unseen.upload(server, INDIVIDUAL, "orunner", "StartNo")
        wait_until(ground.tick, "a batch with the change")


def test_innodb_keeps_its_times_itself(server: PrivateServer) -> None:
    test_changes.test_whatever_is_done_to_a_table_shows(server, "InnoDB")
