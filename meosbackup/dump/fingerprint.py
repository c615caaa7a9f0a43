"""What the tables of a dump hold, as digests: they compare dumps of different servers and dump programs."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from meosbackup.dump import reader
from meosbackup.dump.reader import Sink, Table
from meosbackup.dump.rows import Literals, Value, values


@dataclass(frozen=True)
class TableDigest:
    """The number of a table's rows, and hexadecimal digits that depend on what they hold but not on their order."""

    rows: int
    digest: str


class Fingerprint(Sink):
    """Digests each table, as a sink of a pass over a dump.

    Equal contents have equal digests whichever dump program wrote them: a blob in hexadecimal digits or quoted, names
    in whichever case.
    """

    def __init__(self) -> None:
        """Begin with no table."""
        self._rows, self._sums = Counter[str](), Counter[str]()

    def take_table(self, table: Table) -> Collection[str] | None:
        """Digest the columns' names."""
        self._name = table.name.lower()
        self._columns = hashlib.sha256(b"".join(_canonical(column.lower()) for column in table.columns))
        self._rows[self._name] += 0
        self._sums[self._name] += self._digest(b"")
        return table.columns

    def made_of(self, columns: Sequence[Literals]) -> list[int]:
        """Return the digests of rows."""
        return [self._digest(b"".join(map(_canonical, values(row)))) for row in zip(*columns, strict=True)]

    def take_rows(self, made: Sequence[int]) -> None:
        """Count rows, and add up their digests: equal rows would undo each other under XOR."""
        self._rows[self._name] += len(made)
        self._sums[self._name] += sum(made)

    def digests(self) -> dict[str, TableDigest]:
        """Return, for each table's lower-case name, a digest of its columns' names and of its rows in any order."""
        return {name: TableDigest(rows, f"{self._sums[name] % (1 << 256):064x}") for name, rows in self._rows.items()}

    def _digest(self, data: bytes) -> int:
        digest = self._columns.copy()
        digest.update(data)
        return int.from_bytes(digest.digest(), "big")


def table_digests(*paths: Path) -> dict[str, TableDigest]:
    """Return the digests of the tables of dumps by lower-case name; those of a table that two dumps have are added up.

    Raises BadDumpError and OSError.
    """
    fingerprint = Fingerprint()
    for path in paths:
        reader.read_through(path, [fingerprint])
    return fingerprint.digests()


def differing_tables(one: Mapping[str, TableDigest], other: Mapping[str, TableDigest]) -> tuple[str, ...]:
    """Return the names of the tables whose digests differ, or that only one of them has."""
    return tuple(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def _canonical(value: Value) -> bytes:
    """Return bytes that no other value begins with, but for a text and the blob of its UTF-8."""
    if value is None:
        return b"-"
    if isinstance(value, int):
        return b"#%d;" % value
    data = value.encode() if isinstance(value, str) else value
    return b"%d:%b" % (len(data), data)
