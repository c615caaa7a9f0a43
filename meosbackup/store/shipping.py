"""Batches brought from the spool to the drive: there they are whole and compared, or have a name with `.partial`."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch, StoredFile
from meosbackup.errors import BadBatchError
from meosbackup.store import copying, drive, inventory, keeping, retention, space, spool
from meosbackup.store.copying import Copy, DamagedSourceError
from meosbackup.store.drive import Place
from meosbackup.store.inventory import Inventory
from meosbackup.store.keeping import Keep
from meosbackup.store.space import Outlook
from meosbackup.system import disks, files
from meosbackup.system.faults import HeldError
from meosbackup.system.patience import patiently

log = logging.getLogger(__name__)

_CLUSTER = 1 << 15
"""Bytes that a file may take beyond its own size, on a usual stick."""
_TOP = (names.GUIDE_FILE, names.PAGE_FILE, names.PROOF_FILE, drive.MARK_FILE)


@dataclass(frozen=True)
class Shipper:
    """What shipping needs to know. `tell` is told, as a text for the user, what was deleted."""

    spool: Path
    place: Place
    reserve_mb: int | None
    stop: threading.Event
    tell: Callable[[str], None]
    known_good: set[Path] = field(default_factory=set)
    """The reference dumps on the drive that were read back since it was plugged in."""
    on_drive: set[str] = field(default_factory=set)
    """The batches that the drive had when it was last looked at, with those that came since and without the deleted."""
    brought: dict[str, str] = field(default_factory=dict)
    """The batches of the spool that were brought to a drive, with the drive's id."""


def attach(shipper: Shipper, now: datetime) -> str:
    """Tidy up the drive that is plugged in, mark it if it has no mark, and return its id.

    Raises DriveGoneError, DriveFailedError.
    """
    shipper.known_good.clear()
    found = drive.identity(shipper.place)
    if found is None:
        found = drive.mark(shipper.place, now)
    _remove_unfinished(shipper.place)
    try:
        spool.note_drive(shipper.spool, found)
    except OSError:
        log.warning("the spool doesn't know to which drive its batches belong", exc_info=True)
    return found


def ship_waiting(
    shipper: Shipper, drive_id: str, findings: Inventory, arrived: Callable[[StoredBatch], None]
) -> None:  # fmt: skip
    """Ship every batch that waits for this drive, newest first; `findings` are those of the spool that count.

    `arrived` is told the newest backup of all, as it is on the drive, once it counts as shipped: the RESTORE.txt at the
    top is to tell of it.

    Raises DriveGoneError if the drive is away, or is another one, before or after a batch; DriveFailedError,
    StoppedError. What was not shipped still waits.
    """
    drive.check_writable(shipper.place)
    for stored in spool.waiting(findings, drive_id):
        _see_the_same(shipper.place, drive_id)
        try:
            folder = _ship(shipper, stored)
        except FileNotFoundError as error:
            if stored.folder.exists():
                raise drive.explained(shipper.place.target, error) from error
            log.info("%s left the spool before it was shipped", stored.folder)
            continue
        except OSError as error:
            raise drive.explained(shipper.place.target, error) from error
        except DamagedSourceError as error:
            log.exception("%s is damaged", stored.folder)
            shipper.tell(f"{error.what} {error.means}")
            spool.remove(stored.folder)
            continue
        _see_the_same(shipper.place, drive_id)
        try:
            spool.mark_shipped(stored, drive_id)
            shipper.brought[stored.name] = drive_id
        except FileNotFoundError:  # it was deleted from the spool meanwhile
            log.info("%s left the spool while it was shipped", stored.folder)
        except OSError as error:
            raise spool.unusable(shipper.spool, error) from error
        if stored == findings.newest:
            arrived(StoredBatch(folder, stored.batch))


def find_lost(shipper: Shipper, drive_id: str, findings: Inventory) -> list[StoredBatch]:
    """Return the batches of the spool that were brought to this drive and aren't there any more; they wait again.

    Only the names and sizes of their files are looked at. Raises DriveGoneError, DriveFailedError.
    """
    lost = []
    for stored in spool.copied(findings, drive_id, datetime.now().astimezone()):
        try:
            folder = _folder_on_drive(shipper.place.root, stored, shipper.spool)
            if _is_on_drive(folder, stored):
                continue
        except OSError as error:
            if not stored.folder.exists():  # a newer one took its place in the spool meanwhile
                continue
            raise drive.explained(shipper.place.target, error) from error
        spool.mark_lost(stored, drive_id)
        lost.append(stored)
    return lost


