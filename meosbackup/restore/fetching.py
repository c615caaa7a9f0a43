"""The dumps of a batch brought to the local disk before a restore, each held against its SHA-256."""

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from meosbackup.batch import choosing
from meosbackup.batch.model import StoredBatch
from meosbackup.console import Console
from meosbackup.dump.client import UNTOUCHED
from meosbackup.errors import BadBatchError, MeosBackupError
from meosbackup.restore.replacement import Step
from meosbackup.store import copying, inventory


def fetch(
    stored: StoredBatch, steps: Sequence[Step], folder: Path, spool_root: Path, console: Console, stop: threading.Event
) -> dict[int, Path]:
    """Copy the dumps of these steps into a folder, and return where they are, by the number of the step.

    Where a file is not what it was, the spool's copy of the same dump is taken. Bad race tables end it all; reference
    tables are left out alone. Raises BadBatchError and others of MeosBackupError, StoppedError.
    """
    found: dict[int, Path] = {}
    notes: list[tuple[str, str, str]] = []
    with console.progress("Reading", sum(step.source.bytes for step in steps)) as advance:
        for step in steps:
            try:
                found[step.number] = _fetch(stored, step, folder, stop, advance)
            except BadBatchError as error:
                spare = _spare(spool_root, step, folder, stop)
                if spare is not None:
                    found[step.number] = spare
                    notes.append(("NOTE", step.name, f"{error.what} The copy in the spool is good, and is taken."))
                elif step.is_reference:
                    notes.append(("FAIL", step.name, f"{error.what} {error.means}"))
                else:
                    raise _with_advice(stored, step, error) from error
    for word, name, text in notes:
        console.result(word, name, text)
    return found


def _fetch(
    stored: StoredBatch, step: Step, folder: Path, stop: threading.Event, advance: Callable[[int], None]
) -> Path:  # fmt: skip
    target = folder / f"{step.number}.dump.sql"
    try:
        is_good = copying.from_drive(stored.path(step.source), target, step.source.sha256, stop, advance)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise MeosBackupError(
                "The disk of this computer, where the spool is, is full.", "Nothing was restored.",
                "Make room on it, or name a folder on another disk by --spool.",
            ) from error  # fmt: skip
        raise BadBatchError(
            f"{step.source.file} can't be read ({error.strerror or error}).", UNTOUCHED, "Take another batch."
        ) from error
    if not is_good:
        raise BadBatchError(
            f"{step.source.file} is not what it was when it was made.", UNTOUCHED, "Take another batch of that race."
        )
    return target


def _spare(spool_root: Path, step: Step, folder: Path, stop: threading.Event) -> Path | None:
    """Fetch the same dump from the spool, which keeps the newest batch; None where it hasn't got it whole."""
    target = folder / f"{step.number}.dump.sql"
    for path in _copies(spool_root, step.source.sha256):
        try:
            if copying.from_drive(path, target, step.source.sha256, stop, lambda _: None):
                return target
        except OSError:
            continue
    return None


def _copies(spool_root: Path, sha256: str) -> Iterator[Path]:
    for stored in inventory.find(spool_root).batches:
        for entry in stored.batch.databases:
            for file in (entry.dump, entry.reference):
                if file is not None and file.sha256 == sha256:
                    yield stored.path(file)


def _with_advice(stored: StoredBatch, step: Step, error: BadBatchError) -> BadBatchError:
    """Tell as well which earlier batch has that race whole."""
    race = step.entry.race
    if race is None:
        return error
    every = inventory.find(stored.folder.parents[1]).batches
    other = choosing.newest_good([one for one in every if one.batch.sequence < stored.batch.sequence], race)
    advice = (
        f"The newest earlier batch that has it whole: {choosing.options(other, race)}"
        if other else "No earlier batch has it whole; look for another drive."
    )  # fmt: skip
    return BadBatchError(f"{step.name}: {error.what}", error.means, advice)
