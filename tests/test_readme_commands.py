"""README's checklist and "If something goes wrong": each command in them, run as it stands in a terminal.

Only the names of the drive, the server, the folder and the time are those of the test.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.commands.simulation import delete_race
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.programs import needed
from tests.toolkit.readme import LINUX, README, SHOWN, WINDOWS, commands, kind
from tests.toolkit.runs import with_password
from tests.toolkit.servers import INDIVIDUAL, MEOS_PASSWORD, MEOS_USER, RELAY, query, rows_of
from tests.toolkit.tent import RACES, Tent, work_on

CTRL_C = "\x03"
_ESCAPES = re.compile("\x1b\\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Terminal:
    """A terminal at a computer: its server is `localhost`, and settings that no person needs come by variables."""

    server: PrivateServer
    tent: Tent

    def type(self, command: str, answers: Mapping[str, str]) -> str:
        """Run a command, type the answers to what it shows (each once); return the words that it showed."""
        if sys.platform == "win32":
            pytest.skip("these are the commands for Linux")
        master, terminal = os.openpty()
        process = subprocess.Popen(
            [needed("setsid"), "--ctty", "--wait", "bash", "-c", command], cwd=self.tent.folder, stdin=terminal,
            stdout=terminal, stderr=terminal, env=self._environment(),
        )  # fmt: skip
        os.close(terminal)
        written, screen, open_answers = b"", "", dict(answers)
        with suppress(OSError):  # Linux tells the end so
            while piece := os.read(master, 4096):
                written += piece
                screen = _ESCAPES.sub("", written.decode("utf-8", "replace"))
                for question in [question for question in open_answers if re.search(question, screen)]:
                    os.write(master, open_answers.pop(question).encode())
        os.close(master)
        assert process.wait(40) == 0, screen
        assert not open_answers, screen
        assert "Traceback" not in screen
        return " ".join(screen.split())

    def _environment(self) -> dict[str, str]:
        programs = self.tent.folder / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "meosbackup").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m meosbackup "$@"\n', "utf-8")
        (programs / "meosbackup").chmod(0o755)
        return {
            "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1]),
            "HOME": str(self.tent.folder), "LC_ALL": "C.UTF-8", "COLUMNS": "200",
            "MEOSBACKUP_PORT": str(self.server.port), "MEOSBACKUP_ANY_DISK": "true", "MEOSBACKUP_ALL_RACES": "true",
            "MEOSBACKUP_SPOOL": str(self.tent.at(self.server).spool),
        }  # fmt: skip


@pytest.fixture
def tent(tmp_path: Path) -> Tent:
    return Tent(tmp_path)


@pytest.fixture
def stored(server: PrivateServer, tent: Tent) -> StoredBatch:
    """The only batch of the drive; one of its four races is called Långdistans."""
    query(server, "UPDATE meosmain.oevent SET Name = 'Långdistans' WHERE Id = 1")
    query(server, f"UPDATE `{INDIVIDUAL}`.oevent SET Name = 'Långdistans'")
    return tent.back_up(server)


def here(command: str, tent: Tent, stored: StoredBatch) -> str:
    """Return a command for this computer."""
    names = {LINUX: str(tent.target), "SERVER": "127.0.0.1", "14:03": stored.when, "FOLDER": "files"}
    return re.sub("|".join(map(re.escape, names)), lambda name: shlex.quote(names[name[0]]), command)


def answers(command: str) -> dict[str, str]:
    """Return what a person types: the password where it is asked for, a yes, and Ctrl-C in the evening."""
    asked = {r"Restore this\? Type yes and press Enter: ": "ja\n"} if kind(command) == "restore" else {}
    if "--ask-password" in command:
        asked["Password: "] = "\n" if "--user root" in command else f"{MEOS_PASSWORD}\n"
    if not kind(command):
        asked[SHOWN[""]] = CTRL_C
    return asked


def with_login(command: str) -> str:
    """Return a command with the password that the file of settings has, where it isn't asked for."""
    if "--ask-password" in command:
        return command
    [(variable, password)] = with_password().items()
    return f"{variable}={shlex.quote(password)} {command}"


