"""`meosbackup verify`: every file of every batch on a drive, read back and compared with what was written."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from meosbackup import __version__, wording
from meosbackup.batch import batch_file, names
from meosbackup.batch.model import StoredBatch, StoredFile
from meosbackup.commands.common import batches_for, command, spool_of
from meosbackup.console import Console
from meosbackup.dump import contents as dump_contents
from meosbackup.dump.reader import BadDumpError
from meosbackup.meosxml import wellformed
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import available, copying, drive, guides, inventory, spool
from meosbackup.store.copying import Read, Reader
from meosbackup.store.guides import Contents
from meosbackup.store.inventory import Inventory
from meosbackup.system import files

_PIECE = 1 << 20
_NOTES = 20
"""How many notes are shown before the rest is only counted."""
# What Windows and macOS put into a folder that somebody looked into.
_LITTER = ("desktop.ini", "thumbs.db", ".ds_store", "._")


@dataclass(frozen=True)
class Oddity:
    """One thing that differs from what was written; `what` continues a sentence that begins with the file's name.

    `folder` is the batch's, below the root, and empty if it concerns no batch. What is not `is_wrong` is only worth a
    note.
    """

    folder: str
    file: str
    what: str
    is_wrong: bool = True


@dataclass(frozen=True)
class Plan:
    """What is to be read: everything on the drive, and which batches name each reference dump.

    `mark` and `guides` are the contents of `drive.json` and of the guides at the top before anything else was looked
    at, or why they can't be read; the spool has neither.
    """

    found: Inventory
    references: dict[StoredFile, list[StoredBatch]]
    mark: bytes | OSError
    guides: Contents
    is_in_spool: bool = False

    @property
    def counts(self) -> str:
        """What is read, in words: batches, files, bytes."""
        batches = self.found.batches
        files = len(self.references) + sum(1 + len(_guides(stored)) + len(_files(stored)) for stored in batches)
        counts = wording.number(len(batches), "batch", "batches"), wording.number(files, "file")
        return ", ".join((*counts, wording.size(self.bytes)))

    @property
    def bytes(self) -> int:
        """The bytes of all dumps."""
        files = [file for stored in self.found.batches for file in _files(stored)]
        return sum(max(0, file.bytes) for file in [*files, *self.references])


@command("verify")
def verify_command(settings: Settings, console: Console) -> bool:
    """Read every file of every batch on a drive and report damage.

    Nothing is changed.

    Example:  meosbackup verify --target /media/usb
    """
    with batches_for(settings, "verify"):
        is_good = settings.target == SPOOL or run(settings.target, console)
        return run_in_spool(settings.target, spool_of(settings), console) and is_good


def run_in_spool(target: Path | None, root: Path, screen: Console) -> bool:
    """Read back the batches of the spool that go with the drive, or all; return whether nothing is wrong.

    Raises MeosBackupError if all are asked for, and there is no batch.
    """
    if target is None or target == SPOOL:
        found = available.in_spool(root)
        if not found.batches:
            raise inventory.no_batch(root)
    else:
        found = available.of_drive(drive.root(target), root)
    plan = Plan(found, _references(found), FileNotFoundError(), {}, is_in_spool=True)
    return not found.batches or _read_and_tell(plan, screen, "on this computer: ")


def run(target: Path | None, screen: Console) -> bool:
    """Read a drive back, and print a table of what is wrong; return whether nothing is.

    Raises WrongUsageError, DriveGoneError, DriveFailedError, and MeosBackupError if there is no batch. What was found
    until then is still printed.
    """
    return _read_and_tell(look(inventory.root_of(target)), screen)


def _read_and_tell(plan: Plan, screen: Console, where: str = "") -> bool:
    findings: list[Oddity] = []
    try:
        with screen.progress("Reading back", plan.bytes) as advance:
            findings.extend(read_back(plan, advance))
    finally:
        _tell(findings, screen)
    if not plan.found.batches:
        raise inventory.no_batch(plan.found.root)
    is_good = not any(finding.is_wrong for finding in findings)
    verdict = "all good" if is_good else _good_ones(plan, findings)
    screen.result("OK" if is_good else "FAIL", where + plan.counts, verdict)
    return is_good


def look(root: Path) -> Plan:
    """List what lies below a drive's root. Raises DriveGoneError, DriveFailedError."""
    # Before the batches: a backup that is running writes a batch first, and then the guides to it.
    mark = inventory.text_of(root / drive.MARK_FILE)
    top = {name: inventory.text_of(root / name) for name in (names.GUIDE_FILE, names.PAGE_FILE)}
    found = inventory.take(root)
    return Plan(found, _references(found), mark, top)


