"""A drive may come from anyone: what a restored dump does is bounded to its own tables, whatever its SHA-256 says."""

from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.tools.hostile_dumps import attack

DUMPS = 20
"""A sample of what `python -m tests.tools.hostile_dumps` does at length."""


@pytest.mark.long
def test_hostile_dumps_change_nothing_but_their_race(server: PrivateServer, tmp_path: Path) -> None:
    done = list(attack(server, tmp_path, DUMPS, seed=3, command_every=4))
    assert len(done) == DUMPS
    refused = [one for one in done if "a statement that no dump program writes" in one.said]
    assert len(refused) > DUMPS / 2
    assert all("The server is unchanged" in one.said for one in refused)
