"""What lies on a drive in the place of a file, where a computer can make such a thing."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    import msvcrt


def link(path: Path, target: Path) -> None:
    """Make a symbolic link; the test is skipped where Windows doesn't let this user make one."""
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        if sys.platform != "win32":
            raise
        pytest.skip("this user may not make symbolic links")
    if not path.is_symlink():
        pytest.skip("wine makes no symbolic links, and says that it did")


def pipe(path: Path) -> None:
    """Make a named pipe; the test is skipped on Windows, where none lies among files."""
    if sys.platform == "win32":
        pytest.skip("Windows has no named pipes among its files")
    os.mkfifo(path)


def huge_file(path: Path) -> None:
    """Make a file of 6 GB, of which nothing is written."""
    with path.open("wb") as file:
        if sys.platform == "win32":  # there, truncate() writes each byte
            file.seek(6 << 30)
            ctypes.windll.kernel32.SetEndOfFile(ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno())))
        else:
            file.truncate(6 << 30)
