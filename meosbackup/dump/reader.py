"""The one reader of dumps: a dump is read once, and each sink takes from that pass what it wants.

The rows of tables that no sink wants are never parsed, and a line as long as a row with a map in it is never held as a
whole unless its values are wanted.
"""

import re
import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from meosbackup.dump import rows
from meosbackup.dump.rows import INSERT, NAME, InsertReader, Literals, Row, RowMemory, UnfitError
from meosbackup.dump.scanner import Kind, Piece, scan, unquoted
from meosbackup.errors import DumpFailedError, StoppedError
from meosbackup.system import files


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
    """What takes part in a pass over a dump. Each method does nothing here; a sink overrides those that it needs.

    What it makes of a row may depend on its `basis`.
    """

    kinds: Collection[Kind] = ()
    """The kinds of statements whose pieces it takes."""
    basis: Hashable = None

    @property
    def is_sound(self) -> bool:
        """Whether what it made of the rows of this pass can be used again."""
        return True

    def take_piece(self, piece: Piece) -> None:
        """Take each piece of its kinds of statements, in order, before the tables and rows that end in it."""

    def take_table(self, table: Table) -> Collection[str] | None:
        """Take a table's definition; return the columns that are wanted of its rows, or None to pass these over."""

    def made_of(self, columns: Sequence[Literals]) -> Sequence[Any]:
        """Return what some rows of the last table come to, given their wanted columns, one at least, in its order.

        For each row, it must depend on nothing but its values, the table and `basis`: it may be remembered.
        """
        return [None] * len(columns[0])

    def take_rows(self, made: Sequence[Any]) -> None:
        """Take what was made of some rows of the last table, in their order."""

    def take_end(self, *, is_completed: bool) -> None:
        """Take note that all was read, and whether the dump ends with the line that ends a whole one."""

    def close(self) -> None:
        """Let go of what is held, after the end or where the dump can't be read."""


_USUAL = 1 << 15
"""Bytes of a definition that is worth to be known again."""
_TABLE = re.compile(rb"CREATE TABLE (" + NAME + rb") \(\r?\n")
_COLUMN = re.compile(rb"^  (" + NAME + rb") (\w*)", re.MULTILINE)
_ENGINE = re.compile(rb"^\)[^'\n]*? ENGINE=(\w+)", re.MULTILINE)  # MySQL may name a tablespace before it


def read_through(
    path: Path, sinks: Sequence[Sink], stop: threading.Event | None = None, memory: RowMemory | None = None
) -> None:
    """Read a dump once, and let each sink take from it what it wants.

    The rows that `memory` has from a pass before aren't read again, but taken as what they came to then.

    Raises BadDumpError if a statement breaks off or can't be understood, OSError if the file can't be read,
    StoppedError if `stop` is set before the end, and what a sink raises.
    """
    pass_ = _Pass(sinks, stop)
    if memory is not None:
        memory.begin()
    try:
        with files.open_regular(path) as dump:
            for _, made in _tables(path.name, pass_.shown(scan(dump)), pass_.wanted, memory):
                for sink, of_sink in zip(pass_.takers, zip(*made or (), strict=True), strict=False):
                    sink.take_rows(of_sink)
        for sink in sinks:
            sink.take_end(is_completed=pass_.is_completed)
        if memory is not None and all(sink.is_sound for sink in sinks):
            memory.keep()
    finally:
        for sink in sinks:
            sink.close()


def read(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[Table, Row | None]]:
    """Yield each table of a dump with None, and then the same table with each of its rows.

    The rows of a table whose name isn't `wanted` are passed over. A column that an INSERT leaves out is None.
    Raises BadDumpError if a statement breaks off or can't be understood, OSError if the file can't be read.
    """

    def all_of(table: Table) -> _Wanted | None:
        return _Wanted(table.columns, _values) if wanted(table.name) else None

    with files.open_regular(path) as dump:
        for table, made in _tables(path.name, scan(dump), all_of, None):
            yield from ((table, row) for row in ((None,) if made is None else made))


_Making: TypeAlias = Callable[[Sequence[Literals]], Sequence[Any]]


@dataclass(frozen=True)
class _Wanted:
    """What is wanted of a table's rows: these columns, and what is made of them for each row.

    `basis` is all that this depends on beside the row and the table.
    """

    columns: Collection[str]
    made_of: _Making
    basis: Hashable = None


def _values(columns: Sequence[Literals]) -> Sequence[Row]:
    return list(map(rows.values, zip(*columns, strict=True)))


