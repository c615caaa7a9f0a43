"""A race day on Windows, on a real exFAT file system that is a removable drive there."""

from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told
from tests.toolkit.windows import Windows, WindowsPlace


def test_a_day_in_a_console(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    arguments = [*place.options, *server_options(server)]
    with machine.console(*machine.tool, *arguments) as screen:
        screen.wait_for("Höstmedeln «Осень» O'Cup")
        screen.wait_for("OK race list [+] 4 races")
        screen.press("C-c")
        screen.wait_for("OK stopped; 1 batch made, the newest is from [0-9:]+, on the drive")
        assert screen.wait_for_end()[0] == 0
    told(machine.meosbackup("verify", *place.folders), 0, "1 batch, 16 files", "all good")
