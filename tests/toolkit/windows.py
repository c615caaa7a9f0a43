"""A Windows computer for tests: programs run in it, drives plugged into it, a MariaDB server and consoles.

It is wine with a drive C: of its own. All folders of this computer are its drive Z:.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer, ServerProgram, free_port
from tests.toolkit.drives import Drive, Slot
from tests.toolkit.place import Place
from tests.toolkit.running import Running, watched
from tests.toolkit.runs import Completed, with_password
from tests.toolkit.terminals import Screen, tmux
from tests.toolkit.waiting import PATIENCE
from tests.toolkit.windows_parts import PROJECT, Parts

Value = str | Path
LETTERS = "EFG"
"""The letters of removable drives."""
_VERSION = "--version=5.5.5-11.4.5-MariaDB"
"""As README has it, since MeOS refuses MariaDB 11 otherwise."""
ANSI = "cp1252"
"""The code page of what is written to pipes and files here, as in Western Europe."""


@dataclass(frozen=True)
class Windows:
    """A Windows computer: the parts that it is made of, its drives in `prefix`, and how meosbackup is started there.

    A path among a program's arguments is given as Windows spells it.
    """

    parts: Parts
    prefix: Path
    tool: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        program: Value,
        *arguments: Value,
        env: Mapping[str, str] | None = None,
        text: str = "",
        timeout: float = PATIENCE,
        folder: Path | None = None,
    ) -> Completed:
        """Run a program with `text` as its input, and return what it wrote and its exit code."""
        with tempfile.TemporaryFile() as stdin:  # a pipe would do, but not one without an end
            stdin.write(text.encode(ANSI))
            stdin.seek(0)
            result = subprocess.run(
                self.command(program, *arguments), env=self.environment_of(env), stdin=stdin, capture_output=True,
                timeout=timeout, check=False, cwd=folder or self.prefix,
            )  # fmt: skip
        output, errors = (
            stream.decode(ANSI, "replace").replace("\r\n", "\n") for stream in (result.stdout, result.stderr)
        )
        return Completed([], result.returncode, output, errors)

    def python(
        self,
        *arguments: Value,
        env: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
        folder: Path | None = None,
    ) -> Completed:
        """Run Python."""
        return self.run(self.parts.python / "python.exe", *arguments, env=env, timeout=timeout, folder=folder)

    def meosbackup(
        self, *arguments: Value, env: Mapping[str, str] | None = None, timeout: float = PATIENCE
    ) -> Completed:
        """Run meosbackup to its end, with the server's password in its environment."""
        program, *first = self.tool
        return self.run(program, *first, *arguments, env={**with_password(), **(env or {})}, timeout=timeout)

    def command(self, program: Value, *arguments: Value) -> list[str]:
        """Return the command line, for this computer, of a program of Windows."""
        return [str(self.parts.wine), *map(spelled, (program, *arguments))]

    @contextmanager
    def running(self, *arguments: Value, env: Mapping[str, str] | None = None) -> Iterator[Running]:
        """Have meosbackup at work until the block ends, with a pipe for its output. It is killed at the end."""
        reading, writing = os.pipe()
        process = subprocess.Popen(
            self.command(*self.tool, *arguments), env=self.environment_of({**with_password(), **(env or {})}),
            stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, cwd=self.prefix,
        )  # fmt: skip
        os.close(writing)
        with watched(process, reading, ANSI) as tool:
            yield tool

    @contextmanager
    def console(
        self, *command: Value, env: Mapping[str, str] | None = None, columns: int = 200, folder: Path | None = None
    ) -> Iterator[Screen]:
        """Run a program in a console of its own, where keys can be pressed, until it ends or the block does."""
        environment = self.environment_of({"TERM": "xterm", **with_password(), **(env or {})})
        with tmux(self.command(*command), environment, columns=columns, folder=folder or self.prefix) as screen:
            yield screen

    def plug(self, letter: str, folder: Path) -> None:
        """Have what is in a folder, such as a mounted drive, be a removable drive with one of the letters."""
        self.pull(letter)
        self._link(letter).symlink_to(folder)

    def pull(self, letter: str) -> None:
        """Take a drive letter away."""
        self._link(letter).unlink(missing_ok=True)

    def home(self) -> Path:
        """Return the user's folder."""
        return next(path for path in (self.prefix / "drive_c/users").iterdir() if path.name != "Public")

    def shut_down(self) -> None:
        """End all programs."""
        for option in ("--kill", "--wait"):
            subprocess.run(
                [self.parts.wineserver, option], env=self.environment_of(None), check=False, capture_output=True,
                timeout=PATIENCE,
            )  # fmt: skip

    def environment_of(self, more: Mapping[str, str] | None) -> dict[str, str]:
        """Return the environment of a program."""
        return {**self.parts.environment(self.prefix), **self.environment, **(more or {})}

    def _link(self, letter: str) -> Path:
        return self.prefix / "dosdevices" / f"{letter.lower()}:"


