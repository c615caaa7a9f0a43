"""The one door to files: what is behind a link stays as it is, and nothing else than a plain file is opened."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meosbackup.system import durable, files
from meosbackup.system.faults import UnfitError
from tests.toolkit.links import huge_file, link, pipe


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a file, as old as the hills; neither may be touched."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_bytes(b"theirs")
    os.utime(folder / "file", (1, 1))
    os.utime(folder, (1, 1))
    return folder


def short(path: Path) -> bytes:
    return files.read_short(path, 100)


def assert_untouched(outside: Path) -> None:
    assert outside.stat().st_mtime == (outside / "file").stat().st_mtime == 1
    assert (outside / "file").read_bytes() == b"theirs"


def test_a_link_is_neither_read_nor_written_and_only_itself_removed(tmp_path: Path, outside: Path) -> None:
    planted = tmp_path / "link"
    link(planted, outside / "file")
    for use in (files.size, files.open_regular, files.sha256, short):
        with pytest.raises(UnfitError, match="it is a link"):
            use(planted)
    with pytest.raises(FileExistsError):
        files.open_new(planted)
    files.remove(planted)
    assert not files.is_there(planted)
    link(planted, outside / "missing")
    with pytest.raises(FileExistsError):
        files.open_new(planted)
    assert_untouched(outside)


def test_a_folder_that_is_a_link_is_no_folder(tmp_path: Path, outside: Path) -> None:
    planted = tmp_path / "link"
    link(planted, outside)
    assert not files.is_folder(planted)
    with pytest.raises(UnfitError, match="it is a link"):
        files.open_regular(planted / "file")
    with pytest.raises(UnfitError, match="it is a link"):
        files.open_new(planted / "new")
    with pytest.raises(UnfitError, match="it is a link"):
        files.make_folder(planted)
    with pytest.raises(UnfitError, match="it is a link"):
        durable.write(planted / "new", b"ours")
    files.remove(planted)
    assert_untouched(outside)


def test_a_link_in_the_place_of_the_partial_file_is_replaced(tmp_path: Path, outside: Path) -> None:
    target = tmp_path / "drive.json"
    link(target, outside / "file")
    link(tmp_path / "drive.json.partial", outside / "file")
    durable.write(target, b"ours")
    assert (target.is_symlink(), target.read_bytes()) == (False, b"ours")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive.json", "outside"]
    assert_untouched(outside)


def test_of_files_that_are_written_together_each_is_written_that_can_be(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with pytest.raises(OSError, match="first"):
        durable.write_all(tmp_path, {"first": b"1", "second": b"2"})
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}
    assert (tmp_path / "second").read_bytes() == b"2"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_is_swapped_in_after_the_look_is_not_followed(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"ours")
    swapped = path if kind == "file" else path.parent
    plain_open = os.open

    def late(name: str, *arguments: int, **more: int) -> int:
        if not swapped.is_symlink():
            swapped.rename(tmp_path / "before")
            link(swapped, outside / swapped.relative_to(path.parent))
        return plain_open(name, *arguments, **more)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(OSError, match=r"symbolic|Not a directory|it is a link"):
        files.open_regular(path)
    monkeypatch.undo()
    assert_untouched(outside)


def make_socket(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Python has no such sockets on Windows")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_device(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no devices among its files")
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("make", [pipe, make_socket, make_device, os.mkdir])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "it"
    make(path)
    for use in (files.open_regular, files.sha256, short):
        with pytest.raises(UnfitError, match="it is not a regular file"):
            use(path)
    with pytest.raises(FileExistsError):
        files.open_new(path)
    files.remove(path)
    assert not files.is_there(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    huge_file(path)
    with pytest.raises(UnfitError, match="far too large"):
        files.read_short(path, 10_000)
    with pytest.raises(UnfitError, match="it is 6,442,450,944 bytes long, and was 7"):
        files.sha256(path, 7)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes no folder below another that is open")
def test_folders_within_folders_without_end_are_refused(tmp_path: Path) -> None:
    top, here = tmp_path / "top", os.open(tmp_path, os.O_RDONLY)
    for name in ("top", *["d"] * 1_000):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(OSError, match=r"nested too deeply|Too many open files"):
        files.remove(top)
    subprocess.run(["rm", "-rf", top], check=True)
