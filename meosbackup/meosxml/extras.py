"""What of a MeOS file is packed in the database: custom lists, maps, images and automatic tasks.

After MeOS's sources (github.com/melinsoftware/meos): oEvent::save, MachineContainer::load and save, Encoder92.
"""

import logging
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from meosbackup.dump import reader
from meosbackup.dump.rows import Value
from meosbackup.meosxml import tags, wellformed
from meosbackup.meosxml.tags import escaped

log = logging.getLogger(__name__)

IMAGE_TABLE = "oimage"

_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_EMPTY_LISTS = "<Lists>\n</Lists>\n"
_NUMBER = re.compile(r"-?\d{1,20}")
_ALL_IDS = 1 << 64

# The 92 characters of an encoded image: those of ASCII that XML needs no escape for, and the tab.
_DIGITS = "! #$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\t"
_PAIRS = [_DIGITS[number % 92] + _DIGITS[number // 92] for number in range(1 << 13)]
_BLOCK = struct.Struct("<QIB")  # 13 bytes, which are 16 characters
_BLOCKS_AT_ONCE = 1 << 12


def pieces(lists: Value, maps: Value, machines: Value, dumps: list[Path]) -> Iterator[str]:
    """Yield a file's end: custom lists, maps, the images that these use, and automatic tasks.

    `dumps` are those that may hold the race's images. Raises BadDumpError and OSError.
    """
    custom, drawn = _embedded(lists, "Lists"), _embedded(maps, "Maps")
    yield custom or _EMPTY_LISTS
    yield drawn
    yield from _images(custom + drawn, dumps)
    yield "<Machines>\n"
    yield from _machines(_text(machines))
    yield "</Machines>\n"


def encoded(image: bytes) -> Iterator[str]:
    """Encode the bytes of an image as MeOS does: their number, and 13 bits in two characters each."""
    yield f"{len(image)}:"
    for start in range(0, len(image), _BLOCK.size * _BLOCKS_AT_ONCE):
        part = image[start : start + _BLOCK.size * _BLOCKS_AT_ONCE]
        padded = part + bytes(-len(part) % _BLOCK.size)
        yield "".join([
            _PAIRS[low & 4095 | (top & 1) << 12] + _PAIRS[low >> 12 & 4095 | (top & 2) << 11]
            + _PAIRS[low >> 24 & 4095 | (top & 4) << 10] + _PAIRS[low >> 36 & 4095 | (top & 8) << 9]
            + _PAIRS[low >> 48 & 4095 | (top & 16) << 8] + _PAIRS[high & 4095 | (top & 32) << 7]
            + _PAIRS[high >> 12 & 4095 | (top & 64) << 6]
            + _PAIRS[high >> 24 | low >> 60 << 8 | (top & 128) << 5]
            for low, high, top in _BLOCK.iter_unpack(padded)
        ])  # fmt: skip


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _embedded(value: Value, tag: str) -> str:
    """Return the XML that a column holds, without its first line; nothing if it isn't what it should be."""
    text = tags.fit(_DECLARATION.sub("", _text(value), count=1)).strip()
    if not text:
        return ""
    if fault := wellformed.fault([text.encode()], tag):
        log.warning("the column %s is left out: it %s", tag, fault)
        return ""
    return f"{text}\n"


def _images(used_in: str, dumps: list[Path]) -> Iterator[str]:
    """Yield the images whose Id is named in custom lists or maps, as MeOS does; others may come from deleted maps."""
    named = {int(number) % _ALL_IDS for number in _NUMBER.findall(used_in)}
    parts: dict[int, dict[int, bytes]] = {}
    names: dict[int, str] = {}
    for dump in dumps if named else []:
        places: dict[str, int] = {}
        for table, row in reader.read(dump, lambda name: name.lower() == IMAGE_TABLE):
            if row is None:
                places = {column.lower(): place for place, column in enumerate(table.columns)}
                continue
            identity, name, part, image = (
                row[places[column]] if column in places else None for column in ("id", "filename", "part", "image")
            )
            if isinstance(identity, int) and identity in named and image:
                number = part if isinstance(part, int) else 0
                parts.setdefault(identity, {})[number] = image if isinstance(image, bytes) else str(image).encode()
                names[identity] = _text(name)
    if not parts:
        return
    yield "<Images>\n"
    for identity in sorted(parts):
        yield f'<Image filename="{escaped(names[identity])}" id="{identity}">'
        yield from encoded(b"".join(parts[identity][part] for part in sorted(parts[identity])))
        yield "</Image>\n"
    yield "</Images>\n"


def _machines(packed: str) -> Iterator[str]:
    """Unpack automatic tasks: of each its kind, its name and its settings, with `$` between them."""
    parts = packed.split("$") if packed else []
    for place in range(0, len(parts) - 1, 3):
        kind, name, settings = (*parts[place : place + 3], "")[:3]
        yield f'<Machine type="{escaped(kind)}" name="{escaped(_unpacked(name))}">\n'
        words = settings.split("|")
        for key, value in zip(words[::2], words[1::2], strict=False):
            if value and tags.is_tag(key):
                yield f"<{key}>{escaped(_unpacked(value))}</{key}>\n"
        yield "</Machine>\n"


def _unpacked(text: str) -> str:
    return re.sub("%(.?)", lambda escape: {"1": "|", "2": "$", "3": "%"}.get(escape[1], ""), text, flags=re.DOTALL)
