"""The dumps of a batch, copied to the local disk before a restore, and each compared with its SHA-256."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from meosbackup.batch import choosing
from meosbackup.batch.model import StoredBatch
from meosbackup.dump.client import UNTOUCHED
from meosbackup.errors import BadBatchError, MeosBackupError
from meosbackup.restore import planning
from meosbackup.restore.job import Job
from meosbackup.restore.replacement import Step
from meosbackup.store import copying, inventory
from meosbackup.system import faults, files
from meosbackup.system.faults import Fault


def fetch(
    job: Job, sources: Mapping[str, StoredBatch], steps: Sequence[Step], folder: Path
) -> dict[Step, Path]:  # fmt: skip
    """Copy the dumps of these steps into a folder, and return where they are.

    `sources` are the batches that the steps' entries are of, by their keys.

    If a file is damaged, the spool's copy of the same dump is used. Otherwise damaged race tables end the restore;
    damaged reference tables are just left out. Raises BadBatchError and others of MeosBackupError, StoppedError.
    """
    fetched: dict[Step, Path] = {}
    notes: list[tuple[str, str, str]] = []
    with job.console.progress("Reading", sum(step.source.bytes for step in steps)) as advance:
        for step in steps:
            stored = sources[step.entry.key]
            try:
                fetched[step] = _fetch(stored, step, folder, job.stop, advance)
            except BadBatchError as error:
                from_spool = _fetch_from_spool(job.spool, step, folder, job.stop)
                if from_spool is not None:
                    fetched[step] = from_spool
                    notes.append(("NOTE", step.name, f"{error.what} The copy on this computer is good, and is used."))
                elif step.is_reference:
                    notes.append(("FAIL", step.name, f"{error.what} {error.means}"))
                elif job.target is not None and not files.is_folder(job.found.root):
                    raise inventory.unreadable(job.found.root) from error
                else:
                    raise _with_advice(job, stored, step, error) from error
    for word, name, text in notes:
        job.console.result(word, name, text)
    return fetched


def _fetch(
    stored: StoredBatch, step: Step, folder: Path, stop: threading.Event, advance: Callable[[int], None]
) -> Path:  # fmt: skip
    copy = _copy_of(step, folder)
    try:
        is_good = copying.from_drive(stored.path(step.source), copy, step.source, stop, advance)
    except OSError as error:
        if faults.fault(error) is Fault.FULL:
            raise MeosBackupError(
                "This computer's disk, where the spool is, is full.", "Nothing was restored.",
                "Make room on it, or name a folder on another disk with --spool.",
            ) from error  # fmt: skip
        raise BadBatchError(
            f"{step.source.file} can't be read ({error.strerror or error}).", UNTOUCHED, "Choose another batch."
        ) from error
    if not is_good:
        raise BadBatchError(
            f"The contents of {step.source.file} differ from what was written.",
            UNTOUCHED,
            "Choose another batch of that race.",
        )
    return copy


def _fetch_from_spool(spool_root: Path, step: Step, folder: Path, stop: threading.Event) -> Path | None:
    """Fetch the same dump from the spool, which keeps the newest batch; None if it has no good copy."""
    copy = _copy_of(step, folder)
    for path in _same_in_spool(spool_root, step.source.sha256):
        try:
            if copying.from_drive(path, copy, step.source, stop, lambda _: None):
                return copy
        except OSError:
            continue
    return None


def _copy_of(step: Step, folder: Path) -> Path:
    return folder / f"{step.number}.dump.sql"


def _same_in_spool(spool_root: Path, sha256: str) -> Iterator[Path]:
    for stored in inventory.find(spool_root).batches:
        for entry in stored.batch.databases:
            for file in (entry.dump, entry.reference):
                if file is not None and file.sha256 == sha256:
                    yield stored.path(file)


def _with_advice(job: Job, stored: StoredBatch, step: Step, error: BadBatchError) -> BadBatchError:
    """Return the error with the earlier batch that has a good dump of that race."""
    race = step.entry.race
    if race is None:
        return error
    before = [other for other in job.found.batches if other.batch.sequence < stored.batch.sequence]
    earlier = choosing.newest_good(before, race)
    advice = (
        f"The newest earlier batch with a good dump of it: {planning.command_for(job, earlier, [step.entry])}"
        if earlier else "No earlier batch has a good dump of it; look for another drive."
    )  # fmt: skip
    return BadBatchError(f"{step.name}: {error.what}", error.means, advice)
