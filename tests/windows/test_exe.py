"""meosbackup.exe: the tests of the package on Windows, run with the exe; its start, and its end with its window."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import meosbackup
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit import close_window, exe
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told
from tests.toolkit.waiting import wait_until
from tests.toolkit.windows import Windows, WindowsPlace, spelled, windows
from tests.toolkit.windows_day import have_a_day, readme_helps
from tests.toolkit.windows_parts import PROJECT, Parts

pytestmark = pytest.mark.timeout(900)  # the exe may have to be made


@pytest.fixture(scope="session")
def machine(parts: Parts) -> Iterator[Windows]:
    """A Windows computer where meosbackup is the exe, and where Python has no meosbackup."""
    with windows(parts) as found:
        yield replace(found, tool=(spelled(exe.have(found)),), environment={})


def unpacked(machine: Windows) -> list[Path]:
    """Return the folders into which the exe has unpacked itself."""
    return list((machine.home() / "AppData/Local/Temp").glob("_MEI*"))


def test_it_starts_and_leaves_nothing(machine: Windows) -> None:
    started = machine.meosbackup("--version")
    assert (started.returncode, started.stdout.strip()) == (0, f"meosbackup, version {meosbackup.__version__}")
    assert unpacked(machine) == []


def test_a_window_opened_by_a_double_click_can_be_read(machine: Windows) -> None:
    with machine.console(*machine.tool) as screen:
        screen.wait_for("No target is set.")
        screen.wait_for("Press Enter to close this window.")
        screen.press("Enter")
        assert screen.wait_for_end()[0] == 2
    with machine.console("cmd", "/k", *machine.tool) as prompt:
        prompt.wait_for("No target is set.*[A-Z]:.*>$")
        assert "Press Enter" not in prompt.text


def test_a_day_in_a_console(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    have_a_day(EXFAT, machine, server, stick, tmp_path, pull=stick.pull)


def test_restores_and_an_export(
    machine: Windows, server: PrivateServer, spare: PrivateServer, named_drive: WindowsPlace
) -> None:
    readme_helps(machine, server, spare, named_drive)


def test_the_demo(machine: Windows) -> None:
    on_path = {"WINEPATH": spelled(machine.parts.mariadb / "bin")}
    said = told(machine.meosbackup("demo", "--seconds", "16", env=on_path, timeout=400), 0, "race list + 3 races")
    assert "The second server has what the first one has." in said
    assert "The race is exactly as it was." in said
    assert unpacked(machine) == []


def test_its_properties_name_it(machine: Windows) -> None:
    shown = machine.python("-c", (
        "import json, pefile, sys\n"
        "[[info]] = [[table.entries for table in part.StringTable] for [parts] in [pefile.PE(sys.argv[1]).FileInfo]"
        " for part in parts if part.Key == b'StringFileInfo']\n"
        "print(json.dumps({key.decode(): value.decode() for key, value in info.items()}))\n"
    ), *machine.tool)  # fmt: skip
    properties = json.loads(shown.stdout)
    assert (properties["ProductName"], properties["ProductVersion"]) == ("meosbackup", meosbackup.__version__)


@pytest.mark.parametrize("order", ["together", "one by one"])
def test_a_closed_window_ends_it_in_order(
    machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path, order: str
) -> None:
    """Windows's console tells both processes of the exe at once; Windows Terminal tells the second after the first."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    with machine.console("cmd", "/k", *machine.tool, *place.options, *server_options(server)) as screen:
        screen.wait_for("OK race list [+] 4 races")
        wait_until(lambda: place.batch_folders, "the batch on the drive")
        closed = machine.python("-m", close_window.__name__, "meosbackup.exe", order, folder=PROJECT)
        assert closed.returncode == 0, closed.stderr
    assert "OK stopped; 1 batch made" in place.log.read_text("utf-8")
    assert len(place.batch_folders) == 1
