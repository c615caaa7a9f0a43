"""Drives of a Windows computer: which ones are removable, and what a day says of one that is pulled out, or full."""

import shutil
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told
from tests.toolkit.windows import Windows, WindowsPlace, spelled


def test_removable_drives_are_named_and_no_other_is_taken(machine: Windows, stick: Slot, tmp_path: Path) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    told(
        machine.meosbackup("--once"), 2,
        r"No target is set. Nothing is backed up. Name the drive with --target. Plugged in: E:\ (0.1 GB free).",
    )  # fmt: skip
    told(
        machine.meosbackup("--once", "--target", "C:\\"), 2,
        r"The target C:\ is on the system's own disk.", r"Plugged in: E:\ (0.1 GB free).",
    )  # fmt: skip
    long = "x" * 130
    told(
        machine.meosbackup("--once", "--target", f"E:\\{long}"), 2,
        rf"The path of the target E:\{long} is too long for this computer.",
    )  # fmt: skip
    told(
        machine.meosbackup("--once", "--target", "E:\\", "--spool", f"C:\\{long}"), 2,
        rf"The path of the spool C:\{long} is too long for this computer.",
    )  # fmt: skip


def test_a_stick_that_is_pulled_out_and_another_that_is_full(
    machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    options = [*place.options, *server_options(server), "--race", "Tom", "--interval", "10"]
    with machine.console(*machine.tool, *options, env={"MEOSBACKUP_SKIP_UNCHANGED": "false"}) as day:
        day.wait_for(r"OK race list \+ 1 race")
        stick.pull()
        day.wait_for(r"FAIL The drive is missing from E:\\")
        stick.leave()
        stick.plug(make_drive(EXFAT, tmp_path / "another"))
        day.wait_for("NOTE another drive is plugged in; it gets the newest batch and all waiting ones")
        day.wait_for("OK all is well again")
        (stick.place / "holiday.mp4").write_bytes(bytes(shutil.disk_usage(stick.place).free - 50_000))
        day.wait_for(r"FAIL The drive at E:\\ is full, and every batch on it must be kept.")
        (stick.place / "holiday.mp4").unlink()
        day.wait_for("OK all is well again", times=2)
        day.press("C-c")
        assert day.wait_for_end()[0] == 0
    told(machine.meosbackup("verify", "--target", "E:\\", "--spool", spelled(place.spool)), 0, "all good")
