"""A dump's file in pieces, each classed by the statement that it belongs to.

mysqldump escapes every line end within a value, so an INSERT ends at the first line end after a semicolon, however
long its lines are: a row with a map in it is one line.
"""

import enum
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from meosbackup.meos import relisting

PIECE = 1 << 18
"""The most bytes of a long statement that are held at once."""

_LONGEST_TABLE = 1 << 22
_AHEAD = 32  # bytes: more than any text that begins or ends a statement


class Kind(enum.Enum):
    """A kind of statement, by the pattern of how it begins. Where several fit, the first counts."""

    INSERT = rb"INSERT "
    TABLE = rb"CREATE TABLE "
    DATABASE = rb"CREATE DATABASE |USE `"
    TRIGGER = rb"DELIMITER ;;"  # anything may stand in it, an INSERT too
    RACE_LIST = re.escape(relisting.MARK)
    COMPLETED = rb"-- Dump completed"
    COMMENT = rb"--|\r?\n"  # with the blank lines around it
    SANDBOX = rb"/\*M?!999999"  # MariaDB's first line, which other clients don't understand
    OTHER = rb""


class Piece(NamedTuple):
    """A statement or comment, or a part of a long one; `begins` and `ends` tell whether it holds the ends."""

    kind: Kind
    data: bytes
    begins: bool
    ends: bool


SANDBOX_LINE = re.compile(rb"/\*M?!999999\\- enable the sandbox mode \*/ ?\r?\n")
_BEGINNING = re.compile(b"|".join(b"(?P<%b>%b)" % (kind.name.encode(), kind.value) for kind in Kind))
_KINDS = {kind.name: kind for kind in Kind}
_STATEMENT_END = re.compile(rb";\r?\n")
_TRIGGER_END = re.compile(rb"DELIMITER ;\r?\n")
_COMMENT_END = re.compile(rb"[^\n]*\n(?:(?!%b)--[^\n]*\n|\r?\n)*" % Kind.COMPLETED.value)
_LINE_WITH_NAMES = re.compile(rb"(?:[^`\n]|`[^`]*`)*\n")  # a name may hold a line end
_NAME = re.compile(rb"`((?:[^`]|``)+)`")
_CHARACTER_SET = re.compile(rb"SET NAMES '?(\w+)")


def scan(dump: BinaryIO, size: int = PIECE) -> Iterator[Piece]:
    """Yield a dump in pieces of `size` bytes or little more; a CREATE TABLE is cut only if no server would take it.

    Joined, they are the file; where a statement is cut depends on nothing but itself. Raises OSError.
    """
    window, at, is_all = b"", 0, False
    kind, begins = Kind.OTHER, True
    while True:
        if len(window) < at + size + _AHEAD and not is_all:
            more = dump.read(size + _AHEAD)
            window, at, is_all = window[at:] + more, 0, not more
            continue
        if at == len(window):
            return
        if begins and (found := _BEGINNING.match(window, at)):
            kind = _KINDS[str(found.lastgroup)]
        end = _end(kind, window, at, at + size + _AHEAD)
        while not end and kind is Kind.TABLE and not is_all and len(window) - at < _LONGEST_TABLE:
            more = dump.read(size)
            window, is_all = window + more, not more
            end = _end(kind, window, at, len(window))
        data = window[at:] if kind is Kind.TABLE and not end else window[at : end or at + size]
        ends = end > 0
        yield Piece(kind, data, begins, ends)
        at, begins = at + len(data), ends


def name_in(piece: Piece) -> str:
    """Return the first name in back-ticks, such as that of a table whose definition begins; else an empty text."""
    found = _NAME.search(piece.data)
    return unquoted(found[0]) if found else ""


def unquoted(name: bytes) -> str:
    """Return a name that stands in back-ticks."""
    return name[1:-1].replace(b"``", b"`").decode("utf-8", "replace")


def character_set(piece: Piece) -> str | None:
    """Return the character set, in lower case, that a statement says the dump is in; None if it says nothing of it."""
    found = _CHARACTER_SET.search(piece.data) if piece.kind is Kind.OTHER else None
    return found and found[1].decode("ascii", "replace").lower()


def _end(kind: Kind, window: bytes, at: int, limit: int) -> int:
    """Return where the statement ends; 0 if not before the limit."""
    if kind is Kind.INSERT or kind is Kind.TABLE or kind is Kind.TRIGGER:
        found = (_TRIGGER_END if kind is Kind.TRIGGER else _STATEMENT_END).search(window, at, limit)
        return found.end() if found else 0
    if kind is Kind.COMMENT:
        comment = _COMMENT_END.match(window, at, limit)
        return comment.end() if comment else 0
    if (kind is Kind.DATABASE or kind is Kind.RACE_LIST) and (found := _LINE_WITH_NAMES.match(window, at, limit)):
        return found.end()
    return window.find(b"\n", at, limit) + 1
