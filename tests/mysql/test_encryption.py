"""Encryption as servers want it: none, demanded, self-signed, and too old for this computer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer, private_server
from tests.toolkit.broken import Place, new_place, once
from tests.toolkit.installations import Certificate
from tests.toolkit.runs import run_meosbackup, told, with_password
from tests.toolkit.runs import server_options as options_of
from tests.toolkit.servers import FILES, RACE_LIST, RELAY, contents, make_pristine, query
from tests.tools.matrix.installations import Installation

# The first test that needs a server may have to fetch it.
pytestmark = pytest.mark.timeout(300)

TWO = {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@contextmanager
def running(installation: Installation, *options: str) -> Iterator[PrivateServer]:
    with private_server(program=installation.server, options=installation.options) as server:
        make_pristine(server, TWO, {})  # before it wants encryption in a way that not every client is up to
        server.stop()
        server.options += options
        server.start()
        yield server


def brought_back(place: Place, server: PrivateServer, client: Installation) -> str:
    """Delete a race, have it restored, and see that it is as it was; return what was said."""
    before = contents(server, RELAY)
    query(server, f"DROP DATABASE {RELAY}")
    result = run_meosbackup(
        "restore", *place.options[:-2], *options_of(server), "--mysql", client.client, "--yes", "--race", "Stafett",
        env=with_password(),
    )  # fmt: skip
    said = told(result, 0)
    assert contents(server, RELAY) == before
    return said


@pytest.mark.parametrize("program", ["own", "mysql"])
def test_a_server_whose_encryption_is_too_old(
    place: Place, own: Installation, certificate: Certificate, program: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    with running(own, *certificate.options, "--tls-version=TLSv1.1") as server:
        said = told(once(place, server, "--mysqldump", installation.dump), 0)
        assert said.count("too old: it is asked without") == 1
        assert said.count("can't agree on encryption") == 1
        assert said.count("can read along") == 2
        said = brought_back(place, server, installation)
        assert "can't agree on encryption" in said


@pytest.mark.parametrize("program", ["own", "mysql"])
def test_a_server_that_takes_encrypted_connections_only(
    place: Place, own: Installation, certificate: Certificate, program: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    with running(own, *certificate.options, "--require-secure-transport=ON") as server:
        said = told(once(place, server, "--mysqldump", installation.dump), 0)
        assert "read along" not in said
        brought_back(place, server, installation)


def test_a_server_that_insists_on_an_encryption_that_is_too_old(
    place: Place, own: Installation, certificate: Certificate
) -> None:
    with running(own, *certificate.options, "--tls-version=TLSv1.1", "--require-secure-transport=ON") as server:
        told(once(place, server), 75, "can't agree on an encrypted connection", "Take require_secure_transport")
