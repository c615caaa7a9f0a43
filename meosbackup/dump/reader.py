"""A dump read back, as a stream: its tables, columns and rows.

mysqldump escapes every line end within a value, so a dump is followed line by line, and the rows of tables that nobody
asked for are never parsed. A line can be as long as a row with a map in it, so lines are read in pieces.
"""

import os
import re
import threading
from binascii import unhexlify
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeAlias

from meosbackup.batch.model import Freshness
from meosbackup.errors import DumpFailedError, StoppedError

# NULL is None; a number that is no integer keeps its text; a blob, and a quoted value that is no UTF-8, is bytes.
Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Value, ...]
Literals: TypeAlias = Sequence[bytes]

PIECE = 1 << 18  # bytes of a long line that are read at once

_NAME = rb"`(?:[^`]|``)+`"
_TABLE = re.compile(rb"CREATE TABLE (" + _NAME + rb") \(\r?\n")
_COLUMN = re.compile(rb"  (" + _NAME + rb") (\w*)")
_ENGINE = re.compile(rb"\)[^']*? ENGINE=(\w+)")  # MySQL may name a tablespace before it
_COLUMN_LIST = rb"(?: \((" + _NAME + rb"(?:, ?" + _NAME + rb")*)\))?"
_INSERT = re.compile(rb"INSERT INTO (" + _NAME + rb")" + _COLUMN_LIST + rb" VALUES(?: |\r?\n)")
# Possessive, for a literal can be read in one way only; but in single characters alone, since Python before 3.11.5
# (Debian 12 has 3.11.2) loses its place in other possessive repeats.
_TEXT = rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*'"
_TAIL = rb"(?:\.\d++)?(?:[eE][-+]?\d++)?"
_LITERAL = (
    rb"(?:[1-9]\d*+" + _TAIL + rb"|" + _TEXT + rb"|0(?:x[0-9A-Fa-f]*+|\d*+" + _TAIL + rb")|NULL|-\d++" + _TAIL
    + rb"|_binary ?" + _TEXT + rb"|[xX]'[0-9A-Fa-f]*+')"
)  # fmt: skip
_ANY_LITERAL = re.compile(_LITERAL, re.DOTALL)
_ROW_END = rb"\)(?:[,;]\r?\n|,)"
_ROW = re.compile(rb"\((?:" + _LITERAL + rb",)*" + _LITERAL + _ROW_END, re.DOTALL)
_NULL = b"NULL"
_COMMON: dict[bytes, Value] = {b"0": 0, b"''": "", _NULL: None}  # NULL, and what most values of a race are
_ESCAPE = re.compile(rb"[\\'](.)", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"%": b"\\%", b"_": b"\\_"}
_STATEMENT_ENDS = (b";\n", b";\r\n")
_CHARACTER_SET = re.compile(rb"SET NAMES '?(\w+)")
_COMPLETED = re.compile(rb"\n-- Dump completed[^\n]*\s*\Z")
# The tables whose rows tell when a race last changed: oMonitor and oCounter say nothing about it.
_RACE_TABLES = {"oevent", "orunner", "oteam", "oclass", "oclub", "ocourse", "ocontrol", "ocard", "opunch"}
_TELLING_COLUMNS = frozenset({"modified", "removed", "finishtime"})


class BadDumpError(DumpFailedError):
    """A dump that breaks off, or that isn't what mysqldump writes."""


@dataclass(frozen=True)
class Table:
    """A table of a dump; names as the dump spells them. `types` are the columns' types in lower case: `varchar`."""

    name: str
    columns: tuple[str, ...]
    engine: str | None
    types: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Contents:
    """What a dump holds: its tables as it spells them, whether it is whole, and a race's freshness (its time in UTC).

    `rows` counts the rows, deleted ones too, of the tables that the freshness is read from, by lower-case name.
    """

    tables: tuple[str, ...]
    completed: bool
    rows: Mapping[str, int]
    freshness: Freshness | None


