"""Folders with blanks and letters of several scripts: those of a user, and one on the stick."""

from dataclasses import replace
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import assert_batches_are_whole
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told
from tests.toolkit.windows import Windows, WindowsPlace

NAME = "Åsa Жук"


def test_a_user_and_a_target_of_any_letters(
    machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path
) -> None:
    """All that isn't on the stick is in the user's folder, where it belongs without any option."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    target = stick.place / f"Säkerhetskopior {NAME}"
    target.mkdir()
    user = replace(machine, environment={**machine.environment, "USER": NAME})
    there = ["--target", f"E:\\Säkerhetskopior {NAME}"]
    told(
        user.meosbackup(*there, "--once", *server_options(server), "--all-races"), 0, r"Drive E:\Säkerhetskopior ",
        r"Waiting room C:\users\Åsa ", "race list + 4 races", "on the drive",
    )  # fmt: skip
    assert_batches_are_whole(WindowsPlace(tmp_path, mounted=target, letter="E"))
    home = machine.prefix / "drive_c/users" / NAME / "AppData/Local/meosbackup"
    assert {path.name for path in home.rglob("*")} >= {"spool", "meosbackup.log", "batch.json"}
    told(user.meosbackup("list", *there), 0, "complete 195 entries")
    told(user.meosbackup("verify", *there), 0, "1 batch, ", "all good")
