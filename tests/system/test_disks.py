"""The drives that are plugged in."""

from pathlib import Path

import pytest

from meosbackup.system import disks
from tests.toolkit.drives import EXFAT, make_drive, slot


def test_a_drive_that_was_pulled_out_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_MOUNT_FOLDERS", (str(tmp_path),))
    with slot(tmp_path) as stick:
        stick.plug(make_drive(EXFAT, tmp_path / "image"))
        assert [found.path for found in disks.plugged_in()] == [stick.place]
        stick.pull()  # the place answers ENOTCONN
        assert disks.plugged_in() == []
