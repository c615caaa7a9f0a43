"""`meosbackup export`: write races of a batch as files that MeOS opens on any computer, without a server."""

import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from meosbackup import wording
from meosbackup.batch import choosing, names, picking
from meosbackup.batch.model import Entry, StoredBatch, StoredFile
from meosbackup.batch.picking import Picked
from meosbackup.commands.common import batch_option, batches_for, command, given, races_asked
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.meosxml import convert
from meosbackup.meosxml.convert import Source
from meosbackup.settings.model import Settings
from meosbackup.store import copying
from meosbackup.store.inventory import Inventory
from meosbackup.system import files
from meosbackup.text import unbroken


@dataclass(frozen=True)
class Exported:
    """A race's file, and what a person should know about it."""

    path: Path
    notes: tuple[str, ...] = ()


@command("export")
@batch_option
@click.option("--race", "races", metavar="NAME", multiple=True, help="Export only this race; may be repeated.")
@click.option("--to", metavar="FOLDER", default=".", help="Where the files go; otherwise, the current folder.")
def export_command(settings: Settings, console: Console, *, batch: str, races: tuple[str, ...], to: str) -> bool:
    """Write the races of a batch as files that MeOS opens without a server.

    Example:  meosbackup export --target /media/usb --race Långdistans --to .
    """
    called, folder = races_asked(races), Path(to).expanduser().resolve()
    with batches_for(settings, "export", *given(batch, called, "--to", to)) as found:
        return run(found, batch, called, folder, console)


def run(found: Inventory, when: str, called: tuple[str, ...], folder: Path, screen: Console) -> bool:
    """Write the files of a batch's races into a folder, made if necessary; return whether all could be written.

    Nothing in the folder is replaced: a file whose name is taken gets another one.

    Raises WrongUsageError, and MeosBackupError if the folder can't be written to.
    """
    chosen = choosing.batch_at(found.batches, when)
    picked = picking.pick(found.batches, chosen.stored, called)
    _make_folder(folder)
    screen.say(str(chosen))
    done = [_told(one, folder, screen, is_chosen=one.stored is chosen.stored) for one in picked]
    if any(done):
        screen.say(
            "On one laptop, start MeOS: page Competition (Tävling), Import Competition (Importera tävling), and"
            " select the file."
        )
    return bool(done) and all(done)


def export(stored: StoredBatch, entry: Entry, folder: Path, stop: threading.Event) -> Exported:
    """Write the file of one race: the batch's own, or one made from the race's dump.

    Raises MeosBackupError if the race has neither, or both are damaged; OSError.
    """
    if entry.dump is None or entry.race is None:
        raise _missing("There is no dump of this race in the batch.")
    name = names.meosxml_name(entry.dump.file).removesuffix(names.MEOSXML)
    path = folder / names.first_free(name, lambda free: not files.is_there(folder / free), names.MEOSXML)
    ready, notes = entry.meosxml, tuple[str, ...]()
    with tempfile.TemporaryDirectory(prefix="meosbackup-", ignore_cleanup_errors=True) as work:
        # No file of a batch has a name that begins with a dot.
        local, reference, made = Path(work, entry.dump.file), Path(work, ".reference"), Path(work, names.MEOSXML)
        if ready is None or not _fetched(stored.path(ready), made, ready, stop):
            if not _fetched(stored.path(entry.dump), local, entry.dump, stop):
                raise _missing(f"The dump {entry.dump.file} of this race is missing or damaged.")
            images = None
            if entry.reference is not None:
                if _fetched(stored.path(entry.reference), reference, entry.reference, stop):
                    images = reference
                else:
                    notes = ("without its images: the dump of its reference tables is missing or damaged",)
            zone = stored.batch.taken.tzinfo or UTC
            convert.convert(Source(local, entry.race.version, zone, images), made, stop)
        partial = path.with_name(path.name + files.PARTIAL)
        try:
            files.remove(partial)
            files.link_or_copy(made, partial)
            files.move(partial, path)
            return Exported(path, notes)
        finally:
            files.discard(partial)


def _told(picked: Picked, folder: Path, screen: Console, *, is_chosen: bool) -> bool:
    """Export one race, and print the result; return whether it was written."""
    entry, stored = picked.entry, picked.stored
    name = entry.display_name
    try:
        done = export(stored, entry, folder, threading.Event())
    except MeosBackupError as error:
        screen.result("FAIL", name, f"{error.what} {error.do}")
        return False
    except OSError as error:
        screen.result(
            "FAIL",
            name,
            f"{unbroken(str(folder))} can't be written to ({error.strerror or error}). Name another folder with --to.",
        )
        return False
    facts = [unbroken(str(done.path)), wording.size(done.path.stat().st_size)]
    if entry.freshness is not None:
        facts.append(wording.number(entry.freshness.entries, "entry", "entries"))
        facts.append(f"{entry.freshness.finished:,} finished")
    if not is_chosen:
        facts.append(f"FROM AN EARLIER BATCH, {stored.when}: that one has no dump of it")
    if entry.error and entry.taken:
        facts.append(f"OLDER than the batch: from {wording.when(entry.taken, datetime.now().astimezone())}")
    screen.result("OK", name, ", ".join((*facts, *done.notes)))
    return True


def _fetched(source: Path, target: Path, meant: StoredFile, stop: threading.Event) -> bool:
    """Copy a file from the drive; return whether it was there and intact."""
    try:
        files.open_regular(source, meant.bytes).close()
    except OSError:
        return False
    return copying.from_drive(source, target, meant, stop, lambda _: None)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MeosBackupError(
            f"The folder {unbroken(str(folder))} can't be created ({error.strerror or error}).",
            "Nothing was written.",
            "Name another folder with --to.",
        ) from error


def _missing(what: str) -> MeosBackupError:
    return MeosBackupError(
        what, "It was not exported; the others are not affected.", "Choose another batch with --batch."
    )
