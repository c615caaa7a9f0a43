"""The text changes that make a dump restore on other servers too, made while it is copied."""

import hashlib
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.errors import StoppedError

_PIECE = 1 << 18  # bytes of a long line that are read at once
# MariaDB's first line, which other clients don't understand; collations that other servers don't know, and the lines
# that define a database, a table or a column with them (seen: 360 restores between 5 servers).
_LAST_LINE = b"-- Dump completed"
_NEW_TABLE = b"-- Table structure for table "
_SANDBOX = (b"/*M!999999", b"/*!999999")
_COLLATION = re.compile(rb"(COLLATE[ =])(utf8mb4|utf8mb3|utf8|ucs2|utf16|utf32)_(?:\w+_)?(?:0900|uca1400)_(\w+)")
_NO_PAD = re.compile(rb"(COLLATE[ =]\w+?)_nopad_(ci|bin)\b")
_TELLS_CASE_APART = (b"cs", b"bin")
_COLLATED_LINES = (b") ENGINE=", b"CREATE DATABASE ", b"  `")


@dataclass(frozen=True)
class Written:
    """A file as it was written: its size in bytes, and its SHA-256 in hexadecimal digits.

    `identity` is a SHA-256 of it without one table: where it stays the same, nothing else changed.
    `longest` is its longest line: a statement, or a row.
    """

    bytes: int
    sha256: str
    identity: str = field(default="", compare=False)
    longest: int = field(default=0, compare=False)


def make_portable(
    source: Path, target: Path, stop: threading.Event | None = None, ending: bytes = b"", apart: str = ""
) -> Written:
    """Copy a dump so that it restores on other servers too, and make the copy durable.

    MariaDB's sandbox line goes, and where a database, a table or a column is defined, collations that only some
    servers know become ones that all know (`utf8mb4_uca1400_ai_ci`: `utf8mb4_general_ci`); rows stay as they are.
    `ending` is SQL that is put before the last line, which tells that the dump is whole. The table `apart`, its name in
    lower case, plays no part in the identity. Raises StoppedError where `stop` is set before the end, OSError where a
    file can't be read or written; the target is unfinished then.
    """
    digest, identity, begins_line, counts = hashlib.sha256(), hashlib.sha256(ending), True, True
    longest = length = 0
    with source.open("rb", _PIECE) as dump, target.open("wb", _PIECE) as copy:
        if not dump.readline(_PIECE).startswith(_SANDBOX):
            dump.seek(0)
        while piece := dump.readline(_PIECE):
            if stop is not None and stop.is_set():
                raise StoppedError
            if begins_line and piece.startswith(_COLLATED_LINES):
                if not piece.endswith(b"\n"):
                    piece += dump.readline()
                piece = _NO_PAD.sub(rb"\1_\2", _COLLATION.sub(_known, piece))
            elif ending and begins_line and piece.startswith(_LAST_LINE):
                piece = ending + piece
            elif begins_line and piece.startswith(_NEW_TABLE):
                counts = piece[len(_NEW_TABLE) :].lower().rstrip() != f"`{apart}`".encode()
            length = len(piece) if begins_line else length + len(piece)
            longest = max(longest, length)
            begins_line = piece.endswith(b"\n")
            copy.write(piece)
            digest.update(piece)
            if counts:
                identity.update(piece)
        copy.flush()
        os.fsync(copy.fileno())
        return Written(copy.tell(), digest.hexdigest(), identity.hexdigest(), longest)


def _known(collation: re.Match[bytes]) -> bytes:
    """Return what stands for a collation that only some servers know; what tells case apart goes on doing so."""
    kind = b"bin" if collation[3].endswith(_TELLS_CASE_APART) else b"general_ci"
    return collation[1] + collation[2] + b"_" + kind
