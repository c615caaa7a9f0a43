"""The rows of a dump's INSERT statements, and the values in them.

What a row comes to for those who read it is remembered from one pass to the next by the row's own bytes: from tick to
tick, nearly all rows of a race stay as they were.
"""

import re
from binascii import unhexlify
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from itertools import filterfalse
from typing import Any, TypeAlias, TypeVar

from meosbackup.dump.scanner import Piece, unquoted

# NULL is None; a number that isn't an integer keeps its text; a blob, and a quoted value that isn't UTF-8, is bytes.
Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Value, ...]
Literals: TypeAlias = Sequence[bytes]
"""Values of a row, or of a column, as the dump writes them."""
Made = TypeVar("Made")

NAME = rb"`(?:[^`]|``)+`"
_COLUMN_LIST = rb"(?: \((" + NAME + rb"(?:, ?" + NAME + rb")*)\))?"
INSERT = re.compile(rb"INSERT INTO (" + NAME + rb")" + _COLUMN_LIST + rb" VALUES(?: |\r?\n)")
# Possessive, for a literal can be read in one way only; but in single characters alone, since Python before 3.11.5
# (Debian 12 has 3.11.2) loses its place in other possessive repeats.
CONTENT = rb"[^'\\\n]*+(?:(?:\\[^\n]|'')[^'\\\n]*+)*"
_TEXT = rb"'" + CONTENT + rb"'"
_TAIL = rb"(?:\.\d++)?(?:[eE][-+]?\d++)?"
_LITERAL = (
    rb"(?:[1-9]\d*+" + _TAIL + rb"|" + _TEXT + rb"|0(?:x[0-9A-Fa-f]*+|\d*+" + _TAIL + rb")|NULL|-\d++" + _TAIL
    + rb"|_binary ?" + _TEXT + rb"|[xX]'[0-9A-Fa-f]*+')"
)  # fmt: skip
_ANY_LITERAL = re.compile(_LITERAL)
_ROW = re.compile(rb"\((?:" + _LITERAL + rb",)*" + _LITERAL + rb"\)(?:[,;]\r?\n|,)")
_ROW_ENDS = frozenset({b"),", b");"})
_NULL = b"NULL"
_COMMON: dict[bytes, Value] = {b"0": 0, b"''": "", _NULL: None}  # NULL, and what most values of a race are
_ESCAPE = re.compile(rb"[\\'](.)", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}

_TOGETHER = 1 << 9
"""Rows that are taken apart at once: so few that their literals stay in the processor's cache."""
_MOST_KNOWN = 1 << 11
_SHORT = 64
"""Bytes of a literal that is worth to be known again, as there may be many of it."""


class UnfitError(Exception):
    """What isn't as a dump program writes it."""


class RowMemory:
    """What the rows of one database came to in the pass before, by their own bytes; `size` is the bytes of these.

    `room` tells how many bytes more may be remembered. A table for which that isn't enough is not remembered at all.
    """

    def __init__(self, room: Callable[[], int]) -> None:
        """Begin with nothing remembered."""
        self._room = room
        self._before: dict[Hashable, dict[bytes, Any]] = {}
        self.begin()

    def begin(self) -> None:
        """Begin a pass."""
        self.size = 0
        self._now: dict[Hashable, dict[bytes, Any] | None] = {}

    def known(self, key: Hashable) -> dict[bytes, Any]:
        """Return what the rows of a table came to; `key` is all that this depends on beside the rows."""
        return self._before.get(key, {})

    def noted(self, key: Hashable, count: int) -> dict[bytes, Any] | None:
        """Return where to note what `count` more bytes of a table's rows come to; None if there is no room."""
        table = self._now.setdefault(key, {})
        if table is not None and count > self._room():
            self.size -= sum(map(len, table))
            table = self._now[key] = None
        if table is not None:
            self.size += count
        return table

    def keep(self) -> None:
        """Remember from now on what was noted in this pass, and nothing else."""
        self._before = {key: table for key, table in self._now.items() if table}


