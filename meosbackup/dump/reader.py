"""The one reader of dumps: a dump is read once, and each sink takes from that pass what it wants.

The rows of tables that no sink wants are never parsed, and a line as long as a row with a map in it is never held as a
whole unless its values are wanted.
"""

import re
import threading
from binascii import unhexlify
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

from meosbackup.dump.scanner import Kind, Piece, scan, unquoted
from meosbackup.errors import DumpFailedError, StoppedError
from meosbackup.system import files

# NULL is None; a number that isn't an integer keeps its text; a blob, and a quoted value that isn't UTF-8, is bytes.
Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Value, ...]
Literals: TypeAlias = Sequence[bytes]
"""A row's values as the dump writes them."""


class BadDumpError(DumpFailedError):
    """A dump that breaks off, or that isn't what mysqldump writes."""


class CutShortError(BadDumpError):
    """A dump that ends in the middle of a statement."""


@dataclass(frozen=True)
class Table:
    """A table of a dump; names as the dump spells them. `types` are the columns' types in lower case: `varchar`."""

    name: str
    columns: tuple[str, ...]
    engine: str | None
    types: tuple[str, ...] = field(default=(), compare=False)


class Sink:
    """What takes part in a pass over a dump. Each method does nothing here; a sink overrides those that it needs."""

    def take_piece(self, piece: Piece) -> None:
        """Take each piece of the file, in order, before the tables and rows that end in it."""

    def take_table(self, table: Table) -> Collection[str] | None:
        """Take a table's definition; return the columns whose values are wanted of its rows, None to pass them over."""

    def take_row(self, row: Literals) -> None:
        """Take the wanted values of a row of the last table, in the order of its columns."""

    def take_end(self, *, is_completed: bool) -> None:
        """Take note that all was read, and whether the dump ends with the line that ends a whole one."""

    def close(self) -> None:
        """Let go of what is held, after the end or where the dump can't be read."""


NAME = rb"`(?:[^`]|``)+`"
_TABLE = re.compile(rb"CREATE TABLE (" + NAME + rb") \(\r?\n")
_COLUMN = re.compile(rb"  (" + NAME + rb") (\w*)")
_ENGINE = re.compile(rb"\)[^']*? ENGINE=(\w+)")  # MySQL may name a tablespace before it
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
_ROW_END = rb"\)(?:[,;]\r?\n|,)"
_ROW = re.compile(rb"\((?:" + _LITERAL + rb",)*" + _LITERAL + _ROW_END)
_NULL = b"NULL"
_COMMON: dict[bytes, Value] = {b"0": 0, b"''": "", _NULL: None}  # NULL, and what most values of a race are
_ESCAPE = re.compile(rb"[\\'](.)", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}


def read_through(path: Path, sinks: Sequence[Sink], stop: threading.Event | None = None) -> None:
    """Read a dump once, and let each sink take from it what it wants.

    Raises BadDumpError if a statement breaks off or can't be understood, OSError if the file can't be read,
    StoppedError if `stop` is set before the end, and what a sink raises.
    """
    pass_ = _Pass(sinks, stop)
    try:
        with files.open_regular(path) as dump:
            for _, row in _tables(path.name, pass_.shown(scan(dump)), pass_.wanted):
                if row is not None:
                    for take in pass_.takers:
                        take(row)
        for sink in sinks:
            sink.take_end(is_completed=pass_.is_completed)
    finally:
        for sink in sinks:
            sink.close()


def read(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[Table, Row | None]]:
    """Yield each table of a dump with None, and then the same table with each of its rows.

    The rows of a table whose name isn't `wanted` are passed over. A column that an INSERT leaves out is None.
    Raises BadDumpError if a statement breaks off or can't be understood, OSError if the file can't be read.
    """
    with files.open_regular(path) as dump:
        pieces = scan(dump)
        for table, row in _tables(path.name, pieces, lambda table: table.columns if wanted(table.name) else None):
            yield table, None if row is None else values(row)


def values(row: Literals) -> Row:
    """Return the values of a row."""
    return tuple([_COMMON[one] if one in _COMMON else value(one) for one in row])


def value(literal: bytes) -> Value:
    """Return the value of a literal."""
    if literal in _COMMON:
        return _COMMON[literal]
    if literal.startswith((b"0x", b"x", b"X")):
        digits = literal[2:].rstrip(b"'")
        return unhexlify(b"0" * (len(digits) % 2) + digits)
    if literal.startswith(b"_binary"):
        return _unquoted(literal.removeprefix(b"_binary").lstrip())
    try:
        return _unquoted(literal).decode() if literal.startswith(b"'") else int(literal)
    except UnicodeDecodeError:
        return _unquoted(literal)
    except ValueError:
        return literal.decode()


def _tables(
    name: str, pieces: Iterator[Piece], wanted: Callable[[Table], Collection[str] | None]
) -> Iterator[tuple[Table, Literals | None]]:
    """Yield each table with None, and then with the `wanted` values of each of its rows, in its columns' order."""
    table, lines, offset = Table("", (), None), list[bytes](), 0
    columns: Collection[str] | None = None
    rows: _Rows | None = None
    piece: Piece | None = None
    for piece in pieces:
        try:
            if piece.kind is Kind.TABLE:
                lines.append(piece.data)
                if piece.ends:
                    table, lines = _table(lines), []
                    columns = wanted(table)
                    yield table, None
            elif piece.kind is Kind.INSERT:
                if piece.begins:
                    rows = _rows(piece, table, columns)
                for row in rows.ended_in(piece) if rows else ():
                    yield table, row
        except _UnfitError as error:
            raise _bad(BadDumpError, name, offset, str(error)) from error
        offset += len(piece.data)
    if piece is not None and not piece.ends and piece.kind in {Kind.INSERT, Kind.TABLE, Kind.TRIGGER}:
        raise _bad(CutShortError, name, offset, "it breaks off amid a statement")


