"""The spool: the folder on the local disk where a batch is made, and waits for the drive."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.store import inventory, keeping
from meosbackup.store.drive import CLOSE_IT
from meosbackup.store.inventory import Inventory
from meosbackup.system import disks, durable, faults, files
from meosbackup.system.faults import Fault, HeldError
from meosbackup.system.patience import patiently

log = logging.getLogger(__name__)

SHIPPED_FILE = "SHIPPED"
STATUS_FILE = "STATUS"
"""How the race day stands that uses the spool."""
_DRIVES_FILE = "DRIVES"
_WORK = "work-"


def prepare(root: Path, target: Path | None) -> None:
    """Make the spool's folder if there is none, for the user alone, and check that it can be written to.

    Raises WrongUsageError if it is on the drive that is the target; MeosBackupError.
    """
    try:
        if target is not None and os.path.isdir(target):  # noqa: PTH112 - Path.is_dir fails if it was pulled out
            _refuse_on_drive(root, target)
        if not disks.has_short_path(root, names.LONGEST):
            raise WrongUsageError(
                f"The path of the spool {root} is too long for this computer.",
                "Nothing was done: the names of some files in it would be longer than Windows allows.",
                "With --spool, name a folder with a shorter path.",
            )
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.try_writing(root)
    except OSError as error:
        raise unusable(root, error) from error
    _tighten(root)


def _refuse_on_drive(root: Path, target: Path) -> None:
    """Refuse a spool on the target's disk, unless that is the system's own, where the target can only be beside it."""
    one, other = Path(os.path.realpath(root)), Path(os.path.realpath(target))
    is_on_drive = disks.on_same_disk(one, other) and not disks.on_system_disk(other)
    if is_on_drive or one.is_relative_to(other) or other.is_relative_to(one):
        raise WrongUsageError(
            f"The spool {root} is on the drive, {target}."
            if is_on_drive
            else f"One of the folders of the spool, {root}, and of the target, {target}, is in the other.",
            "Nothing was done: batches wait in the spool while the drive is away, and at times it holds the server's"
            " password, which must never be on the drive.",
            "With --spool, name a folder on this computer's own disk; or leave --spool out.",
        )


def _tighten(root: Path) -> None:
    """Have only the user read what is in the spool: an earlier version let everybody. What isn't ours is left alone."""
    found = files.listed(root)
    ours = [path for path in found if _is_ours(path)]
    with suppress(OSError):  # another meosbackup may be removing some of it
        for path in ours:
            for entry in (path, *path.rglob("*")):
                files.make_private(entry)
    if len(ours) == len(found):
        files.make_private(root)


def _is_ours(path: Path) -> bool:
    if path.name.removesuffix(files.PARTIAL) in {_DRIVES_FILE, STATUS_FILE}:
        return not path.is_symlink()
    is_named = path.name == names.REFERENCE_FOLDER or path.name.startswith(_WORK)
    return (is_named or names.DAY_FOLDER.fullmatch(path.name) is not None) and files.is_folder(path)


def tidy(root: Path) -> None:
    """Remove what an earlier run left incomplete, and how it stood; no other run may be using the spool."""
    for path in [*root.glob(f"{_WORK}*"), *root.glob(f"{STATUS_FILE}*"), *inventory.unfinished(root)]:
        files.discard(path)


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """Yield a private folder on the spool's disk to make one batch in, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=_WORK, dir=root))
    try:
        yield folder
    finally:
        files.discard(folder)


def publish(root: Path, partial: Path, name: str) -> Path:
    """Move the folder of a whole batch to its place in the spool, durably, and return that."""
    folder = root / name
    folder.parent.mkdir(exist_ok=True, mode=0o700)
    files.make_private(partial)
    for file in partial.iterdir():
        files.make_private(file)
        if file.stat().st_nlink < 2:  # what the batch before has as well was synced with that
            files.sync(file)
    files.rename(partial, folder)
    return folder


def waiting(findings: Inventory, drive: str | None = None) -> list[StoredBatch]:
    """Return the batches to ship, newest first: those that no drive has, and the newest backup if this one lacks it."""
    return [
        stored for stored in reversed(findings.batches)
        if not (on := _drives(stored)) or (drive is not None and stored == findings.newest and drive not in on)
    ]  # fmt: skip


def mark_shipped(stored: StoredBatch, drive: str) -> None:
    """Note that a batch is on a drive, by the drive's id."""
    files.append(stored.folder / SHIPPED_FILE, drive)


def note_drive(root: Path, drive: str) -> None:
    """Note that the batches which are made from now on go with a drive, by its id. Raises OSError."""
    notes = _drive_notes(root)
    if not notes or notes[-1][1] != drive:
        files.append(root / _DRIVES_FILE, f"{inventory.find(root).highest_sequence} {drive}")


