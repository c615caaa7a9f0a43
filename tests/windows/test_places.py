"""Folders and drives as Windows' users write them, and programs that know the letters of the code page alone."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told
from tests.toolkit.servers import INDIVIDUAL, contents
from tests.toolkit.windows import Windows, WindowsPlace, spelled
from tests.toolkit.windows_parts import Parts

HOME = "Åsa Ж"
"""A user's folder with a blank, a letter that the code page (1252) has, and one that it lacks."""


@pytest.fixture(scope="module")
def ansi(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MariaDB's programs without their wish for UTF-8, as MySQL's are, and MariaDB's were before 10.8."""
    folder = tmp_path_factory.mktemp("ansi")
    shutil.copytree(parts.mariadb, folder, dirs_exist_ok=True)
    for program in (folder / "bin").glob("*.exe"):
        content = program.read_bytes()
        assert b"activeCodePage" in content
        program.unlink()  # it may be shared with others
        program.write_bytes(content.replace(b"activeCodePage", b"inactiveCodePg"))
    return folder / "bin"


@pytest.fixture
def temporary(machine: Windows, tmp_path: Path) -> Iterator[Path]:
    """The folder for temporary files, in that user's folder."""
    folder, variables = tmp_path / HOME / "temp", ("TEMP", "TMP")
    folder.mkdir(parents=True)
    for variable in variables:
        assert machine.run("reg", "add", r"HKCU\Environment", "/v", variable, "/d", folder, "/f").returncode == 0
    yield folder
    for variable in variables:
        machine.run("reg", "delete", r"HKCU\Environment", "/v", variable, "/f")


def test_a_user_whose_name_the_code_page_lacks(
    machine: Windows, server: PrivateServer, spare: PrivateServer, place: WindowsPlace, ansi: Path, temporary: Path
) -> None:
    place = replace(place, folder=temporary.parent)
    programs: list[str | Path] = ["--mysqldump", ansi / "mysqldump.exe", "--mysql", ansi / "mysql.exe"]
    told(machine.meosbackup(*place.options, "--once", *server_options(server), *programs), 0, "race list + 4 races")
    restored: list[str | Path] = ["restore", *place.folders, *server_options(spare), *programs, "--yes"]
    told(machine.meosbackup(*restored), 0, "each compared with the dump")
    assert contents(spare, INDIVIDUAL) == contents(server, INDIVIDUAL)
    told(
        machine.meosbackup("rehearse", *place.folders, env={"WINEPATH": spelled(ansi)}),
        0, "identical to the dump",
    )  # fmt: skip
    assert list(temporary.iterdir()) == []


def test_each_way_to_write_a_drive(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    more = [*place.options[2:], *server_options(server)]
    told(machine.meosbackup("--target", "E:", "--once", *more), 0, r"Drive E:\,", "on the drive")
    assert len(inventory.find(place.root).batches) == 1
    for target in ("e:\\", "E:/"):
        told(machine.meosbackup("list", "--target", target), 0, "Höstmedeln")


def test_a_drive_in_quotation_marks(machine: Windows, tmp_path: Path) -> None:
    tool = " ".join(f'"{spelled(part)}"' for part in machine.tool)
    lines = [f'{tool} --target "E:\\" --once', f'{tool} check --target "E:\\My stick\\" --spool "C:\\x y" --quiet']
    for line in lines:
        (tmp_path / "run.cmd").write_bytes(f"@{line}\r\n".encode())
        result = machine.run("cmd", "/c", "run.cmd", folder=tmp_path)
        said = told(result, 2, r"write --target E:\ without quotation marks", "Nothing was backed up.")
        assert "--target is E:" in said
