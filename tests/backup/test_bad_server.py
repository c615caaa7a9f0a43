"""A server that is away, refuses, lacks something, or breaks while it is backed up."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from meosbackup.mysql.private_server import HOST, PrivateServer, connect, load
from meosbackup.store import inventory
from tests.toolkit.batches import assert_batches_are_whole, assert_no_backup
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import waiting_dump
from tests.toolkit.running import running
from tests.toolkit.runs import Completed, run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import (
    FILES,
    INDIVIDUAL,
    MEOS_PASSWORD,
    RACE_LIST,
    RELAY,
    contents,
    damaged,
    enter_runner,
    query,
)
from tests.toolkit.waiting import limit, wait_until

ALL_IS_WELL = "race list + 4 races"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@contextmanager
def port_of(greeting: bytes | None) -> Iterator[int]:
    """Give a port on which nobody listens, or something that says this to whoever comes, and leaves."""
    with closing(socket.socket()) as ear:
        ear.bind((HOST, 0))
        if greeting is not None:
            ear.listen()
            Thread(target=_greet, args=(ear, greeting), daemon=True).start()
        yield ear.getsockname()[1]


def _greet(ear: socket.socket, greeting: bytes) -> None:
    # Windows says so where the ear is closed and nobody came.
    with suppress(OSError), closing(ear.accept()[0]) as guest:
        guest.sendall(greeting)


def at_port(place: Place, port: int) -> Completed:
    return run_meosbackup(*place.options, "--once", "--host", HOST, "--port", str(port), env=with_password())


def test_no_server_at_all(place: Place) -> None:
    with port_of(None) as port:
        told(
            at_port(place, port), 75, f"The server at {HOST}, port {port} doesn't answer", "(Connection refused)",
            "No race is backed up while this lasts", "Check that MySQL or MariaDB is running there",
        )  # fmt: skip
    assert_no_backup(place.target)


def test_a_socket_that_is_not_there(place: Place) -> None:
    result = run_meosbackup(*place.options, "--once", "--socket", place.folder / "socket", env=with_password())
    told(result, 75, f"The server at {place.folder / 'socket'} doesn't answer", "No race is backed up")
    assert_no_backup(place.target)


@pytest.mark.parametrize(
    "greeting",
    [b"", b"SSH-2.0-OpenSSH_9.2p1\r\n", b"\x05\x00\x00\x00\x0a5.7\x00"],
    ids=["nothing", "another program", "cut short"],
)
def test_something_else_that_listens_on_the_port(place: Place, greeting: bytes) -> None:
    with port_of(greeting) as port:
        result = at_port(place, port)
    told(result, 75, f"at {HOST}, port {port}", "No race is backed up while this lasts", "Check that")
    assert_no_backup(place.target)


def test_the_day_goes_on_when_the_server_is_lost_during_dumps_and_comes_back(
    place: Place, server: PrivateServer
) -> None:
    with running(place, server, "--interval", "1", "--mysqldump", waiting_dump(place)) as tool:
        wait_until((place.folder / "dumping").exists, "the first dump")
        server.kill()
        (place.folder / "gate").touch()
        tool.waits_for("FAIL The server at 127.0.0.1")
        tool.waits_for("No race is backed up while this lasts")
        assert_no_backup(place.target)
        server.start()
        tool.waits_for(ALL_IS_WELL)
        tool.waits_for("all is well again; trouble from")
        told(tool.press_ctrl_c(), 0, "stopped; 1 batch made, the newest is from")
    assert_batches_are_whole(place)
    assert [inventory.read(folder).complete for folder in place.batch_folders] == [True]


def test_a_server_that_is_lost_during_every_dump_of_the_only_batch(place: Place, server: PrivateServer) -> None:
    with running(place, server, "--once", "--mysqldump", waiting_dump(place)) as tool:
        wait_until((place.folder / "dumping").exists, "the first dump")
        server.kill()
        (place.folder / "gate").touch()
        result = tool.ended()
    told(
        result,
        75,
        "doesn't answer",
        "No race is backed up while this lasts",
        "Check that MySQL or MariaDB is running there",
    )
    assert_no_backup(place.target)


def test_a_server_that_is_lost_while_a_dump_waits_for_it(place: Place, server: PrivateServer) -> None:
    with closing(connect(server)) as laptop:
        laptop.cmd_query(f"LOCK TABLES {INDIVIDUAL}.ocard WRITE")
        with running(place, server, "--once") as tool:
            waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'"
            wait_until(lambda: query(server, waiting) == [(1,)], "a dump that waits for the laptop")
            wait_until(lambda: dumped(place) == len(FILES) - 1, "the other dumps")
            server.kill()
            result = tool.ended()
    told(result, 75, "O'Cup", "doesn't answer", "Lost connection", "Check that MySQL or MariaDB is running there")
    assert_batches_are_whole(place)
    for folder in place.batch_folders:
        assert not inventory.read(folder).complete


def dumped(place: Place) -> int:
    """Return how many dumps are finished in the spool's work folder."""
    return sum(path.stat().st_size > 0 for path in place.spool.glob("work-*/*.sql"))