def read(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[Table, Row | None]]:
    """Yield each table of a dump with None, and then the same table with each of its rows.

    The rows of a table whose name isn't `wanted` are passed over. A column that an INSERT leaves out is None.
    Raises BadDumpError where a statement breaks off or can't be understood, OSError where the file can't be read.
    """
    for table, literals in _read(path, wanted):
        if literals is None:
            yield table, None
        else:
            yield table, tuple([_COMMON[one] if one in _COMMON else _value(one) for one in literals])


def _read(
    path: Path, wanted: Callable[[str], bool], picked: frozenset[str] | None = None
) -> Iterator[tuple[Table, Literals | None]]:
    """Read a dump as `read` does; values are as the dump writes them.

    Where columns are `picked`, by their lower-case names, a row holds those alone that its table has: to tell rows
    apart, and to take little of each, is twice as fast.
    """
    with path.open("rb", PIECE) as dump:
        table, is_wanted = Table("", (), None), False
        while piece := dump.readline(PIECE):
            if piece.startswith(b"INSERT "):
                insert = _INSERT.match(piece)
                if insert is None or _name(insert[1]) != table.name:
                    raise _bad(dump, "an INSERT is not for the table before it")
                if is_wanted:
                    yield from ((table, row) for row in _rows(dump, _line(dump, piece), insert, table, picked))
                else:
                    _skip(dump, piece, _STATEMENT_ENDS)
            elif piece.startswith(b"CREATE TABLE "):
                table = _table(dump, _line(dump, piece))
                is_wanted = wanted(table.name)
                yield table, None
            elif piece.startswith(b"DELIMITER ;;"):  # a trigger: its lines are anything, an INSERT too
                _skip(dump, piece, (b"DELIMITER ;\n", b"DELIMITER ;\r\n"))
            else:
                while piece and not piece.endswith(b"\n"):
                    piece = dump.readline(PIECE)


def inspect(path: Path, stop: threading.Event | None = None) -> Contents:
    """Read what a dump holds, in one pass.

    Raises BadDumpError and OSError as `read` does, and StoppedError where `stop` is set before the end.
    """
    tables, rows = list[str](), dict[str, int]()
    present, finished, changes = Counter[str](), 0, set[bytes]()
    for table, row in _read(path, lambda name: name.lower() in _RACE_TABLES, _TELLING_COLUMNS):
        if stop is not None and stop.is_set():
            raise StoppedError
        if row is None:
            tables.append(table.name)
            name = table.name.lower()
            if name in _RACE_TABLES:
                rows.setdefault(name, 0)
            columns = [column.lower() for column in table.columns if column.lower() in _TELLING_COLUMNS]
            places = {column: place for place, column in enumerate(columns)}
            modified, removed, finish = (places.get(column, -1) for column in ("modified", "removed", "finishtime"))
            continue
        cells = [*row, _NULL]  # a column that another version of MeOS doesn't have is at -1
        rows[name] += 1
        changes.add(cells[modified])
        if not _value(cells[removed]):
            present[name] += 1
            finished += name == "orunner" and isinstance(time := _value(cells[finish]), int) and time > 0
    last_change = max(filter(None, map(_moment, map(_value, changes))), default=None)
    freshness = Freshness(last_change, present["orunner"], finished, present["ocard"], present["opunch"])
    return Contents(tuple(tables), is_completed(path), rows, freshness if "orunner" in rows else None)


def _bad(dump: BinaryIO, why: str) -> BadDumpError:
    return BadDumpError(
        f"The dump {Path(dump.name).name} can't be read near byte {dump.tell()}: {why}.",
        "It is not counted as a good dump.",
        "Use another dump of this database, or make it anew.",
    )


def _line(dump: BinaryIO, begun: bytes = b"") -> bytes:
    """Return a whole line of a statement, of which `begun` is read already."""
    line = begun if begun.endswith(b"\n") else begun + dump.readline()
    if not line.endswith(b"\n"):
        raise _bad(dump, "it breaks off amid a statement")
    return line


