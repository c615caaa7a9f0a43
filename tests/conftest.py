"""Real private servers for all tests; each test finds them as if they were new."""

import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from meosbackup.errors import ProgramMissingError
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, find_server_program, private_server
from tests.toolkit import drives, windows_parts
from tests.toolkit.browser import Reader, chromium
from tests.toolkit.installations import Certificate, had, self_signed
from tests.toolkit.servers import FILES, RACE_LIST, RELAY, make_pristine
from tests.tools.matrix import installations
from tests.tools.matrix.installations import Installation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What a test that needs a server, a mount or the matrix comes to, through its fixtures and helpers.
_HEAVY = (private_server, find_server_program, drives.slot, drives.small_disk, installations.find, windows_parts.find)

_WINDOWS = Path(__file__).parent / "windows"

settings.register_profile("local", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=20)
settings.register_profile("ci", deadline=None, derandomize=True)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how hypothesis draws its examples (always the same on CI, fewer in the fast subset), and allow Ctrl-C.

    The tool is started hundreds of times: it is to be compiled once, though the environment may forbid to keep that.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    fast = "fast" if "not server" in config.getoption("markexpr") else "local"
    settings.load_profile("ci" if os.environ.get("CI") else fast)
    # A shell has what it runs in the background ignore Ctrl-C, and nohup a closed window; the programs that tests start
    # would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests on Windows as `windows`, and those that start a server, mount or fetch something as `server`.

    The long ones come first: the others end beside them.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        if item.path.is_relative_to(_WINDOWS):
            item.add_marker("windows")
        if isinstance(item, pytest.Function):
            fixtures = [
                found for name in item.fixturenames for found in item._fixtureinfo.name2fixturedefs.get(name, ())
            ]
            if any(map(_is_heavy, (item.function, *(fixture.func for fixture in fixtures)))):
                item.add_marker("server")


@cache
def _is_heavy(function: Callable[..., object]) -> bool:
    """Tell whether a function of the tests names one that is heavy, or one of the tests that does so itself."""
    plain = inspect.unwrap(function)
    if function in _HEAVY or not isinstance(plain, FunctionType) or not plain.__module__.startswith("tests."):
        return function in _HEAVY
    names = _names(plain.__code__)
    known = [plain.__globals__[name] for name in names if name in plain.__globals__]
    known += [getattr(module, name, None) for module in known if isinstance(module, ModuleType) for name in names]
    return any(_is_heavy(found) for found in known if isinstance(found, FunctionType) and found is not function)


def _names(code: CodeType) -> set[str]:
    """Return the names that a function uses, and those that functions within it use."""
    within = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {*code.co_names, *(name for inner in within for name in _names(inner))}


@pytest.fixture(scope="session")
def server_program() -> ServerProgram:
    """The mariadbd or mysqld that the tests use; without one they are skipped, but not on CI."""
    try:
        return find_server_program()
    except ProgramMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def _full_server(server_program: ServerProgram) -> Iterator[tuple[PrivateServer, dict[str, object]]]:
    with private_server(program=server_program) as server:
        yield server, {}


@pytest.fixture(scope="session")
def _empty_server(server_program: ServerProgram) -> Iterator[PrivateServer]:
    with private_server(program=server_program) as server:
        yield server


@pytest.fixture
def server(_full_server: tuple[PrivateServer, dict[str, object]]) -> PrivateServer:
    """A running server with the race list, four races and the user meos; a test may do to it what it likes."""
    full_server, loaded = _full_server
    make_pristine(full_server, FILES, loaded)
    return full_server


@pytest.fixture
def spare(_empty_server: PrivateServer) -> PrivateServer:
    """Another running server, without a race list or any race, with the user meos."""
    make_pristine(_empty_server, {}, {})
    return _empty_server


@pytest.fixture(scope="session")
def _exact_server(server_program: ServerProgram) -> Iterator[PrivateServer]:
    if sys.platform == "win32":
        pytest.skip("Windows tells no file names apart by their case")
    with private_server(program=server_program, lower_case_table_names=0) as server:
        yield server


@pytest.fixture
def exact(_exact_server: PrivateServer) -> PrivateServer:
    """A server that tells the case of names apart, without a race list or any race."""
    make_pristine(_exact_server, {}, {})
    return _exact_server


@pytest.fixture(scope="session")
def own() -> Installation:
    """This machine's own server and its programs."""
    return had(installations.OWN)


@pytest.fixture(scope="session")
def mysql() -> Installation:
    """A MySQL from the package archive."""
    return had("MySQL 9.7")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def mysql_server(mysql: Installation) -> Iterator[PrivateServer]:
    """A MySQL with a race list and a race; tests may change its users."""
    with private_server(program=mysql.server, options=mysql.options) as server:
        make_pristine(server, {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}, {})
        yield server


@pytest.fixture(scope="session")
def _browser() -> Iterator["Browser"]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def reader(_browser: "Browser") -> Iterator[Reader]:
    """Somebody with a browser; the test fails if a page asked for anything, or said anything on the console."""
    reader = Reader(_browser)
    yield reader
    reader.close()
    assert reader.noted == []
