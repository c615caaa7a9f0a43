"""Patience with other programs: on Windows, what one of them has open can't be renamed, replaced or deleted."""

import ctypes
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from meosbackup.system import faults
from meosbackup.system.faults import Fault, HeldError

log = logging.getLogger(__name__)

SECONDS = 3.0
"""How long to wait. A virus scanner or an indexer opens each new file, and reads it in a second or two even on a slow
stick; whoever has a file open for longer is likely to keep it, and the shortest usual tick is ten seconds."""

_PAUSE = 0.05

_MAY_BE_HELD = frozenset({5, 145, 303})
"""Windows's answers, beside the plain ones, to a rename onto an open file or of a folder with an open file in it (5,
access denied), and where something is deleted that a program still has open (145, folder not empty; 303)."""

Result = TypeVar("Result")


def patiently(act: Callable[[], Result], *paths: Path) -> Result:
    """Do something with these paths; where another program has one of them open, again until it hasn't.

    Raises HeldError if that takes too long, and any other OSError of `act` at once.
    """
    end = time.monotonic() + SECONDS
    while True:
        try:
            return act()
        except OSError as error:
            is_held = faults.fault(error) is Fault.HELD
            if not (is_held or faults.winerror(error) in _MAY_BE_HELD):
                raise
            if time.monotonic() >= end:
                found = next((one for path in paths for one in _open_below(path)), None)
                log.warning("waited for %s, which another program may have open: %s", paths, error)
                if found is None and not is_held:  # it is a matter of privileges, then
                    raise
                raise HeldError(found or error.filename or "") from error
        time.sleep(_PAUSE)


def _open_below(path: Path) -> Iterator[Path]:
    """Yield this path, and those below it, that a program has open, as far as Windows tells."""
    if _is_open(path):
        yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*files, *folders) if _is_open(Path(folder, name)))


def _is_open(path: Path) -> bool:
    """Tell whether any program has a file or folder open: if so, nobody can have it alone (Windows)."""
    if sys.platform != "win32":
        return False
    read, alone, existing, also_folders = 0x80000000, 0, 3, 0x02000000  # of CreateFileW
    library = ctypes.WinDLL("kernel32", use_last_error=True)
    library.CreateFileW.restype = ctypes.c_void_p
    handle = library.CreateFileW(str(path), read, alone, None, existing, also_folders, None)
    if handle == ctypes.c_void_p(-1).value:
        return faults.named(None, ctypes.get_last_error()) is Fault.HELD
    library.CloseHandle(ctypes.c_void_p(handle))
    return False
