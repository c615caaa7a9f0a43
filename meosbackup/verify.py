"""`meosbackup verify`: every file of every batch on a drive, read back and held against what was written."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meosbackup import __version__, batch, console, drive, guide, inventory, names, proof, readback
from meosbackup.batch import Dump, MeosFile, Reference, Stored
from meosbackup.console import Console
from meosbackup.inventory import Inventory
from meosbackup.readback import Reader
from meosbackup.room import PIN_FILE

_NOTES = 20
"""How many notes are told before the rest is counted."""
# What Windows and macOS put into a folder that somebody looked into.
_LITTER = ("desktop.ini", "thumbs.db", ".ds_store", "._")


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it was written; `what` goes on where the file's name ends.

    `folder` is the batch's, below the root, and empty where no batch is concerned. What is not `is_wrong` is only
    worth a note.
    """

    folder: str
    file: str
    what: str
    is_wrong: bool = True


@dataclass(frozen=True)
class Plan:
    """What is to be read: all that lies on the drive, and which batches name each reference dump.

    `mark` and `guide` are what `drive.json` and the top RESTORE.txt held before all else was looked at, or why they
    can't be read.
    """

    found: Inventory
    references: dict[Reference, list[Stored]]
    mark: bytes | OSError
    guide: bytes | OSError

    @property
    def counts(self) -> str:
        """What is read, in words: batches, files, bytes."""
        batches = self.found.batches
        files = len(self.references) + sum(2 + len(_dumps(stored)) + len(_meosfiles(stored)) for stored in batches)
        counts = console.number(len(batches), "batch", "batches"), console.number(files, "file")
        return ", ".join((*counts, console.size(self.bytes)))

    @property
    def bytes(self) -> int:
        """The bytes of all dumps."""
        sizes = [dump.bytes or 0 for stored in self.found.batches for dump in _dumps(stored)]
        sizes += [file.bytes for stored in self.found.batches for file in _meosfiles(stored)]
        return sum(max(0, size) for size in [*sizes, *(reference.bytes for reference in self.references)])


def run(target: Path | None, screen: Console) -> bool:
    """Read a drive back, and print what is wrong in a table; tell whether nothing is.

    Raises WrongUsageError, DriveGoneError, DriveFailedError, and MeosBackupError where there is no batch. What was
    found until then is printed all the same.
    """
    plan = look(inventory.root_of(target))
    findings: list[Finding] = []
    try:
        with screen.progress("Reading back", plan.bytes) as advance:
            findings.extend(read_back(plan, advance))
    finally:
        _tell(findings, screen)
    if not plan.found.batches:
        raise inventory.no_batch(plan.found.root)
    is_good = not any(finding.is_wrong for finding in findings)
    screen.result("OK" if is_good else "FAIL", plan.counts, "all good" if is_good else _good_ones(plan, findings))
    return is_good


def look(root: Path) -> Plan:
    """Look at what lies below a drive's root. Raises DriveGoneError, DriveFailedError."""
    # Before the batches: a backup that is at work writes a batch first, and then the guide to it.
    mark, top = inventory.text_of(root / drive.MARK_FILE), inventory.text_of(root / batch.GUIDE_FILE)
    found = inventory.take(root)
    references: dict[Reference, list[Stored]] = {}
    for stored in found.batches:
        for reference in {dump.reference for dump in stored.batch.databases if dump.reference}:
            references.setdefault(reference, []).append(stored)
    return Plan(found, references, mark, top)


def read_back(plan: Plan, advance: Callable[[int], None] = lambda _: None) -> Iterator[Finding]:
    """Yield what isn't as it was written; `advance` gets the bytes of the dumps that were read. Nothing is changed.

    Raises DriveGoneError where the drive is pulled out meanwhile.
    """
    reader, folder = Reader(advance), plan.found.root / batch.REFERENCE_FOLDER
    yield from _beside_batches(plan)
    for reference, batches in plan.references.items():
        path = folder / Path(reference.file).name
        fault = "is missing"
        if inventory.is_folder(folder):
            fault, _ = readback.dump(path, reference.bytes, reference.sha256, reader)
        for stored in batches if fault else []:
            file = f"{batch.REFERENCE_FOLDER}/{path.name}"
            yield from _confirmed(plan, stored, [Finding(inventory.name(stored), file, fault)])
    for stored in plan.found.batches:
        yield from _confirmed(plan, stored, [*_in_batch(stored, reader)])


