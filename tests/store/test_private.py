"""What meosbackup keeps on the computer is for its user alone."""

import stat
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import new_place, once
from tests.toolkit.runs import told

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a profile folder is private on Windows")


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def let_everybody_read(*paths: Path) -> None:
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_the_spool_and_the_log_are_for_the_user_alone_even_those_of_an_earlier_version(
    tmp_path: Path, server: PrivateServer
) -> None:
    place = new_place(tmp_path)
    told(once(place, server), 0)
    assert {path.suffix for path in place.spool.rglob("*")} > {".sql", ".meosxml", ".json", ".txt"}
    assert open_to_others(place.spool) == []
    assert open_to_others(place.log) == []
    on_drive = [path for path in place.root.rglob("*") if not stat.S_IMODE(path.stat().st_mode) & 0o044]
    assert on_drive == [], "whoever helps may read the drive"

    logs = [place.log, *(place.log.with_name(f"{place.log.name}.{number}") for number in (1, 2))]
    for path in logs:
        path.write_bytes(bytes(5_000_000))  # the first is rotated at once
    link = place.spool / "2026-11-21"
    link.symlink_to(place.target)
    let_everybody_read(*logs, place.target, place.spool, *(path for path in place.spool.rglob("*") if path != link))
    told(once(place, server), 0)
    link.unlink()
    assert open_to_others(place.target) != [], "what a link leads to is left alone"
    assert open_to_others(place.spool) == [place.spool], "a folder that holds other things may be for others too"
    assert [path for path in logs if open_to_others(path)] == []


def test_an_empty_folder_that_is_to_be_the_spool_is_closed_to_others_and_a_device_is_no_log(
    tmp_path: Path, server: PrivateServer
) -> None:
    place = new_place(tmp_path)
    place.spool.mkdir(mode=0o755)
    told(once(place, server, "--log-file", "/dev/null"), 0)
    assert open_to_others(place.spool) == []
    assert open_to_others(Path("/dev/null")) != []
