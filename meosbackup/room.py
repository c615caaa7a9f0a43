"""Room made on the drive or in the spool, by what `retention` says may go."""

import logging
from datetime import datetime
from pathlib import Path

from meosbackup import batch, retention, spool
from meosbackup.batch import Stored
from meosbackup.retention import Kept

log = logging.getLogger(__name__)

PIN_FILE = "PINNED"


def used_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder take; one that stands in two batches counts once."""
    found = [entry.lstat() for entry in folder.rglob("*") if entry.is_file()]
    return sum({(file.st_dev, file.st_ino): file.st_size for file in found}.values())


def make(root: Path, missing: int, now: datetime) -> list[datetime]:
    """Remove batches to gain `missing` bytes, as far as retention lets them go; return when those were taken.

    Reference dumps that no batch names any more go with them. What is no batch is never touched. Raises OSError.
    """
    if missing <= 0:
        return []
    before = used_bytes(root)
    removed: list[datetime] = []
    for kept in retention.expendable(map(_kept, batch.find(root).batches), missing, now):
        log.info("removing %s, taken %s, to make room", kept.folder, kept.taken)
        spool.remove(kept.folder)
        removed.append(kept.taken)
    spool.remove_unnamed_references(root)
    log.info("%d bytes were missing; %d were gained", missing, before - used_bytes(root))
    return removed


def _kept(stored: Stored) -> Kept:
    # A file of the spool that another batch shares is freed with the last of them.
    sizes = [entry.lstat() for entry in stored.folder.iterdir()]
    frees = sum(found.st_size // max(1, found.st_nlink) for found in sizes)
    return retention.kept_from(stored, frees=frees, pinned=(stored.folder / PIN_FILE).exists())
