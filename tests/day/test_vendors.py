"""The daemon at work against a server of each vendor; `python -m tests.tools.matrix` does it for longer and for all."""

from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.tools.matrix import race_day
from tests.tools.matrix.installations import Installation

# The first test that needs a server may have to fetch it.
pytestmark = pytest.mark.timeout(300)

TICKS = 8


def test_a_race_day_with_mysql(mysql_server: PrivateServer, mysql: Installation, tmp_path: Path) -> None:
    day = race_day.run(mysql_server, mysql, tmp_path, TICKS)
    assert day.fault == ""
    assert day.ticks >= TICKS
    assert day.batches >= 3