def kept(shipper: Shipper) -> list[tuple[StoredBatch, Keep]]:
    """Return the batches of the spool that are kept for a while."""
    now = datetime.now().astimezone()
    batches = inventory.find(shipper.spool).batches
    return [(stored, keep) for stored in batches if (keep := keeping.read(stored.folder, now))]


def keep_on_drive(shipper: Shipper, stored: StoredBatch, keep: Keep) -> None:
    """Mark a batch of the spool, or one that was there, as kept on the drive, if the drive has it.

    Raises DriveGoneError, DriveFailedError.
    """
    folder = _folder_on_drive(shipper.place.root, stored, shipper.spool)
    if _holds(folder, stored) and str(keeping.read(folder, datetime.now().astimezone())) != str(keep):
        try:
            keeping.mark(folder, keep)
        except OSError as error:
            raise drive.explained(shipper.place.target, error) from error


def look(where: Place) -> Inventory:
    """Return what is on the drive. Raises DriveGoneError."""
    try:
        return inventory.find(where.root)
    except OSError as error:
        raise drive.gone(where.target, error) from error


def outlook(shipper: Shipper, free: int) -> Outlook | None:
    """Return how long the room on the drive lasts; None if that isn't known yet. Raises DriveGoneError."""
    try:
        return space.at_present(shipper.place, shipper.reserve_mb, free, datetime.now().astimezone())
    except OSError as error:
        raise drive.gone(shipper.place.target, error) from error


def _see_the_same(where: Place, drive_id: str) -> None:
    if drive.identity(where) != drive_id:
        raise drive.gone(where.target)


def _ship(shipper: Shipper, stored: StoredBatch) -> Path:
    """Bring one batch to the drive, and return its folder there."""
    root = shipper.place.root
    folder = _folder_on_drive(root, stored, shipper.spool)
    if _is_on_drive(folder, stored):
        return folder
    _make_room(shipper, stored)
    # No parents: if the drive was pulled out there is no root, and none must be made on the system's disk.
    files.make_folder(root / names.REFERENCE_FOLDER)
    for entry in stored.batch.databases:
        if entry.reference is not None:
            _ship_reference(entry.reference, shipper, root)
    if _is_whole(folder, stored):
        return folder
    files.make_folder(folder.parent)
    partial = folder.with_name(folder.name + files.PARTIAL)
    files.remove(partial)
    patiently(partial.mkdir, partial)
    try:
        copies = [Copy(stored.folder / name, partial / name, sha256) for name, sha256 in _files(stored).items()]
        copying.to_drive(copies, shipper.stop)
        if inventory.is_pinned(stored) or inventory.is_pinned(StoredBatch(folder, stored.batch)):
            files.open_new(partial / names.PIN_FILE).close()
        if keep := keeping.read(stored.folder, datetime.now().astimezone()):
            keeping.mark(partial, keep)
        files.sync(partial)
        files.remove(folder)  # it holds some of the files, if it is there
        files.rename(partial, folder)
        _see_whole(folder, stored)
        shipper.on_drive.add(StoredBatch(folder, stored.batch).name)
    except BaseException:
        files.discard(partial)
        raise
    return folder


def _see_whole(folder: Path, stored: StoredBatch) -> None:
    """Check that a folder still holds its files under its new name; some file systems lose them then.

    Raises DriveFailedError.
    """
    if _is_whole(folder, stored):
        return
    files.discard(folder)
    raise copying.differs(folder)


def _is_on_drive(folder: Path, stored: StoredBatch) -> bool:
    """Tell whether this folder of the drive holds a batch, and the drive the reference dumps that it names."""
    references = [entry.reference for entry in stored.batch.databases if entry.reference]
    return _is_whole(folder, stored) and all(_is_there(folder / file.file, file.bytes) for file in references)


def _is_whole(folder: Path, stored: StoredBatch) -> bool:
    made = {file.file: file.bytes for entry in stored.batch.databases for file in entry.files}
    return _holds(folder, stored) and all(
        _has_size(folder / name, made[name] if name in made else files.size(stored.folder / name))
        for name in _names(stored)
    )


def _is_there(path: Path, size: int) -> bool:
    return files.is_folder(path.parent) and _has_size(path, size)


def _has_size(path: Path, size: int) -> bool:
    try:
        return files.size(path) == size
    except OSError:
        return False


def _folder_on_drive(root: Path, stored: StoredBatch, spool_root: Path) -> Path:
    """Return the folder of a batch on the drive: the one that it already has there, or a free one for its time."""

    def suits(name: str) -> bool:
        return not files.is_there(root / name) or _holds(root / name, stored)

    return root / names.first_free(stored.folder.relative_to(spool_root).as_posix(), suits)


