"""`meosbackup rehearse`: prove a batch by restoring and comparing it, and note that on the drive."""

import threading
import time
from datetime import datetime
from pathlib import Path

from meosbackup.batch import choosing
from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.commands.common import batch_option, batches_for, command, given
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.mysql import programs
from meosbackup.mysql.programs import Program
from meosbackup.restore import rehearsal
from meosbackup.restore.rehearsal import RehearsedDatabase
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import drive, inventory, top_of_drive
from meosbackup.store.inventory import Inventory
from meosbackup.text import clean
from meosbackup.wording import number


@command("rehearse")
@batch_option
def rehearse_command(settings: Settings, console: Console, *, batch: str) -> bool:
    """Prove that a batch restores, on a private server.

    Each row is compared with the dumps.

    Example:  meosbackup rehearse --target /media/usb
    """
    with batches_for(settings, "rehearse", *given(batch)) as found:
        return run(settings, found, batch, console)


def run(settings: Settings, found: Inventory, when: str, console: Console) -> bool:
    """Rehearse a batch; return whether it came back without a difference. Raises MeosBackupError."""
    chosen = choosing.batch_at(found.batches, when)
    program = programs.find_dump_program(settings.mysqldump)
    taken = chosen.stored.batch.taken
    console.say(str(chosen))
    try:
        is_proven = rehearse(chosen.stored, program, console)
    except MeosBackupError as error:
        raise type(error)(error.what, f"NOT PROVEN. {error.means}", error.do) from error
    _show_verdict(chosen.stored, console, is_proven=is_proven)
    if is_proven and settings.target != SPOOL and not chosen.stored.is_only_here:
        _note(found.root, Proof(taken, datetime.now().astimezone().replace(microsecond=0)), console)
    return is_proven


def _show_verdict(stored: StoredBatch, console: Console, *, is_proven: bool) -> None:
    if not is_proven:
        console.result("FAIL", "NOT PROVEN", f"the batch from {stored.when} doesn't come back as it was saved")
        return
    lacking = [entry.display_name for entry in stored.batch.databases if entry.dump is None]
    but = f". It has no dump of {', '.join(lacking)}" if lacking else ""
    console.result("OK", "PROVEN", f"the batch from {stored.when} restores, each row as it was saved{but}")


def rehearse(stored: StoredBatch, program: Program, console: Console) -> bool:
    """Restore a batch into a private server, and print race by race how it came back. Raises MeosBackupError."""
    began, is_same = time.monotonic(), True
    for done in rehearsal.rehearse(stored, program, threading.Event()):
        show(done, console)
        is_same &= not done.differing
    console.say(f"From a lost server to all races restored and compared: {time.monotonic() - began:.1f} s")
    return is_same


def show(done: RehearsedDatabase, console: Console) -> None:
    """Print how one database came back."""
    name = done.entry.race.display_name if done.entry.race else "race list"
    if done.differing:
        console.result("FAIL", name, f"differs in {', '.join(done.differing)}; {done.seconds:.1f} s")
    else:
        left_out = clean(", ".join(done.left_out), 200)
        but = f". Not restored, as MeOS makes no such thing: {left_out}" if left_out else ""
        console.result("OK", name, f"{number(done.rows, 'row')}, identical to the dump; {done.seconds:.1f} s{but}")


def _note(root: Path, found: Proof, console: Console) -> None:
    """Put the proof into the RESTORE.txt at the top of the drive; that a drive can't take it is not a failure."""
    try:
        top_of_drive.note_proof(drive.place(root.parent), inventory.take(root).newest, found)
    except MeosBackupError as error:
        console.result("NOTE", "the drive", f"the proof couldn't be written to it: {error.what}")
