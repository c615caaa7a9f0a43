"""The installations that the tests of this folder need: where one can't be had, they say why and are skipped."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer, private_server
from tests.day import needed
from tests.matrix import installations
from tests.matrix.installations import Installation, NotToBeHadError
from tests.support import FILES, RACE_LIST, RELAY, make_pristine


def had(name: str) -> Installation:
    """Return an installation. A server that can't be fetched is nobody's fault here, on CI neither."""
    try:
        return installations.find(name)
    except NotToBeHadError as error:
        pytest.skip(f"{name} can't be had: {error}")


@pytest.fixture(scope="session")
def own() -> Installation:
    return had(installations.OWN)


@pytest.fixture(scope="session")
def mysql() -> Installation:
    return had("MySQL 9.7")


@dataclass(frozen=True)
class Certificate:
    """A certificate that its server has signed itself."""

    folder: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What a server program needs to use it."""
        file, key = self.folder / "certificate.pem", self.folder / "key.pem"
        return (f"--ssl-cert={file}", f"--ssl-key={key}", f"--ssl-ca={file}")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    found = Certificate(tmp_path_factory.mktemp("certificate"))
    subprocess.run(
        [needed("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server",
         "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=found.folder, check=True, capture_output=True,
    )  # fmt: skip
    return found


@pytest.fixture(scope="session")
def mysql_server(mysql: Installation) -> Iterator[PrivateServer]:
    """A MySQL with a race list and a race; tests may change its users."""
    with private_server(program=mysql.server, options=mysql.options) as server:
        make_pristine(server, {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}, {})
        yield server
