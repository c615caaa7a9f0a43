"""Files of a batch copied to and from a drive, and read back: each compared with the SHA-256 of what was written."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from meosbackup.batch.model import Freshness, StoredFile
from meosbackup.errors import DriveFailedError, MeosBackupError
from meosbackup.store import inventory
from meosbackup.system import files, streaming
from meosbackup.system.streaming import stream

_MOST_TOGETHER = 1 << 22
"""Bytes that are written before they are made durable: two seconds' worth on a slow stick."""
_MOST_OPEN = 50
"""Files that are open at a time; some systems allow 250."""


class DamagedSourceError(MeosBackupError):
    """A file of the spool differs from what was written."""


@dataclass(frozen=True)
class Copy:
    """A file of the spool that is to be on the drive, with the SHA-256 of what was written."""

    source: Path
    target: Path
    sha256: str


def to_drive(copies: Iterable[Copy], stop: threading.Event) -> None:
    """Copy files of the spool, make the copies durable, and read them back from the drive to compare them.

    Some are written before the first of them is made durable: what the file system notes of all of them is then written
    once, and not for each.

    Raises DamagedSourceError; DriveFailedError if what is read back differs; OSError, StoppedError.
    """
    for together in _together(copies):
        with ExitStack() as opened:
            written = [_written(copy, opened, stop) for copy in together]
            for writer in written:
                streaming.make_durable(writer)
        for copy in together:
            _compare(copy, stop)


def _together(copies: Iterable[Copy]) -> Iterator[list[Copy]]:
    """Yield the files that are made durable together; a large one is alone."""
    together, room = list[Copy](), _MOST_TOGETHER
    for copy in copies:
        size = files.size(copy.source)
        if together and (size > room or len(together) == _MOST_OPEN):
            yield together
            together, room = [], _MOST_TOGETHER
        together.append(copy)
        room -= size
    if together:
        yield together


def _written(copy: Copy, opened: ExitStack, stop: threading.Event) -> BinaryIO:
    writer = opened.enter_context(files.open_new(copy.target))
    with files.open_regular(copy.source) as reader:
        streaming.copy(reader, writer, stop)
    files.begin_writing(writer)
    return writer


def _compare(copy: Copy, stop: threading.Event) -> None:
    """Compare a copy with what was written; if it differs, see whether that is the drive's fault."""
    if files.sha256(copy.target, stop=stop) == copy.sha256:
        return
    if files.sha256(copy.source, stop=stop) == copy.sha256:
        raise differs(copy.target)
    raise DamagedSourceError(
        f"The contents of {copy.source} differ from what was written.",
        "This batch is given up; the others are unchanged.",
        "Check the disk of this computer.",
    )


def differs(path: Path) -> DriveFailedError:
    """Return the words for a drive that keeps something other than what was written to it."""
    return DriveFailedError(
        f"What was read back from {path} is not what was written.",
        "The drive can't be trusted. This batch is on this computer, not on the drive.",
        "Use another drive.",
    )


def from_drive(
    source: Path, target: Path, meant: StoredFile, stop: threading.Event, advance: Callable[[int], None]
) -> bool:  # fmt: skip
    """Copy a file of a batch to the local disk; tell whether its contents are what was written.

    `advance` is told the bytes of each piece. Raises OSError, also if the file is a link, not a regular file or of
    another size; StoppedError.
    """
    with files.open_regular(source, meant.bytes) as reader:
        files.remove(target)
        with files.open_new(target) as writer:
            return stream(reader, writer, stop=stop, advance=advance) == meant.sha256


DAMAGED = "is damaged: its contents differ from what was written"


@dataclass(frozen=True)
class Read:
    """What reading a file came to: what is wrong with it (an empty text: nothing), and a good dump's freshness."""

    fault: str
    freshness: Freshness | None = None


@dataclass(frozen=True)
class Reader:
    """How files are read: `advance` is told the bytes of each piece, `known` is what was found, by SHA-256."""

    advance: Callable[[int], None]
    known: dict[str, Read] = field(default_factory=dict)


def read_back(path: Path, meant: StoredFile, reader: Reader, look_into: Callable[[Path], Read]) -> Read:
    """Read a file from the medium, compare it with what was written, and look into it.

    Many batches hold the same dump of a race that didn't change: each is read, and one of them is looked into.
    """
    fault = _difference(path, meant, reader.advance)
    if fault:
        return Read(fault)
    if meant.sha256 not in reader.known:
        try:
            reader.known[meant.sha256] = look_into(path)
        except OSError as error:
            return Read(inventory.told(error))
    return reader.known[meant.sha256]


def _difference(path: Path, meant: StoredFile, advance: Callable[[int], None]) -> str:
    """Return how a file differs from what was written; an empty text if it doesn't."""
    left = meant.bytes

    def told(count: int) -> None:
        nonlocal left
        left -= count
        advance(count)

    try:
        size = files.size(path)
        if size != meant.bytes:
            return f"is {size:,} bytes long, and was {meant.bytes:,}"
        return "" if files.sha256(path, meant.bytes, advance=told) == meant.sha256 else DAMAGED
    except OSError as error:
        return inventory.told(error)
    finally:
        advance(max(0, left))