def going_with(findings: Inventory, drive: str) -> list[StoredBatch]:
    """Return the batches that were made while a drive was the last that was attached, or that are on it, by its id."""
    notes = _drive_notes(findings.root)

    def made_for(stored: StoredBatch) -> str | None:
        return next((name for above, name in reversed(notes) if above < stored.batch.sequence), None)

    return [stored for stored in findings.batches if drive in _drives(stored) or made_for(stored) == drive]


def _drive_notes(root: Path) -> list[tuple[int, str]]:
    """Return the drives that were attached, in their order, each with the highest sequence of the spool then."""
    try:
        lines = files.read_short(root / _DRIVES_FILE).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    found = [line.partition(" ") for line in lines]
    return [(int(above), drive) for above, _, drive in found if above.isdecimal()]


def copied(findings: Inventory, drive: str, now: datetime) -> list[StoredBatch]:
    """Return the batches that stay in the spool although they are on this drive: the newest, and what is kept."""
    return [
        stored for stored in findings.batches
        if drive in _drives(stored) and (stored == findings.newest or keeping.read(stored.folder, now))
    ]  # fmt: skip


def mark_lost(stored: StoredBatch, drive: str) -> None:
    """Note that a batch is no longer on a drive. Raises OSError."""
    left = [f"{other}\n" for other in _drives(stored) if other != drive]
    durable.write(stored.folder / SHIPPED_FILE, "".join(left).encode("ascii"))
    files.make_private(stored.folder / SHIPPED_FILE)


def thin(root: Path, now: datetime) -> None:
    """Remove the batches that are on a drive, except the newest backup and those that are kept for a while.

    The reference dumps that no batch names then are removed as well.
    """
    findings = inventory.find(root)
    shipped = [
        stored for stored in findings.batches
        if stored != findings.newest and _drives(stored) and keeping.read(stored.folder, now) is None
    ]  # fmt: skip
    for stored in shipped:
        try:
            remove(stored.folder)
        except HeldError:  # it goes another time
            log.info("%s stays, since another program has it open", stored.folder, exc_info=True)
    if shipped:
        remove_unnamed_references(root)


def remove_unnamed_references(root: Path) -> None:
    """Remove the reference dumps that no batch names."""
    findings = inventory.find(root)
    if findings.doubtful:  # who knows what they name
        return
    named = {
        entry.reference.name
        for stored in findings.batches for entry in stored.batch.databases if entry.reference
    }  # fmt: skip
    folder = root / names.REFERENCE_FOLDER
    unnamed = [
        file for file in files.listed(folder)
        if file.name.endswith(names.DUMP) and file.name not in named and files.is_file(file)
    ]  # fmt: skip
    for file in unnamed:
        files.discard(file)
    if unnamed:  # durably, before their room on a drive is used again
        files.sync(folder)


def _drives(stored: StoredBatch) -> list[str]:
    try:
        return files.read_short(stored.folder / SHIPPED_FILE).decode("ascii", "replace").split()
    except FileNotFoundError:
        return []


def remove(folder: Path) -> None:
    """Remove a batch's folder, so that it is never seen half removed, and its day's folder if that is empty then.

    Raises OSError: HeldError if another program has something in it open; the batch stays whole then.
    """
    leaving = folder.with_name(folder.name + files.PARTIAL)
    files.remove(leaving)
    files.move(folder, leaving)
    files.sync(leaving.parent)  # or a power cut could leave it half removed under its own name
    files.discard(leaving)
    if not any(folder.parent.iterdir()):
        with suppress(HeldError):
            patiently(folder.parent.rmdir, folder.parent)


def unusable(root: Path, error: OSError) -> MeosBackupError:
    """Return the error for a spool that can't be used."""
    fault = faults.fault(error)
    if fault is Fault.HELD:
        return MeosBackupError(
            f"Another program has {error.filename} open.",
            "This backup failed, since each batch is made there first; earlier batches are unchanged.",
            CLOSE_IT,
        )
    return MeosBackupError(
        f"The spool {root} can't be used ({error.strerror or error}).",
        "Nothing is backed up, since each batch is made there first.",
        "Make room on this computer's disk, where the spool is."
        if fault is Fault.FULL
        else "With --spool, name a folder on this computer's disk that you may write to.",
    )


def full(root: Path, limit: int) -> MeosBackupError:
    """Return the error for a spool that is over its limit, although every batch that may be deleted was."""
    return MeosBackupError(
        f"The spool {root} holds more than its limit of {limit >> 20} MiB.",
        "Backups go on while the disk of this computer has room.",
        "Plug the drive in, so that the batches can go there; or set a higher spool_mb.",
    )
