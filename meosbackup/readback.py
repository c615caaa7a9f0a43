"""A file of a drive, read back from the medium and held against what was written."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from meosbackup import disks, dumpfile, inventory, wellformed
from meosbackup.batch import Freshness
from meosbackup.dumpfile import BadDumpError

_PIECE = 1 << 20


@dataclass(frozen=True)
class Reader:
    """How files are read: whom to tell of each piece, and what the files hold that were read, by their SHA-256."""

    advance: Callable[[int], None]
    known: dict[str, tuple[str, Freshness | None]] = field(default_factory=dict)


def dump(path: Path, size: int, sha256: str, reader: Reader) -> tuple[str, Freshness | None]:
    """Read a dump from the medium; return what is wrong with it (nothing: an empty text), and its freshness."""
    fault = _difference(path, size, sha256, reader.advance)
    if fault:
        return fault, None
    if sha256 not in reader.known:  # many batches hold the same dump of a race that didn't change
        try:
            contents = dumpfile.inspect(path)
            whole = "" if contents.completed else "lacks the line that ends a good dump"
            reader.known[sha256] = whole, contents.freshness
        except BadDumpError as error:
            reader.known[sha256] = f"is no good dump: {error.what}", None
        except OSError as error:
            return inventory.told(error), None
    return reader.known[sha256]


def meosxml(path: Path, size: int, sha256: str, reader: Reader) -> str:
    """Read a `.meosxml` file from the medium; return what is wrong with it (nothing: an empty text)."""
    fault = _difference(path, size, sha256, reader.advance)
    if fault:
        return fault
    if sha256 not in reader.known:
        try:
            with path.open("rb") as file:
                reader.known[sha256] = wellformed.fault(iter(partial(file.read, _PIECE), b""), "meosdata"), None
        except OSError as error:
            return inventory.told(error)
    return reader.known[sha256][0]


def _difference(path: Path, size: int, sha256: str, advance: Callable[[int], None]) -> str:
    """Tell how a file differs from what was written; an empty text where it doesn't."""
    left = size
    try:
        found = inventory.file_size(path)
        if found != size:
            return f"is {found:,} bytes long, and was {size:,}"
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
    return "" if digest.hexdigest() == sha256 else "is damaged: it holds other bytes than were written"