def spelled(value: Value) -> str:
    """Return a path as Windows spells it; any other value as it is."""
    if not isinstance(value, Path):
        return value
    return "Z:" + str(value).replace("/", "\\")


@contextmanager
def windows(parts: Parts) -> Iterator[Windows]:
    """Give a computer with nothing on its drive C: but Windows, until the block ends."""
    # Beside the one that it is a copy of: its files, which are never written again, are shared with it.
    with tempfile.TemporaryDirectory(prefix="in-use-", dir=parts.home, ignore_cleanup_errors=True) as folder:
        found = Windows(
            parts, Path(folder, "prefix"), (spelled(parts.python / "python.exe"), "-m", "meosbackup"),
            {"PYTHONPATH": spelled(PROJECT)},
        )  # fmt: skip
        _build(found)
        with _switched_on(found):
            try:
                yield found
            finally:
                found.shut_down()


def _build(machine: Windows) -> None:
    shutil.copytree(machine.parts.prefix, machine.prefix, symlinks=True, copy_function=_link_or_copy)
    for letter in LETTERS:  # wine lists as drives what it finds here when it starts; nothing is plugged in yet
        machine.plug(letter, machine.prefix / "nothing")
    # Where its installer puts it.
    (machine.prefix / "drive_c/Program Files/MariaDB 11.4").symlink_to(machine.parts.mariadb)


@contextmanager
def _switched_on(machine: Windows) -> Iterator[None]:
    """Have a program run all the time: with the last program wine ends as well, and takes 5 s to start again."""
    waiting = subprocess.Popen(
        machine.command("cmd.exe"), env=machine.environment_of(None), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with waiting:
        # Wine's services are running then. Any that were started by a later program would keep that one's pipes open.
        assert waiting.stdout
        assert waiting.stdout.readline()
        yield


def _link_or_copy(source: str, destination: str) -> None:
    """Share a file of Windows itself; the registry is written to."""
    if source.endswith(".reg"):
        shutil.copy2(source, destination)
    else:
        os.link(source, destination)


@dataclass
class LetteredSlot(Slot):
    """A place where drives are plugged in, each of which is drive E: of a Windows computer until it leaves."""

    machine: Windows

    def plug(self, drive: Drive) -> None:
        super().plug(drive)
        self.machine.plug("E", self.place)

    def leave(self) -> None:
        # First, so that nothing is written to the empty folder that is left.
        self.machine.pull("E")
        super().leave()


@contextmanager
def windows_server(machine: Windows, folder: Path, *, options: Sequence[str] = ()) -> Iterator[PrivateServer]:
    """Run a MariaDB server for Windows on that computer, as a private server; its data are below `folder`."""
    home = folder / "windows server"
    home.mkdir()
    shutil.copytree(machine.parts.data, home / "data")
    # The environment is in a script, since whoever starts a private server leaves it as it is.
    program = home / "mysqld"
    environment = " ".join(f"'{name}={value}'" for name, value in machine.parts.environment(machine.prefix).items())
    program.write_text(
        f"#!/bin/sh\nexec env -i {environment} '{machine.parts.wine}' '{machine.parts.mariadb}/bin/mysqld.exe' \"$@\"\n"
    )
    program.chmod(0o755)
    server = PrivateServer(
        program=ServerProgram(program, "MariaDB"), folder=home, port=free_port(), socket=None,
        options=("--no-defaults", f"--datadir={home / 'data'}", f"--tmpdir={home}", "--skip-log-bin",
                 "--performance-schema=OFF", "--innodb-buffer-pool-size=16M", _VERSION, *options),
    )  # fmt: skip
    try:
        server.start()
        yield server
    finally:
        server.kill()


@dataclass(frozen=True)
class WindowsPlace(Place):
    """The folders of runs on a Windows computer: a drive E: for the target, where one is `mounted`."""

    letter: str | None = None

    @property
    def folders(self) -> list[str]:
        disk = [] if self.letter else ["--any-disk"]
        target = f"{self.letter}:\\" if self.letter else spelled(self.target)
        return ["--target", target, *disk, "--spool", spelled(self.spool), "--log-file", spelled(self.log)]
