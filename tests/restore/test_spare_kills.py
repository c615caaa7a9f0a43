"""A spare server while something is killed; `tests/tools/spare_rounds.py` does it more often, between two vendors."""

import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.day import Day
from tests.toolkit.servers import INDIVIDUAL, INNODB, query, rows_of
from tests.tools import spare_rounds


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="looks at /proc")
def test_the_spare_server_has_the_newest_batch_whatever_is_killed(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    with spare_rounds.stage(server, spare, None, (INDIVIDUAL, INNODB), tmp_path, seed=1) as stage:
        spare_rounds.kill_race_server(stage, ticks=1)
        spare_rounds.kill_feed(stage, "the spare server, amid the swap")
    [counted] = stage.figures.values()
    assert counted["torn"] == 0


def test_a_race_that_mysql_left_torn_is_fed_again(server: PrivateServer, spare: PrivateServer, tmp_path: Path) -> None:
    day, standby = Day(tmp_path, server=server), f"{spare.host}:{spare.port}"
    day.once("--standby", standby)
    # MySQL moves MyISAM tables one after another: killed meanwhile, it has lost some of them.
    query(spare, "UPDATE meosbackup.races SET next_sign = sign")
    query(spare, f"DROP TABLE {INDIVIDUAL}.ocard")
    said = day.once("--standby", standby).stdout
    assert "spare server ready" in said
    assert "except" not in said
    assert rows_of(spare, INDIVIDUAL) == rows_of(server, INDIVIDUAL)
