"""This machine's own server and a MySQL: each dump restores on both, fed by the client of either.

All the others come with `python -m tests.matrix`.
"""

from pathlib import Path

import pytest

from tests.matrix.grid import cells
from tests.matrix.installations import Installation
from tests.support import INDIVIDUAL, INNODB, RACE_LIST


@pytest.mark.timeout(300)
def test_every_dump_restores_everywhere(own: Installation, mysql: Installation, tmp_path: Path) -> None:
    done = list(cells([own, mysql], tmp_path, tool_every=5, names=[RACE_LIST, INDIVIDUAL, INNODB]))
    assert len(done) == 2**4
    assert [cell for cell in done if cell.fault] == []
