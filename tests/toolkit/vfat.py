"""FAT32 as Linux keeps it, though the kernel of this machine may not know it: by a kernel that is a process.

User Mode Linux mounts the image with its vfat driver. What FUSE is asked for here is asked there, one by one.

python -m tests.toolkit.vfat IMAGE PLACE
"""

import argparse
import ctypes
import errno
import itertools
import os
import pickle
import socket
import struct
import subprocess
import sys
from functools import partialmethod
from pathlib import Path
from typing import Any

from tests.toolkit.passthrough import PassThrough, serve

PROGRAM = "linux.uml"
_MODULES = ("fs/fat/fat", "fs/fat/vfat", "fs/nls/nls_cp437", "fs/nls/nls_iso8859-1")
_MOUNT_POINT = "/mnt"
_END = "end"
_PATIENCE, _BELIEVED = 30.0, 10.0

# Numbers of Linux on x86-64.
_FINIT_MODULE = 313
_PTRACE, _PTRACE_GETREGSET = 101, 0x4204
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38
_SECCOMP_ALLOW, _SECCOMP_ERRNO = 0x7FFF0000, 0x00050000
_POWER_OFF = 0x4321FEDC


class Vfat:
    """What FUSE is asked for, handed on to the kernel that has the image.

    A request lies in a file that the kernel can see, and a byte on its serial line says that it is there: the line
    itself loses bytes where many come at once. Answers come through the line.
    """

    use_ns = True

    def __init__(self, image: Path, place: Path) -> None:
        self._image = image
        self._place = place
        self._folder = image.with_name(f"{image.name}.kernel")
        self._numbers = itertools.count(1)

    def init(self, path: str) -> None:
        """Start the kernel, and wait until it has mounted the image."""
        self._folder.mkdir(exist_ok=True)
        self._line, its = socket.socketpair()
        self._line.settimeout(_PATIENCE)
        self._answers = self._line.makefile("rb")
        with its, (self._folder / "messages").open("wb") as messages:
            self._kernel = subprocess.Popen(
                [PROGRAM, "mem=64M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"ubd0={self._image}",
                 f"uml_dir={self._folder}", "console=tty0", "con=null", "con0=null,fd:1", "ssl=null",
                 f"ssl0=fd:{its.fileno()}", "quiet", f"PYTHONPATH={Path(__file__).parents[2]}", _WITHOUT_AVX,
                 f"init={sys.executable}", "--", "-m", "tests.toolkit.vfat", "--inside",
                 str(self._folder), str(self._place)],
                stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, pass_fds=[its.fileno()],
                preexec_fn=_forbid_getregset,  # noqa: PLW1509 - this process has one thread, see `main`
                env={**os.environ, "TMPDIR": str(self._folder)},
            )  # fmt: skip
        pickle.load(self._answers)

    def destroy(self, path: str) -> None:
        """Have the image unmounted, and the kernel halt."""
        self._ask(_END)
        self._kernel.wait(_PATIENCE)

    def _ask(self, name: str, *arguments: object) -> Any:
        request = self._folder / str(next(self._numbers))
        request.write_bytes(pickle.dumps((name, arguments)))
        self._line.sendall(b"\n")
        answer = pickle.load(self._answers)
        request.unlink()
        if isinstance(answer, OSError):
            raise answer
        return answer

    getattr = partialmethod(_ask, "getattr")
    readdir = partialmethod(_ask, "readdir")
    statfs = partialmethod(_ask, "statfs")
    mkdir = partialmethod(_ask, "mkdir")
    rmdir = partialmethod(_ask, "rmdir")
    unlink = partialmethod(_ask, "unlink")
    rename = partialmethod(_ask, "rename")
    create = partialmethod(_ask, "create")
    open = partialmethod(_ask, "open")
    release = partialmethod(_ask, "release")
    read = partialmethod(_ask, "read")
    write = partialmethod(_ask, "write")
    truncate = partialmethod(_ask, "truncate")
    fsync = partialmethod(_ask, "fsync")
    fsyncdir = partialmethod(_ask, "fsyncdir")


_WITHOUT_AVX = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load"
"""The kernel keeps no more than SSE's registers for its processes, see `_forbid_getregset`."""


def _forbid_getregset() -> None:
    """Have the kernel take this processor for one without AMX, whose registers it has too little room for.

    It asks for all registers once, and makes do with those that every processor has where that fails.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    is_system_call, is_request = 0, 16  # where they stand in what a filter gets to see
    load, jump_if_equal, end = 0x20, 0x15, 0x06
    steps = [
        (load, 0, 0, is_system_call), (jump_if_equal, 0, 3, _PTRACE),
        (load, 0, 0, is_request), (jump_if_equal, 0, 1, _PTRACE_GETREGSET),
        (end, 0, 0, _SECCOMP_ERRNO | errno.EINVAL),
        (end, 0, 0, _SECCOMP_ALLOW),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program):
        raise OSError(ctypes.get_errno(), "no filter for system calls")


def _answer_all(folder: Path) -> None:
    """Mount the image and answer what is asked, as the only process that this kernel has."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "")
    import tty  # noqa: PLC0415 - Windows has none

    libc = ctypes.CDLL(None, use_errno=True)
    for module in _MODULES:
        path = Path("/usr/lib/uml/modules", os.uname().release, "kernel", f"{module}.ko")
        with path.open("rb") as file:
            _succeed(libc.syscall(_FINIT_MODULE, file.fileno(), b"", 0))
    _succeed(libc.mount(b"/dev/ubda", _MOUNT_POINT.encode(), b"vfat", 0, None))
    line = os.open("/dev/ttyS0", os.O_RDWR)
    tty.setraw(line)
    files = PassThrough(
        argparse.Namespace(folder=_MOUNT_POINT, bytes_per_second=0, largest_file=0, corrupt=False, untold=False)
    )
    _answer(line, None)
    for number in itertools.count(1):
        os.read(line, 1)
        name, arguments = pickle.loads((folder / str(number)).read_bytes())
        if name == _END:
            break
        try:
            _answer(line, getattr(files, name)(*arguments))
        except OSError as error:
            _answer(line, OSError(error.errno, error.strerror))
    _succeed(libc.umount(_MOUNT_POINT.encode()))
    _answer(line, None)
    libc.reboot(_POWER_OFF)


def _answer(line: int, answer: object) -> None:
    content = pickle.dumps(answer)
    while content:
        content = content[os.write(line, content) :]


def _succeed(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    """Serve the files of an image at a place, in the background, until that is unmounted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("image", type=Path)
    parser.add_argument("place", type=Path)
    wanted = parser.parse_args()
    if wanted.inside:
        _answer_all(wanted.image)
    else:
        # Nobody else changes the image, so what is known of a file may be believed for a while.
        serve(
            Vfat(wanted.image, wanted.place), str(wanted.place), nothreads=True, attr_timeout=_BELIEVED,
            entry_timeout=_BELIEVED,
        )  # fmt: skip


if __name__ == "__main__":
    main()
