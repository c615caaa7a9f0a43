"""The session that a day keeps with its server: few queries, and never worse than a new session each time."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest

from meosbackup.backup.backup import Backup
from meosbackup.backup.outcome import Outcome
from meosbackup.errors import ServerUnreachableError
from meosbackup.meos import signs
from meosbackup.mysql import programs, sessions
from meosbackup.mysql.kept_session import KEPT_SECONDS, KeptSession
from meosbackup.mysql.private_server import HOST, PrivateServer, connect
from meosbackup.mysql.sessions import Session
from meosbackup.settings.model import Settings
from meosbackup.store import spool
from tests.toolkit.place import new_place
from tests.toolkit.running import frozen, running
from tests.toolkit.runs import told
from tests.toolkit.servers import (
    FILES,
    INDIVIDUAL,
    INNODB,
    MEOS_PASSWORD,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    having,
    make_pristine,
    query,
    statements,
)
from tests.toolkit.waiting import limit, wait_until
from tests.tools.equality import SETTLED

CONNECTIONS = "SELECT ID, DB FROM information_schema.PROCESSLIST WHERE USER = 'meos'"
ABORTED = "SHOW GLOBAL STATUS LIKE 'Aborted_clients'"


@pytest.fixture(params=["server", "mysql_server"])
def either(request: pytest.FixtureRequest) -> PrivateServer:
    """This machine's server, and a MySQL."""
    server: PrivateServer = request.getfixturevalue(request.param)
    if request.param == "mysql_server":
        make_pristine(server, {name: FILES[name] for name in (RACE_LIST, RELAY)}, {})
    return server


def login(server: PrivateServer, port: int | None = None) -> Settings:
    return Settings(host=server.host, port=port or server.port, user=MEOS_USER, password=MEOS_PASSWORD, all_races=True)


@contextmanager
def kept(settings: Settings, seconds: float = KEPT_SECONDS) -> Iterator[KeptSession]:
    session = KeptSession(settings, seconds)
    with closing(session):
        yield session


def its_id(session: Session) -> int:
    return int(session.rows("SELECT CONNECTION_ID() AS id")[0]["id"])


@contextmanager
def backing_up(server: PrivateServer, folder: Path) -> Iterator[Callable[[], Outcome]]:
    """Give a function that runs a tick of a day, without a drive."""
    root = folder / "spool"
    spool.prepare(root, None)
    backup = Backup(login(server), programs.find_dump_program(None), root, 0)
    backup.keep_session()
    try:
        yield lambda: backup.tick(datetime.now().astimezone().replace(microsecond=0), threading.Event())
    finally:
        backup.log_out()


# What it saves


def test_a_tick_without_changes_takes_three_queries(either: PrivateServer, tmp_path: Path) -> None:
    query(either, f"DROP DATABASE IF EXISTS {INNODB}")  # after a restart, its tables are dumped each time
    with backing_up(either, tmp_path) as tick:
        tick()
        time.sleep(SETTLED)
        assert not tick().failures
        with statements(either, MEOS_USER) as seen:
            outcome = tick()
    assert outcome.stored is None
    # On Windows, where the times of tables can't be trusted, MeOS's counters and checksums are asked for as well.
    assert len(seen) == (7 if sys.platform == "win32" else 3), seen


def test_it_stands_in_nobodys_way(server: PrivateServer, tmp_path: Path) -> None:
    [(_, aborted)] = query(server, ABORTED)
    with backing_up(server, tmp_path) as tick:
        tick()
        assert [database for _, database in query(server, CONNECTIONS)] == [None]
        query(server, f"ALTER TABLE {RACE_LIST}.oevent ADD COLUMN more INT")
        query(server, f"DROP DATABASE {RELAY}")
    wait_until(lambda: not query(server, CONNECTIONS), "the end of its connection")
    assert query(server, ABORTED)[0][1] == aborted


# What ends it


def killed(server: PrivateServer) -> None:
    for number, _ in query(server, CONNECTIONS):
        query(server, f"KILL {number}")


def left_alone(server: PrivateServer) -> None:
    wait_until(lambda: not query(server, CONNECTIONS), "a server that has enough of waiting")


@pytest.mark.parametrize("lose", [killed, left_alone])
def test_one_that_was_lost_is_replaced_without_a_word(
    either: PrivateServer, tmp_path: Path, lose: Callable[[PrivateServer], None]
) -> None:
    with having(either, wait_timeout=1) if lose is left_alone else ExitStack(), backing_up(either, tmp_path) as tick:
        tick()
        lose(either)
        assert not tick().failures


def test_one_that_a_restart_ended_is_replaced_without_a_word(server: PrivateServer, tmp_path: Path) -> None:
    with backing_up(server, tmp_path) as tick:
        tick()
        server.stop()
        server.start()
        assert not tick().failures


def test_it_is_renewed_now_and_then(server: PrivateServer) -> None:
    with kept(login(server)) as session:
        assert session.use(its_id) == session.use(its_id)
    with kept(login(server), 0) as session:
        assert session.use(its_id) != session.use(its_id)
        assert query(server, CONNECTIONS) == []


