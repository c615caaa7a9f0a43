"""Several databases dumped by one run of the dump program, whose dump is taken apart: half of a run is its start.

A part is byte for byte what a run for its database alone would have written. Wherever there is any doubt, there are no
parts, and each database is dumped alone.
"""

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup.dump import former, mysqldump
from meosbackup.dump.former import Former
from meosbackup.dump.mysqldump import DumpProgram, TookTooLongError
from meosbackup.errors import MeosBackupError
from meosbackup.mysql.identifiers import quoted
from meosbackup.system import files

log = logging.getLogger(__name__)

_HEADING = b"\n--\n-- Current Database: "


@dataclass(frozen=True)
class Raw:
    """What the dump program wrote of a database, and when it began; `kept` are the tables from the dump before."""

    path: Path
    taken: datetime
    kept: frozenset[str] = frozenset()


def new_raw(folder: Path) -> Raw:
    """Return where a dump that begins now is to be written.

    The file isn't made yet: a virus scanner would open it, and Windows would not let the dump program in then.
    """
    return Raw(folder / f"{uuid.uuid4().hex}.raw", datetime.now().astimezone().replace(microsecond=0))


def dumped(
    program: DumpProgram,
    left_out: Mapping[str, Sequence[str]],
    formers: Mapping[str, Former],
    *,
    one_transaction: bool,
    stop: threading.Event,
) -> dict[str, Raw]:
    """Dump databases without the tables that are left out of each, into a file each in the program's folder.

    Tables that haven't changed since one of the `formers` are taken from that. Return the files by database, without
    those that can't be completed; none if anything goes wrong. Locks are held no longer than by a run for one. What is
    dumped is held in memory. Raises StoppedError, and OSError if a file can't be written.
    """
    raw = new_raw(program.folder)
    asked = {database: [*tables, *formers[database].unchanged] for database, tables in left_out.items()}
    limit = min(program.settings.lock_limit, program.settings.dump_limit)
    try:
        mysqldump.dump_several(
            program, asked, one_transaction=one_transaction, file=raw.path.name, stop=stop, limit=limit
        )  # fmt: skip
        found = {}
        for database, part in zip(left_out, taken_apart(raw.path.read_bytes(), list(left_out)), strict=False):
            if (whole := formers[database].completed(part)) is not None:
                found[database] = Raw(new_raw(program.folder).path, raw.taken, formers[database].unchanged)
                found[database].path.write_bytes(whole)
    except (MeosBackupError, FileNotFoundError) as error:
        log.info("%s are dumped one by one", ", ".join(left_out), exc_info=True)
        if isinstance(error, TookTooLongError):
            stop.wait(mysqldump.PAUSE)
        return {}
    finally:
        files.discard(raw.path)
    return found


def taken_apart(dump: bytes, databases: Sequence[str]) -> Iterator[bytes]:
    """Yield the dump of each database, in their order; nothing if the dump isn't as a dump program writes it.

    A line that begins as a heading does can be nothing else, since a row's line ends are escaped.
    """
    head, *sections = dump.split(_HEADING)
    names = [quoted(database).encode() + b"\n" for database in databases]
    about = b" Database: %b\n" % databases[0].encode()
    last, end, rest = sections[-1].rpartition(former.END) if sections else (b"", b"", b"")
    if (
        len(sections) != len(names)
        or not all(map(bytes.startswith, sections, names))
        or head.count(about) != 1
        or not end
    ):
        log.warning("the dump of %s can't be taken apart", ", ".join(databases))
        return
    for database, section in zip(databases, [*sections[:-1], last], strict=True):
        own = head.replace(about, b" Database: %b\n" % database.encode())
        yield b"".join((own, _HEADING, section, end, rest))
