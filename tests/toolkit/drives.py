"""Real file systems in image files, plugged in and pulled out as a drive is; and a slow one, and one that lies.

Needs Linux, root, loop devices and FUSE. Where something is missing the test is skipped, but on CI it fails.
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.toolkit import passthrough, vfat
from tests.toolkit.waiting import wait_until

EXFAT, FAT32, NTFS, EXT4, TMPFS = "exFAT", "FAT32", "NTFS", "ext4", "tmpfs"
FUSEFAT = "FAT32 by fusefat"
"""It tells no size, and a folder that it renames loses all that it holds: a drive that can't be trusted."""

_MAKERS = {
    EXFAT: ("mkfs.exfat",), FAT32: ("mkfs.fat", "-F32"), FUSEFAT: ("mkfs.fat", "-F32"),
    NTFS: ("mkntfs", "-F", "-Q", "-q"), EXT4: ("mkfs.ext4", "-q", "-F"),
}  # fmt: skip
_MOUNTERS = {
    EXFAT: ("mount.exfat-fuse",), FAT32: (sys.executable, "-m", vfat.__name__), FUSEFAT: ("fusefat", "-o", "rw+"),
    NTFS: ("ntfs-3g",), EXT4: ("mount", "-t", "ext4"),
}  # fmt: skip
_REPAIRERS = {EXFAT: ("fsck.exfat", "-y"), FAT32: ("fsck.fat", "-a"), NTFS: ("ntfsfix",), EXT4: ("e2fsck", "-y")}
_CHECKERS = {
    EXFAT: ("fsck.exfat", "-n"), FAT32: ("fsck.fat", "-n"), NTFS: ("ntfsfix", "-n"), EXT4: ("e2fsck", "-f", "-n"),
}  # fmt: skip
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
_ENDS_WITHIN = 10.0


@dataclass(frozen=True)
class Drive:
    """A drive: its file system, and the image file that it is."""

    kind: str
    image: Path


@dataclass
class Slot:
    """A place where drives are plugged in: an empty folder on the system's disk while none is."""

    place: Path
    device: str | None = field(default=None, init=False)
    """The loop device of the drive that is plugged in; None where it needs none."""

    def plug(self, drive: Drive) -> None:
        """Plug a drive in, whatever has become of the one before."""
        self.leave()
        if drive.kind == TMPFS:
            _run("mount", "-t", "tmpfs", f"-osize={drive.image.stat().st_size}", "tmpfs", self.place)
            return
        source = str(drive.image)
        if drive.kind not in {FAT32, FUSEFAT}:  # they take a file
            self.device = source = _run("losetup", "--find", "--show", drive.image).strip()
        _run(*_MOUNTERS[drive.kind], source, self.place)
        wait_until(lambda: os.path.ismount(self.place), "the drive")

    def plug_passing_through(
        self,
        folder: Path,
        *,
        bytes_per_second: float = 0.0,
        largest_file: int = 0,
        corrupt: bool = False,
        untold: bool = False,
    ) -> None:
        """Plug in a drive that keeps its files in `folder`, at this speed of writing, up to this size; 0 for any.

        One that is corrupt keeps another byte than it was given, once in each piece that is written to a dump.
        One that is untold doesn't tell its size, nor what is free.
        """
        self.leave()
        _need_mfusepy()
        _run(
            sys.executable, "-m", passthrough.__name__, folder, self.place, f"--bytes-per-second={bytes_per_second}",
            f"--largest-file={largest_file}", *(["--corrupt"] if corrupt else []), *(["--untold"] if untold else []),
        )  # fmt: skip
        wait_until(lambda: os.path.ismount(self.place), "the drive")

    def pull(self) -> None:
        """Kill what is behind the drive: every call answers "not connected" from now on (FUSE alone)."""
        found = _server_of(self.place)
        assert found, f"no process serves {self.place}"
        for number in found:
            with suppress(ProcessLookupError):  # one may end with another
                os.kill(number, signal.Signals["SIGKILL"])
        wait_until(self._is_stuck, "a drive that is pulled out")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the processes behind the drive do nothing for a while, if there are any."""
        served = [number for number in _server_of(self.place) if not _is_traced(number)]
        for number in served:
            os.kill(number, signal.Signals["SIGSTOP"])
        try:
            yield
        finally:
            for number in served:
                os.kill(number, signal.Signals["SIGCONT"])

    def leave(self) -> None:
        """Take the drive away, such as it is; what is left is the empty folder on the system's disk."""
        served = _server_of(self.place)
        while self._is_mounted():
            _run("umount", "-i", "-l", self.place)
        # A file system without users ends by itself once it has written all; one that hangs is ended.
        with suppress(AssertionError):
            wait_until(lambda: not _alive(served), "the end of the file system", _ENDS_WITHIN)
        for number in _alive(served):
            os.kill(number, signal.Signals["SIGKILL"])
        if self.device is not None:
            _run("losetup", "-d", self.device)
            self.device = None

    def protect(self, *, protect: bool = True) -> None:
        """Have the drive take no more writing, or take it again; waits for a moment when no file is being written."""
        options = "remount,bind,ro" if protect else "remount,bind,rw"
        wait_until(lambda: _try("mount", "-i", "-o", options, self.place), "a moment without a file that is written")

    def _is_mounted(self) -> bool:
        """Tell whether a drive is plugged in, even one that answers nothing but errors."""
        place = str(self.place).replace(" ", "\\040")
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        return any(line.split()[4] == place for line in mounts)

    def _is_stuck(self) -> bool:
        try:
            any(self.place.iterdir())
        except OSError as error:
            return error.errno == errno.ENOTCONN
        return False


