"""What is on a drive that may have been in anyone's hands: its batches, and everything else. No link is followed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meosbackup.batch import batch_file, names
from meosbackup.batch.model import Batch, StoredBatch
from meosbackup.errors import BadBatchError, DriveFailedError, DriveGoneError, MeosBackupError, NoBackupsError
from meosbackup.store import drive
from meosbackup.system import disks, files

_OURS = frozenset({
    names.GUIDE_FILE, names.PAGE_FILE, drive.MARK_FILE, names.PROOF_FILE, names.REFERENCE_FOLDER,
})  # fmt: skip


@dataclass(frozen=True)
class Inventory:
    """What lies below a root: the batches, oldest first by their sequence, and what else there is.

    `doubtful` are the folders that have a batch's name and can't be trusted; `others` is what was left incomplete or
    isn't meosbackup's.
    """

    root: Path
    batches: tuple[StoredBatch, ...]
    doubtful: tuple[tuple[Path, BadBatchError], ...]
    others: tuple[Path, ...]

    @property
    def backups(self) -> tuple[StoredBatch, ...]:
        """The batches without those that a restore saved."""
        return tuple(stored for stored in self.batches if stored.batch.is_backup)

    @property
    def newest(self) -> StoredBatch | None:
        """The backup of the highest sequence."""
        return next((stored for stored in reversed(self.batches) if stored.batch.is_backup), None)

    @property
    def highest_sequence(self) -> int:
        """The highest sequence of all batches; 0 if there are none."""
        return self.batches[-1].batch.sequence if self.batches else 0


def root_of(target: Path | None) -> Path:
    """Return the folder on a drive that holds its backups. Raises NoBackupsError if there is none."""
    drives = ", ".join(str(found.path) for found in disks.plugged_in() if files.is_folder(drive.root(found.path)))
    advice = f"With --target, name the top folder of a drive that has backups. Plugged in: {drives or 'none'}."
    if target is None:
        raise NoBackupsError("No target is set.", "Nothing was read.", advice)
    root = drive.root(target)
    try:
        if files.has_folder(root):
            return root
    except OSError as error:
        raise DriveFailedError(
            f"{root} can't be used: {error.strerror or error}.", "Nothing was read.", advice
        ) from error
    raise NoBackupsError(f"There is no folder {names.ROOT_FOLDER} in {target}.", "Nothing was read.", advice)


def find(root: Path) -> Inventory:
    """Find the batches below a root, a drive's or the spool; no link is followed, and only regular files are opened.

    Nothing is found if there is no folder. Raises OSError if a folder can't be listed.
    """
    batches, doubtful = list[StoredBatch](), list[tuple[Path, BadBatchError]]()
    others = [path for path in _entries(root) if not _is_day(path) and path.name not in _OURS]
    for folder in in_days(root):
        if not (names.TIME_FOLDER.fullmatch(folder.name) and files.is_folder(folder)):
            others.append(folder)
            continue
        try:
            batches.append(StoredBatch(folder, read(folder)))
        except BadBatchError as error:
            if files.is_folder(folder):  # a running backup may just have removed it
                doubtful.append((folder, error))
    for path in [path for path in others if _ours(path) and files.is_link(path)]:
        others.remove(path)
        doubtful.append((path, BadBatchError(
            "It is a link, and links are not followed.", "No batch is read through it.", "Choose another batch."
        )))  # fmt: skip
    batches.sort(key=lambda stored: stored.batch.sequence)
    return Inventory(root, tuple(batches), tuple(doubtful), tuple(others))


def in_days(root: Path) -> Iterator[Path]:
    """Yield what lies in a root's folders of days, by name. Raises OSError if a folder can't be listed."""
    for day in _entries(root):
        if _is_day(day):
            yield from _entries(day)


def unfinished(root: Path) -> Iterator[Path]:
    """Yield the folders of batches that an earlier run left incomplete. Raises OSError if a folder can't be listed."""
    for folder in in_days(root):
        name = folder.name.removesuffix(files.PARTIAL)
        # An empty one without the suffix is what FAT may leave of a folder that was just renamed: see files.rename.
        if names.TIME_FOLDER.fullmatch(name) and files.is_folder(folder) and (name != folder.name or _is_empty(folder)):
            yield folder


def take(root: Path) -> Inventory:
    """Find the batches below a drive's root. Raises DriveGoneError, DriveFailedError."""
    try:
        if not files.is_folder(root):
            raise unreadable(root)
        return find(root)
    except OSError as error:
        raise unreadable(root, error) from error


def read(folder: Path) -> Batch:
    """Return the batch of a folder's `batch.json`. Raises BadBatchError, also if it is a link or far too large."""
    text = text_of(folder / names.BATCH_FILE)
    try:
        if isinstance(text, OSError):
            raise text
        return batch_file.from_json(text.decode())
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise BadBatchError(
            f"A {names.BATCH_FILE} can't be read ({error.strerror if isinstance(error, OSError) else error}).",
            "This folder is not counted as a batch.",
            "Choose another batch.",
        ) from error


def is_pinned(stored: StoredBatch) -> bool:
    """Tell whether somebody pinned a batch, so that it is never deleted to make room."""
    return os.path.lexists(stored.folder / names.PIN_FILE)


def text_of(path: Path) -> bytes | OSError:
    """Return the contents of a file that can only be short, or why it can't be read."""
    try:
        return files.read_short(path)
    except OSError as error:
        return error


def told(error: OSError) -> str:
    """Return why a file can't be read, as a sentence that begins with the file's name goes on."""
    return "is missing" if isinstance(error, FileNotFoundError) else f"can't be read ({error.strerror or error})"


def stray(path: Path) -> str:
    """Return what a thing is that belongs to no batch, as a sentence that begins with its name goes on."""
    if path.name.endswith(files.PARTIAL):
        return "is incomplete: a backup was interrupted, or is still running"
    if path.parent.name == names.REFERENCE_FOLDER and path.name.endswith(names.DUMP):
        return "belongs to no batch: a backup was interrupted, or is still running, or its batches were deleted"
    return "is not meosbackup's, and was left alone"


def unreadable(root: Path, error: OSError | None = None) -> MeosBackupError:
    """Return the error for a drive that can't be read, or is missing: so if there is no `error`."""
    reason = f" ({error.strerror or error})" if error else ""
    if error is None or not files.is_folder(root):
        return DriveGoneError(
            f"The drive is missing from {root.parent}{reason}.", "What is on it is unchanged.",
            "Plug it in, and run the command again.",
        )  # fmt: skip
    return DriveFailedError(
        f"The drive at {root.parent} can't be read{reason}.", "What is on it is unchanged.",
        "Check that your user may read it; or pull it out, plug it in, and run the command again.",
    )  # fmt: skip


def no_batch(root: Path) -> MeosBackupError:
    """Return the error for a drive without a batch."""
    return MeosBackupError(
        f"There is no batch in {root}.", "Nothing can be restored from this drive.",
        "Back up to it with meosbackup --target DIR, or name another drive.",
    )  # fmt: skip


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; nothing if there is none. Raises OSError if it can't be listed."""
    return sorted(folder.iterdir()) if files.is_folder(folder) else []


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def _ours(path: Path) -> bool:
    """Tell whether a folder or a link has the name of a day or of a batch."""
    return any(pattern.fullmatch(path.name) for pattern in (names.DAY_FOLDER, names.TIME_FOLDER))


def _is_day(path: Path) -> bool:
    return names.DAY_FOLDER.fullmatch(path.name) is not None and files.is_folder(path)
