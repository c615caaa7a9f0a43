"""A sample of the drives that the tool `hostile_batches` tampers with."""

import subprocess
import sys

import pytest

from meosbackup.mysql.private_server import ServerProgram
from tests.toolkit.waiting import PATIENCE


@pytest.mark.long
def test_a_sample_of_tampered_batches(server_program: ServerProgram) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows can't copy a process")
    assert server_program
    tool = [
        sys.executable,
        "-m",
        "tests.tools.hostile_batches",
        "--count",
        "20",
        "--fresh",
        "0",
        "--rehearse-each",
        "0",
    ]
    result = subprocess.run(tool, capture_output=True, encoding="utf-8", timeout=4 * PATIENCE, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "20 cases from seed 1 on" in result.stdout
