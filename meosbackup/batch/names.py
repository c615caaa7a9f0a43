"""The names of folders and files: only `[A-Za-z0-9._-]`, so that FAT32, exFAT, NTFS and ext4 all allow them."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import count

from meosbackup.batch.model import RACE_LIST, Race

ROOT_FOLDER = "meosbackup"
"""The folder on a drive that holds everything that meosbackup writes to it."""
BATCH_FILE = "batch.json"
GUIDE_FILE = "RESTORE.txt"
PAGE_FILE = "RESTORE.html"
RESTORE_FILE = "restore.sql"
PROOF_FILE = "proof.json"
PIN_FILE = "PINNED"
"""A file of this name in a batch's folder keeps the batch for good."""
KEEP_FILE = "KEPT"
"""A file of this name in a batch's folder keeps the batch until the moment in its first line."""
REFERENCE_FOLDER = "reference"
DAY_FOLDER = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIME_FOLDER = re.compile(r"\d\d-\d\d-\d\d(_\d+)?", re.ASCII)

DUMP = ".dump.sql"
"""What the name of a dump ends with."""
MEOSXML = ".meosxml"
"""What the name of a race's file in MeOS's own format ends with."""

_LONGEST_STEM = 60
_DUMP_NAME = re.compile(r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.dump\.sql$", re.ASCII)
LONGEST = len(f"{ROOT_FOLDER}/2026-11-22/14-03-00_2.partial/{'x' * _LONGEST_STEM}_2026-11-22_14-03-00{DUMP}")
"""Characters below a target or in a spool, unless two races have the same long name."""

# Letters that Unicode doesn't decompose into an ASCII letter and an accent.
_ASCII_LETTERS = str.maketrans({
    "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ß": "ss", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
    "þ": "th", "Þ": "Th", "œ": "oe", "Œ": "Oe", "ı": "i",
})  # fmt: skip


def folder_name(taken: datetime) -> str:
    """Return a batch's folder below the root, `2026-11-22/14-03-00`."""
    return f"{taken:%Y-%m-%d/%H-%M-%S}"


def is_folder_name(text: str) -> bool:
    """Tell whether a text is a batch's folder below the root."""
    day, _, time = text.partition("/")
    return bool(DAY_FOLDER.fullmatch(day) and TIME_FOLDER.fullmatch(time))


def first_free(stem: str, is_free: Callable[[str], bool], ending: str = "") -> str:
    """Return the first free one of `stem`, `stem_2`, `stem_3` and so on, each with the ending."""
    return next(name for number in count(1) if is_free(name := f"{stem}{f'_{number}' if number > 1 else ''}{ending}"))


def dump_name(stem: str, taken: datetime) -> str:
    """Return the file name of a dump of this moment."""
    return f"{stem}_{taken:%Y-%m-%d_%H-%M-%S}{DUMP}"


def stem_of(dump: str) -> str:
    """Return what the name of a dump, and of other files of its race, begins with; empty if it isn't a dump's name."""
    return _DUMP_NAME.sub("", dump) if _DUMP_NAME.search(dump) else ""


def meosxml_name(dump: str) -> str:
    """Return the file name of the `.meosxml` beside a dump of this name."""
    return f"{dump.removesuffix(DUMP)}{MEOSXML}"


def reference_name(stem: str, sha256: str) -> str:
    """Return the file name of a dump of reference tables."""
    return f"{stem}_{sha256[:8]}{DUMP}"


def stems(races: Sequence[Race]) -> dict[str, str]:
    """Return, for each race's NameId, what its files' names begin with: ASCII that suits every file system.

    That is the race's name, with the NameId added if two would be the same, and the NameId alone if none of the name
    is left.
    """
    plain = {race.name_id: _ascii(race.name) or _ascii(race.name_id) or f"race_{race.id}" for race in races}
    met = _repeated([RACE_LIST, *plain.values()])
    taken: set[str] = {RACE_LIST}
    result = {}
    for race in races:
        stem = plain[race.name_id]
        if stem.lower() in met:
            stem = f"{stem}_{_ascii(race.name_id) or race.id}"
        unique = first_free(stem, lambda name: name.lower() not in taken)
        taken.add(unique.lower())
        result[race.name_id] = unique
    return result


def _ascii(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.translate(_ASCII_LETTERS)).encode("ascii", "ignore").decode()
    # No dot: to Windows, a name that begins with "COM1." is the serial port.
    return re.sub(r"[^A-Za-z0-9-]+", "_", letters)[:_LONGEST_STEM].strip("_-")


def _repeated(texts: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    repeated: set[str] = set()
    for text in texts:
        (repeated if text.lower() in seen else seen).add(text.lower())
    return repeated
