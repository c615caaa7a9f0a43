"""A file of a drive, read back from the medium and held against what was written."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.batch.model import Freshness, StoredFile
from meosbackup.store import inventory
from meosbackup.system import disks

DAMAGED = "is damaged: its contents differ from what was written"

_PIECE = 1 << 20


@dataclass(frozen=True)
class Read:
    """What reading a file came to: what is wrong with it (nothing: an empty text), and a good dump's freshness."""

    fault: str
    freshness: Freshness | None = None


@dataclass(frozen=True)
class Reader:
    """How files are read: whom to tell of each piece, and what was found in the files read, by their SHA-256."""

    advance: Callable[[int], None]
    known: dict[str, Read] = field(default_factory=dict)


def read(path: Path, meant: StoredFile, reader: Reader, look_into: Callable[[Path], Read]) -> Read:
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
    """Tell how a file differs from what was written; an empty text if it doesn't."""
    left = meant.bytes
    try:
        found = inventory.file_size(path)
        if found != meant.bytes:
            return f"is {found:,} bytes long, and was {meant.bytes:,}"
        digest = hashlib.sha256()
        with path.open("rb") as file:
            disks.forget_cached(file)
            while piece := file.read(_PIECE):
                digest.update(piece)
                advance(len(piece))
                left -= len(piece)
    except OSError as error:
        return inventory.told(error)
    finally:
        advance(max(0, left))
    return "" if digest.hexdigest() == meant.sha256 else DAMAGED
