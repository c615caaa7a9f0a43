"""Real private servers for all tests; each test finds them as if they were new."""

import os
from collections.abc import Iterator

import pytest

from meosbackup.errors import ProgramMissingError
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, find_server_program, private_server
from tests.toolkit.installations import Certificate, had, self_signed
from tests.toolkit.servers import FILES, RACE_LIST, RELAY, make_pristine
from tests.tools.matrix import installations
from tests.tools.matrix.installations import Installation


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
