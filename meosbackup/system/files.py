"""Files and folders: looked at without following links, read and copied in pieces, and made durable."""

import errno
import hashlib
import io
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from meosbackup.errors import StoppedError

PARTIAL = ".partial"
"""What the name of a file or folder ends with until it is whole."""

_PIECE = 1 << 20
"""Bytes between two looks at `stop`, and between two syncs: half a second's worth on a slow stick."""


def is_folder(path: Path) -> bool:
    """Tell whether this is a folder: not a link to one, and not a thing that the system can't look at."""
    try:
        return stat.S_ISDIR(_looked_at(path).st_mode)
    except OSError:
        return False


def listed(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; nothing if it can't be listed, since no file in it can be read then."""
    try:
        return sorted(folder.iterdir()) if is_folder(folder) else []
    except OSError:
        return []


def size(path: Path) -> int:
    """Return the size of a regular file in bytes. Raises OSError, also if it is a link or not a regular file."""
    found = _looked_at(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return found.st_size


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading. Raises OSError, also if it is a link or not a regular file."""
    size(path)
    return path.open("rb")


def stream(
    reader: IO[bytes],
    writer: IO[bytes] | None = None,
    *,
    is_durable: bool = False,
    stop: threading.Event | None = None,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Read a file to its end in pieces, and return the SHA-256 of what was read in hexadecimal digits.

    Each piece goes to `writer`, if there is one, and with `is_durable` onto its medium before the next is read.
    `advance` is told the bytes of each piece. Raises OSError, and StoppedError once `stop` is set.
    """
    digest = hashlib.sha256()
    while piece := reader.read(_PIECE):
        if stop is not None and stop.is_set():
            raise StoppedError
        digest.update(piece)
        if writer is not None:
            writer.write(piece)
            if is_durable:
                writer.flush()
                os.fsync(writer.fileno())
        if advance is not None:
            advance(len(piece))
    return digest.hexdigest()


def sha256(
    path: Path, *, stop: threading.Event | None = None, advance: Callable[[int], None] | None = None
) -> str:  # fmt: skip
    """Return the SHA-256 of a regular file, read from its medium if the platform can be told to do that.

    Arguments and errors are those of `stream`.
    """
    with open_regular(path) as reader:
        if sys.platform == "linux":  # what the cache holds may not be what the medium holds
            os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return stream(reader, stop=stop, advance=advance)


def link_or_copy(source: Path, target: Path) -> None:
    """Bring a file into another folder of its disk, without copying it if the file system can. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        with open_regular(source) as reader, target.open("wb") as writer:
            stream(reader, writer)


def sync(path: Path) -> None:
    """Make what a file holds durable, or the names in a folder if the platform can. Raises OSError."""
    if not path.is_dir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    elif sys.platform != "win32":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder durably if there is none; the one above it must be there. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir()
        sync(folder.parent)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, durably; a file may replace another one. Raises OSError."""
    source.replace(target)
    sync(target.parent)
    # Linux's FAT notes where the content begins, under the new name, only when the file or folder itself is synced; a
    # power cut before that leaves an empty one. If it were synced first, a power cut before the names were would leave
    # two names for the same content, and when the one is tidied up, the other would lose it.
    sync(target)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            stream(io.BytesIO(content), file, is_durable=True)
        rename(partial, path)
    except OSError:
        with suppress(OSError):  # a full drive takes the removal, one that is gone can't
            partial.unlink(missing_ok=True)
        raise


def _looked_at(path: Path) -> os.stat_result:
    """Look at a file or folder. Raises OSError, also if it is a link or one of Windows's junctions."""
    found = path.lstat()
    is_junction = sys.platform == "win32" and found.st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
    if stat.S_ISLNK(found.st_mode) or is_junction:
        raise OSError(errno.ELOOP, "it is a link, and links are not followed")
    return found
