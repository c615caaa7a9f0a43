"""Dumps written as each dump program writes them, and read back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from meosbackup.dump import reader
from meosbackup.dump.reader import Table
from meosbackup.dump.rows import Row, Value

COMPLETED = b"\n-- Dump completed\n"
ESCAPES = {0: b"\\0", 10: b"\\n", 13: b"\\r", 26: b"\\Z", 34: b'\\"', 39: b"\\'", 92: b"\\\\"}


@dataclass(frozen=True)
class Style:
    """How a dump program writes rows: what it puts between them, and how it writes bytes."""

    after_values: bytes = b"\n"
    between: bytes = b",\n"
    a_statement_each: bool = False
    column_list: bool = False
    hex_blob: bool = True
    binary_mark: bytes = b""
    line_end: bytes = b"\n"


MARIADB = Style()
MYSQL = Style(after_values=b" ", between=b",", binary_mark=b"_binary ")
STYLES = {
    "mariadb": MARIADB,
    "mariadb raw": replace(MARIADB, hex_blob=False),
    "mysql": MYSQL,
    "mysql raw": replace(MYSQL, hex_blob=False),
    "a statement each": replace(MARIADB, after_values=b" ", a_statement_each=True),
    "column list": replace(MARIADB, after_values=b" ", column_list=True),
    "windows": replace(MARIADB, line_end=b"\r\n"),
    "windows, one line": replace(MYSQL, hex_blob=False, line_end=b"\r\n"),
}
every_style = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
styles = st.sampled_from(list(STYLES.values()))
in_all_styles = settings(max_examples=3 * settings().max_examples)
"""For tests of which each example draws a style: the more examples."""


def quoted(content: bytes) -> bytes:
    return b"'" + b"".join(ESCAPES.get(byte, bytes([byte])) for byte in content) + b"'"


def literal(value: Value, style: Style) -> bytes:
    match value:
        case None:
            return b"NULL"
        case int():
            return b"%d" % value
        case str():
            return quoted(value.encode())
        case _ if style.hex_blob and value:
            return b"0x" + value.hex().upper().encode()
        case _:
            return style.binary_mark + quoted(value)


def name(text: str) -> bytes:
    return b"`" + text.replace("`", "``").encode() + b"`"


def statements(table: Table, rows: Sequence[Row], style: Style = MARIADB) -> bytes:
    """Write a table as a dump program does."""
    lines = b",\n".join(b"  " + name(column) + b" longtext DEFAULT NULL" for column in table.columns)
    engine = (table.engine or "").encode()
    text = b"CREATE TABLE " + name(table.name) + b" (\n" + lines + b"\n) ENGINE=" + engine + b" DEFAULT CHARSET=utf8;\n"
    tuples = [b"(" + b",".join(literal(value, style) for value in row) + b")" for row in rows]
    columns = b" (" + b", ".join(map(name, table.columns)) + b")" if style.column_list else b""
    insert = b"INSERT INTO " + name(table.name) + columns + b" VALUES" + style.after_values
    for group in [[row] for row in tuples] if style.a_statement_each else [tuples] if tuples else []:
        text += insert + style.between.join(group) + b";\n"
    return (text + b"UNLOCK TABLES;\n").replace(b"\n", style.line_end)


def contents(path: Path, wanted: Callable[[str], bool] = lambda _: True) -> list[tuple[Table, list[Row]]]:
    tables: list[tuple[Table, list[Row]]] = []
    for table, row in reader.read(path, wanted):
        if row is None:
            tables.append((table, []))
        else:
            assert tables[-1][0] is table
            tables[-1][1].append(row)
    return tables
