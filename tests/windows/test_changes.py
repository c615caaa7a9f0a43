"""A server on Windows, where the time of a MyISAM table's file tells nothing: no change is missed."""

import time
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Settings
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import INDIVIDUAL, MEOS_PASSWORD, MEOS_USER, RELAY, query
from tests.toolkit.states import is_changed, look
from tests.toolkit.waiting import wait_until
from tests.tools import equality, unseen


def test_check_says_how_changes_are_seen(server: PrivateServer, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    folders = ("--target", target, "--any-disk", "--spool", tmp_path / "spool", "--log-file", tmp_path / "log")
    result = run_meosbackup("check", *folders, *server_options(server), env=with_password())
    told(result, 0, "OK changes: the server runs on Windows, whose tables can change without a new time")


def test_no_change_is_missed(server: PrivateServer, spare: PrivateServer, tmp_path: Path) -> None:
    """What MeOS changes has a sign; an upload that takes as many bytes as the one before has none."""
    with unseen.ground(server, spare, tmp_path, limit=59) as ground:
        unseen.upload(server, INDIVIDUAL)
        time.sleep(equality.SETTLED)
        assert ground.tick()
        change = dict(ground.of_meos(RELAY))["change_status"]
        change()
        ground.see("change_status", is_own=True)
        ground.stage.start_again(57)
        assert ground.tick()
        unseen.upload(server, INDIVIDUAL, "orunner", "StartNo")
        wait_until(ground.tick, "a batch with the change")


def test_innodb_keeps_its_times_itself(server: PrivateServer) -> None:
    equality.set_engine(server, INDIVIDUAL, "InnoDB")
    time.sleep(equality.SETTLED)
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)
    before = look(settings)
    query(server, f"UPDATE {INDIVIDUAL}.orunner SET Status = Status + 1 ORDER BY Id LIMIT 1")
    after = look(settings)
    assert {table for table in before if is_changed(before[table], after[table])} == {"orunner"}
