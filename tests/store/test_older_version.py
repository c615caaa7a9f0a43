"""A drive that version 0.1.0 wrote, whose batches don't tell the SHA-256 of their guides, serves as before."""

import json
import tarfile
from pathlib import Path

import pytest

from meosbackup.batch import batch_file
from meosbackup.commands import verify
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from meosbackup.store.inventory import root_of
from tests.toolkit.runs import run_meosbackup, server_options, with_password
from tests.toolkit.servers import DATA, INDIVIDUAL, query


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "drive"
    with tarfile.open(DATA / "drive_0.1.0.tar.xz") as archive:
        # Python before 3.11.4 (Debian 12 has 3.11.2) knows no filters; later ones warn if none is named.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return folder


def test_its_batches_are_listed(target: Path, tmp_path: Path) -> None:
    result = run_meosbackup("list", "--target", target, "--json", "--log-file", tmp_path / "log")
    assert result.returncode == 0, result.stderr
    assert [batch["sequence"] for batch in json.loads(result.stdout)] == [1, 2]


def test_all_of_it_is_verified(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(verify.read_back(verify.look(root_of(target)))) == []
    monkeypatch.setattr(verify, "__version__", "0.1.0")
    assert list(verify.read_back(verify.look(root_of(target)))) == []


def test_a_damaged_batch_file_of_it_is_found(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "__version__", "0.1.0")
    path = inventory.find(root_of(target)).batches[0].folder / "batch.json"
    path.write_bytes(path.read_bytes().replace(b" ", b"\t", 1))
    [finding] = verify.read_back(verify.look(root_of(target)))
    assert finding.file == "batch.json"


def test_its_text_is_written_as_it_was_read(target: Path) -> None:
    for stored in inventory.find(root_of(target)).batches:
        text = (stored.folder / "batch.json").read_text("utf-8")
        assert batch_file.to_json(batch_file.from_json(text)) == text


def test_its_races_are_restored(target: Path, spare: PrivateServer, tmp_path: Path) -> None:
    result = run_meosbackup(
        "restore", "--yes", "--target", target, "--any-disk", "--spool", tmp_path / "spool",
        "--log-file", tmp_path / "log", *server_options(spare), env=with_password(),
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert query(spare, f"SELECT COUNT(*) FROM {INDIVIDUAL}.orunner WHERE Removed = 0") == [(70,)]
