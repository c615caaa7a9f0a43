"""Servers of other versions for tests: where one can't be had, the test says why and is skipped."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.toolkit.cache import NotToBeHadError
from tests.toolkit.programs import needed
from tests.tools.matrix import installations
from tests.tools.matrix.installations import Installation


def had(name: str) -> Installation:
    """Return an installation. A server that can't be fetched is nobody's fault here, on CI neither."""
    try:
        return installations.find(name)
    except NotToBeHadError as error:
        pytest.skip(f"{name} can't be had: {error}")


@dataclass(frozen=True)
class Certificate:
    """A certificate that its server has signed itself."""

    folder: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What a server program needs to use it."""
        file, key = self.folder / "certificate.pem", self.folder / "key.pem"
        return (f"--ssl-cert={file}", f"--ssl-key={key}", f"--ssl-ca={file}")


def self_signed(folder: Path) -> Certificate:
    """Make a certificate in a folder."""
    subprocess.run(
        [needed("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server",
         "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return Certificate(folder)
