"""What an error of a file or a drive means, told alike from Linux's numbers and from Windows's."""

import errno
from pathlib import Path

import pytest

from meosbackup.system import faults
from meosbackup.system.faults import Fault, HeldError, UnfitError

WINDOWS = {
    # What Windows answers, what Python or the C library makes of it, and what it means.
    32: (errno.EACCES, Fault.HELD),
    33: (errno.EACCES, Fault.HELD),
    19: (errno.EACCES, Fault.WRITE_PROTECTED),
    21: (errno.EACCES, Fault.GONE),
    31: (errno.EACCES, Fault.GONE),
    55: (errno.EINVAL, Fault.GONE),
    433: (errno.EINVAL, Fault.GONE),
    1006: (errno.EINVAL, Fault.GONE),
    1110: (errno.EINVAL, Fault.GONE),
    1112: (errno.EBADF, Fault.GONE),
    1167: (errno.EBADF, Fault.GONE),
    3: (errno.ENOENT, Fault.GONE),
    39: (errno.EINVAL, Fault.FULL),
    112: (errno.ENOSPC, Fault.FULL),
    223: (errno.EINVAL, Fault.TOO_LARGE),
    206: (errno.ENOENT, Fault.TOO_LONG),
    183: (errno.EEXIST, Fault.IN_THE_WAY),
    5: (errno.EACCES, Fault.OTHER),
    1117: (errno.EINVAL, Fault.OTHER),
}


@pytest.mark.parametrize(("windows", "number", "fault"), [(key, *value) for key, value in WINDOWS.items()])
def test_windowss_own_number_tells_what_the_errno_hides(windows: int, number: int, fault: Fault) -> None:
    assert faults.named(number, windows) is fault


def test_without_that_the_errno_tells() -> None:
    for number, fault in {
        errno.EROFS: Fault.WRITE_PROTECTED, errno.ENXIO: Fault.GONE, errno.ENOSPC: Fault.FULL,
        errno.EFBIG: Fault.TOO_LARGE, errno.ENAMETOOLONG: Fault.TOO_LONG, errno.ELOOP: Fault.IN_THE_WAY,
        errno.EIO: Fault.OTHER, errno.EACCES: Fault.OTHER,
    }.items():  # fmt: skip
        assert faults.fault(OSError(number, "why")) is fault
    assert faults.fault(OSError("an error without a number")) is Fault.OTHER


def test_what_this_program_raises_itself_is_known() -> None:
    assert faults.fault(HeldError(Path("a"))) is Fault.HELD
    assert faults.fault(UnfitError(Path("a"), "it is a link")) is Fault.IN_THE_WAY
