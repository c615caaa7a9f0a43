"""README's commands for Windows, each run as it stands in a Command Prompt, on a stick that is drive E:.

Only the names of the server, the folder and the time are those of the test.
"""

import re
from pathlib import Path

import pytest

from meosbackup.commands.simulation import delete_race
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.readme import SHOWN, WINDOWS, commands, kind
from tests.toolkit.runs import server_options
from tests.toolkit.servers import INDIVIDUAL, MEOS_PASSWORD, query, rows_of
from tests.toolkit.windows import Windows, WindowsPlace


@pytest.fixture
def drive(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> WindowsPlace:
    """A stick with one batch; one of its four races is called Långdistans."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    query(server, "UPDATE meosmain.oevent SET Name = 'Långdistans' WHERE Id = 1")
    query(server, f"UPDATE `{INDIVIDUAL}`.oevent SET Name = 'Långdistans'")
    found = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    made = machine.meosbackup("--once", *found.options, *server_options(server))
    assert made.returncode == 0, made.stdout + made.stderr
    return found


def type_and_answer(machine: Windows, server: PrivateServer, drive: WindowsPlace, command: str) -> str:
    """Type a command of README into a Command Prompt, answer what it asks, and return what the screen shows."""
    settings = {
        "MEOSBACKUP_PORT": str(server.port), "MEOSBACKUP_ALL_RACES": "true",
        "MEOSBACKUP_SPOOL": f"Z:{drive.spool}",
    }  # fmt: skip
    [when] = [f"{folder.name[:2]}:{folder.name[3:5]}" for folder in drive.batch_folders][-1:]
    here = command.replace("SERVER", "127.0.0.1").replace("14:03", when).replace("FOLDER", "files")
    assert here.startswith("meosbackup")
    # As the Command Prompt finds it once its folder is the current one.
    line = " ".join(machine.tool) + here.removeprefix("meosbackup")
    # Its user's Ctrl-C doesn't end a Command Prompt, but it does end one that was told to run a single line.
    program = ["cmd", "/c", line] if kind(command) else line.split()
    folder = drive.folder / "here"
    (folder / "files").mkdir(parents=True, exist_ok=True)
    with machine.console(*program, env=settings, folder=folder) as screen:
        if "--ask-password" in command:
            screen.wait_for("Password:")
            screen.press(*([] if "--user root" in command else [MEOS_PASSWORD]), "Enter")
        if kind(command) == "restore":
            screen.wait_for("Restore this[?] Type yes and press Enter:")
            screen.press("j", "a", "Enter")
        if not kind(command):
            screen.wait_for(SHOWN[""])
            screen.press("C-c")
        assert screen.wait_for_end()[0] == 0, screen.text
        return screen.words


def test_race_day(machine: Windows, server: PrivateServer, drive: WindowsPlace) -> None:
    for command in commands("Race day", WINDOWS):
        screen = type_and_answer(machine, server, drive, command)
        assert re.search(SHOWN[kind(command)], screen), screen
        assert "FAIL" not in screen


def test_when_something_goes_wrong(
    machine: Windows, server: PrivateServer, spare: PrivateServer, drive: WindowsPlace
) -> None:
    before = rows_of(server, INDIVIDUAL)
    for command in commands("If something goes wrong", WINDOWS):
        at = spare if "--user root" in command else server
        if kind(command) == "restore" and at == server:
            delete_race(server, "meos_20261122_211702_1E5")
        screen = type_and_answer(machine, at, drive, command)
        if kind(command) == "export":
            [file] = (drive.folder / "here/files").iterdir()
            assert "<Name>Långdistans</Name>" in file.read_text("utf-8")
        else:
            assert "OK Långdistans" in screen
            assert rows_of(at, INDIVIDUAL) == before
