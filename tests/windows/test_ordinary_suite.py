"""The ordinary tests that need no Linux, run by the Python for Windows as they stand.

All that need no server, and some that do: these find the MariaDB that is installed there.
"""

import re

import pytest

from tests.toolkit.servers import INDIVIDUAL
from tests.toolkit.windows import Windows, spelled
from tests.toolkit.windows_parts import PROJECT

LONGEST = 900.0
"""Seconds that a busy computer may take; a usual one takes a minute."""
PURE = ("backup", "batch", "dump", "guide", "meos", "meosxml", "mysql", "restore", "settings")
"""The folders of one half; the tests of all others are the other half, which starts more processes."""

NOT_FOR_WINDOWS = ("windows", "test_toolkit.py", "test_documents.py")
"""Those that need this computer, and those that read texts of the project, which are the same everywhere."""

WITH_A_SERVER = (
    "tests/backup/test_bad_names.py::test_databases_of_any_name_are_dumped_and_restored",
    "tests/backup/test_bad_server.py::test_a_login_that_is_refused",
    "tests/backup/test_bad_server.py::test_a_damaged_table_fails_alone[rows]",
    f"tests/meos/test_relisting.py::test_a_deleted_race_comes_back_and_is_listed[{INDIVIDUAL}]",
    "tests/store/test_older_version.py::test_its_races_are_restored",
)
"""Some that no other test of Windows is like."""


@pytest.mark.parametrize(
    ("chosen", "at_least"),
    [
        ([f"tests/{name}" for name in PURE], 500),
        (["tests", *(f"--ignore=tests/{name}" for name in (*PURE, *NOT_FOR_WINDOWS))], 300),
    ],
    ids=["pure", "others"],
)
@pytest.mark.long
@pytest.mark.timeout(LONGEST + 60)
def test_what_needs_no_server(machine: Windows, chosen: list[str], at_least: int) -> None:
    said = pytest_there(machine, *chosen, "-m", "not server")
    assert passed(said) >= at_least, said


@pytest.mark.long
@pytest.mark.timeout(LONGEST + 60)
def test_what_needs_a_server_of_windows(machine: Windows) -> None:
    said = pytest_there(machine, *WITH_A_SERVER, "-m", "server")
    assert passed(said) == len(WITH_A_SERVER) + 1, said  # the login is refused in two ways


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
