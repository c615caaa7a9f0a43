"""The text changes that make a dump restore on other servers too, made while it is copied."""

import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from meosbackup.dump import reader, scanner
from meosbackup.dump.reader import Sink
from meosbackup.dump.rows import RowMemory
from meosbackup.dump.scanner import PIECE, Kind, Piece
from meosbackup.system import files
from meosbackup.system.patience import patiently

# Collations that other servers don't know (seen: 360 restores between 5 servers). They are changed where a database, a
# table or a column is defined: their names stand in keys and rows for other reasons.
_COLLATION = re.compile(rb"(COLLATE[ =])(utf8mb4|utf8mb3|utf8|ucs2|utf16|utf32)_(?:\w+_)?(?:0900|uca1400)_(\w+)")
_NO_PAD = re.compile(rb"(COLLATE[ =]\w+?)_nopad_(ci|bin)\b")
_TELLS_CASE_APART = (b"cs", b"bin")
_SUSPECT = re.compile(rb"0900|uca1400|_nopad_")
_COLUMN_OR_OPTIONS = re.compile(rb"^(?:  `|\) ENGINE=|CREATE DATABASE |USE )[^\n]*", re.MULTILINE)


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
    source: Path,
    target: Path,
    stop: threading.Event | None = None,
    ending: bytes = b"",
    apart: str = "",
    sinks: Sequence[Sink] = (),
    memory: RowMemory | None = None,
) -> Written:
    """Copy a dump so that it restores on other servers too, and let sinks share the pass.

    MariaDB's sandbox line is left out, and if a database, a table or a column is defined with a collation that only
    some servers know, it becomes one that all know (`utf8mb4_uca1400_ai_ci`: `utf8mb4_general_ci`); rows stay as they
    are. `ending` is SQL that is put before the last line, which tells that the dump is whole. The table `apart`, its
    name in lower case, plays no part in the identity. The `memory` is as in `reader.read_through`.

    Raises BadDumpError, OSError and StoppedError as `reader.read_through` does; the target is unfinished then.
    """
    with patiently(lambda: target.open("wb", PIECE), target) as copy:
        portable = _Portable(copy, ending, apart)
        reader.read_through(source, [portable, *sinks], stop, memory)
        files.begin_writing(copy)  # so that there is less to wait for when the batch is made durable
        return Written(copy.tell(), portable.digest.hexdigest(), portable.identity.hexdigest(), portable.longest)


class _Portable(Sink):
    """Writes the copy."""

    kinds = frozenset(Kind)

    def __init__(self, copy: BinaryIO, ending: bytes, apart: str) -> None:
        self._copy = copy
        self._ending = ending
        self._apart = apart
        self._is_first = self._counts = True
        self._line = 0  # bytes of a line that isn't over
        self.digest, self.identity = hashlib.sha256(), hashlib.sha256(ending)
        self.longest = 0

    def take_piece(self, piece: Piece) -> None:
        data = piece.data
        if piece.kind is not Kind.INSERT:  # rows stay as they are
            data = self._changed(piece)
        self._is_first = False
        self._copy.write(data)
        self.digest.update(data)
        if self._counts:
            self.identity.update(data)
        self._measure(data, ends=piece.ends)

    def _changed(self, piece: Piece) -> bytes:
        match piece.kind:
            case Kind.SANDBOX if self._is_first:
                return b""
            case Kind.COMPLETED if piece.begins:
                return self._ending + piece.data
            case Kind.TABLE:
                if piece.begins:
                    self._counts = scanner.name_in(piece).lower() != self._apart
                return _known_everywhere(piece.data)
            case Kind.DATABASE:
                return _known_everywhere(piece.data)
        return piece.data

    def _measure(self, data: bytes, *, ends: bool) -> None:
        """Measure the lines of a piece that `ends` a statement, and so a line, or doesn't."""
        if self._line + len(data) >= self.longest:  # else there can't be a longer line
            first, *others = map(len, data.split(b"\n"))
            self.longest = max(self.longest, self._line + first + 1, max(others, default=0) + 1)
        begun = len(data) if ends else data.rfind(b"\n") + 1
        self._line = len(data) - begun + (0 if begun else self._line)


def _known_everywhere(definition: bytes) -> bytes:
    """Return the lines of a definition with collations that other servers know, too."""
    if not _SUSPECT.search(definition):
        return definition
    return _COLUMN_OR_OPTIONS.sub(
        lambda line: _NO_PAD.sub(rb"\1_\2", _COLLATION.sub(_known, line[0])), definition
    )  # fmt: skip


def _known(collation: re.Match[bytes]) -> bytes:
    """Return what stands for a collation that only some servers know; what tells case apart goes on doing so."""
    kind = b"bin" if collation[3].endswith(_TELLS_CASE_APART) else b"general_ci"
    return collation[1] + collation[2] + b"_" + kind