class InsertReader:
    """Reads the rows of one INSERT, piece after piece, as what `made_of` makes of the wanted columns of some of them.

    Raises UnfitError, here and later, if a row isn't one of this table.
    """

    def __init__(
        self,
        insert: re.Match[bytes],
        columns: Sequence[str],
        wanted: Collection[str],
        made_of: Callable[[Sequence[Literals]], Sequence[Any]],
        memory: RowMemory | None,
        key: Hashable,
    ) -> None:
        """Begin after the statement's head; `columns` are the table's. The `key` is as in `RowMemory.known`."""
        self._table = unquoted(insert[1])
        named = columns if insert[2] is None else tuple(map(unquoted, re.findall(NAME, insert[2])))
        if not set(named) <= set(columns):
            raise self._unfit()
        self._width = len(named)
        self._places = [named.index(one) if one in named else -1 for one in columns if one in wanted]
        self._made_of = made_of
        self._memory, self._key = memory, (key, named)
        self._known = memory.known(self._key) if memory else {}
        self._valid = set(_COMMON)
        self._is_by_line = insert[0].endswith(b"\n")
        self._begun = list[bytes]()
        self._at = insert.end()

    def ended_in(self, piece: Piece) -> list[Any]:
        """Return what the rows of the lines that end in a piece come to."""
        self._begun.append(piece.data)
        if b"\n" not in piece.data:
            return []
        text, at = b"".join(self._begun), self._at
        end = text.rindex(b"\n") + 1
        self._begun, self._at = [text[end:]], max(0, at - end)
        noted = self._memory.noted(self._key, end) if self._memory else None
        lines = text[at:end] if self._is_by_line else text[at:end].replace(b"),(", b"),\n(")
        rows = lines.split(b"\n")[:-1]
        made = self._made(rows)
        if made is None:
            rows = list(self._told_apart(text, at, end))
            made = self._made(rows)
        if made is None:
            raise self._unfit()
        if noted is not None:
            noted.update(zip(rows, made, strict=True))
        return made

    def _told_apart(self, text: bytes, at: int, end: int) -> Iterator[bytes]:
        """Yield rows without their line ends, whatever stands in their texts. Raises UnfitError."""
        while at < end:
            row = _ROW.match(text, at, end)
            if row is None:
                raise self._unfit()
            yield row[0].rstrip(b"\n")
            at = row.end()

    def _made(self, rows: list[bytes]) -> list[Any] | None:
        """Return what rows come to; None if one isn't a row."""
        found = list(map(self._known.get, rows))
        new = [place for place, made in enumerate(found) if made is None]
        for start in range(0, len(new), _TOGETHER):
            some = new[start : start + _TOGETHER]
            columns = self._columns([rows[place] for place in some])
            if columns is None:
                return None
            missing = [_NULL] * len(some)
            wanted = [columns[place] if place >= 0 else missing for place in self._places]
            for place, made in zip(some, self._made_of(wanted), strict=True):
                found[place] = made
        return found

    def _columns(self, rows: list[bytes]) -> list[list[bytes]] | None:
        """Return the literals of rows by column; None if one isn't a row.

        Nearly always, commas alone tell the literals apart: that is ten times as fast.
        """
        found = list[bytes]()
        for row in rows:
            close = row.rfind(b")")
            first, *parts = row[1:close].split(b", ")
            literals = first.split(b",")
            for part in parts:  # a blank after a comma: that stands in a text, `Larsson, Anna`
                rest, *more = part.split(b",")
                literals[-1] += b", " + rest
                literals += more
            if len(literals) != self._width or row[:1] != b"(" or row[close:].rstrip() not in _ROW_ENDS:
                literals = _ANY_LITERAL.findall(row) if _ROW.fullmatch(row + b"\n") else []
                if len(literals) != self._width:
                    return None
            found += literals
        columns, every = list[list[bytes]](), set[bytes]()
        for place in range(self._width):
            column = found[place :: self._width]
            alone = column[:1] if is_uniform(column) else None
            columns.append(alone * len(rows) if alone else column)
            every.update(alone or column)
        unknown = list(filterfalse(bytes.isdigit, every - self._valid))
        if not all(map(_ANY_LITERAL.fullmatch, unknown)):
            return None
        if len(self._valid) > _MOST_KNOWN:
            self._valid.clear()
        self._valid.update([literal for literal in unknown if len(literal) <= _SHORT])
        return columns

    def _unfit(self) -> UnfitError:
        return UnfitError(f"a row doesn't fit table {self._table!r:.80}")


def is_uniform(column: Literals) -> bool:
    """Return whether all literals of a column are the same, as in most columns; there must be one."""
    return column.count(column[0]) == len(column)


def each(column: Literals, made: Callable[[bytes], Made]) -> Iterator[Made]:
    """Yield what is made of each literal of a column: of those that are equal, only once."""
    known = {literal: made(literal) for literal in set(column)}
    return map(known.__getitem__, column)


def values(row: Literals) -> Row:
    """Return the values of a row."""
    return tuple(map(value, row))


def value(literal: bytes) -> Value:
    """Return the value of a literal."""
    if literal in _COMMON:
        return _COMMON[literal]
    if literal.startswith(b"'"):
        return _text(_unquoted(literal))
    if literal.startswith((b"0x", b"x", b"X")):
        digits = literal[2:].rstrip(b"'")
        return unhexlify(b"0" * (len(digits) % 2) + digits)
    if literal.startswith(b"_binary"):
        return _unquoted(literal.removeprefix(b"_binary").lstrip())
    try:
        return int(literal)
    except ValueError:
        return literal.decode()


def _text(text: bytes) -> Value:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _unquoted(literal: bytes) -> bytes:
    content = literal[1:-1]
    if b"\\" in content or b"'" in content:
        content = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), content)
    return content