def _tables(
    name: str, pieces: Iterator[Piece], wanted: Callable[[Table], _Wanted | None], memory: RowMemory | None
) -> Iterator[tuple[Table, Sequence[Any] | None]]:
    """Yield each table with None, and then with what is made of its rows, some at a time."""
    table, lines, offset = Table("", (), None), list[bytes](), 0
    of_table: _Wanted | None = None
    insert: InsertReader | None = None
    piece: Piece | None = None
    for piece in pieces:
        try:
            if piece.kind is Kind.TABLE:
                lines.append(piece.data)
                if piece.ends:
                    table, lines = _table(b"".join(lines)), []
                    of_table = wanted(table)
                    yield table, None
            elif piece.kind is Kind.INSERT:
                if piece.begins:
                    insert = _insert(piece, table, of_table, memory)
                if insert is not None and (made := insert.ended_in(piece)):
                    yield table, made
        except UnfitError as error:
            raise _bad(BadDumpError, name, offset, str(error)) from error
        offset += len(piece.data)
    if piece is not None and not piece.ends and piece.kind in {Kind.INSERT, Kind.TABLE, Kind.TRIGGER}:
        raise _bad(CutShortError, name, offset, "it breaks off amid a statement")


def _bad(kind: type[BadDumpError], name: str, offset: int, why: str) -> BadDumpError:
    return kind(
        f"The dump {name} can't be read near byte {offset}: {why}.",
        "It does not count as a good dump.",
        "Use another dump of this database, or make a new one.",
    )


def _table(definition: bytes) -> Table:
    return (_understood if len(definition) <= _USUAL else _understood.__wrapped__)(definition)


@lru_cache(256)  # from tick to tick, most are the same
def _understood(definition: bytes) -> Table:
    found, columns, engines = _TABLE.match(definition), _COLUMN.findall(definition), _ENGINE.findall(definition)
    if found is None or not columns:
        raise UnfitError("a CREATE TABLE can't be understood")
    return Table(
        unquoted(found[1]), tuple(unquoted(name) for name, _ in columns), engines[-1].decode() if engines else None,
        tuple(kind.decode("ascii", "replace").lower() for _, kind in columns),
    )  # fmt: skip


def _insert(piece: Piece, table: Table, wanted: _Wanted | None, memory: RowMemory | None) -> InsertReader | None:
    """Return what reads the rows of an INSERT that begins; None if they aren't wanted."""
    insert = INSERT.match(piece.data)
    if insert is None or unquoted(insert[1]) != table.name:
        raise UnfitError("an INSERT is not for the table before it")
    if wanted is None:
        return None
    key = (table, table.types, wanted.basis)
    return InsertReader(insert, table.columns, wanted.columns, wanted.made_of, memory, key)


class _Pass:
    """Brings sinks and what is read together."""

    def __init__(self, sinks: Sequence[Sink], stop: threading.Event | None) -> None:
        self._sinks = sinks
        self._stop = stop
        self.takers: list[Sink] = []
        self.is_completed = False

    def shown(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Hand on the pieces, each of them shown to the sinks that take its kind."""
        takers = {kind: [sink.take_piece for sink in self._sinks if kind in sink.kinds] for kind in Kind}
        for number, piece in enumerate(pieces):
            if self._stop is not None and self._stop.is_set():
                raise StoppedError
            for take in takers[piece.kind]:
                take(piece)
            if not piece.data.isspace():
                self.is_completed = piece.kind is Kind.COMPLETED and number > 0
            yield piece

    def wanted(self, table: Table) -> _Wanted | None:
        """Return what any sink wants of a table; None if none of them wants any row."""
        each = [(sink, columns) for sink in self._sinks if (columns := sink.take_table(table)) is not None]
        self.takers = [sink for sink, _ in each]
        if not each:
            return None
        every = frozenset[str]().union(*(columns for _, columns in each))
        given = [column for column in table.columns if column in every]
        makers = [_making(sink, given, frozenset(columns)) for sink, columns in each]
        basis = tuple((type(sink), sink.basis) for sink in self.takers)
        return _Wanted(every, lambda some: list(zip(*(made_of(some) for made_of in makers), strict=True)), basis)


def _making(sink: Sink, given: Sequence[str], wanted: Collection[str]) -> _Making:
    """Return what has a sink make of rows what it makes of its own among the columns that are read."""
    places = [place for place, column in enumerate(given) if column in wanted]
    return lambda columns: sink.made_of([columns[place] for place in places])
