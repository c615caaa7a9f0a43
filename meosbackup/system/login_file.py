"""The private file with the login that MySQL's programs read: no end but a power cut leaves one behind for long."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from meosbackup.system import files

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)

NAME = "login.cnf"

_own: dict[Path, IO[bytes]] = {}


@contextmanager
def held(folder: Path, text: str) -> Iterator[None]:
    """Have a login file in a folder until the block ends; only this user may read it.

    On Windows, the folder's permissions decide who may read it: choose one of the user's. Raises OSError.
    """
    path = folder / NAME
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # As long as it is open, it isn't abandoned: Windows deletes no open file, and elsewhere a lock tells.
    _own[path] = file = os.fdopen(descriptor, "wb", buffering=0)
    try:
        if sys.platform != "win32":
            with suppress(OSError):  # without locks, nobody can take it for abandoned
                fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text.encode())
        yield
    finally:
        _remove(path)


def remove_own() -> None:
    """Remove the login files of this process: a thread that hangs, or that is not waited for, can't."""
    for path in [*_own]:
        _remove(path)


def remove_abandoned(folders: Path) -> None:
    """Remove the login files that processes which were killed left in folders of this folder."""
    for path in folders.glob(f"*/{NAME}"):
        try:
            if _is_abandoned(path):
                path.unlink()
                log.info("removed the login file of a process that was killed: %s", path)
        except OSError:
            log.debug("%s is in use", path, exc_info=True)


def _is_abandoned(path: Path) -> bool:
    """Tell whether no process has a login file any more. Raises OSError if one has."""
    if sys.platform != "win32":
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file.read(1) != b""  # an empty one is not locked yet
    return True


def _remove(path: Path) -> None:
    try:
        if path in _own:
            _own.pop(path).close()
        files.remove(path)
    except OSError:
        log.warning("the login file %s can't be removed", path, exc_info=True)
