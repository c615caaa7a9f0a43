"""Every command with a drive on which somebody planted pipes, links and huge files: it ends soon, and in words."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.runs import Completed, run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import RELAY, query

if sys.platform == "win32":
    pytest.skip("links and pipes need rights there that few have", allow_module_level=True)

SOON = 60.0


@pytest.fixture
def place(tmp_path: Path, server: PrivateServer) -> Iterator[Place]:
    """A drive with one batch of two races, and an empty spool: another computer made it."""
    found = new_place(tmp_path)
    told(once(found, server, "--race", "Stafett"), 0)
    shutil.rmtree(found.spool)
    yield found
    assert (tmp_path / "outside").exists() is False or list((tmp_path / "outside").iterdir()) == []


def run(place: Place, server: PrivateServer, command: str, *more: str | Path) -> Completed:
    return run_meosbackup(
        command, "--target", place.target, "--spool", place.spool, "--log-file", place.log, *server_options(server),
        *more, env=with_password(), timeout=SOON,
    )  # fmt: skip


def a_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def test_pipes_and_huge_files_in_a_batch(place: Place, server: PrivateServer) -> None:
    [stored] = inventory.find(place.root).batches
    [entry] = stored.batch.races
    assert entry.dump
    assert entry.reference
    assert entry.meosxml
    for path in (stored.path(entry.dump), stored.path(entry.meosxml), place.root / "RESTORE.txt"):
        a_pipe(path)
    a_pipe(place.root / "proof.json")
    with stored.path(entry.reference).open("r+b") as file, (place.root / "drive.json").open("wb") as mark:
        file.truncate(6 << 30)
        mark.truncate(6 << 30)
    told(run(place, server, "list"), 0, "Stafett")
    said = told(run(place, server, "verify"), 1, "it is not a regular file", "6,442,450,944 bytes long", "too large")
    assert said.count("it is not a regular file") == 3
    told(run(place, server, "export", "--to", place.folder / "out"), 1, "is missing or damaged")
    told(run(place, server, "rehearse"), 1, "it is not a regular file", "not proven")
    told(run(place, server, "restore", "--dry-run"), 0)
    query(server, f"UPDATE {RELAY}.orunner SET StartNo = 7 WHERE Id = 1")
    told(run(place, server, "restore", "--yes"), 1, f"{entry.dump.file} can't be read (it is not a regular file)")
    told(once(place, server, "--race", "Stafett"), 0, "race list + 1 race")
    assert len(inventory.find(place.root).batches) == 3  # with what the restore saved first


def test_a_batch_file_that_is_a_pipe_and_one_that_is_deeply_nested(place: Place, server: PrivateServer) -> None:
    query(server, f"UPDATE {RELAY}.orunner SET StartNo = 7 WHERE Id = 1")
    told(once(place, server, "--race", "Stafett"), 0)
    shutil.rmtree(place.spool)
    first, second = place.batch_folders
    (second / "batch.json").write_bytes(b"[" * 5_000_000)
    said = told(run(place, server, "export", "--to", place.folder / "out"), 0, f"Batch from {first.parent.name}")
    assert f"{second.parent.name}/{second.name} was passed over. A batch.json can't be read" in said
    a_pipe(first / "batch.json")
    for command, *more in (["list"], ["verify"], ["export"], ["rehearse"], ["restore", "--yes"]):
        said = told(run(place, server, command, *more), 2 if command in {"export", "rehearse", "restore"} else 1)
        assert "There is no ba" in said
    told(once(place, server, "--race", "Stafett"), 0, "race list + 1 race")


@pytest.mark.parametrize("name", ["meosbackup", "drive.json"])
def test_what_stands_where_the_drive_is_known_by(place: Place, server: PrivateServer, name: str) -> None:
    outside = place.folder / "outside"
    outside.mkdir()
    if name == "meosbackup":
        shutil.rmtree(place.root)
        place.root.symlink_to(outside)
        for command in ("list", "verify", "export", "rehearse", "restore"):
            told(run(place, server, command), 1, f"{place.root} can't be used: it is a link", "Nothing was read")
        told(run(place, server, "check", "--any-disk"), 1, "it is a link")
        told(once(place, server), 1, f"{place.root} is in the way: it is a link")
    else:
        a_pipe(place.root / "drive.json")
        told(run(place, server, "list"), 0, "Stafett")
        told(run(place, server, "verify"), 1, "drive.json", "it is not a regular file")
        told(run(place, server, "check", "--any-disk"), 1, "it is not a regular file")
        told(once(place, server), 1, "drive.json is in the way: it is not a regular file", "Rename or delete it")
