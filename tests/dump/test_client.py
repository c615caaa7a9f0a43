"""A dump on its way to the client program: it goes into another database, whatever its own is called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.model import Race
from meosbackup.dump import client
from meosbackup.meos import relisting
from meosbackup.mysql.identifiers import quoted

ROWS = b"INSERT INTO `oEvent` VALUES (1,'USE `x`;\\nCREATE DATABASE `y`');\n"


def dump_of(database: str) -> bytes:
    """Return what a dump program makes of a database, with the lines that put the race on the race list."""
    name = quoted(database).encode()
    ending = relisting.statements(Race("Natt", "", "", database, 1, 90), database, "oEvent")
    return b"".join([
        b"-- MariaDB dump\n/*!40101 SET NAMES utf8mb4 */;\n",
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ ", name, b" /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n\n",
        b"USE ", name, b";\n", ROWS, ending, b"-- Dump completed\n",
    ])  # fmt: skip


def redirected(folder: Path, dump: bytes) -> bytes:
    path = folder / "dump.sql"
    path.write_bytes(dump)
    return b"".join(piece.data for piece in client.redirected(path, "meosbackup_new_1"))


EXPECTED = b"".join([
    b"/*!40101 SET NAMES utf8mb4 */;\n",
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `meosbackup_new_1` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n",
    b"USE `meosbackup_new_1`;\n", ROWS,
])  # fmt: skip


@pytest.mark.parametrize("name", ["meos_1E5", "a\nb", "\nUSE `meos_1E5`;\n", "a`\n`b", "\n", "`", "a\r\nUSE b;"])
def test_a_dump_goes_elsewhere_whatever_its_database_is_called(tmp_path: Path, name: str) -> None:
    assert redirected(tmp_path, dump_of(name)) == EXPECTED


@given(name=st.text(min_size=1, max_size=64))
def test_no_name_keeps_a_dump_where_it_was(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    assert redirected(tmp_path_factory.mktemp("dump"), dump_of(name)) == EXPECTED


def test_rows_stay_byte_for_byte_the_same(tmp_path: Path) -> None:
    rows = b"INSERT INTO `oImage` VALUES (1,0x" + b"AB" * 200_000 + b"),\n(2,0x00);\n"
    assert redirected(tmp_path, dump_of("x").replace(ROWS, rows)) == EXPECTED.replace(ROWS, rows)
