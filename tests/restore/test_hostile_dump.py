"""A drive may come from anyone: what a restored dump does is bounded to its own tables, whatever its SHA-256 says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import dump_file, dump_of, rewrite_dump
from tests.toolkit.servers import INDIVIDUAL, query, rows_of
from tests.toolkit.tent import Tent, assert_tidy


@pytest.fixture
def bystander(server: PrivateServer) -> Iterator[str]:
    """A database that has nothing to do with MeOS."""
    query(server, "CREATE DATABASE bystander")
    query(server, "CREATE TABLE bystander.t (a INT)")
    yield "bystander"
    query(server, "DROP DATABASE IF EXISTS bystander")


def test_a_hostile_dump_is_refused_and_everything_is_unchanged(
    server: PrivateServer, tmp_path: Path, bystander: str
) -> None:
    tent = Tent(tmp_path)
    stored = tent.back_up(server)
    before = rows_of(server, INDIVIDUAL)
    entry = dump_of(stored.batch, INDIVIDUAL)
    good = stored.path(dump_file(entry)).read_bytes()
    at = good.index(b"UNLOCK TABLES;\n")
    for statement in (b"DROP DATABASE bystander;\n", b"INSERT INTO `oevent` SELECT LOAD_FILE('/etc/passwd');\n"):
        again = reread(tent, stored)
        rewrite_dump(again, dump_of(again.batch, INDIVIDUAL), good[:at] + statement + good[at:])
        said = tent.restore(server, "--race", INDIVIDUAL, "--batch", stored.when, expected=1)
        assert "a statement that no dump program writes" in said
        assert statement.decode()[:24] in said
        assert "The server is unchanged" in said
        assert rows_of(server, INDIVIDUAL) == before
        assert query(server, f"SHOW TABLES FROM {bystander}") == [("t",)]
        assert_tidy(server)


def reread(tent: Tent, stored: StoredBatch) -> StoredBatch:
    [again] = [other for other in tent.batches() if other.folder == stored.folder]
    return again