def _references(found: Inventory) -> dict[StoredFile, list[StoredBatch]]:
    references: dict[StoredFile, list[StoredBatch]] = {}
    for stored in found.batches:
        for reference in {entry.reference for entry in stored.batch.databases if entry.reference}:
            references.setdefault(reference, []).append(stored)
    return references


def read_back(plan: Plan, advance: Callable[[int], None] = lambda _: None) -> Iterator[Oddity]:
    """Yield what differs from what was written; `advance` is told the bytes of each piece. Nothing is changed.

    Raises DriveGoneError if the drive is pulled out meanwhile.
    """
    reader, folder = Reader(advance), plan.found.root / names.REFERENCE_FOLDER
    if not plan.is_in_spool:
        yield from _beside_batches(plan)
    for reference, batches in plan.references.items():
        fault = copying.read_back(folder / reference.name, reference, reader, _dump).fault
        for stored in batches if fault else []:
            file = f"{names.REFERENCE_FOLDER}/{reference.name}"
            yield from _confirmed(plan, stored, [Oddity(stored.name, file, fault)])
    for stored in plan.found.batches:
        yield from _confirmed(plan, stored, [*_in_batch(stored, reader, is_in_spool=plan.is_in_spool)])


def rows(findings: Sequence[Oddity]) -> list[tuple[str, str, str]]:
    """Return what is wrong as rows of a table: folder, file, what; what many batches have in common takes one row."""
    folders: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.is_wrong:
            folders.setdefault((finding.file, finding.what), []).append(finding.folder or "(the drive)")
    return [
        (first + (f" and {len(others)} more" if others else ""), file, what)
        for (file, what), (first, *others) in folders.items()
    ]


def _tell(findings: Sequence[Oddity], screen: Console) -> None:
    screen.table(("BATCH", "FILE", "WHAT"), rows(findings))
    notes = [finding for finding in findings if not finding.is_wrong]
    for note in notes[:_NOTES]:
        screen.result("NOTE", "/".join(filter(None, (note.folder, note.file))), note.what)
    if len(notes) > _NOTES:
        screen.result("NOTE", f"and {len(notes) - _NOTES} more", "files and folders that belong to no batch")


def _good_ones(plan: Plan, findings: Sequence[Oddity]) -> str:
    wrong = [finding for finding in findings if finding.is_wrong]
    # A race can be restored without its reference tables, and without its .meosxml file.
    bad = {finding.folder for finding in wrong if not _is_extra(finding.file)}
    good = [stored for stored in plan.found.batches if stored.name not in bad]
    newest = next((stored for stored in reversed(good) if stored.batch.is_backup), None)
    if newest is None:
        return "no backup is good. Restore from another drive, or from the spool"
    aside = (
        " (reference tables and .meosxml files aside)" if len(bad) < len({finding.folder for finding in wrong}) else ""
    )
    return (
        f"{len(good):,} of {len(plan.found.batches):,} are good{aside}, the newest of them {newest.name}."
        " Restore from that one, and back up to another drive"
    )


def _is_extra(file: str) -> bool:
    return file.startswith(names.REFERENCE_FOLDER) or file.endswith(names.MEOSXML)


def _confirmed(plan: Plan, stored: StoredBatch, findings: list[Oddity]) -> Iterator[Oddity]:
    """Yield what was found in a batch, unless it was found because the drive or the batch is no longer there."""
    if not findings:
        return
    root = plan.found.root
    is_same = isinstance(plan.mark, OSError) or inventory.text_of(root / drive.MARK_FILE) == plan.mark
    if not (files.is_folder(root) and is_same):
        raise inventory.unreadable(root)
    if files.is_folder(stored.folder):
        yield from findings
    else:
        yield Oddity(stored.name, "", "was deleted meanwhile to make room", is_wrong=False)