def test_a_server_that_freezes_before_it_is_asked(place: Place, server: PrivateServer) -> None:
    began = time.monotonic()
    with frozen(server):
        result = once(place, server)
    told(result, 75, "doesn't answer", "No race is backed up while this lasts")
    assert time.monotonic() - began < limit(10)
    assert_no_backup(place.target)


def test_ctrl_c_while_dumps_hang_in_a_frozen_server(place: Place, server: PrivateServer) -> None:
    with running(place, server, "--mysqldump", waiting_dump(place)) as tool:
        wait_until((place.folder / "dumping").exists, "the first dump")
        with frozen(server):
            (place.folder / "gate").touch()
            wait_until((place.folder / "going-on").exists, "a dump program that asks the frozen server")
            told(tool.press_ctrl_c(), 0, "stopped; 0 batches made")
    assert_no_backup(place.target)
    assert {path.name for path in place.spool.iterdir()} <= {"DRIVES"}


@contextmanager
def frozen(server: PrivateServer) -> Iterator[None]:
    if sys.platform == "win32":
        pytest.skip("Windows can't freeze a process")
    assert server.process_id is not None
    os.kill(server.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process_id, signal.SIGCONT)


def test_a_race_list_that_a_laptop_keeps_locked(place: Place, server: PrivateServer) -> None:
    """A laptop that lost its network amid a change keeps its lock until the server notices, hours later."""
    with closing(connect(server)) as laptop:
        laptop.cmd_query(f"LOCK TABLES {RACE_LIST}.oevent WRITE")
        result = once(place, server)
    told(result, 75, "No race is backed up while this lasts")
    assert_no_backup(place.target)


@pytest.mark.parametrize(
    ("user", "password", "options"), [("meos", "wrong-Lösenord", ["--once"]), ("nobody", MEOS_PASSWORD, [])]
)
def test_a_login_that_is_refused(
    place: Place, server: PrivateServer, user: str, password: str, options: list[str]
) -> None:
    result = run_meosbackup(
        *place.options, *server_options(server), "--user", user, *options, env=with_password(password)
    )
    said = told(
        result, 1, f"refuses the user {user}", "No race is backed up while this lasts", "--user", "--ask-password",
        "--defaults-file",
    )  # fmt: skip
    assert password not in said
    assert password not in (place.folder / "meosbackup.log").read_text("utf-8")
    assert_no_backup(place.target)


def test_a_login_that_is_refused_later_ends_no_day(place: Place, server: PrivateServer) -> None:
    with running(place, server, "--interval", "1") as tool:
        tool.waits_for(ALL_IS_WELL)
        query(server, "ALTER USER meos@'%' IDENTIFIED BY 'another'")
        enter_runner(server, INDIVIDUAL)  # dumps need a login of their own
        tool.waits_for("refuses the user meos")
        query(server, "ALTER USER meos@'%' IDENTIFIED BY %s", MEOS_PASSWORD)
        tool.waits_for("all is well again")
        told(tool.press_ctrl_c(), 0)


@pytest.mark.parametrize(
    ("account", "rights"),
    [
        ("svea@'localhost'", []),
        ("svea@'%'", ["SELECT ON *.*"]),
        ("svea@'%'", [f"INSERT ON {RACE_LIST}.*"]),
        ("svea@'%'", [f"SELECT, LOCK TABLES ON {RACE_LIST}.*"]),
        ("svea@'%'", [
            *(f"SELECT, LOCK TABLES ON {database}.*" for database in FILES if database not in {INDIVIDUAL, RELAY}),
            f"LOCK TABLES ON {RELAY}.*",
            f"LOCK TABLES ON {INDIVIDUAL}.*", f"SELECT ON {INDIVIDUAL}.oevent", f"INSERT ON {INDIVIDUAL}.orunner",
        ]),
    ],
    ids=["none", "no lock", "race list unread", "race list alone", "tables unread"],
)  # fmt: skip
def test_a_missing_right_is_named_with_the_line_that_cures_it(
    place: Place, server: PrivateServer, account: str, rights: list[str]
) -> None:
    query(server, f"CREATE USER {account} IDENTIFIED BY '{MEOS_PASSWORD.replace(chr(92), chr(92) * 2)}'")
    for right in rights:
        query(server, f"GRANT {right} TO {account}")
    said = told(once(place, server, "--user", "svea"), 1, "svea", "right")
    assert_batches_are_whole(place)
    lines = set(re.findall(r"GRANT [^;]+;", said))
    assert len(lines) == 1, said
    query(server, lines.pop())
    told(once(place, server, "--user", "svea"), 0, ALL_IS_WELL)
    assert inventory.read(place.batch_folders[-1]).complete


