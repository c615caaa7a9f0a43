"""A target, settings, a spool or a log file that are not what they should be; nothing gets as far as the server."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import assert_batches_are_whole, assert_no_backup
from tests.toolkit.drives import EXFAT, make_drive, slot, small_disk
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.runs import Completed, run_meosbackup, told


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def without_server(place: Place, *options: str | Path) -> Completed:
    """Make one batch, where things are to fail before any server is asked."""
    return run_meosbackup(*place.options, "--once", "--host", "127.0.0.1", "--port", "1", *options)


def test_a_target_that_does_not_exist_is_not_made(place: Place) -> None:
    place.target.rmdir()
    told(without_server(place), 75, f"There is no folder {place.target}.", "Nothing is backed up", "Plug the drive in")
    assert not place.target.exists()


def test_a_target_that_is_a_file_is_left_as_it_is(place: Place) -> None:
    place.target.rmdir()
    place.target.write_text("a file")
    told(without_server(place), 2, f"{place.target} is not a folder", "Nothing is backed up", "with --target")
    assert place.target.read_text() == "a file"


def test_a_drive_that_is_write_protected(place: Place) -> None:
    with small_disk(place.target, read_only=True):
        said = told(without_server(place), 2, f"{place.target} can't be written to", "Nothing is backed up")
    assert "write-protection switch" in said


def test_a_folder_on_the_system_disk_needs_any_disk(place: Place) -> None:
    options = [option for option in place.options if option != "--any-disk"]
    result = run_meosbackup(*options, "--once", "--host", "127.0.0.1", "--port", "1")
    told(
        result, 2, f"{place.target} is on the system's own disk", "if this computer fails, such a backup fails with it",
        "Plug the drive in", "add --any-disk",
    )  # fmt: skip
    assert_no_backup(place.target)
    told(without_server(place), 75, "doesn't answer")


def test_without_a_target_the_drives_that_are_plugged_in_are_listed(place: Place) -> None:
    with plugged_in_drive() as drive:
        result = run_meosbackup("--once", "--log-file", place.folder / "log")
        told(result, 2, "No target is set", "Nothing is backed up", "with --target", f"{drive} (0.0 GB free)")


@contextmanager
def plugged_in_drive() -> Iterator[Path]:
    media = Path("/media")
    if not media.is_dir():
        pytest.skip("this system has no /media")
    try:
        folder = Path(tempfile.mkdtemp(prefix="meosbackup-test-", dir=media))
    except OSError as error:
        pytest.skip(f"nothing can be mounted below {media}: {error.strerror}")
    try:
        with small_disk(folder):
            yield folder
    finally:
        folder.rmdir()


def test_a_file_that_stands_where_the_backups_go(place: Place) -> None:
    (place.target / "meosbackup").write_text("a file")
    said = told(without_server(place), 1, f"{place.target / 'meosbackup'} is in the way: it is not a folder", "Rename")
    assert "It was left alone" in said
    assert (place.target / "meosbackup").read_text() == "a file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval = sixty", ["is not TOML", "at line 1"]),
        ("interval = -5", ["interval is -5; it must be a whole number of seconds from 1 to 86400"]),
        ('port = "3306"', ["port is '3306'; it must be a whole number"]),
        ("hots = 1", ["hots is not a setting; the nearest is host"]),
        ('target = "E:\t"', ["target is ", "it must be a folder"]),
        (None, ["can't be read (No such file or directory)"]),
    ],
)  # fmt: skip
def test_a_config_file_with_faults(place: Place, text: str | None, words: list[str]) -> None:
    config = place.folder / "club.toml"
    if text is not None:
        config.write_text(text, "utf-8")
    told(without_server(place, "--config", config), 2, str(config), *words, "Nothing was backed up", "Correct it")
    assert_no_backup(place.target)


def test_a_flag_that_is_wrong(place: Place) -> None:
    result = run_meosbackup(*place.options, "--once", "--interval", "-5")
    told(result, 2, "--interval is '-5'; it must be", "Nothing was backed up")
    assert_no_backup(place.target)


def test_a_flag_that_does_not_exist(place: Place) -> None:
    told(without_server(place, "--intervall", "60"), 2, "--intervall", "--interval")
    assert_no_backup(place.target)


def test_a_spool_that_is_a_file(place: Place) -> None:
    place.spool.write_text("a file")
    told(without_server(place), 1, f"The spool {place.spool} can't be used", "Nothing is backed up", "With --spool")
    assert place.spool.read_text() == "a file"
    assert_no_backup(place.target)


def test_a_spool_on_the_drive_is_refused(tmp_path: Path) -> None:
    with slot(tmp_path) as stick:
        stick.plug(make_drive(EXFAT, tmp_path / "image"))
        (stick.place / "meosbackup").mkdir()
        (tmp_path / "link").symlink_to(stick.place)
        spool = tmp_path / "link" / "new" / "spool"
        for code, *command in ((2, "--once"), (1, "check", "--any-disk"), (2, "restore", "--yes")):
            result = run_meosbackup(
                *map(str, command), "--target", stick.place, "--spool", spool, "--log-file", tmp_path / "log",
                "--host", "127.0.0.1", "--port", "1", env={"XDG_STATE_HOME": str(tmp_path)},
            )  # fmt: skip
            told(result, int(code), f"The spool {spool} is on the drive, {stick.place}.", "With --spool, name a folder")
        assert [path.name for path in stick.place.rglob("*")] == ["meosbackup"]


@pytest.mark.parametrize(("target", "spool"), [("drive", "drive/spool"), ("spool/drive", "spool"), ("one", "one")])
def test_a_spool_and_a_target_one_within_the_other_are_refused(tmp_path: Path, target: str, spool: str) -> None:
    (tmp_path / target).mkdir(parents=True)
    place = Place(tmp_path, spool_name=spool)
    result = without_server(place, "--target", tmp_path / target)
    told(result, 2, f"of the spool, {tmp_path / spool}, and of the target, {tmp_path / target}, is in the other")
    assert_no_backup(tmp_path / target)


@pytest.mark.parametrize("below", ["", "new"])
def test_a_spool_that_cannot_be_written(place: Place, below: str) -> None:
    with small_disk(place.spool, read_only=True) as disk:
        result = without_server(place, "--spool", disk / below)
    told(result, 1, f"The spool {place.spool / below} can't be used", "Nothing is backed up", "With --spool")
    assert_no_backup(place.target)


@pytest.mark.parametrize("size", ["4k", "150k"])
def test_a_spool_whose_disk_is_full(place: Place, server: PrivateServer, size: str) -> None:
    with small_disk(place.spool, size):
        told(once(place, server), 1, "FAIL", "Make room on this computer's disk, where the spool is")
    assert_batches_are_whole(place)


def test_a_log_file_that_cannot_be_written(place: Place) -> None:
    result = without_server(place, "--log-file", place.folder)
    told(result, 1, f"The log file {place.folder} can't be written", "Nothing is backed up", "with --log-file")
    assert_no_backup(place.target)


def test_a_log_file_on_a_disk_that_takes_nothing(place: Place) -> None:
    with small_disk(place.folder / "logs", read_only=True) as disk:
        result = without_server(place, "--log-file", disk / "new" / "log")
    told(result, 1, f"The log file {disk / 'new' / 'log'} can't be written", "Read-only")
    assert_no_backup(place.target)


def test_a_log_disk_that_fills_up_stops_no_backup(place: Place, server: PrivateServer) -> None:
    with small_disk(place.folder / "logs", "4k") as disk:
        (disk / "log").write_bytes(b"x" * 4096)
        said = told(once(place, server, "--log-file", disk / "log", "--verbose"), 0, "race list + 4 races")
    assert not re.search(r"Errno|No space|Logging error", said)
    assert len(place.batch_folders) == 1
