"""A file of a drive, read back from its medium and compared with what was written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.batch.model import Freshness, StoredFile
from meosbackup.store import inventory
from meosbackup.system import files

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
        return "" if files.sha256(path, advance=told) == meant.sha256 else DAMAGED
    except OSError as error:
        return inventory.told(error)
    finally:
        advance(max(0, left))
