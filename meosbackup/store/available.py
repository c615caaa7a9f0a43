"""The batches that this computer can read: those of the drive, and those of its own spool that go with that drive."""

from dataclasses import replace
from pathlib import Path

from meosbackup.batch.model import StoredBatch
from meosbackup.errors import MeosBackupError
from meosbackup.settings.model import SPOOL
from meosbackup.store import drive, inventory, spool
from meosbackup.store.inventory import Inventory


def find(target: Path | None, spool_root: Path) -> Inventory:
    """Find the batches of the drive with those of the spool that it lacks; of the spool alone if the target is SPOOL.

    Raises NoBackupsError, DriveGoneError, DriveFailedError.
    """
    if target == SPOOL:
        return in_spool(spool_root)
    on_drive = inventory.take(inventory.root_of(target))
    return _merged(on_drive, of_drive(on_drive.root, spool_root))


def in_spool(spool_root: Path) -> Inventory:
    """Find the batches of the spool; none if it can't be read."""
    try:
        return inventory.find(spool_root)
    except OSError:
        return Inventory(spool_root, (), (), ())


def of_drive(root: Path, spool_root: Path) -> Inventory:
    """Find the batches of the spool that go with the drive of this root; those of another drive are left out.

    A spool may hold last week's race, with higher sequences than the batches of a drive from another computer.
    """
    found = in_spool(spool_root)
    try:
        drive_id = drive.identity(drive.Place(root.parent, may_be_system_disk=True))
    except MeosBackupError:
        drive_id = None
    return replace(found, batches=tuple(spool.going_with(found, drive_id)) if drive_id else ())


def _merged(on_drive: Inventory, on_computer: Inventory) -> Inventory:
    """Return all batches as one inventory, the drive's; of one that is in both places, the drive's copy counts."""
    there = set(map(_identity, on_drive.batches))
    only_here = [replace(stored, is_only_here=True) for stored in on_computer.batches if _identity(stored) not in there]
    batches = sorted([*on_drive.batches, *only_here], key=lambda stored: (stored.batch.sequence, stored.batch.taken))
    return replace(on_drive, batches=tuple(batches))


def _identity(stored: StoredBatch) -> object:
    return stored.batch.sequence, stored.batch.taken, tuple(entry.key for entry in stored.batch.databases)