def test_what_fails_in_it_is_tried_in_a_new_one(server: PrivateServer) -> None:
    with kept(login(server)) as session:
        first = session.use(its_id)

        def look(asked: Session) -> int:
            if its_id(asked) == first:
                asked.rows("SELECT 1 FROM nowhere.nothing")
            return its_id(asked)

        assert session.use(look) != first


def test_new_privileges_reach_the_next_tick(server: PrivateServer, tmp_path: Path) -> None:
    query(server, "DROP USER meos")
    query(server, "CREATE USER meos IDENTIFIED BY %s", MEOS_PASSWORD)
    for database in (RACE_LIST, INDIVIDUAL):
        query(server, f"GRANT SELECT, LOCK TABLES ON {database}.* TO meos")
    with backing_up(server, tmp_path) as tick:
        assert len(tick().failures) == len(FILES) - 2
        query(server, "GRANT SELECT, LOCK TABLES ON *.* TO meos")
        outcome = tick()
    assert not outcome.failures
    assert outcome.changed == len(FILES) - 2


# A server that doesn't answer


def test_a_frozen_server_is_not_waited_for_longer_than_at_the_start(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CONNECT_LIMIT", 1)
    with backing_up(server, tmp_path) as tick:
        tick()
        with frozen(server.process_id):
            began = time.monotonic()
            with pytest.raises(ServerUnreachableError):
                tick()
            assert time.monotonic() - began < limit(sessions.ANSWER_LIMIT - 1)
        assert not tick().failures


def test_a_locked_race_list_is_waited_for_once(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ANSWER_LIMIT", 1)
    with closing(connect(server)) as laptop, backing_up(server, tmp_path) as tick:
        tick()
        laptop.cmd_query(f"LOCK TABLES {RACE_LIST}.oevent WRITE")
        with statements(server, MEOS_USER) as seen, pytest.raises(ServerUnreachableError):
            tick()
        laptop.cmd_query("UNLOCK TABLES")
        assert not tick().failures
    assert sum("FROM `meosmain`" in one for one in seen) == 1


def test_signs_leave_it_as_patient_as_it_was(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop's lock on the race list is over soon, but not as soon as signs give up."""
    monkeypatch.setattr(signs, "untimed", lambda _: "the server runs on Windows")
    with closing(connect(server)) as laptop, backing_up(server, tmp_path) as tick:
        tick()
        laptop.cmd_query(f"LOCK TABLES {RACE_LIST}.oevent WRITE")
        unlocking = threading.Timer(0.5, laptop.cmd_query, ["UNLOCK TABLES"])
        unlocking.start()
        with statements(server, MEOS_USER) as seen:
            assert not tick().failures
        unlocking.join()
    assert not any("CURRENT_USER" in one for one in seen)  # it needed no new session


@contextmanager
def relay(server: PrivateServer) -> Iterator[tuple[int, Callable[[], None]]]:
    """Give a port that passes all on to a server and back, and a function that has it drop what is connected so far."""
    open_ones, dropped = list[socket.socket](), set[socket.socket]()

    def pass_on(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                if one not in dropped:
                    other.sendall(data)

    def listen() -> None:
        with suppress(OSError):
            while True:
                client, there = ear.accept()[0], socket.create_connection((HOST, server.port))
                open_ones.extend((client, there))
                for pair in ((client, there), (there, client)):
                    threading.Thread(target=pass_on, args=pair, daemon=True).start()

    with ExitStack() as stack:
        ear = stack.enter_context(socket.create_server((HOST, 0)))
        threading.Thread(target=listen, daemon=True).start()
        yield ear.getsockname()[1], lambda: dropped.update(open_ones)
        for one in (ear, *open_ones):
            stack.enter_context(one)
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # or whoever reads from it would keep it open


def test_a_connection_of_which_nothing_comes_back_any_more_is_given_up_soon(server: PrivateServer) -> None:
    """A firewall may have forgotten it, or this computer got another address; the server answers others."""
    with relay(server) as (port, drop), kept(login(server, port)) as session:
        first = session.use(its_id)
        drop()
        assert session.use(its_id) != first


# In a race day


def test_a_day_has_one_session_that_is_replaced_and_ends_with_it(server: PrivateServer, tmp_path: Path) -> None:
    place = new_place(tmp_path)
    [(_, aborted)] = query(server, ABORTED)
    with running(place, server, "--interval", "1") as tool:
        tool.waits_for("OK no changes since", times=2)
        assert len(query(server, CONNECTIONS)) == 1
        killed(server)
        tool.waits_for("OK no changes since", times=4)
        told(tool.press_ctrl_c(), 0)
    assert "FAIL" not in tool.text
    assert query(server, CONNECTIONS) == []
    assert int(query(server, ABORTED)[0][1]) <= int(aborted) + 1  # the one that was killed