class _UnfitError(Exception):
    """What isn't as a dump program writes it."""


def _bad(kind: type[BadDumpError], name: str, offset: int, why: str) -> BadDumpError:
    return kind(
        f"The dump {name} can't be read near byte {offset}: {why}.",
        "It does not count as a good dump.",
        "Use another dump of this database, or make a new one.",
    )


def _table(lines: list[bytes]) -> Table:
    found, engine = _TABLE.fullmatch(lines[0]), None
    columns = [column for line in lines if (column := _COLUMN.match(line))]
    for line in lines:
        engine = _ENGINE.match(line) or engine
    if found is None or not columns:
        raise _UnfitError("a CREATE TABLE can't be understood")
    types = tuple(column[2].decode("ascii", "replace").lower() for column in columns)
    names = tuple(unquoted(column[1]) for column in columns)
    return Table(unquoted(found[1]), names, engine and engine[1].decode(), types)


class _Pass:
    """Brings sinks and what is read together."""

    def __init__(self, sinks: Sequence[Sink], stop: threading.Event | None) -> None:
        self._sinks = sinks
        self._stop = stop
        self.takers: list[Callable[[Literals], None]] = []
        self.is_completed = False

    def shown(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Hand on the pieces, each of them shown to every sink."""
        for number, piece in enumerate(pieces):
            if self._stop is not None and self._stop.is_set():
                raise StoppedError
            for sink in self._sinks:
                sink.take_piece(piece)
            if not piece.data.isspace():
                self.is_completed = piece.kind is Kind.COMPLETED and number > 0
            yield piece

    def wanted(self, table: Table) -> Collection[str] | None:
        """Return the columns that any sink wants; None if none of them wants any row."""
        each = [(sink, columns) for sink in self._sinks if (columns := sink.take_table(table)) is not None]
        every = frozenset[str]().union(*(columns for _, columns in each))
        given = [column for column in table.columns if column in every]
        self.takers = [_taking(sink, given, frozenset(columns)) for sink, columns in each]
        return every if each else None


def _taking(sink: Sink, given: Sequence[str], wanted: Collection[str]) -> Callable[[Literals], None]:
    """Return what hands a sink its own among the values that are read of each row."""
    places = [place for place, column in enumerate(given) if column in wanted]
    if len(places) == len(given):
        return sink.take_row
    return lambda row: sink.take_row([row[place] for place in places])


def _rows(piece: Piece, table: Table, wanted: Collection[str] | None) -> "_Rows | None":
    """Return what reads the rows of an INSERT that begins; None if they aren't wanted."""
    insert = INSERT.match(piece.data)
    if insert is None or unquoted(insert[1]) != table.name:
        raise _UnfitError("an INSERT is not for the table before it")
    return None if wanted is None else _Rows(table, insert, wanted)


class _Rows:
    """Reads the rows of one INSERT, piece after piece."""

    def __init__(self, table: Table, insert: re.Match[bytes], wanted: Collection[str]) -> None:
        named = table.columns if insert[2] is None else tuple(map(unquoted, re.findall(NAME, insert[2])))
        self._table = table
        if not set(named) <= set(table.columns):
            raise self._unfit()
        columns, given = ([column for column in every if column in wanted] for every in (table.columns, named))
        self._width = len(named)
        self._is_whole = len(given) == len(named)
        self._order = None if given == columns else [given.index(one) if one in given else -1 for one in columns]
        taken = tuple(place for place, column in enumerate(named) if column in wanted)
        self._pattern = _ROW if self._is_whole else _picking(len(named), taken)
        self._begun = list[bytes]()
        self._at = insert.end()

    def ended_in(self, piece: Piece) -> Iterator[Literals]:
        """Yield the rows of the lines that end in a piece."""
        self._begun.append(piece.data)
        if b"\n" not in piece.data:
            return
        text, at = b"".join(self._begun), self._at
        end = text.rindex(b"\n") + 1
        self._begun, self._at = [text[end:]], max(0, at - end)
        match, width, order, is_whole = self._pattern.match, self._width, self._order, self._is_whole
        while at < end:
            row = match(text, at, end)
            if row is None:
                raise self._unfit()
            literals: Literals = _ANY_LITERAL.findall(text, at, row.end()) if is_whole else row.groups()
            if is_whole and len(literals) != width:
                raise self._unfit()
            yield literals if order is None else [(*literals, _NULL)[place] for place in order]
            at = row.end()

    def _unfit(self) -> _UnfitError:
        return _UnfitError(f"a row doesn't fit table {self._table.name!r:.80}")


@cache
def _picking(width: int, taken: tuple[int, ...]) -> re.Pattern[bytes]:
    """Return what matches a row of so many values, with a group for each of those at some places.

    To tell rows apart, and to take little of each, is twice as fast as to take all.
    """
    pattern, before = rb"\(", 0
    for place in range(width):
        if place in taken or place == width - 1:
            pattern += (
                rb"(?:%b,){%d}" % (_LITERAL, place - before) + (rb"(%b)" if place in taken else rb"%b") % _LITERAL
            )
            pattern, before = pattern + (rb"," if place < width - 1 else rb""), place + 1
    return re.compile(pattern + _ROW_END)


def _unquoted(literal: bytes) -> bytes:
    content = literal[1:-1]
    if b"\\" in content or b"'" in content:
        content = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), content)
    return content
