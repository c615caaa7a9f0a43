"""One at a time: no two meosbackups use the same target or spool."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from meosbackup.errors import MeosBackupError
from meosbackup.system import files

log = logging.getLogger(__name__)

_PATIENCE = 0.5
"""Seconds: Windows may free the lock of a process that was killed a moment later, and a virus scanner may be in it."""


class AlreadyRunningError(MeosBackupError):
    """Another meosbackup is using the same target or spool."""


@contextmanager
def held(folder: Path, places: Sequence[Path]) -> Iterator[None]:
    """Hold these targets and spools, so that no other meosbackup on this computer uses them.

    `folder` is a folder on this computer's disk for the locks; it is created if it is missing. The system frees the
    locks of a process that ends in any way, and the programs that it started don't inherit them.

    Raises AlreadyRunningError if another process holds one of the places; MeosBackupError if the locks can't be
    created.
    """
    with ExitStack() as stack:
        # In the same order for all: of two that start at once, one gets what both want.
        for name, place in sorted({_lock_name(place): place for place in places}.items()):
            stack.enter_context(_held(folder / name, place))
        yield


@contextmanager
def _held(path: Path, place: Path) -> Iterator[None]:
    # Windows lets nobody read a locked file, so what is known of the holder lies beside it.
    holder = path.with_suffix(".json")
    lock = FileLock(path, timeout=_PATIENCE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire()
    except Timeout as error:
        raise AlreadyRunningError(
            f"Another meosbackup is still running, and is already using {place}{_details(holder)}.",
            "That one keeps running; this one did nothing.",
            "Leave it running, or stop it with Ctrl-C in its window; or give this one its own --target and --spool.",
        ) from error
    except OSError as error:
        raise MeosBackupError(
            f"The lock {path} can't be created ({error.strerror or error}).",
            "Nothing was done, since another meosbackup could be using the same drive.",
            f"Check that your user may write to {path.parent} and that its disk is not full.",
        ) from error
    try:
        _write(holder)
        yield
    finally:
        # In this order: once the lock is free, the file may be the next one's.
        files.discard(holder)
        lock.release()


def _lock_name(place: Path) -> str:
    """Return the same name for the same folder, however it is spelled."""
    resolved = os.path.normcase(os.path.realpath(place))
    return f"{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:32]}.lock"


def _write(path: Path) -> None:
    """Note this process's id and the time. Without that a second one is still refused, in fewer words."""
    document = {"process": os.getpid(), "since": datetime.now().astimezone().isoformat(timespec="seconds")}
    try:
        files.write_durably(path, json.dumps(document).encode())
    except OSError:
        log.warning("%s can't be written", path, exc_info=True)


def _details(path: Path) -> str:
    """Return which process holds a lock and since when, as it noted; an empty text if that can't be read."""
    try:
        document = json.loads(path.read_text("utf-8"))
        match document:
            case {"process": int(process), "since": str(since)}:
                return f" (process {process}, since {datetime.fromisoformat(since):%Y-%m-%d %H:%M:%S})"
    except (OSError, ValueError, RecursionError):
        log.warning("%s can't be read", path, exc_info=True)
    return ""