def _beside_batches(plan: Plan) -> Iterator[Oddity]:
    root = plan.found.root
    for path in plan.found.others:
        yield Oddity("", path.relative_to(root).as_posix(), inventory.stray(path), is_wrong=False)
    for folder, error in plan.found.doubtful:
        yield Oddity(folder.relative_to(root).as_posix(), names.BATCH_FILE, f"can't be trusted: {error.what}")
    named = {reference.name for reference in plan.references}
    for path in files.listed(root / names.REFERENCE_FOLDER):
        if path.name not in named:
            yield Oddity("", path.relative_to(root).as_posix(), inventory.stray(path), is_wrong=False)
    if isinstance(plan.mark, OSError):
        yield Oddity("", drive.MARK_FILE, inventory.told(plan.mark), not isinstance(plan.mark, FileNotFoundError))
    elif drive.identity(drive.Place(root.parent, may_be_system_disk=True)) is None:
        yield Oddity("", drive.MARK_FILE, "is damaged: the next backup will take this for another drive")
    if plan.found.backups:
        for file, what, is_wrong in guides.faults(plan.guides, plan.found.backups):
            yield Oddity("", file, what, is_wrong)


def _in_batch(stored: StoredBatch, reader: Reader, *, is_in_spool: bool) -> Iterator[Oddity]:
    for file, what in _in_files(stored, reader):
        yield Oddity(stored.name, file, what)
    for what in _in_batch_file(stored):
        yield Oddity(stored.name, names.BATCH_FILE, what)
    for name, sha256 in _guides(stored).items():
        if fault := _in_guide(stored, name, sha256):
            yield Oddity(stored.name, name, fault)
    marks = {names.PIN_FILE, names.KEEP_FILE}
    known = {names.BATCH_FILE, *marks, *_guides(stored), *(file.file for file in _files(stored))}
    known |= {spool.SHIPPED_FILE} if is_in_spool else set()
    for path in files.listed(stored.folder):
        if path.name not in known:
            is_wrong = not path.name.lower().startswith(_LITTER)
            yield Oddity(stored.name, path.name, inventory.stray(path), is_wrong)


def _in_files(stored: StoredBatch, reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a batch's files, or with what `batch.json` says about them: the file, and what."""
    for entry in stored.batch.databases:
        if entry.dump is not None:
            read = copying.read_back(stored.path(entry.dump), entry.dump, reader, _dump)
            if read.fault:
                yield entry.dump.file, read.fault
            elif entry.race and _is_ours(stored) and read.freshness != entry.freshness:
                yield names.BATCH_FILE, f"does not match the freshness in {entry.dump.file}"
        if entry.meosxml is not None:
            path = stored.path(entry.meosxml)
            if fault := copying.read_back(path, entry.meosxml, reader, _meosxml).fault:
                yield entry.meosxml.file, fault


def _dump(path: Path) -> Read:
    """Look into a dump whose contents are what was written."""
    try:
        contents = dump_contents.inspect(path)
    except BadDumpError as error:
        return Read(f"is not a good dump: {error.what}")
    return Read("" if contents.completed else "is missing the line that ends a good dump", contents.freshness)


def _meosxml(path: Path) -> Read:
    with files.open_regular(path) as file:
        return Read(wellformed.fault(iter(partial(file.read, _PIECE), b""), "meosdata"))


def _in_batch_file(stored: StoredBatch) -> Iterator[str]:
    text = inventory.text_of(stored.folder / names.BATCH_FILE)
    if isinstance(text, OSError):
        yield inventory.told(text)
    elif _is_ours(stored) and text != batch_file.to_json(stored.batch).encode("utf-8", "surrogatepass"):
        yield "differs from what was written"
    if stored.batch.complete != all(entry.dump and entry.error is None for entry in stored.batch.databases):
        yield f"says that it is {'' if stored.batch.complete else 'not '}complete, which does not match its dumps"


def _guides(stored: StoredBatch) -> dict[str, str | None]:
    """Return a batch's guides with their SHA-256, which an older batch doesn't tell."""
    return {names.GUIDE_FILE: None, **dict(stored.batch.guides)}


def _in_guide(stored: StoredBatch, name: str, sha256: str | None) -> str:
    """Return what is wrong with a guide. Of one without a SHA-256 only the dumps that it names are compared."""
    text = inventory.text_of(stored.folder / name)
    if isinstance(text, OSError):
        return inventory.told(text)
    if sha256 is None:
        return "" if guides.names_dumps(text, stored) else f"does not match {names.BATCH_FILE}"
    return "" if hashlib.sha256(text).hexdigest() == sha256 else copying.DAMAGED


def _is_ours(stored: StoredBatch) -> bool:
    """Return whether this very version made a batch, so that what it wrote of it is known to the byte."""
    return stored.batch.meosbackup == __version__


def _files(stored: StoredBatch) -> list[StoredFile]:
    return [file for entry in stored.batch.databases for file in entry.files]