def _holds(folder: Path, stored: StoredBatch) -> bool:
    try:
        return files.is_folder(folder.parent) and inventory.read(folder) == stored.batch
    except BadBatchError:
        return False


def _names(stored: StoredBatch) -> list[str]:
    """Return the names of a batch's own files; `batch.json` comes last."""
    made = (file.file for entry in stored.batch.databases for file in entry.files)
    return list(dict.fromkeys([*made, names.GUIDE_FILE, *dict(stored.batch.guides), names.BATCH_FILE]))


def _files(stored: StoredBatch) -> dict[str, str]:
    """Return a batch's own files with their SHA-256, in the same order."""
    known = {file.file: file.sha256 for entry in stored.batch.databases for file in entry.files}
    return {
        name: known[name] if name in known else files.sha256(stored.folder / name) for name in _names(stored)
    }  # fmt: skip


def _ship_reference(reference: StoredFile, shipper: Shipper, root: Path) -> None:
    name = reference.name
    target = root / names.REFERENCE_FOLDER / name
    is_there = _is_there(target, reference.bytes)
    if is_there and target in shipper.known_good:
        return
    if is_there and files.sha256(target, stop=shipper.stop) == reference.sha256:
        shipper.known_good.add(target)
        return
    # It has its name from the start, since no batch names it before it is whole. A file that is renamed may be empty
    # after a power cut, even much later: see files.rename.
    files.clear(target)
    source = shipper.spool / names.REFERENCE_FOLDER / name
    try:
        copying.to_drive([Copy(source, target, reference.sha256)], shipper.stop)
        files.sync(target.parent)
    except BaseException:
        files.discard(target)
        raise
    shipper.known_good.add(target)


def _make_room(shipper: Shipper, stored: StoredBatch) -> None:
    """Make sure that the drive has room for a batch and its reserve; delete old batches if it hasn't.

    Raises DriveFailedError if there is still no room.
    """
    root, target = shipper.place.root, shipper.place.target
    if not disks.total_bytes(target):  # some file systems don't tell; then only a copy that fails does
        return
    # The guides go to the top of the drive as well.
    copied = [*_names(stored), names.GUIDE_FILE, *({names.PAGE_FILE} & dict(stored.batch.guides).keys())]
    needed = sum((stored.folder / name).stat().st_size + _CLUSTER for name in copied) + sum(
        entry.reference.bytes + _CLUSTER
        for entry in stored.batch.databases
        if entry.reference and not files.is_there(root / names.REFERENCE_FOLDER / entry.reference.name)
    )
    reserve = retention.reserve_bytes(disks.total_bytes(target), shipper.reserve_mb)
    room = retention.make_room(root, needed + reserve - disks.free_bytes(target), datetime.now().astimezone())
    if room.removed:
        shipper.on_drive.difference_update(kept.folder.relative_to(root).as_posix() for kept in room.removed)
        shipper.tell(_removed([kept.taken for kept in room.removed]))
    if disks.free_bytes(target) < needed:
        raise drive.full(target, room.held)


def _removed(taken: list[datetime]) -> str:
    oldest, newest = min(taken), max(taken)
    if len(taken) == 1:
        return f"the drive is nearly full: the batch from {oldest:%Y-%m-%d %H:%M:%S} was deleted to make room"
    return (
        f"the drive is nearly full: {len(taken)} batches from {oldest:%Y-%m-%d %H:%M:%S}"
        f" to {newest:%Y-%m-%d %H:%M:%S} were deleted to make room"
    )


def _remove_unfinished(where: Place) -> None:
    """Remove what an earlier run left half copied. Raises DriveGoneError, DriveFailedError."""
    try:
        references = files.listed(where.root / names.REFERENCE_FOLDER)
        left = [
            *inventory.unfinished(where.root),
            *(file for file in references if file.name.endswith(files.PARTIAL)),
            *(where.root / f"{name}{files.PARTIAL}" for name in _TOP),
        ]
        left = [path for path in left if files.is_there(path)]
        for path in left:
            _remove_left(path)
        # Before its room is used again: a name that comes back after a power cut would take that along when it goes.
        for folder in {path.parent for path in left}:
            files.sync(folder)
    except OSError as error:
        raise drive.explained(where.target, error) from error


def _remove_left(path: Path) -> None:
    """Remove a leftover; one that another program has open stays, and stands in nobody's way."""
    try:
        files.remove(path)
    except HeldError:
        log.warning("%s is left over, and another program has it open", path, exc_info=True)
