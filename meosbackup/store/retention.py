"""Which batches may be deleted to make room for new ones; the same for the drive and the spool."""

import logging
import os
import stat
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meosbackup import notices
from meosbackup.batch.model import StoredBatch
from meosbackup.store import inventory, keeping, spool
from meosbackup.system.faults import HeldError

log = logging.getLogger(__name__)

_EVERY_BATCH = timedelta(minutes=60)
_ONE_EACH_TEN_MINUTES = timedelta(days=1)
_TEN_MINUTES = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_START = datetime(1970, 1, 1, tzinfo=UTC)

_MB = 1 << 20
_LARGEST_DEFAULT_RESERVE = 1 << 30


@dataclass(frozen=True)
class Kept:
    """A batch that is kept so far.

    `frees` is the bytes that deleting its folder frees; `good` are the databases whose dump in it is good, each by
    its race's NameId in lower case, the race list by its name. What is not a backup is kept for good, and doesn't
    replace one.
    """

    folder: Path
    sequence: int
    taken: datetime
    frees: int
    complete: bool
    pinned: bool
    good: frozenset[str]
    is_backup: bool = True


@dataclass(frozen=True)
class Room:
    """What was deleted to make room; and why more wasn't, though it might have been: another program has it open."""

    removed: tuple[Kept, ...] = ()
    held: tuple[HeldError, ...] = ()


def kept_from(stored: StoredBatch, *, frees: int, pinned: bool) -> Kept:
    """Return what retention must know about a batch."""
    return Kept(
        folder=stored.folder, sequence=stored.batch.sequence, taken=stored.batch.taken, frees=frees,
        complete=stored.batch.complete, pinned=pinned,
        good=frozenset(entry.key for entry in stored.batch.databases if entry.dump and entry.error is None),
        is_backup=stored.batch.is_backup,
    )  # fmt: skip


def is_kept(stored: StoredBatch, now: datetime) -> bool:
    """Tell whether a batch is never deleted: it is pinned, or kept for a while since something was lost after it."""
    return inventory.is_pinned(stored) or keeping.read(stored.folder, now) is not None


def expendable(batches: Iterable[Kept], missing: int, now: datetime) -> list[Kept]:
    """Return the batches to delete, in this order, to gain `missing` bytes; none if nothing is missing.

    The oldest come first. If all that may be deleted is not enough, all of it is returned. Never deleted are: every
    batch of the last 60 minutes, the newest of each ten minutes of the last day and of each hour before that, the
    newest batch, the newest complete one, the newest good dump of every race, what is pinned or kept for a while, and
    what a restore saved, which counts for nothing else.

    `now` is local time with its zone. Batches are as new as their `sequence` says, since a clock may be set back.
    """
    oldest_first = sorted(batches, key=lambda kept: (kept.sequence, kept.taken, kept.folder))
    staying = floor(oldest_first, now)
    chosen = []
    for kept in oldest_first:
        if missing <= 0:
            break
        if kept not in staying:
            chosen.append(kept)
            missing -= kept.frees
    return chosen


def reserve_bytes(total: int, wanted_mb: int | None) -> int:
    """Return the bytes that stay free on a drive of `total` bytes: those wanted, or 5 % of it and 1 GiB at most."""
    return min(total // 20, _LARGEST_DEFAULT_RESERVE) if wanted_mb is None else wanted_mb * _MB


def floor(oldest_first: list[Kept], now: datetime) -> set[Kept]:
    """Return the batches that are kept at a moment, however little room there is; they are sorted by sequence."""
    newest_of = {group: kept for kept in oldest_first if kept.is_backup for group in _groups(kept, now)}
    # A batch whose time is yet to come was made before the clock was set back, and may be a minute old.
    whatever_else = {
        kept for kept in oldest_first if kept.pinned or not kept.is_backup or now - kept.taken <= _EVERY_BATCH
    }
    return whatever_else | set(newest_of.values())


def _groups(kept: Kept, now: datetime) -> Iterator[Hashable]:
    """Yield the groups of batches that this one belongs to; the newest of each group is kept.

    Hours and ten minutes are counted from a fixed moment rather than back from now, and six of these make one of
    those: so the newest of an hour is never deleted while it is the newest of its ten minutes. The newest batch of all
    is the newest of its hour.
    """
    if kept.complete:
        yield "complete"
    for key in kept.good:
        yield "good dump", key
    yield "hour", (kept.taken - _START) // _HOUR
    ten_minutes = (kept.taken - _START) // _TEN_MINUTES
    if ten_minutes >= (now - _ONE_EACH_TEN_MINUTES - _START) // _TEN_MINUTES:
        yield "ten minutes", ten_minutes


def used_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder take; one that is linked into two batches counts once."""
    found = [os.lstat(f"{top}{os.sep}{name}") for top, _, names in os.walk(folder) for name in names]
    return sum({(file.st_dev, file.st_ino): file.st_size for file in found if stat.S_ISREG(file.st_mode)}.values())


def make_room(root: Path, missing: int, now: datetime) -> Room:
    """Delete batches to gain `missing` bytes, as far as they may be deleted.

    One that another program has open is passed over. Reference dumps that no batch names any more are deleted with
    them. What is not a batch is never touched. Raises OSError.
    """
    if missing <= 0:
        return Room()
    removed, held, gained = list[Kept](), list[HeldError](), 0
    batches = [_kept(stored, now) for stored in inventory.find(root).batches]
    for kept in expendable(batches, sum(one.frees for one in batches) + 1, now):
        if gained >= missing:
            break
        log.info("removing %s, taken %s, to make room", kept.folder, kept.taken)
        try:
            spool.remove(kept.folder)
        except HeldError as error:
            held.append(error)
            notices.tell(
                f"the batch from {kept.taken:%Y-%m-%d %H:%M:%S} can't be deleted to make room: another program has"
                f" {error.filename} open"
            )
            continue
        removed.append(kept)
        gained += kept.frees
    spool.remove_unnamed_references(root)
    log.info("%d bytes were missing; %d were gained, and those of reference dumps", missing, gained)
    return Room(tuple(removed), tuple(held))


def _kept(stored: StoredBatch, now: datetime) -> Kept:
    # A file of the spool that another batch shares is freed with the last of them.
    sizes = [entry.lstat() for entry in stored.folder.iterdir()]
    frees = sum(found.st_size // max(1, found.st_nlink) for found in sizes)
    return kept_from(stored, frees=frees, pinned=is_kept(stored, now))
