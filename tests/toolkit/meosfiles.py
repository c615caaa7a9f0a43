"""Files in MeOS's own format, as MeOS makes them and as a test looks into them."""

import lzma
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from meosbackup.dump.reader import Table
from meosbackup.dump.rows import Row, Value
from meosbackup.meosxml import convert, wellformed
from meosbackup.meosxml.convert import Source
from tests.toolkit.dumps import COMPLETED, MYSQL, Style, statements
from tests.toolkit.servers import DATA

NEVER = threading.Event()
VERSION = 101
LISTS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n\n\n<Lists>\n<MeOSListDefinition version="5.0">\n'
    '<ListName>Start&amp;Ziel «Список»</ListName>\n<ListPost type="Image">\n<Text>17</Text>\n</ListPost>\n'
    "</MeOSListDefinition>\n</Lists>\n"
)
MAPS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n\n\n<Maps>\n<Map>\n<mapid>18446744073709551615</mapid>\n<top>12.5</top>\n'
    "</Map>\n</Maps>\n"
)


def made_by_meos(race: str) -> bytes:
    packed = DATA / f"{race}.meosxml.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (DATA / f"{race}.meosxml").read_bytes()


def converted(dump: Path, version: int = VERSION, **more: Any) -> bytes:
    target = dump.with_suffix(".meosxml") if dump.parent != DATA else Path("never")
    written = convert.convert(Source(dump, version, **more), target, NEVER)
    data = target.read_bytes()
    assert written.bytes == len(data)
    return data


def tree(data: bytes) -> ET.Element:
    assert wellformed.fault([data], "meosdata") == ""
    return ET.fromstring(data)


def in_style(tables: Sequence[tuple[Table, Sequence[Row]]], style: Style) -> bytes:
    return b"".join(statements(table, rows, style) for table, rows in tables) + COMPLETED


def race_of(tmp_path: Path, rows: Mapping[str, Mapping[str, Value]], types: str = "longtext") -> Path:
    """Write the dump of a race with one row in each of the tables."""
    dump = tmp_path / "race.sql"
    tables: dict[str, Mapping[str, Value]] = {"oEvent": {"Id": 1, "Name": "Race"}, "oRunner": {"Id": 1}, **rows}
    text = in_style([(Table(name, tuple(row), "MyISAM"), [tuple(row.values())]) for name, row in tables.items()], MYSQL)
    dump.write_bytes(text.replace(b"longtext", types.encode()))
    return dump


def decoded(text: str) -> bytes:
    """Decode an image as MeOS does (Encoder92::decode92), one bit after the other."""
    digits = [chr(code) for code in range(32, 127) if chr(code) not in '"&<>'] + ["\t"]
    digits[0], digits[1] = digits[1], digits[0]
    size, _, body = text.partition(":")
    data = bytearray()
    for start in range(0, len(body), 16):
        sextets, extra = [], 0
        for pair in range(8):
            low, high = body[start + 2 * pair], body[start + 2 * pair + 1]
            number = digits.index(low) + 92 * digits.index(high)
            sextets += [number & 63, number >> 6 & 63]
            extra |= number >> 12 << pair
        first = sum(sextet << 6 * place for place, sextet in enumerate(sextets[:10])) | (sextets[15] >> 2) << 60
        second = sum(sextet << 6 * place for place, sextet in enumerate(sextets[10:15])) | (sextets[15] & 3) << 30
        data += first.to_bytes(8, "little") + second.to_bytes(4, "little") + extra.to_bytes(1, "little")
    assert len(data) - int(size) in range(13)
    return bytes(data[: int(size)])
