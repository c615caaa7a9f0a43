"""This machine's own server and a MySQL: each dump restores on both, fed by the client of either.

All the others come with `python -m tests.tools.matrix`.
"""

from pathlib import Path

import pytest

from tests.toolkit.servers import INDIVIDUAL, INNODB, RACE_LIST
from tests.tools.matrix.grid import cells
from tests.tools.matrix.installations import Installation


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_dump_restores_everywhere(own: Installation, mysql: Installation, tmp_path: Path) -> None:
    done = list(cells([own, mysql], tmp_path, tool_every=5, names=[RACE_LIST, INDIVIDUAL, INNODB]))
    assert len(done) == 2**4
    assert [cell for cell in done if cell.fault] == []
