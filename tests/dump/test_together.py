"""Databases that one run of the dump program dumps: each dump is byte for byte that of a run of its own."""

import threading
from collections import defaultdict
from pathlib import Path

import pytest

from meosbackup.dump import mysqldump, together
from meosbackup.dump.former import Former
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import find_dump_program
from meosbackup.settings.model import Settings
from tests.toolkit.programs import dump_wrapper
from tests.toolkit.servers import INDIVIDUAL, INNODB, MEOS_PASSWORD, MEOS_USER, RELAY, query
from tests.tools.matrix.installations import Installation

NEVER = threading.Event()
WHOLE = defaultdict[str, Former](lambda: Former(Path(), "", frozenset()))
LEFT_OUT = {RELAY: ["dbRunner"], INNODB: [], INDIVIDUAL: ["oCard", "oMonitor"]}


def settings(server: PrivateServer) -> Settings:
    return Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)


def alone(program: DumpProgram, database: str, left_out: list[str], *, one_transaction: bool) -> bytes:
    mysqldump.dump(
        program, database, left_out=left_out, one_transaction=one_transaction, file="alone.sql", stop=NEVER
    )  # fmt: skip
    return (program.folder / "alone.sql").read_bytes()


@pytest.mark.parametrize("vendor", ["own", "mysql"])
@pytest.mark.parametrize("one_transaction", [False, True])
def test_each_dump_is_that_of_a_run_of_its_own(
    server: PrivateServer, tmp_path: Path, vendor: str, one_transaction: bool, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(vendor)
    with mysqldump.logged_in(find_dump_program(installation.dump), settings(server), tmp_path) as program:
        found = together.dumped(program, LEFT_OUT, WHOLE, one_transaction=one_transaction, stop=NEVER)
        assert list(found) == list(LEFT_OUT)
        for database, raw in found.items():
            expected = alone(program, database, LEFT_OUT[database], one_transaction=one_transaction)
            assert raw.path.read_bytes() == expected


@pytest.mark.parametrize(
    "name", ["x\n--\n-- Current Database: `y`\nz", "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;", " Database: y"]
)
def test_no_table_is_taken_for_the_end_of_its_database(server: PrivateServer, tmp_path: Path, name: str) -> None:
    query(server, f"CREATE TABLE {RELAY}.{quoted(name)} (a TEXT COMMENT %s) COMMENT %s", name, name)
    query(server, f"INSERT INTO {RELAY}.{quoted(name)} VALUES (%s)", name)
    left_out: dict[str, list[str]] = {RELAY: [], INDIVIDUAL: []}
    with mysqldump.logged_in(find_dump_program(None), settings(server), tmp_path) as program:
        found = together.dumped(program, left_out, WHOLE, one_transaction=False, stop=NEVER)
        for database, raw in found.items():
            assert raw.path.read_bytes() == alone(program, database, [], one_transaction=False)


@pytest.mark.parametrize("lines", [b"", b"-- Current Database: `a`\n", b"\n--\n-- Current Database: `c`\n--\n"])
def test_what_is_otherwise_than_dump_programs_write_is_not_taken_apart(lines: bytes) -> None:
    head, end = b"--\n-- Host: x    Database: a\n", b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed\n"
    one, other = (b"\n--\n-- Current Database: `%b`\n--\n\nUSE `%b`;\n" % (name, name) for name in (b"a", b"b"))
    assert list(together.taken_apart(head + one + lines + end, ["a", "b"])) == []
    assert list(together.taken_apart(head + one + other, ["a", "b"])) == []
    assert list(together.taken_apart(head + one + other + end, ["a", "b"])) == [
        head + one + end, head.replace(b"Database: a", b"Database: b") + other + end,
    ]  # fmt: skip


def test_if_one_of_them_cannot_be_dumped_none_is(server: PrivateServer, tmp_path: Path) -> None:
    with mysqldump.logged_in(find_dump_program(None), settings(server), tmp_path) as program:
        left_out: dict[str, list[str]] = {RELAY: [], "gone": []}
        assert together.dumped(program, left_out, WHOLE, one_transaction=False, stop=NEVER) == {}
        cut = find_dump_program(str(dump_wrapper(tmp_path, '"$real" "$@" && : > "$result"')))
        cutting = DumpProgram(cut, program.settings, tmp_path)
        assert together.dumped(cutting, LEFT_OUT, WHOLE, one_transaction=False, stop=NEVER) == {}
    assert list(tmp_path.glob("*.raw")) == []
