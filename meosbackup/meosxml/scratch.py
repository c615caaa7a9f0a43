"""The written rows of a file in the making: they come in the dump's order, and are read in MeOS's."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from meosbackup.dump.rows import Value

_PIECE = 1 << 18
_IN_MEMORY = 1 << 20


class Scratch:
    """Rows, one table after the other, in memory while they are few and then in a file without a name.

    Little is held of each row: nothing, or of one with a key, its place.
    """

    def __init__(self, folder: Path) -> None:
        """Use this folder, but nothing in it until there are rows."""
        self._folder = folder
        self._spans: dict[str, tuple[int, int]] = {}
        self._places: dict[Value, tuple[int, int]] = {}
        self._end = 0

    @cached_property
    def _file(self) -> "tempfile.SpooledTemporaryFile[bytes]":
        return tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._folder))

    def __contains__(self, table: str) -> bool:
        """Tell whether a table began."""
        return table in self._spans

    def begin(self, table: str) -> None:
        """Begin a table."""
        self._table = table
        self._spans[table] = self._end, self._end

    def add(self, rows: Sequence[bytes]) -> None:
        """Add rows of the last table."""
        self._end += self._file.write(b"".join(rows))
        self._spans[self._table] = self._spans[self._table][0], self._end

    def add_keyed(self, rows: Sequence[tuple[Value, bytes]]) -> None:
        """Add rows of the last table that can be read by their keys; of several with the same key, the last one."""
        at = self._end
        for key, row in rows:
            self._places[key] = at, len(row)
            at += len(row)
        self.add([row for _, row in rows])

    def pieces(self, table: str) -> Iterator[bytes]:
        """Yield the rows of a table, some at a time; a row may be cut."""
        start, end = self._spans.get(table, (0, 0))
        for at in range(start, end, _PIECE):
            yield self._read(at, min(end - at, _PIECE))

    def keyed(self, key: Value) -> bytes:
        """Return the row with a key; nothing if there is none."""
        return self._read(*self._places[key]) if key in self._places else b""

    def keyed_otherwise(self, keys: Collection[Value]) -> Iterator[bytes]:
        """Yield the rows that have another key than these."""
        return (self.keyed(key) for key in self._places if key not in keys)

    def close(self) -> None:
        """Let go of the rows."""
        if "_file" in self.__dict__:
            self._file.close()
        self._places = {}

    def _read(self, at: int, count: int) -> bytes:
        self._file.seek(at)
        return self._file.read(count)
