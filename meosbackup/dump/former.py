"""The dump before, whose text of tables that haven't changed since is used again: the server isn't asked for it.

A dump completed like that is byte for byte what the dump program would have written of the whole database. Wherever
there is any doubt, it isn't completed, and the database is dumped as a whole.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meosbackup.mysql.identifiers import quoted

log = logging.getLogger(__name__)

_HEADING = b"\n--\n-- Table structure for table "
END = b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n"
"""With this begins what ends a dump, after its last table."""


@dataclass(frozen=True)
class Former:
    """A good dump in the spool, and the tables, as the server spells them, that are still as it has them."""

    path: Path
    sha256: str
    unchanged: frozenset[str]

    def completed(self, dump: bytes) -> bytes | None:
        """Return a new dump without the `unchanged` tables with the former text of these; None if that can't be done.

        A line that begins as a heading does can be nothing else, since the line ends of a row are escaped.
        """
        if not self.unchanged:
            return dump
        try:
            text = self.path.read_bytes()
        except OSError:
            log.warning("the dump before can't be read", exc_info=True)
            return None
        if hashlib.sha256(text).hexdigest() != self.sha256:
            log.warning("%s differs from what was written", self.path)
            return None
        former, new = _taken_apart(text), _taken_apart(dump)
        kept = {quoted(name).encode() for name in self.unchanged}
        if former.about != new.about or kept & new.tables.keys() or kept | new.tables.keys() != former.tables.keys():
            log.info("a new dump doesn't fit %s", self.path)
            return None
        tables = [new.tables.get(name) or former.tables[name] for name in former.tables]
        return b"".join((new.head, *tables, new.end))


@dataclass(frozen=True)
class _Parts:
    """A dump taken apart: what stands before its tables, the text of each by its name in back-ticks, and its end."""

    head: bytes
    tables: Mapping[bytes, bytes]
    end: bytes

    @property
    def about(self) -> list[bytes]:
        """The lines that tell of the dump program, the server and the database."""
        return [line for line in self.head.split(b"\n") if line.startswith(b"-- ")]


def _taken_apart(dump: bytes) -> _Parts:
    body, end, rest = dump.rpartition(END)
    head, *tables = body.split(_HEADING)
    return _Parts(head, {text.partition(b"\n")[0]: _HEADING + text for text in tables}, end + rest)
