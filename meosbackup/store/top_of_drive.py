"""The top of a drive: the guides to the newest batch, and which batch was proven last by a rehearsal."""

import json
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from meosbackup.batch import batch_file, names
from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.guide import restore_txt
from meosbackup.guide.page import LARGEST, day_in, page_html, spare_in
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import Picture
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store import drive
from meosbackup.store.drive import Place
from meosbackup.system import durable, files

FORMAT = 1

_LARGEST_PROOF = 10_000
"""Bytes; a proof takes 100."""


def write_guides(
    place: Place,
    newest: StoredBatch,
    held: datetime | None = None,
    day: Picture | None = None,
    present: Collection[str] | None = None,
    spare: SpareServer | None = None,
) -> None:
    """Write the RESTORE.txt and the RESTORE.html at the top of a drive, which describe its newest batch.

    `held` is when it was last seen that nothing had changed since that batch. `day` is what the page tells of, and
    `spare` the spare server, if there is one; with None for the day, both are what the page told of before. `present`
    are the folders of the batches on the drive, None to look for them.

    Raises DriveGoneError, DriveFailedError; what can be written of the two is written.
    """
    folder = newest.folder.relative_to(place.root).as_posix()
    proof, now = read_proof(place.root), datetime.now().astimezone()
    if day is None:
        before = _page(place.root)
        day, spare = day_in(before), spare_in(before)
    day = (day or Picture()).with_batch(newest.batch, folder)
    of_day = {batch.name for batch in day.batches}
    removed = of_day - {name for name in of_day if files.is_folder(place.root / name)} if present is None else (
        of_day.difference(present, [folder])
    )  # fmt: skip
    text = restore_txt.restore_text(newest.batch, folder, proof, held, spare).encode(restore_txt.ENCODING)
    page = page_html(PageFacts(newest.batch, day, folder, now, proof, held, removed, spare)).encode()
    try:
        durable.write_all(place.root, {names.GUIDE_FILE: text, names.PAGE_FILE: page})
    except OSError as error:
        raise drive.guide_held(place.target, error) from error


def read_day(root: Path) -> Picture | None:
    """Return the day that the page at the top of a drive tells of; None if there is none that can be read."""
    return day_in(_page(root))


def _page(root: Path) -> str:
    """Return the page at the top of a drive; an empty text if it can't be read."""
    try:
        return files.read_short(root / names.PAGE_FILE, LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def note_proof(place: Place, newest: StoredBatch | None, found: Proof) -> None:
    """Note on the drive that a batch was proven, also in the guides to its newest batch.

    Raises DriveGoneError, DriveFailedError.
    """
    document = {"format": FORMAT, "batch": found.batch.isoformat(), "proven": found.proven.isoformat()}
    try:
        durable.write(place.root / names.PROOF_FILE, (json.dumps(document) + "\n").encode())
    except OSError as error:
        raise drive.explained(place.target, error) from error
    if newest is not None:
        write_guides(place, newest, _held(place.root, newest))


def read_proof(root: Path) -> Proof | None:
    """Return the newest proof that is noted below a root; None if there is none that can be read."""
    try:
        document = json.loads(files.read_short(root / names.PROOF_FILE, _LARGEST_PROOF))
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
