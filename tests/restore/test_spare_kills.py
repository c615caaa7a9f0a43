"""A spare server while something is killed; `tests/tools/spare_rounds.py` does it more often, between two vendors."""

import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.servers import INDIVIDUAL, INNODB
from tests.tools import spare_rounds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at /proc")


@pytest.mark.long
def test_the_spare_server_has_the_newest_batch_whatever_is_killed(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    with spare_rounds.stage(server, spare, None, (INDIVIDUAL, INNODB), tmp_path, seed=1) as stage:
        spare_rounds.kill_race_server(stage, ticks=1)
        spare_rounds.kill_feed(stage, "the spare server, amid the swap")
    [counted] = stage.figures.values()
    assert counted["torn"] == 0