@pytest.mark.parametrize("command", commands("Race day"))
def test_the_commands_of_race_day(server: PrivateServer, tent: Tent, stored: StoredBatch, command: str) -> None:
    said = Terminal(server, tent).type(with_login(here(command, tent, stored)), answers(command))
    assert re.search(SHOWN[kind(command)], said), said
    assert "FAIL" not in said


@pytest.mark.parametrize("command", [command for command in commands("If something goes wrong") if kind(command)])
def test_the_commands_for_when_something_goes_wrong(
    server: PrivateServer, spare: PrivateServer, tent: Tent, stored: StoredBatch, command: str
) -> None:
    before = {name: rows_of(server, name) for name in RACES}
    at, is_lost = server, "--user root" in command
    if is_lost:
        at = spare
    elif "--batch" in command:
        work_on(server, *RACES)
        tent.back_up(server)
    elif kind(command) == "restore":
        delete_race(server, "meos_20261122_211702_1E5")
        if "spool" not in command:
            tent.back_up(server)  # while somebody looks for this page
    others = {name: rows_of(server, name) for name in RACES if name != INDIVIDUAL}
    (tent.folder / "files").mkdir()

    said = Terminal(at, tent).type(with_login(here(command, tent, stored)), answers(command))
    if kind(command) == "export":
        [file] = (tent.folder / "files").iterdir()
        assert "<Name>Långdistans</Name>" in file.read_text("utf-8")
        return
    assert "OK Långdistans" in said
    assert rows_of(at, INDIVIDUAL) == before[INDIVIDUAL]
    assert {name: rows_of(at, name) for name in others} == (others if at == server else dict(list(before.items())[1:]))


def test_to_the_spare_server_and_back(
    server: PrivateServer, spare: PrivateServer, tent: Tent, stored: StoredBatch
) -> None:
    """The race server is lost, races go on with the spare one, and back: with the commands of README."""
    there, to_old, back = [command for command in commands("If something goes wrong") if not kind(command)]

    def have_a_day(command: str, *, host: str, at: PrivateServer, other: PrivateServer | None = None) -> None:
        """Run a command on the computer of the server that it calls `host`; press Ctrl-C when the other is ready."""
        line = here(command, tent, stored).replace(f"--host {host}", f"--host {at.host}")
        typed = {"Password: ": f"{MEOS_PASSWORD}\n"}
        if other:
            line = re.sub("--standby (SPARE|OLD)", f"--standby {other.host}:{other.port}", line)
        if "--adopt-standby" in command:
            typed[r"Save \d races?, .* Type yes and press Enter: "] = "ja\n"
        typed["spare server ready" if other else SHOWN[""]] = CTRL_C
        Terminal(at, tent).type(f"MEOSBACKUP_INTERVAL=1 {line}", typed)

    have_a_day(f"{there.replace('SPARE', 'OLD')} --standby SPARE", host="OLD", at=server, other=spare)
    server.stop()
    work_on(spare, INDIVIDUAL)
    have_a_day(there, host="SPARE", at=spare)
    server.start()
    have_a_day(to_old, host="SPARE", at=spare, other=server)
    work_on(server, RELAY)
    have_a_day(back, host="OLD", at=server, other=spare)
    assert {name: rows_of(spare, name) for name in RACES} == {name: rows_of(server, name) for name in RACES}


def test_windows_comes_first_and_says_the_same() -> None:
    lines = [line.strip() for line in README.splitlines()]
    for place, line in enumerate(lines):
        if line.startswith("meosbackup ") and LINUX in line:
            assert lines[place - 1] == line.replace(LINUX, WINDOWS)


def test_tlineare_commands_to_run() -> None:
    assert {kind(command) for command in commands("Race day")} == set(SHOWN)
    assert sum(kind(command) == "restore" for command in commands("If something goes wrong")) >= 3
    assert MEOS_USER == "meos"  # the one that README's commands leave out
