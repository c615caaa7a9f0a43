"""Real private servers for all tests; each test finds them as if they were new."""

import os
from collections.abc import Iterator

import pytest

from meosbackup.errors import ProgramMissingError
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, find_server_program, private_server
from tests.support import FILES, make_pristine


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
