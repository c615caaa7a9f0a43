"""What tests of bad input need: the tool run, what it said and left on the target, and things that are broken."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import find_dump_program
from meosbackup.store import inventory
from tests.toolkit.servers import dump_file, run_meosbackup, server_options, with_password

STOPS_WITHIN = 3.0
"""Seconds from Ctrl-C to the end of the tool."""

Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Place:
    """Where a test's backups go; `options` are what each run needs so that it touches nothing else."""

    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "drive"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def options(self) -> list[str]:
        return ["--target", str(self.target), "--any-disk", "--spool", str(self.spool),
                "--log-file", str(self.folder / "meosbackup.log"), "--days", "36500"]  # fmt: skip

    @property
    def batches(self) -> list[Path]:
        """The folders on the target that pass for a batch, oldest first."""
        return sorted(path for path in self.target.glob("meosbackup/????-??-??/*") if ".partial" not in path.name)


def new_place(folder: Path) -> Place:
    """Make an empty target, and choose a spool that doesn't exist yet."""
    place = Place(folder)
    place.target.mkdir()
    return place


def once(
    place: Place, server: PrivateServer, *more: str | Path, env: Mapping[str, str] | None = None, timeout: float = 60.0
) -> Completed:
    """Make one batch of the server. What stands in `more` comes last, and goes before the usual options."""
    options = [option for option in place.options if option != "--all-races" or "--race" not in more]
    return run_meosbackup(
        *options, "--once", *server_options(server), *more, env={**with_password(), **(env or {})}, timeout=timeout
    )


def told(result: Completed, code: int, *words: str) -> str:
    """See that a run ended with this code, and said these things in words; return all that it said, in one line."""
    said = in_one_line(result.stdout + result.stderr)
    assert "Traceback" not in said
    assert "unexpected error" not in said, said
    missing = [word for word in words if word not in said]
    assert not missing, f"it didn't say {missing}, but: {said}"
    assert result.returncode == code, said
    return said


def in_one_line(text: str) -> str:
    """Undo the breaking of lines."""
    return " ".join(text.split())


def assert_no_backup(target: Path) -> None:
    """See that nothing on a target could be taken for a backup, and that nothing half done was left there."""
    left = [path for path in target.rglob("*") if path.is_file() or path.name[:2].isdigit()]
    assert [path for path in left if path != target / "meosbackup" / "drive.json"] == []


def assert_batches_are_whole(place: Place) -> None:
    """See that each folder that passes for a batch is one: with dumps, and each of them as it was made."""
    assert place.batches == sorted(stored.folder for stored in inventory.find(place.target / "meosbackup").batches)
    for folder in place.batches:
        dumps = [entry for entry in inventory.read(folder).databases if entry.dump is not None]
        assert dumps
        references = [entry.reference for entry in dumps if entry.reference is not None]
        for file in (*map(dump_file, dumps), *references):
            data = (folder / file.file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    if not place.batches:
        assert_no_backup(place.target)


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Running:
    """The tool in a process of its own, as in a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", screen: Path) -> None:
        self._process = process
        self._screen = screen

    @property
    def said(self) -> str:
        """All that it said till now, in one line."""
        return in_one_line(self._screen.read_text("utf-8"))

    def waits_for(self, words: str, times: int = 1) -> None:
        """Wait until it has said these words."""
        until(lambda: self.said.count(words) >= times or self._process.poll() is not None, words)
        assert self.said.count(words) >= times, f"it ended without {words!r}: {self.said}"

    def press_ctrl_c(self) -> Completed:
        """Ask it to stop, and see that it does so in time."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        ended = self.ended()
        assert time.monotonic() - began < STOPS_WITHIN, self.said
        return ended

    def ended(self) -> Completed:
        """Wait for its end."""
        code = self._process.wait(30)
        return Completed([], code, self._screen.read_text("utf-8"), "")


@contextmanager
def running(place: Place, server: PrivateServer, *more: str | Path) -> Iterator[Running]:
    """Run the tool in the background; it is gone after the block."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEOSBACKUP_")}
    screen = place.folder / "screen"
    with screen.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "meosbackup", *place.options, *server_options(server), *map(str, more)],
            env={**environment, "PYTHONUTF8": "1", **with_password()},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Running(process, screen)
    finally:
        process.kill()
        process.wait()


def in_terminal(place: Place, server: PrivateServer, *arguments: str | Path) -> str:
    """Run the tool in a terminal, where nothing is taken out of what it writes; return every letter of that."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    options = [option for option in place.options if option != "--all-races" or "--race" not in arguments]
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", *map(str, arguments), *options, *server_options(server)],
        env={**os.environ, "PYTHONUTF8": "1", **with_password()},
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while piece := os.read(controller, 1 << 16):
            written += piece
    except OSError:  # how Linux tells that nobody writes any more
        pass
    finally:
        os.close(controller)
        process.wait(20)
    return written.decode("utf-8")


def shell_script(path: Path, text: str) -> Path:
    """Make a program of a shell script."""
    if sys.platform == "win32":
        pytest.skip("Windows runs no shell scripts")
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8", newline="\n")
    path.chmod(0o755)
    return path


def dump_wrapper(folder: Path, text: str) -> Path:
    """Make a dump program that tells all about itself as the real one does, and dumps as a shell script says.

    The script has the real one in `$real`, the file to write in `$result`, and the database in `$database`; it runs
    in a folder that is going to vanish.
    """
    return shell_script(folder / "dump-wrapper", f"""
real='{find_dump_program(None).path}'
case "$1" in --defaults-file=*) ;; *) exec "$real" "$@" ;; esac
for argument in "$@"; do
    case "$argument" in --result-file=*) result=${{argument#--result-file=}} ;; esac
    database=$argument
done
{text}
""")  # fmt: skip


def waiting_dump(place: Place) -> Path:
    """Make a dump program that waits for a file `gate` in the place's folder.

    The files `dumping` and `going-on` tell that it began, and that it waits no more.
    """
    return dump_wrapper(
        place.folder,
        f"""
touch '{place.folder}/dumping'
while [ ! -e '{place.folder}/gate' ]; do sleep 0.05; done
touch '{place.folder}/going-on'
exec "$real" "$@"
""",
    )


@contextmanager
def small_disk(folder: Path, size: str = "4m", *, read_only: bool = False) -> Iterator[Path]:
    """Mount a disk of its own on a folder. The test is skipped where the user may not mount, but not on CI."""
    folder.mkdir(exist_ok=True)
    options = f"size={size},{'ro' if read_only else 'rw'}"
    trouble = _trouble("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if trouble and not os.environ.get("CI"):
        pytest.skip(f"no disk can be mounted: {trouble}")
    assert not trouble
    try:
        yield folder
    finally:
        assert not _trouble("umount", "--lazy", str(folder))


def _trouble(*arguments: str) -> str:
    """Run a program; return why it failed."""
    if shutil.which(arguments[0]) is None:
        return f"there is no {arguments[0]}"
    result = subprocess.run(arguments, capture_output=True, encoding="utf-8", check=False)
    return re.sub(r"\s+", " ", result.stderr) or str(result.returncode) if result.returncode else ""
