"""The one door to files and folders that others may have prepared: no link is followed, and no pipe or device opened.

What is written is made durable, and what another program has open for a moment is tried again.
"""

import logging
import os
import shutil
import stat
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from meosbackup.system import faults
from meosbackup.system.faults import TooLargeError, UnfitError
from meosbackup.system.patience import patiently
from meosbackup.system.streaming import stream

log = logging.getLogger(__name__)

PARTIAL = ".partial"
"""What the name of a file or folder ends with until it is whole."""

LARGEST_TEXT = 1 << 24
"""Bytes; the `batch.json` or RESTORE.txt of a thousand races takes less than a tenth of it."""


def is_folder(path: Path) -> bool:
    """Tell whether this is a folder: not a link to one, and not a thing that the system can't look at."""
    try:
        return stat.S_ISDIR(_looked_at(path).st_mode)
    except OSError:
        return False


def has_folder(path: Path) -> bool:
    """Tell whether there is this folder. Raises OSError if something else has its name, such as a link to a folder."""
    try:
        found = _looked_at(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise UnfitError(path, "it is not a folder")
    return True


def is_file(path: Path) -> bool:
    """Tell whether this is a regular file: not a link to one, and not a thing that the system can't look at."""
    try:
        return size(path) >= 0
    except OSError:
        return False


def is_link(path: Path) -> bool:
    """Tell whether this is a link, or one of Windows's junctions."""
    try:
        _looked_at(path)
    except UnfitError:
        return True
    except OSError:
        return False
    return False


def is_there(path: Path) -> bool:
    """Tell whether anything has this name, even if it is a link that leads nowhere."""
    return os.path.lexists(path)


def listed(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; nothing if it can't be listed, since no file in it can be read then."""
    try:
        return sorted(folder.iterdir()) if is_folder(folder) else []
    except OSError:
        return []


def size(path: Path) -> int:
    """Return the size of a regular file in bytes. Raises OSError, also if it is a link or not a regular file."""
    return _regular(path, _looked_at(path)).st_size


def open_regular(path: Path, expected: int | None = None) -> BinaryIO:
    """Open a regular file for reading.

    Raises OSError, also if it, or the folder that it lies in, is a link; if it is not a regular file; or if its size
    isn't the `expected` bytes.
    """
    _regular(path, _looked_at(path))  # first, since a device may do something when it is opened
    descriptor = _opened(path, os.O_RDONLY)
    try:
        found = _regular(path, os.fstat(descriptor)).st_size
    except BaseException:
        os.close(descriptor)
        raise
    if expected is not None and found != expected:
        os.close(descriptor)
        raise UnfitError(path, f"it is {found:,} bytes long, and was {expected:,}")
    return os.fdopen(descriptor, "rb")


def open_new(path: Path) -> BinaryIO:
    """Create a file, and open it for writing. Raises OSError, also if anything has that name, such as a link."""
    return os.fdopen(_opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")


def try_writing(folder: Path) -> None:
    """Create a file in a folder, and delete it. Raises OSError if nothing can be written there."""
    path = folder / f"meosbackup-{uuid.uuid4().hex}"
    open_new(path).close()
    remove(path)


def read_short(path: Path, limit: int = LARGEST_TEXT) -> bytes:
    """Return the contents of a regular file of at most `limit` bytes. Raises OSError, also if it is longer."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise TooLargeError(path, "it is far too large")
        return file.read()


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; of a link, only the link. Raises OSError."""

    def act() -> None:
        if is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    try:
        patiently(act, path)
    except RecursionError as error:
        raise UnfitError(path, "its folders are nested too deeply") from error


def clear(path: Path) -> None:
    """Delete a file or a link, so that a new file can have its name. Raises OSError, also if it is a folder."""
    if is_folder(path):
        raise UnfitError(path, "it is not a regular file")
    patiently(lambda: path.unlink(missing_ok=True), path)


def discard(path: Path) -> None:
    """Delete a temporary file or folder. One that can't be deleted is left to the next start, which tidies up."""
    try:
        remove(path)
    except OSError:
        log.warning("%s can't be deleted", path, exc_info=True)
        shutil.rmtree(path, ignore_errors=True)  # the rest of a folder


def sha256(
    path: Path,
    expected: int | None = None,
    *,
    stop: threading.Event | None = None,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Return the SHA-256 of a regular file, read from its medium if the platform can be told to do that.

    Arguments and errors are those of `open_regular` and `stream`.
    """
    with open_regular(path, expected) as reader:
        if sys.platform == "linux":  # what the cache holds may not be what the medium holds
            os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return stream(reader, stop=stop, advance=advance)


def link_or_copy(source: Path, target: Path) -> None:
    """Bring a file into another folder of its disk, without copying it if the file system can. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        with open_regular(source) as reader, open_new(target) as writer:
            stream(reader, writer)


def make_private(path: Path) -> None:
    """Have only the user read a file or folder, as far as its file system knows users; a link is left alone.

    On Windows, nothing is done: a folder of the user's profile is private there, and hands that down.
    """
    if sys.platform != "win32":
        with suppress(OSError):
            mode = path.lstat().st_mode
            if stat.S_IMODE(mode) & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.chmod(stat.S_IMODE(mode) & 0o700)


def begin_writing(file: BinaryIO) -> None:
    """Have the medium begin with a file that was written, if the platform can be told to do that, and don't wait.

    Linux then also chooses its place now. Later, it would do so file by file, and note each by itself.
    """
    file.flush()
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync(path: Path) -> None:
    """Make what a file holds durable, or the names in a folder if the platform can. Raises OSError."""
    is_folder = path.is_dir()
    if is_folder and sys.platform == "win32":
        return
    # Windows syncs only what may be written; nobody may write to a folder.
    descriptor = os.open(path, os.O_RDONLY) if is_folder else _opened(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        faults.winerror(error)
        raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder durably if there is none; the one above it must be there.

    Raises OSError, also if something else has its name, such as a link to a folder.
    """
    if not has_folder(folder):
        patiently(folder.mkdir, folder)
        sync(folder.parent)


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name on its disk; a file may replace another one. Raises OSError."""
    # Windows denies access then, as it does where a file is open.
    if sys.platform == "win32" and is_folder(target) and not is_folder(source):
        raise UnfitError(target, "it is not a regular file")
    patiently(lambda: source.replace(target), source, target)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, durably; a file may replace another one. Raises OSError."""
    move(source, target)
    sync(target.parent)
    # Linux's FAT notes where the content begins, under the new name, only when the file or folder itself is synced; a
    # power cut before that leaves an empty one. If it were synced first, a power cut before the names were would leave
    # two names for the same content, and when the one is tidied up, the other would lose it.
    # If the system writes the file's entry by itself in between, as it does when there is much to write, this sync
    # finds nothing to do, and the entry may reach the medium only half a minute later. A batch's folder may be renamed
    # all the same: if it is empty then, it is copied again from the spool, where the newest batch stays; and the entry
    # of the next one, beside it, takes it along to the medium. Nothing else on a drive may depend on a new name.
    sync(target)


def append(path: Path, line: str) -> None:
    """Add a line of ASCII to a private file, which is made if there is none. Raises OSError."""
    with os.fdopen(_opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "wb") as file:
        file.write(f"{line}\n".encode("ascii"))
    make_private(path)


def _looked_at(path: Path) -> os.stat_result:
    """Look at a file or folder. Raises OSError, also if it is a link or one of Windows's junctions."""
    found = path.lstat()
    is_junction = sys.platform == "win32" and found.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
    if stat.S_ISLNK(found.st_mode) or is_junction:
        raise UnfitError(path, "it is a link, and links are not followed")
    return found


def _regular(path: Path, found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise UnfitError(path, "it is not a regular file")
    return found


def _opened(path: Path, flags: int) -> int:
    """Open a file or folder of a folder, neither of them a link, though somebody swap them for one now."""
    _looked_at(path.parent)
    if sys.platform == "win32":
        descriptor = patiently(lambda: os.open(path, flags | os.O_BINARY | os.O_NOINHERIT), path)
        try:
            _looked_at(path)  # it was none before, and nobody can rename it while it is open
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        # A pipe is opened without waiting for somebody at its other end.
        return os.open(path.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666, dir_fd=folder)
    finally:
        os.close(folder)
