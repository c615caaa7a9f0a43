"""The ordinary tests that need no Linux, run by the Python for Windows as they stand.

Only those that need no server.
"""

import re

import pytest

from tests.toolkit.windows import Windows, spelled
from tests.toolkit.windows_parts import PROJECT

LONGEST = 900.0
"""Seconds that a busy computer may take; a usual one takes a minute."""
PURE = ("backup", "batch", "dump", "guide", "meos", "meosxml", "mysql", "restore", "settings")
"""The folders of one half; the tests of all others are the other half, which starts more processes."""

NOT_FOR_WINDOWS = ("windows", "test_toolkit.py", "test_documents.py")
"""Those that need this computer, and those that read texts of the project, which are the same everywhere."""


@pytest.mark.parametrize(
    ("chosen", "at_least"),
    [
        ([f"tests/{name}" for name in PURE], 500),
        (["tests", *(f"--ignore=tests/{name}" for name in (*PURE, *NOT_FOR_WINDOWS))], 300),
    ],
    ids=["pure", "others"],
)
@pytest.mark.timeout(LONGEST + 60)
def test_what_needs_no_server(machine: Windows, chosen: list[str], at_least: int) -> None:
    said = pytest_there(machine, *chosen, "-m", "not server")
    assert passed(said) >= at_least, said


def passed(said: str) -> int:
    """Return how many tests passed, of what pytest wrote."""
    return int(re.findall(r"(\d+) passed", said)[-1])


def pytest_there(machine: Windows, *arguments: str) -> str:
    """Run pytest on Windows, see that nothing fails, and return what it wrote."""
    compiled = machine.parts.python_home / "compiled"  # beside that Python, for the next time
    result = machine.python(
        "-m", "pytest", "-n", "0", "--quiet", "--tb=short", "-p", "no:cacheprovider", r"--basetemp=C:\tests",
        f"--rootdir={spelled(PROJECT)}", *arguments,
        env={"PYTHONPYCACHEPREFIX": spelled(compiled), "HYPOTHESIS_STORAGE_DIRECTORY": r"C:\hypothesis"},
        timeout=LONGEST, folder=PROJECT,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