def _skip(dump: BinaryIO, piece: bytes, ends: tuple[bytes, ...]) -> None:
    """Read on to the end of the first line that ends with one of `ends`; `piece` begins a line."""
    while not piece.endswith(ends):
        if not (more := dump.readline(PIECE)):
            raise _bad(dump, "it breaks off amid a statement")
        piece = more if piece.endswith(b"\n") else piece[-16:] + more  # an end may stand across two pieces


def _table(dump: BinaryIO, line: bytes) -> Table:
    """Read a CREATE TABLE, whose first line is given, to its end."""
    table, columns, types, engine = _TABLE.fullmatch(line), [], [], None
    while not line.endswith(_STATEMENT_ENDS):
        line = _line(dump)
        if column := _COLUMN.match(line):
            columns.append(_name(column[1]))
            types.append(column[2].decode("ascii", "replace").lower())
        engine = _ENGINE.match(line) or engine
    if table is None or not columns:
        raise _bad(dump, "a CREATE TABLE can't be understood")
    return Table(_name(table[1]), tuple(columns), engine and engine[1].decode(), tuple(types))


def _rows(
    dump: BinaryIO, line: bytes, insert: re.Match[bytes], table: Table, picked: frozenset[str] | None
) -> Iterator[Literals]:
    """Yield the rows of an INSERT, whose first line is given, to its end."""
    named = table.columns if insert[2] is None else tuple(map(_name, re.findall(_NAME, insert[2])))
    fits = set(named) <= set(table.columns)
    columns, given = (
        [column for column in every if picked is None or column.lower() in picked] for every in (table.columns, named)
    )
    places = [given.index(column) if column in given else -1 for column in columns]
    taken = tuple(place for place, column in enumerate(named) if column in given)
    pattern = _ROW if picked is None else _picking(len(named), taken)
    position = insert.end()
    while True:
        while position < len(line):
            row = pattern.match(line, position)
            literals: Literals = () if row is None else row.groups()
            if row is not None and picked is None:
                literals = _ANY_LITERAL.findall(line, position, row.end())
            if row is None or len(literals) != len(given) or not fits:
                raise _bad(dump, f"a row doesn't fit table {table.name!r:.80}")
            yield literals if given == columns else [(*literals, _NULL)[place] for place in places]
            position = row.end()
        if line.endswith(_STATEMENT_ENDS):
            return
        line, position = _line(dump), 0


@cache
def _picking(width: int, taken: tuple[int, ...]) -> re.Pattern[bytes]:
    """Return what matches a row of so many values, with a group for each of those at some places."""
    pattern, before = rb"\(", 0
    for place in range(width):
        if place in taken or place == width - 1:
            pattern += (
                rb"(?:%b,){%d}" % (_LITERAL, place - before) + (rb"(%b)" if place in taken else rb"%b") % _LITERAL
            )
            pattern, before = pattern + (rb"," if place < width - 1 else rb""), place + 1
    return re.compile(pattern + _ROW_END, re.DOTALL)


def _name(quoted: bytes) -> str:
    return quoted[1:-1].replace(b"``", b"`").decode("utf-8", "replace")


def _value(literal: bytes) -> Value:
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


def _unquoted(literal: bytes) -> bytes:
    content = literal[1:-1]
    if b"\\" in content or b"'" in content:
        content = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), content)
    return content


def _moment(value: Value) -> datetime | None:
    """Read a Modified, which the dump's SET TIME_ZONE makes UTC; a zero date is none."""
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def is_completed(path: Path) -> bool:
    """Tell whether a dump ends with the line that ends a whole one. Raises OSError."""
    with path.open("rb") as dump:
        dump.seek(-min(1024, dump.seek(0, os.SEEK_END)), os.SEEK_END)
        return _COMPLETED.search(dump.read()) is not None


def character_set(path: Path) -> str:
    """Return the character set that a dump says it is in, `utf8mb4` where it says none. Raises OSError."""
    with path.open("rb") as dump:
        found = _CHARACTER_SET.search(dump.read(4096))
    return found[1].decode().lower() if found else "utf8mb4"
