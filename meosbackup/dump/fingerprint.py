"""What the tables of a dump hold, as digests: they compare dumps of different servers and dump programs."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from meosbackup.dump import reader
from meosbackup.dump.reader import Value


@dataclass(frozen=True)
class TableDigest:
    """The number of a table's rows, and hexadecimal digits that depend on what they hold but not on their order."""

    rows: int
    digest: str


def table_digests(path: Path) -> dict[str, TableDigest]:
    """Return, for each table's lower-case name, a digest of its columns' names and of its rows in whatever order.

    Equal contents have equal digests whichever dump program wrote them: a blob in hexadecimal digits or quoted, names
    in whichever case. Raises BadDumpError and OSError as `read` does.
    """
    rows, sums = Counter[str](), Counter[str]()
    for table, row in reader.read(path):
        if row is None:
            name = table.name.lower()
            columns = hashlib.sha256(b"".join(_canonical(column.lower()) for column in table.columns))
        digest = columns.copy()
        digest.update(b"".join(map(_canonical, row or ())))
        rows[name] += row is not None
        sums[name] += int.from_bytes(digest.digest(), "big")  # a sum: equal rows would undo each other under XOR
    return {name: TableDigest(rows[name], f"{total % (1 << 256):064x}") for name, total in sums.items()}


def _canonical(value: Value) -> bytes:
    """Return bytes that no other value begins with, but for a text and the blob of its UTF-8."""
    if value is None:
        return b"-"
    if isinstance(value, int):
        return b"#%d;" % value
    data = value.encode() if isinstance(value, str) else value
    return b"%d:%b" % (len(data), data)