def test_a_server_without_a_race_list(place: Place, spare: PrivateServer) -> None:
    result = once(place, spare)
    said = told(result, 1, "no race list", "No race is backed up while this lasts", "name that one with --host")
    assert_no_backup(place.target)
    assert "no database meosmain" in said


def test_a_race_list_without_its_table(place: Place, server: PrivateServer) -> None:
    query(server, f"DROP TABLE {RACE_LIST}.oevent")
    told(once(place, server), 1, f"{RACE_LIST} has no table oEvent", "none is backed up", "Open MeOS once")
    assert_no_backup(place.target)


@pytest.mark.parametrize("column", ["Id", "NameId"])
def test_a_race_list_that_lacks_a_column(place: Place, server: PrivateServer, column: str) -> None:
    query(server, f"ALTER TABLE {RACE_LIST}.oevent DROP COLUMN {column}")
    told(once(place, server), 1, RACE_LIST, "oEvent", "is backed up")
    assert_no_backup(place.target)


@pytest.mark.parametrize(
    ("file", "at", "repairable"),
    [("orunner.MYD", 4000, True), ("orunner.MYI", 24, True), ("orunner.MYI", 500, False), ("orunner.MYI", 0, False)],
    ids=["rows", "marked", "index", "no index"],
)
def test_a_damaged_table_fails_alone(place: Place, server: PrivateServer, file: str, at: int, repairable: bool) -> None:
    with damaged(server, INDIVIDUAL, file, at):
        said = told(
            once(place, server), 1, "O'Cup", "The table orunner of this race is damaged",
            "This race is not in the newest backup", "other races are", "Repair Selected Competition",
            "Reparera vald tävling",
        )  # fmt: skip
        assert said.count("is damaged") == 1
        assert_batches_are_whole(place)
        dumps = {entry.database: entry for entry in inventory.read(place.batch_folders[-1]).databases}
        assert {name for name, entry in dumps.items() if entry.error is None} == set(FILES) - {INDIVIDUAL}
        assert dumps[INDIVIDUAL].dump is None
        if repairable:
            query(server, f"REPAIR TABLE {INDIVIDUAL}.orunner EXTENDED")
            told(once(place, server), 0, ALL_IS_WELL)
            assert inventory.read(place.batch_folders[-1]).complete


def test_a_damaged_table_leaves_the_dump_from_before(place: Place, server: PrivateServer, spare: PrivateServer) -> None:
    good = contents(server, INDIVIDUAL)
    told(once(place, server), 0)
    with damaged(server, INDIVIDUAL, "orunner.MYD", 4000):
        query(server, f"INSERT INTO {RELAY}.oclub (Name) VALUES ('new')")
        told(once(place, server), 1, "The table orunner of this race is damaged", "Its newest good dump is from")
    assert_batches_are_whole(place)
    newest = inventory.read(place.batch_folders[-1])
    entry = next(entry for entry in newest.databases if entry.database == INDIVIDUAL)
    assert entry.error is not None
    assert entry.dump is not None
    assert not newest.complete
    load(spare, place.batch_folders[-1] / entry.dump.file)
    assert entry.reference is not None
    load(spare, place.batch_folders[-1] / entry.reference.file)
    assert contents(spare, INDIVIDUAL) == good


def test_a_damaged_register_does_not_keep_its_race_from_being_saved(place: Place, server: PrivateServer) -> None:
    with damaged(server, RELAY, "dbrunner.MYI", 0):
        said = told(once(place, server), 1, "dbrunner", "is damaged", "Repair Selected Competition")
        assert "This race is not in the newest backup" not in said
        dumps = {entry.database: entry for entry in inventory.read(place.batch_folders[-1]).databases}
        assert dumps[RELAY].dump is not None
        assert dumps[RELAY].error is None


def test_a_damaged_race_list(place: Place, server: PrivateServer) -> None:
    with damaged(server, RACE_LIST, "oevent.MYI", 24):
        told(once(place, server), 1, "oevent", "is damaged", "is backed up", f"REPAIR TABLE {RACE_LIST}.oevent")
        assert_no_backup(place.target)
