"""How MeOS writes a row of one of its tables as XML: which columns are tags, which go into `<oData>`, and how.

After MeOS's own files and its sources (github.com/melinsoftware/meos): the `write` of oControl, oCourse, oClass,
oClub, oRunner, oTeam, oCard, oFreePunch and oEvent, oDataContainer::write, and xmlparser.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache, partial
from itertools import repeat
from typing import TypeAlias

from meosbackup.dump import rows
from meosbackup.dump.reader import Table
from meosbackup.dump.rows import Literals, Value

TENTHS_SINCE = 89
"""The first version of MeOS's database (dbVersion) whose times are tenths of a second; before, they are seconds."""

# What MeOS decodes when it reads: no other reference. What XML can't hold becomes a blank, as a NUL does in MeOS.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;"}
_SPECIAL = re.compile('[&<>"\x00-\x08\x0a-\x1f\ud800-\udfff\ufffe\uffff]')
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOTHING = (None, 0, "", b"")
_OK = (None, 1)
"""The InputStatus that is left out: OK. Any other is written, 0 too."""

_TIMES = frozenset({
    "zerotime", "starttime", "finishtime", "inputtime", "time", "maxtime", "difftime", "entrytime", "drawntime",
    "timeadjust", "mintime", "rtimelimit", "firststart", "startinterval",
})  # fmt: skip
_DOUBLES = frozenset({"double", "float"})
_HIDDEN = frozenset({"id", "modified", "counter", "removed"})

_MOST_KNOWN = 1 << 11
"""Values of a column, of all races, of which it is known how they are written."""
_SHORT = 64
"""Bytes of a value that may come again."""

Format = Callable[[Value], str]


@dataclass(frozen=True)
class Kind:
    """How MeOS writes the rows of a table: each as `tag`, within `group`.

    `tags` are the columns that are tags themselves, in MeOS's order, each with its tag if that has another name.
    All others go into `<oData>`, except those in `hidden`.
    """

    table: str
    group: str
    tag: str
    tags: str
    hidden: frozenset[str] = _HIDDEN
    has_data: bool = True


class _Field(dict[bytes, bytes]):
    """What is written of a column's values: each by its literal, since most come many times.

    Of the values that are `left_out`, that is nothing.
    """

    def __init__(self, tag: str, written: Format, left_out: tuple[Value, ...]) -> None:
        super().__init__()
        self._start, self._end = f"<{tag}>".encode(), f"</{tag}>\r\n".encode()
        self._written, self._left_out = written, left_out
        self._is_plain = written is plain and left_out is _NOTHING

    def __missing__(self, literal: bytes) -> bytes:
        if self._is_plain and literal.isdigit() and not literal.startswith(b"0"):
            text = self._start + literal + self._end  # as it stands there
        else:
            value = rows.value(literal)
            text = b"" if value in self._left_out else self._start + self._written(value).encode() + self._end
        if len(literal) <= _SHORT:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[literal] = text
        return text


_Fields: TypeAlias = Sequence[tuple[int, _Field]]
"""Some of a row's columns, each given with its place in the row."""


@dataclass(frozen=True)
class Writer:
    """Writes the rows of one table, given as the literals of its columns: some rows at once are faster than each."""

    kind: Kind
    places: Mapping[str, int]
    tags: _Fields
    data: _Fields

    def column(self, columns: Sequence[Literals], name: str) -> Literals:
        """Return the column with a lower-case name; NULLs if the table doesn't have it."""
        return columns[self.places[name]] if name in self.places else [b"NULL"] * len(columns[0])

    def written(self, columns: Sequence[Literals], within: bytes = b"") -> list[bytes]:
        """Return rows as XML; `within` stands before the oData of each."""
        start, end = (f"<{mark}{self.kind.tag}>\r\n".encode() if self.kind.tag else b"" for mark in ("", "/"))
        parts = [*_written(self.tags, columns), repeat(within), *self._data(columns)]
        return list(map(b"".join, zip(repeat(start, len(columns[0])), *parts, repeat(end), strict=False)))

    def _data(self, columns: Sequence[Literals]) -> Sequence[Iterable[bytes]]:
        """Return the oData of rows, in parts; if their kind has none, only what a newer MeOS may have put there."""
        start, end, parts = b"<oData>\r\n", b"</oData>\r\n", list(_written(self.data, columns))
        if self.kind.has_data:
            return repeat(start), *parts, repeat(end)
        return [[data and start + data + end for data in map(b"".join, zip(*parts, strict=True))]] if parts else []


