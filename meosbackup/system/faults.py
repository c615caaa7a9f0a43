"""What an OSError of a file or a drive means, on every platform; and the two that this program raises itself."""

import ctypes
import errno
import sys
from enum import Enum, auto
from pathlib import Path

from meosbackup.system.disks import LONGEST_PATH


class Fault(Enum):
    """What stands in the way of a file."""

    HELD = auto()
    """Another program has it open."""
    WRITE_PROTECTED = auto()
    GONE = auto()
    """The drive, or the file itself."""
    FULL = auto()
    TOO_LARGE = auto()
    TOO_LONG = auto()
    """Its path."""
    IN_THE_WAY = auto()
    """Something else has its name."""
    OTHER = auto()


_BY_WINERROR = {
    **dict.fromkeys((32, 33), Fault.HELD),
    19: Fault.WRITE_PROTECTED,
    # Not ready; not functioning, not there, another one or removed; its volume or its medium changed or missing.
    **dict.fromkeys((21, 31, 34, 55, 433, 1006, 1110, 1112, 1167, 1617), Fault.GONE),
    **dict.fromkeys((39, 112, 1295), Fault.FULL),
    223: Fault.TOO_LARGE,
    **dict.fromkeys((111, 206), Fault.TOO_LONG),
    **dict.fromkeys((267, 1921), Fault.IN_THE_WAY),
}
"""By the names in winerror.h: those that Python turns into an errno which tells less, or something else."""

_BY_ERRNO = {
    errno.EROFS: Fault.WRITE_PROTECTED,
    **dict.fromkeys((errno.ENOENT, errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.ENXIO), Fault.GONE),
    **dict.fromkeys((errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)), Fault.FULL),
    errno.EFBIG: Fault.TOO_LARGE,
    errno.ENAMETOOLONG: Fault.TOO_LONG,
    **dict.fromkeys((errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY), Fault.IN_THE_WAY),
}

_VAGUE = frozenset({errno.EACCES, errno.EBADF, errno.EINVAL})
"""What Windows's C library turns most of its errors into."""


class UnfitError(OSError):
    """A link, a pipe, a device, or something else that is not what it should be; `filename` is its path."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))


class TooLargeError(UnfitError):
    """A file that can only be short, and isn't."""


class HeldError(OSError):
    """A file or folder that another program has open; `filename` is its path."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(errno.EACCES, "another program has it open", str(path))


def fault(error: OSError) -> Fault:
    """Return what an error means; ask for it in the thread that caught the error."""
    if isinstance(error, HeldError):
        return Fault.HELD
    if isinstance(error, UnfitError):
        return Fault.IN_THE_WAY
    found = named(error.errno, winerror(error))
    if sys.platform == "win32" and found is Fault.GONE and len(str(error.filename or "")) > LONGEST_PATH:
        return Fault.TOO_LONG
    return found


def named(number: int | None, windows: int | None) -> Fault:
    """Return what an errno means, and Windows's own number, which tells more where there is one."""
    return _BY_WINERROR.get(windows or 0) or _BY_ERRNO.get(number or 0, Fault.OTHER)


def winerror(error: OSError) -> int | None:
    """Return Windows's own number of an error; None elsewhere, and where it isn't known.

    Python opens, reads, writes and syncs files by the C library, and its errors of that lack the number. The library
    has it until its next error in the same thread; so note it in the error, with its text.
    """
    if sys.platform == "win32" and error.winerror is None and error.errno in _VAGUE:
        if not isinstance(error, (UnfitError, HeldError)):
            ask = ctypes.CDLL("ucrtbase")["__doserrno"]
            ask.restype = ctypes.POINTER(ctypes.c_ulong)
            if number := ask()[0]:
                error.winerror, error.strerror = number, ctypes.FormatError(number).rstrip(". \r\n")
    return getattr(error, "winerror", None)