@contextmanager
def slot(folder: Path, make: Callable[[Path], Slot] = Slot) -> Iterator[Slot]:
    """Give a place for drives below a folder, and take away what is plugged in there at the end.

    Whatever happened there, nothing may have been written to the system's disk.
    """
    _need_linux_and_root()
    place = folder / "stick"
    place.mkdir()
    found = make(place)
    try:
        yield found
    finally:
        found.leave()
    assert not any(place.iterdir()), "something was written below the empty mount point"


def make_drive(kind: str, image: Path, megabytes: int = 64) -> Drive:
    """Make an empty drive of a kind; `image` is the file that it is to be."""
    _need_linux_and_root()
    with image.open("xb") as file:
        file.truncate(megabytes << 20)
    if kind != TMPFS:
        _need(_MAKERS[kind][0], _MOUNTERS[kind][0])
        if kind == FAT32:
            _need_mfusepy()
            _need(vfat.PROGRAM)
            if not _kernel_starts():
                pytest.skip(f"this machine doesn't let {vfat.PROGRAM}, the kernel that knows FAT32, run as a process")
        _run(*_MAKERS[kind], image)
    return Drive(kind, image)


def copy_of(drive: Drive, image: Path) -> Drive:
    """Copy what has reached the medium of a drive, as a power cut leaves it: what was not synced is not in its image.

    See to it that nobody writes meanwhile (`Slot.paused`).
    """
    shutil.copyfile(drive.image, image)
    return Drive(drive.kind, image)


def repair(drive: Drive) -> None:
    """Let a drive that is not plugged in be repaired by the program of its file system."""
    program, *options = _REPAIRERS[drive.kind]
    _need(program)
    _try(program, *options, drive.image)


def check(drive: Drive) -> None:
    """See that the program of its file system finds nothing wrong with a drive that is not plugged in."""
    program, *options = _CHECKERS[drive.kind]
    _need(program)
    _run(program, *options, drive.image)


def told_of(drive: Drive) -> str:
    """Return what the program of its file system says of a drive that is not plugged in."""
    program, *options = _CHECKERS[drive.kind]
    _need(program)
    return subprocess.run(
        [_found(program), *options, drive.image], capture_output=True, check=False, encoding="utf-8", errors="replace"
    ).stdout


def written_bytes(slot_: Slot) -> int:
    """Return the bytes that were written to the drive's device since it was plugged in, file system and all."""
    assert slot_.device is not None
    _run("sync")
    return int(Path("/sys/block", Path(slot_.device).name, "stat").read_text("ascii").split()[6]) * 512


def _server_of(place: Path) -> list[int]:
    """Return the processes that serve the files of a mount point, which is among their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(place) in (process / "cmdline").read_bytes().split(b"\0") and _serves(process):
                found.append(int(process.name))
    return found


def _serves(process: Path) -> bool:
    """Tell whether a process answers FUSE, or is a kernel that does so for one that is."""
    return (process / "exe").readlink().name == vfat.PROGRAM or any(
        str(handle.readlink()) == "/dev/fuse" for handle in (process / "fd").iterdir()
    )


def _is_traced(number: int) -> bool:
    """Tell whether a process runs at the whim of another one, as those within User Mode Linux do."""
    return "\nTracerPid:\t0\n" not in Path(f"/proc/{number}/status").read_text("utf-8")


def _alive(processes: list[int]) -> list[int]:
    """Return those that still run; one that has ended, and waits for its parent to notice, has no arguments."""
    alive = []
    for number in processes:
        with suppress(OSError):
            if Path(f"/proc/{number}/cmdline").read_bytes():
                alive.append(number)
    return alive


def _need_linux_and_root() -> None:
    if sys.platform != "linux":
        pytest.skip("mounts image files as Linux does")
    if os.geteuid() != 0:
        _refuse("only root may mount a file system")
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            _refuse(f"there is no {device}")


def _need_mfusepy() -> None:
    if find_spec("mfusepy") is None:
        _refuse("the package mfusepy is not installed")


@cache
def _kernel_starts() -> bool:
    """Tell whether User Mode Linux runs here; a sandbox may forbid what it is made of, and that is nobody's fault."""
    with TemporaryDirectory() as name:
        image = Path(name) / "image"
        with image.open("xb") as file:
            file.truncate(40 << 20)
        _run(*_MAKERS[FAT32], image)
        (Path(name) / "stick").mkdir()
        tried = Slot(Path(name) / "stick")
        try:
            tried.plug(Drive(FAT32, image))
            return not list(tried.place.iterdir())
        except (AssertionError, OSError):
            return False
        finally:
            tried.leave()


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(_found(program)) is None:
            _refuse(f"there is no program {program}")


def _refuse(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _found(program: str) -> str:
    return shutil.which(program, path=f"{os.environ['PATH']}:{_SBIN}") or program


def _run(program: str, *arguments: str | Path) -> str:
    """Run a program to its end and return what it said; what it started in the background goes on."""
    result = subprocess.run(
        [_found(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8",
        errors="replace",
    )  # fmt: skip
    assert result.returncode == 0, f"{program} {arguments}: {result.stderr or result.stdout}"
    return result.stdout


def _try(program: str, *arguments: str | Path) -> bool:
    return subprocess.run([_found(program), *arguments], capture_output=True, check=False).returncode == 0


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
