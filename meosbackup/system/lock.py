"""One at a time: no two meosbackups use the same target or spool."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from meosbackup.errors import MeosBackupError
from meosbackup.system import files

log = logging.getLogger(__name__)

_PATIENCE = 0.5
"""Seconds: Windows may free the lock of a process that was killed a moment later, and a virus scanner may be in it."""
_GLANCE = 0.2
"""Seconds: who only looks holds a lock for an instant."""


@dataclass(frozen=True)
class Holder:
    """A meosbackup that holds a place, as far as it noted that: its process, and since when it holds these places.

    `command` is the name of its command; empty if it backs up.
    """

    process: int | None = None
    since: datetime | None = None
    command: str = ""
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        known = self.process is not None and self.since is not None
        return f"process {self.process}, since {self.since:%Y-%m-%d %H:%M:%S}" if known else ""


class AlreadyRunningError(MeosBackupError):
    """Another meosbackup is using the same target or spool."""


@contextmanager
def held(folder: Path, places: Sequence[Path], command: str = "") -> Iterator[None]:
    """Hold these targets and spools, so that no other meosbackup on this computer uses them.

    `folder` is a folder on this computer's disk for the locks; it is created if it is missing. `command` is the name
    of this meosbackup's command; empty if it backs up. The system frees the locks of a process that ends in any way,
    and the programs that it started don't inherit them.

    Raises AlreadyRunningError if another process holds one of the places; MeosBackupError if the locks can't be
    created.
    """
    now = datetime.now().astimezone().replace(microsecond=0)
    this = Holder(os.getpid(), now, command, tuple(map(str, places)))
    with ExitStack() as stack:
        # In the same order for all: of two that start at once, one gets what both want.
        for name, place in sorted({_lock_name(place): place for place in places}.items()):
            stack.enter_context(_held(folder / name, place, this))
        yield


def holder(folder: Path, place: Path) -> Holder | None:
    """Return who holds a target or spool on this computer; None if nobody does. `folder` is that of the locks.

    Nothing is created. If nobody holds it, its lock is taken for an instant, for which one that starts just then waits.

    Raises MeosBackupError if the lock can't be tried.
    """
    path = folder / _lock_name(place)
    try:
        if path.exists():
            with FileLock(path, timeout=_GLANCE):
                pass
    except Timeout:
        return _noted(_note(path))
    except OSError as error:
        raise _unusable(path, error) from error
    return None


def holds(found: Holder, place: Path) -> bool:
    """Return whether this is one of the places that a holder noted, however it is spelled, even if it is gone now."""
    return str(place) in found.places or _resolved(place) in map(_resolved, map(Path, found.places))


@contextmanager
def _held(path: Path, place: Path, this: Holder) -> Iterator[None]:
    lock = FileLock(path, timeout=_PATIENCE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire()
    except Timeout as error:
        known = str(_noted(_note(path)))
        raise AlreadyRunningError(
            f"Another meosbackup is still running, and is already using {place}{f' ({known})' if known else ''}.",
            "That one keeps running; this one did nothing.",
            "Leave it running, or stop it with Ctrl-C in its window; or give this one its own --target and --spool.",
        ) from error
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        _write(_note(path), this)
        yield
    finally:
        # In this order: once the lock is free, the file may be the next one's.
        files.discard(_note(path))
        lock.release()


def _unusable(path: Path, error: OSError) -> MeosBackupError:
    return MeosBackupError(
        f"The lock {path} can't be created ({error.strerror or error}).",
        "Nothing was done, since another meosbackup could be using the same drive.",
        f"Check that your user may write to {path.parent} and that its disk is not full.",
    )


def _lock_name(place: Path) -> str:
    """Return the same name for the same folder, however it is spelled."""
    return f"{hashlib.sha256(os.fsencode(_resolved(place))).hexdigest()[:32]}.lock"


def _resolved(place: Path) -> str:
    return os.path.normcase(os.path.realpath(place))


def _note(path: Path) -> Path:
    """Return the file with what is known of a lock's holder: Windows lets nobody read a locked file."""
    return path.with_suffix(".json")


def _write(path: Path, this: Holder) -> None:
    """Note what holds a lock. Without that a second one is still refused, in fewer words."""
    try:  # not durable: a power cut ends the lock as well
        files.remove(path)
        with files.open_new(path) as file:
            file.write(json.dumps(asdict(this), default=datetime.isoformat).encode())
    except OSError:
        log.warning("%s can't be written", path, exc_info=True)


def _noted(path: Path) -> Holder:
    """Return what a lock's holder noted; nothing is known of it if that can't be read."""
    try:
        match json.loads(path.read_text("utf-8")):
            case {"process": int(process), "since": str(since), "command": str(command), "places": [*places]}:
                return Holder(process, datetime.fromisoformat(since), command, tuple(map(str, places)))
    except (OSError, ValueError, RecursionError):
        log.warning("%s can't be read", path, exc_info=True)
    return Holder()
