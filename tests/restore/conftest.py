"""A tent, and a batch of the server's races in it: made once by the command, and copied for each test."""

import shutil
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.tent import Tent


@pytest.fixture
def tent(tmp_path: Path) -> Tent:
    return Tent(tmp_path)


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Tent:
    """Where the batch is made; it is copied, never changed."""
    return Tent(tmp_path_factory.mktemp("made"))


@pytest.fixture
def backed_up(server: PrivateServer, tent: Tent, _made: Tent) -> StoredBatch:
    """A batch of the server's races as they are, on the drive and in the spool."""
    if not _made.target.exists():
        _made.back_up(server)
    shutil.copytree(_made.folder, tent.folder, dirs_exist_ok=True)
    [stored] = tent.batches()
    return stored
