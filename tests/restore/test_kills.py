"""A restore that is killed; `tests/tools/kills.py` does it more often, and in more ways."""

import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.tools import kills

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at /proc")


@pytest.mark.long
def test_races_are_never_torn_and_the_same_command_goes_on(server: PrivateServer, tmp_path: Path) -> None:
    stage = kills.stage(server, tmp_path, seed=1)
    ways = ("its client program", "itself, amid the swap", "the server, amid the swap")
    for way in ways:
        for _ in range(5):  # on a busy machine a restore may be over before it is killed
            kills.play(stage, way)
            if stage.figures[way]["hit"]:
                break
    assert {way: counted["torn"] for way, counted in stage.figures.items()} == dict.fromkeys(ways, 0)
    assert all(counted["hit"] for counted in stage.figures.values())
