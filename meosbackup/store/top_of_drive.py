"""The top of a drive: the RESTORE.txt of the newest batch, and which batch was proven last by a rehearsal."""

import json
from datetime import datetime
from pathlib import Path

from meosbackup.batch import batch_file, names
from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.guide import restore_txt
from meosbackup.store import drive
from meosbackup.store.drive import Place
from meosbackup.system import files

PROOF_FILE = "proof.json"
FORMAT = 1

_LARGEST_PROOF = 10_000
"""Bytes; a proof takes 100."""


def write_guide(place: Place, newest: StoredBatch, held: datetime | None = None) -> None:
    """Write the RESTORE.txt at the top of a drive, which describes its newest batch.

    `held` is when it was last seen that nothing had changed since that batch. Raises DriveGoneError, DriveFailedError.
    """
    folder = newest.folder.relative_to(place.root).as_posix()
    text = restore_txt.restore_text(newest.batch, folder, read_proof(place.root), held)
    try:
        files.write_durably(place.root / names.GUIDE_FILE, text.encode(restore_txt.ENCODING))
    except OSError as error:
        raise drive.guide_held(place.target, error) from error


def note_proof(place: Place, newest: StoredBatch | None, found: Proof) -> None:
    """Note on the drive that a batch was proven, also in the RESTORE.txt of its newest batch.

    Raises DriveGoneError, DriveFailedError.
    """
    document = {"format": FORMAT, "batch": found.batch.isoformat(), "proven": found.proven.isoformat()}
    try:
        files.write_durably(place.root / PROOF_FILE, (json.dumps(document) + "\n").encode())
    except OSError as error:
        raise drive.explained(place.target, error) from error
    if newest is not None:
        write_guide(place, newest, _held(place.root, newest))


def read_proof(root: Path) -> Proof | None:
    """Return the newest proof that is noted below a root; None if there is none that can be read."""
    try:
        document = json.loads(files.read_short(root / PROOF_FILE, _LARGEST_PROOF))
        return Proof(batch_file.moment(document["batch"]), batch_file.moment(document["proven"]))
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _held(root: Path, newest: StoredBatch) -> datetime | None:
    """Return when the newest batch was last seen to hold, as the RESTORE.txt at the top says if it is that batch's."""
    try:
        text = files.read_short(root / names.GUIDE_FILE).decode(restore_txt.ENCODING, "replace")
    except OSError:
        return None
    return restore_txt.held_in(text) if newest.folder.relative_to(root).as_posix() in text else None