def rows(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Return what is wrong as rows of a table: folder, file, what; one row for what many batches have in common."""
    folders: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.is_wrong:
            folders.setdefault((finding.file, finding.what), []).append(finding.folder or "(the drive)")
    return [
        (first + (f" and {len(others)} more" if others else ""), file, what)
        for (file, what), (first, *others) in folders.items()
    ]


def _tell(findings: Sequence[Finding], screen: Console) -> None:
    screen.table(("BATCH", "FILE", "WHAT"), rows(findings))
    notes = [finding for finding in findings if not finding.is_wrong]
    for note in notes[:_NOTES]:
        screen.result("NOTE", "/".join(filter(None, (note.folder, note.file))), note.what)
    if len(notes) > _NOTES:
        screen.result("NOTE", f"and {len(notes) - _NOTES} more", "files and folders that belong to no batch")


def _good_ones(plan: Plan, findings: Sequence[Finding]) -> str:
    wrong = [finding for finding in findings if finding.is_wrong]
    # A race can do without its reference tables, and without its .meosxml file.
    bad = {finding.folder for finding in wrong if not _is_extra(finding.file)}
    good = [name for stored in plan.found.batches if (name := inventory.name(stored)) not in bad]
    if not good:
        return "no batch is good. Restore from another drive, or from the spool"
    aside = (
        " (reference tables and .meosxml files aside)" if len(bad) < len({finding.folder for finding in wrong}) else ""
    )
    return (
        f"{len(good):,} of {len(plan.found.batches):,} are good{aside}, the newest of them {good[-1]}."
        " Restore from that one, and back up to another drive"
    )


def _is_extra(file: str) -> bool:
    return file.startswith(batch.REFERENCE_FOLDER) or file.endswith(names.MEOSXML)


def _confirmed(plan: Plan, stored: Stored, findings: list[Finding]) -> Iterator[Finding]:
    """Yield what was found in a batch, unless it was found because the drive or the batch is there no more."""
    if not findings:
        return
    root = plan.found.root
    is_same = isinstance(plan.mark, OSError) or inventory.text_of(root / drive.MARK_FILE) == plan.mark
    if not (inventory.is_folder(root) and is_same):
        raise inventory.unreadable(root)
    if inventory.is_folder(stored.folder):
        yield from findings
    else:
        yield Finding(inventory.name(stored), "", "was removed meanwhile, to make room", is_wrong=False)


def _beside_batches(plan: Plan) -> Iterator[Finding]:
    root = plan.found.root
    for path, what in plan.found.others:
        yield Finding("", path.relative_to(root).as_posix(), what, is_wrong=False)
    for folder, error in plan.found.doubtful:
        yield Finding(folder.relative_to(root).as_posix(), batch.BATCH_FILE, f"can't be trusted: {error.what}")
    named = {Path(reference.file).name for reference in plan.references}
    for path in inventory.listed(root / batch.REFERENCE_FOLDER):
        if path.name not in named:
            yield Finding("", path.relative_to(root).as_posix(), inventory.stray(path), is_wrong=False)
    if isinstance(plan.mark, OSError):
        yield Finding("", drive.MARK_FILE, inventory.told(plan.mark), not isinstance(plan.mark, FileNotFoundError))
    elif drive.identity(drive.Place(root.parent, may_be_system_disk=True)) is None:
        yield Finding("", drive.MARK_FILE, "is damaged: the next backup takes this for another drive")
    yield from _top_guide(plan)


def _top_guide(plan: Plan) -> Iterator[Finding]:
    if not plan.found.batches:
        return
    # A backup that was broken off between the two leaves the guide to the batch before, which is no fault.
    *before, newest = plan.found.batches
    if isinstance(plan.guide, OSError):
        is_wrong = bool(before) or not isinstance(plan.guide, FileNotFoundError)
        yield Finding("", batch.GUIDE_FILE, inventory.told(plan.guide), is_wrong)
    elif not _fits(plan.guide, newest, inventory.name(newest)):
        if before and _fits(plan.guide, before[-1], inventory.name(before[-1])):
            yield Finding("", batch.GUIDE_FILE, "is that of the batch before the newest one", is_wrong=False)
        else:
            yield Finding("", batch.GUIDE_FILE, "doesn't agree with the newest batch")


def _in_batch(stored: Stored, reader: Reader) -> Iterator[Finding]:
    folder, files = inventory.name(stored), {batch.BATCH_FILE, batch.GUIDE_FILE, PIN_FILE}
    for dump in _dumps(stored):
        files.add(str(dump.file))
        for file, what in _in_dump(stored, dump, reader):
            yield Finding(folder, file, what)
    for meosfile in _meosfiles(stored):
        files.add(meosfile.file)
        if fault := readback.meosxml(stored.folder / meosfile.file, meosfile.bytes, meosfile.sha256, reader):
            yield Finding(folder, meosfile.file, fault)
    for what in _in_batch_file(stored):
        yield Finding(folder, batch.BATCH_FILE, what)
    text = inventory.text_of(stored.folder / batch.GUIDE_FILE)
    if isinstance(text, OSError):
        yield Finding(folder, batch.GUIDE_FILE, inventory.told(text))
    elif not _fits(text, stored, None):
        yield Finding(folder, batch.GUIDE_FILE, f"doesn't agree with {batch.BATCH_FILE}")
    for path in inventory.listed(stored.folder):
        if path.name not in files:
            is_wrong = not path.name.lower().startswith(_LITTER)
            yield Finding(folder, path.name, inventory.stray(path), is_wrong)


def _in_dump(stored: Stored, dump: Dump, reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a dump, or with what `batch.json` says of it: the file, and what."""
    if dump.file is None or dump.bytes is None or dump.sha256 is None:
        yield batch.BATCH_FILE, f"doesn't tell the size and the SHA-256 of {dump.file}"
        return
    fault, freshness = readback.dump(stored.folder / dump.file, dump.bytes, dump.sha256, reader)
    if fault:
        yield dump.file, fault
    elif dump.race and _is_ours(stored) and freshness != dump.freshness:
        yield batch.BATCH_FILE, f"tells another freshness than {dump.file} holds"


def _in_batch_file(stored: Stored) -> Iterator[str]:
    text = inventory.text_of(stored.folder / batch.BATCH_FILE)
    if isinstance(text, OSError):
        yield inventory.told(text)
    elif _is_ours(stored) and text != batch.to_json(stored.batch).encode("utf-8", "surrogatepass"):
        yield "is not as it was written"
    if stored.batch.complete != all(dump.file and dump.error is None for dump in stored.batch.databases):
        yield f"calls the batch {'' if stored.batch.complete else 'not '}complete, against what it says of its dumps"


def _fits(text: bytes, stored: Stored, folder: str | None) -> bool:
    """Tell whether a RESTORE.txt is that of a batch; of one that another version wrote, whether it names each dump."""
    if not _is_ours(stored):
        shown = text.decode(guide.ENCODING, "replace")
        return all(str(dump.file) in shown for dump in _dumps(stored))
    try:
        known = proof.read(stored.folder.parents[1]) if folder else None
        held = guide.held_in(text.decode(guide.ENCODING, "replace"))
        return text == guide.restore_text(stored.batch, folder, known, held).encode(guide.ENCODING)
    except OverflowError:  # a time at the end of the calendar
        return False


def _is_ours(stored: Stored) -> bool:
    """Tell whether a batch was made by this very version, and so what it writes can be foretold to the byte."""
    return stored.batch.meosbackup == __version__


def _meosfiles(stored: Stored) -> list[MeosFile]:
    return [dump.meosxml for dump in stored.batch.databases if dump.meosxml is not None]


def _dumps(stored: Stored) -> list[Dump]:
    return [dump for dump in stored.batch.databases if dump.file is not None]
