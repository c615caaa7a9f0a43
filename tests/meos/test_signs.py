"""Servers whose tables change without a new time: each change is in a batch all the same."""

import logging
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from meosbackup import notices
from meosbackup.backup.due import Due
from meosbackup.meos import changes, signs
from meosbackup.meos.changes import DatabaseState, TableState
from meosbackup.mysql.private_server import PrivateServer, connect
from meosbackup.mysql.sessions import session
from meosbackup.settings.model import Settings
from tests.toolkit.place import Place, checked, new_place
from tests.toolkit.servers import INDIVIDUAL, MEOS_PASSWORD, MEOS_USER, RELAY, having, query
from tests.toolkit.states import NOON
from tests.toolkit.waiting import wait_until
from tests.tools import equality, unseen

TODAY = NOON.date()
BY_NOW = timedelta(seconds=181)
"""Three minutes and a second later; a minute after that is the next tick."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def login(server: PrivateServer) -> Settings:
    return Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)


def test_check_says_how_changes_are_seen(place: Place, server: PrivateServer) -> None:
    checked(place, server, 0, "OK changes: seen by the times of the server's tables, without reading or locking them")
    with having(server, myisam_use_mmap="ON"):
        checked(place, server, 0, "OK changes: the server has myisam_use_mmap, whose tables can change without a new",
                "by MeOS's counters and by checksums, and each race is dumped at least every 5 minutes")  # fmt: skip


def test_what_meos_does_is_in_the_next_batch(server: PrivateServer, spare: PrivateServer, tmp_path: Path) -> None:
    with unseen.ground(server, spare, tmp_path, limit=59) as ground:
        time.sleep(equality.SETTLED)
        assert ground.tick()
        for name, change in ground.of_meos(RELAY):
            change()
            ground.see(name, is_own=True)


def test_after_a_change_without_a_sign_everything_is_dumped(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    told: list[str] = []
    notices.listen(told.append)
    told.clear()  # of what other tests left untold
    with unseen.ground(server, spare, tmp_path, limit=3) as ground:
        query(server, f"UPDATE meosmain.oevent SET Name = 'Untold' WHERE NameId = '{INDIVIDUAL}'")
        for database in (INDIVIDUAL, RELAY):
            unseen.upload(server, database)  # from now on another upload takes as many bytes
        time.sleep(equality.SETTLED)
        assert ground.tick()
        unseen.upload(server, INDIVIDUAL, "orunner", "StartNo")
        wait_until(ground.tick, "a batch with the change")
        unseen.upload(server, RELAY, "orunner", "StartNo")
        assert ground.tick()
        batches = ground.stage.figures["batches"]
        assert ground.tick()
        assert ground.stage.figures["batches"] == batches  # a dump that differs in nothing makes none
    assert [text.partition(" (")[0] for text in told if "the server showed no sign of it" in text] == ["Untold"]


def test_a_table_that_somebody_has_locked_is_not_waited_for(
    server: PrivateServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tables = {(database, table): 1000 for database in (INDIVIDUAL, RELAY) for table in ("oevent", "orunner", "oclub")}
    with closing(connect(server, INDIVIDUAL)) as laptop, session(login(server)) as asked:
        free = signs.read(asked, tables)
        laptop.cmd_query("LOCK TABLES orunner WRITE")
        began = time.monotonic()
        locked = signs.read(asked, tables)
        laptop.cmd_query("UNLOCK TABLES; LOCK TABLES oevent WRITE")
        assert signs.read(asked, tables) == {**free, (INDIVIDUAL, "oevent"): None}
        assert time.monotonic() - began < 5
    assert locked == {**free, (INDIVIDUAL, "orunner"): None, (INDIVIDUAL, "oclub"): None}
    assert None not in free.values()
    assert f"no counters of {INDIVIDUAL}: locked: {INDIVIDUAL}.orunner" in caplog.text
    assert f"{INDIVIDUAL}.oevent counts as changed: it is locked" in caplog.text


def test_mysql_waits_for_a_second_at_most(mysql_server: PrivateServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tables = {(RELAY, table): 1000 for table in ("oevent", "ocounter", "orunner", "oclub")}
    with closing(connect(mysql_server, RELAY)) as laptop, session(login(mysql_server)) as asked:
        free = signs.read(asked, tables)
        laptop.cmd_query("LOCK TABLES oevent WRITE")
        assert signs.read(asked, tables) == {**free, (RELAY, "oevent"): None}
        laptop.cmd_query("UNLOCK TABLES")
        assert signs.read(asked, tables) == free
        assert signs.untimed(asked) is None
    assert None not in free.values()
    assert "s for a checksum" in caplog.text


def test_a_large_table_of_another_program_has_no_sign(server: PrivateServer) -> None:
    query(server, f"CREATE TABLE {RELAY}.maps (Id INT) ENGINE = MyISAM")
    with session(login(server)) as asked:
        assert signs.read(asked, {(RELAY, "maps"): 1_000_000}) == {(RELAY, "maps"): ""}
        assert signs.read(asked, {(RELAY, "maps"): 1000}) != {(RELAY, "maps"): ""}
        assert signs.read(asked, {(RELAY, "gone"): 1000, (RELAY, "orunner"): 1}).keys() == {
            (RELAY, "gone"), (RELAY, "orunner")
        }  # fmt: skip


@pytest.mark.parametrize(
    ("is_timed", "minutes", "is_due"), [(True, 1, False), (False, 4, True), (False, 5, False)],
    ids=["trusted", "the next tick would be too late", "the next tick will do"],
)  # fmt: skip
def test_everything_is_dumped_now_and_then(*, is_timed: bool, minutes: int, is_due: bool) -> None:
    due = Due(Settings(distrust_minutes=minutes), changes.race_tables_changed)
    table = TableState("oRunner", "MyISAM", 7, 1000, 8, NOON - BY_NOW, NOON - BY_NOW, "9,7")
    before = DatabaseState(RELAY, NOON, (table,), is_timed=is_timed)
    assert due.is_due(before, TODAY)
    due.remember(before, "identity")
    assert not due.is_due(replace(before, asked=NOON + timedelta(seconds=60)), TODAY)
    assert due.is_due(replace(before, asked=NOON + BY_NOW), TODAY) is is_due
    assert due.is_due(replace(before, tables=(replace(table, sign="10,7"),)), TODAY)
    assert due.is_due(replace(before, tables=(replace(table, sign=None),)), TODAY)
    assert due.distrust(TODAY)
    assert not due.distrust(TODAY)
    assert due.is_due(before, TODAY)
    assert not due.is_due(before, TODAY + timedelta(days=1))
    due.forget(RELAY)
    assert due.is_due(before, TODAY + timedelta(days=1))
