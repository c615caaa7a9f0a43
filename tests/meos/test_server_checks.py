"""What of a server would cause trouble later: reported by `check`, and when a race day begins."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer, ServerProgram, private_server
from tests.toolkit.place import Place, checked, new_place, once
from tests.toolkit.runs import told
from tests.toolkit.servers import FILES, RACE_LIST, RELAY, having, make_pristine, query

TOO_LARGE = "SET GLOBAL max_allowed_packet=1073741824"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def test_a_usual_server_has_table_names_to_tell_of_alone(place: Place, server: PrivateServer) -> None:
    said = checked(place, server, 0, "lower_case_table_names is 1: a spare server needs that, too")
    assert "NOTE" not in said
    assert "NOTE" not in told(once(place, server), 0, ", lower_case_table_names 1 ")


def test_a_mode_that_meos_does_not_expect_and_a_server_that_is_read_only(place: Place, server: PrivateServer) -> None:
    with having(server, sql_mode="ANSI_QUOTES,STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES", read_only=1):
        words = ("NOTE sql_mode: it has ANSI_QUOTES, NO_BACKSLASH_ESCAPES,", "NOTE read_only: the server is read-only")
        checked(place, server, 0, *words)
        told(once(place, server), 0, "sql_mode: it has ANSI_QUOTES", "read_only: the server is", "race list + 4 races")


def test_a_row_that_is_larger_than_a_server_takes(place: Place, server: PrivateServer) -> None:
    query(server, f"CREATE TABLE {RELAY}.maps (Id INT, Map LONGBLOB)")
    query(server, f"INSERT INTO {RELAY}.maps VALUES (1, REPEAT('x', 9000000))")
    said = checked(
        place, server, 0, "NOTE note: a row of", "takes 18 MB in a dump", TOO_LARGE, "max_allowed_packet: a row"
    )
    assert "accepts 16.8 MB at most" in said
    assert told(once(place, server), 0, "takes 18 MB in a dump", TOO_LARGE).count("takes 18 MB") == 1
    with having(server, max_allowed_packet=1 << 30):
        assert "max_allowed_packet: " not in checked(place, server, 0)


@contextmanager
def announcing(program: ServerProgram, version: str) -> Iterator[PrivateServer]:
    with private_server(program=program, options=(f"--version={version}",)) as server:
        make_pristine(server, {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}, {})
        yield server


@pytest.mark.skipif(sys.platform == "win32", reason="there, a data folder is made by another program")
def test_a_version_that_meos_refuses(place: Place, server_program: ServerProgram) -> None:
    if server_program.flavour != "MariaDB":
        pytest.skip("a MySQL can't announce another version")
    with announcing(server_program, "11.4.2-MariaDB-log") as server:
        line = "Write version=5.5.5-11.4.2-MariaDB below [mysqld]"
        checked(place, server, 1, "FAIL version: MeOS refuses this server", line)
        told(once(place, server), 0, "version: MeOS refuses this server", line)
    with announcing(server_program, "5.5.5-11.4.2-MariaDB") as server:
        assert "refuses" not in checked(place, server, 0, "OK server: MariaDB 11.4.2 at")


@pytest.mark.skipif(sys.platform == "win32", reason="there, a data folder is made by another program")
def test_a_server_that_nobody_knows_is_treated_as_mysql(place: Place, server_program: ServerProgram) -> None:
    if server_program.flavour != "MariaDB":
        pytest.skip("a MySQL can't announce another version")
    with announcing(server_program, "8.0.11-TiDB-v7.5.0") as server:
        words = ("it calls itself 8.0.11-TiDB-v7.5.0", "treated as MySQL", "Rehearse a batch")
        checked(place, server, 0, "OK server: MySQL 8.0.11 at", "NOTE server: it calls itself", *words)
        told(once(place, server), 0, *words, "race list + 1 race")
