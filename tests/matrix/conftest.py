"""The installations that the tests of this folder need: where one can't be had, they say why and are skipped."""

import pytest

from tests.matrix import installations
from tests.matrix.installations import Installation, NotToBeHadError


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
