"""The databases that a restore makes for itself: what was left of one goes, and nothing else does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from meosbackup.errors import MeosBackupError
from meosbackup.mysql import sessions
from meosbackup.mysql.private_server import PrivateServer, connect, load
from meosbackup.mysql.sessions import Session
from meosbackup.restore import replacement, temporary
from meosbackup.settings.model import Settings
from tests.toolkit.servers import FILES, MEOS_PASSWORD, MEOS_USER, RACE_LIST, databases, list_race, query
from tests.toolkit.waiting import PATIENCE, wait_until


@pytest.fixture
def settings(spare: PrivateServer) -> Settings:
    load(spare, FILES[RACE_LIST])
    return Settings(host=spare.host, port=spare.port, user=MEOS_USER, password=MEOS_PASSWORD)


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    with sessions.session(settings) as session:
        yield session


def make(server: PrivateServer, database: str, *tables: str, name_id: str | None = None) -> None:
    query(server, f"CREATE DATABASE `{database}`")
    for table in tables:
        query(server, f"CREATE TABLE `{database}`.{table} (Id INT, NameId VARCHAR(64))")
    if name_id is not None:
        query(server, f"INSERT INTO `{database}`.oEvent VALUES (1, %s)", name_id)


def test_what_is_no_leftover_stays(spare: PrivateServer, session: Session, settings: Settings) -> None:
    own_name = temporary.name("old", temporary.token(), 1)
    for race in ("meosbackup_old", "meosbackup_new_3", "MeosBackup_Old_7", own_name):
        make(spare, race, "oRunner")
        list_race(spare, race, race)
    make(spare, "meosbackup_old_8", "oEvent", name_id="MEOSBACKUP_OLD_8")  # a race that the list has lost
    make(spare, "meosbackup_old_9", "oEvent", "dbRunner", name_id="meos_1")  # somebody's copy of a race
    make(spare, "meosbackup_new", "oEvent", name_id="meos_1")
    make(spare, "meosbackup-notes", "oEvent")
    before = databases(spare)
    with replacement.only_restore(session, settings):
        assert databases(spare) == before


def test_leftovers_go(spare: PrivateServer, session: Session, settings: Settings) -> None:
    before = databases(spare)
    make(spare, "meosbackup_new_1", "oEvent", "oRunner", name_id="meos_1")  # of version 1.0.0
    make(spare, "meosbackup_old_12", "dbRunner", "dbClub")
    make(spare, "meosbackup_old_13")
    make(spare, temporary.name("new", temporary.token(), 1), "oEvent", name_id="meos_1")
    make(spare, temporary.name("old", temporary.token(), 20), "oEvent", "dbRunner")
    with replacement.only_restore(session, settings):
        assert databases(spare) == before


def test_a_swap_that_still_waits_is_ended(spare: PrivateServer, settings: Settings) -> None:
    before = databases(spare)
    new, old = (temporary.name(kind, temporary.token(), 1) for kind in ("new", "old"))
    for database in ("race", new):
        make(spare, database, "oRunner")
    query(spare, f"CREATE DATABASE `{old}`")
    swap = f"RENAME TABLE race.oRunner TO `{old}`.oRunner, `{new}`.oRunner TO race.oRunner"
    with closing(connect(spare)) as laptop, closing(laptop.cursor()) as cursor, ThreadPoolExecutor(1) as killed:
        cursor.execute("LOCK TABLES race.oRunner WRITE")
        swapping = killed.submit(run, settings, swap)
        wait_until(lambda: any(swap in str(row) for row in query(spare, "SHOW FULL PROCESSLIST")), "the swap")
        temporary.drop(settings, (new, old))
        assert databases(spare) == {*before, "race"}
        cursor.execute("UNLOCK TABLES")
        assert isinstance(swapping.exception(PATIENCE), MeosBackupError)
    assert query(spare, "SHOW TABLES FROM race")


def run(settings: Settings, statement: str) -> None:
    with sessions.session(settings) as session:
        session.rows(statement)