def _written(fields: _Fields, columns: Sequence[Literals]) -> Iterator[Iterable[bytes]]:
    """Yield what is written of each row, column after column, but for those of which that is nothing."""
    for place, field in fields:
        column = columns[place]
        if not rows.is_uniform(column):
            yield map(field.__getitem__, column)
        elif text := field[column[0]]:
            yield repeat(text, len(column))


def writer(kind: Kind, table: Table, version: int, zone: tzinfo = UTC) -> Writer:
    """Return what writes the rows of a table of a race of this dbVersion.

    `zone` is that of the file's times of change; those of a dump are UTC.
    """
    return _writer(kind, table.columns, table.types, version, zone)


@lru_cache(32)  # races have the same tables from tick to tick, and most of them the same as other races
def _writer(kind: Kind, columns: tuple[str, ...], types: tuple[str, ...], version: int, zone: tzinfo) -> Writer:
    places = {column.lower(): place for place, column in enumerate(columns)}
    doubles = {column.lower() for column, type_ in zip(columns, types, strict=False) if type_ in _DOUBLES}

    def field(tag: str, column: str) -> tuple[int, _Field]:
        form = _format(column, column in doubles, version, zone)
        return places[column], _Field(tag, form, _OK if column == "inputstatus" else _NOTHING)

    named = dict(_columns(kind.tags))
    others = {
        column.lower(): column
        for column in columns
        if column.lower() not in {*named, *kind.hidden} and _TAG.fullmatch(column)
    }
    return Writer(
        kind, places, [field(tag, column) for column, tag in named.items() if column in places],
        [field(tag, column) for column, tag in others.items()],
    )  # fmt: skip


def encoded(text: str) -> bytes:
    """Encode a text of the file; MeOS writes its files on Windows."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def escaped(text: str) -> str:
    """Return a text as it is written in XML, in a tag or an attribute."""
    return _SPECIAL.sub(lambda special: _ESCAPES.get(special[0], " "), text)


def fit(text: str) -> str:
    """Return XML with a space for each character that XML can't hold."""
    return _UNFIT.sub(" ", text)


def plain(value: Value) -> str:
    """Return a value as it is written in XML; of bytes that aren't UTF-8, what can be read."""
    if isinstance(value, int):
        return str(value)
    return escaped(value.decode("utf-8", "replace") if isinstance(value, bytes) else value or "")


def is_tag(name: str) -> bool:
    """Return whether a name can be a tag."""
    return _TAG.fullmatch(name) is not None


def _columns(tags: str) -> Iterator[tuple[str, str]]:
    for tag in tags.split():
        name, _, column = tag.partition("=")
        yield (column or name).lower(), name


def _format(column: str, is_double: bool, version: int, zone: tzinfo) -> Format:
    if column == "modified":
        return partial(_stamp, zone=zone)
    if column in _TIMES and version >= TENTHS_SINCE:
        return _tenths
    if column == "birthyear":
        return _birth
    if column == "readid":
        return _signed
    return _decimal if is_double else plain


def _number(value: Value) -> int | None:
    """Return a whole number; some dump programs put it in quotes, or write it as bytes."""
    if isinstance(value, int):
        return value
    text = plain(value)
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _tenths(value: Value) -> str:
    """Write a time in seconds. -1 means no time, and -10 a second before; MeOS must be able to tell them apart."""
    time = _number(value)
    if time is None or time == -1:
        return plain(value)
    seconds, tenth = divmod(abs(time), 10)
    return f"{'-' * (time < 0)}{seconds}" + (f".{tenth}" if tenth or time == -10 else "")


def _birth(value: Value) -> str:
    """Write a year as it is, and a day such as 19910523 as a date."""
    day = _number(value)
    if day is None or day < 9999:
        return plain(value)
    return f"{day // 10000}-{day // 100 % 100:02}-{day % 100:02}"


def _signed(value: Value) -> str:
    number = _number(value)
    return plain(value) if number is None else str((number + (1 << 31)) % (1 << 32) - (1 << 31))


def _decimal(value: Value) -> str:
    """Write a number with a decimal point: without one MeOS takes it for so many of the last decimals."""
    text = plain(value)
    return text if not re.fullmatch(r"-?\d+(e.+)?", text, re.IGNORECASE) else re.sub(r"^-?\d+", r"\g<0>.", text)


@lru_cache(1 << 12)
def _stamp(value: Value, zone: tzinfo) -> str:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return moment.replace(tzinfo=UTC).astimezone(zone).strftime("%Y%m%d%H%M%S")
    except (ValueError, OverflowError):  # a zero date, or one at the end of the calendar
        return "".join(re.findall(r"\d", plain(value)))[:14]
