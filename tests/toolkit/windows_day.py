"""What several tests have a person do, or happen, on a Windows computer."""

import json
from collections.abc import Callable
from pathlib import Path

from meosbackup.commands.simulation import delete_race
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit import windows_events
from tests.toolkit.batches import assert_batches_are_whole, dump_of, waiting
from tests.toolkit.drives import Slot, make_drive
from tests.toolkit.readme import SHOWN, WINDOWS, commands, kind
from tests.toolkit.runs import server_options, told
from tests.toolkit.servers import INDIVIDUAL, INNODB, MEOS_PASSWORD, RELAY, counts, rows_of
from tests.toolkit.tent import work_on
from tests.toolkit.waiting import wait_until
from tests.toolkit.windows import Windows, WindowsPlace

EVERY_FEW_SECONDS = ("--interval", "3")


def have_a_day(
    kind: str, machine: Windows, server: PrivateServer, stick: Slot, folder: Path, pull: Callable[[], None]
) -> None:
    """Change races, pull the stick out, change more, plug it in again, and press Ctrl-C: all batches are on it."""
    used = make_drive(kind, folder / "image")
    stick.plug(used)
    place = WindowsPlace(folder, mounted=stick.place, letter="E")
    options = [*place.options, *server_options(server), *EVERY_FEW_SECONDS]
    with machine.console(*machine.tool, *options) as screen:
        screen.wait_for(r"Drive E:\\, [0-9.]+ MB free")
        screen.wait_for("Höstmedeln «Осень» O'Cup")
        screen.wait_for("OK race list [+] 4 races, .*, 4 changed")
        work_on(server, INDIVIDUAL, INNODB)
        screen.wait_for("OK race list [+] 4 races, .*, [12] changed")
        pull()
        screen.wait_for(r"FAIL The drive is missing from E:\\.*Backups continue on this computer. Plug it in again.")
        stick.leave()
        work_on(server, RELAY)
        screen.wait_for("Still saved, on this computer: race list [+] 4 races, .*, 1 changed")
        stick.plug(used)
        screen.wait_for("OK all is well again; trouble from [0-9:]+ to [0-9:]+")
        wait_until(lambda: not waiting(place.spool), "all batches on the drive")
        screen.press("C-c")
        [made] = screen.wait_for(
            "OK stopped; ([3-9]) batches made, the newest is from [0-9:]+, all of them on the drive"
        )
        screen.wait_for(r"To bring the races back, open E:\\meosbackup\\RESTORE.txt")
        assert screen.wait_for_end()[0] == 0
    assert_batches_are_whole(place)
    told(machine.meosbackup("verify", *place.folders), 0, f"{made} batches, ", "all good")
    newest = inventory.find(place.root).newest
    assert newest is not None
    for database in (INDIVIDUAL, INNODB, RELAY):
        freshness = dump_of(newest.batch, database).freshness
        assert freshness is not None
        assert freshness.entries == counts(server, database)[0], "the newest batch has all changes"


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


def readme_helps(machine: Windows, server: PrivateServer, spare: PrivateServer, drive: WindowsPlace) -> None:
    """Do what README says for when something goes wrong, on a drive where a race is called Långdistans."""
    before = rows_of(server, INDIVIDUAL)
    # What goes on with a spare server is tried on Linux: tests/test_readme_commands.py.
    for command in filter(kind, commands("If something goes wrong", WINDOWS)):
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


def end(machine: Windows, event: str) -> None:
    """Have an event end meosbackup in order, in the time that Windows gives it."""
    locks = machine.home() / "AppData/Local/meosbackup/locks"
    holder = max(locks.glob("*.json"), key=lambda path: path.stat().st_mtime)  # one that was killed leaves its own
    process_id = json.loads(holder.read_text())["process"]
    told(machine.python(Path(windows_events.__file__), event, str(process_id)), 0, "exit 0 after ")
