"""What a restore is about to replace, saved first: as a batch that is kept for good and never chosen unnamed."""

import logging
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from meosbackup.backup import backup
from meosbackup.backup.outcome import Outcome
from meosbackup.batch.model import SAFETY, Race, StoredBatch
from meosbackup.errors import MeosBackupError
from meosbackup.meos import race_list
from meosbackup.mysql import identifiers, sessions
from meosbackup.mysql.programs import Program
from meosbackup.restore import replacement
from meosbackup.restore.job import Job
from meosbackup.restore.planning import Plan
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, shipping, spool, top_of_drive
from meosbackup.store.shipping import Shipper
from meosbackup.text import clean

log = logging.getLogger(__name__)


def save(job: Job, plan: Plan) -> StoredBatch | None:
    """Back up what is going to be replaced, as a batch in the spool; None if that failed, and force was given.

    Raises MeosBackupError, after which nothing may be replaced; StoppedError.
    """
    note_drive(job.spool, job.target)
    races = [(dump.entry.race, dump.status.database) for dump in plan.dumps
             if dump.entry.race and dump.status and not dump.status.is_shell]  # fmt: skip
    outcome = of_server(job.settings, job.dump_program, job.spool, job.found.highest_sequence, races, job.stop)
    good = saved_by(outcome)
    unsaved = [race.database for race in plan.replaced if not race.is_shell and race.database not in good]
    if (unsaved or outcome.stored is None) and not job.options.force:
        reasons = "".join(f" {failure.error.what}" for failure in outcome.failures)
        raise MeosBackupError(
            f"What the server has of {', '.join(unsaved) or 'the race list'} can't be saved.{reasons}",
            "Nothing was restored.",
            "--force restores anyway; what the server has of it will be lost.",
        )
    return outcome.stored


def of_server(
    settings: Settings, dump_program: Program, spool_root: Path, sequence: int, races: Iterable[tuple[Race, str]],
    stop: threading.Event,
) -> Outcome:  # fmt: skip
    """Back up a whole server as a safety batch in the spool, after this sequence.

    These races, each with its database, are put on the server's race list first if they aren't on it: a backup takes
    those of the list. Raises MeosBackupError, StoppedError.
    """
    _list_unlisted(settings, races)
    highest = max(inventory.find(spool_root).highest_sequence, sequence)
    everything = replace(settings, races=(), all_races=True, skip_unchanged=False)
    now = datetime.now().astimezone().replace(microsecond=0)
    return backup.Backup(everything, dump_program, spool_root, highest, SAFETY).tick(now, stop)


def saved_by(outcome: Outcome) -> set[str]:
    """Return the databases that a safety batch holds as they were at its moment."""
    return {entry.database for entry in outcome.stored.batch.databases if not entry.error} if outcome.stored else set()


def bring_to_drive(job: Job) -> None:
    """Copy what was saved to the drive as well; if that fails, it is still in the spool. Raises StoppedError."""
    if job.target is None:
        return
    now = datetime.now().astimezone()
    try:
        place = drive.place(job.target)
        shipper = Shipper(job.spool, place, job.settings.reserve_mb, job.stop, job.console.say)
        arrived = partial(top_of_drive.write_guides, place)
        drive_id, found = shipping.attach(shipper, now), inventory.find(job.spool)
        its_own = replace(found, batches=tuple(spool.going_with(found, drive_id)))  # not those made for another drive
        shipping.ship_waiting(shipper, drive_id, its_own, arrived)
    except MeosBackupError as error:
        log.warning("what was saved is in the spool only", exc_info=True)
        job.console.result(
            "NOTE", "the drive", f"{clean(error.what)} What was saved is on this computer, in {job.spool}."
        )


def note_drive(spool_root: Path, target: Path | None) -> None:
    """Note in the spool to which drive the batch belongs, in case it can't be brought there."""
    with suppress(MeosBackupError, OSError):
        drive_id = drive.identity(drive.place(target)) if target else None
        if drive_id:
            spool.note_drive(spool_root, drive_id)


def _list_unlisted(settings: Settings, races: Iterable[tuple[Race, str]]) -> None:
    with sessions.session(settings) as session:
        name = identifiers.spelled("MeOSMain", sessions.databases(session))
        rows = race_list.listed_races(session, name) if name else ()
        listed = {row.race.key for row in rows if not row.removed}
        for race, database in races:
            if race.key not in listed:
                replacement.put_on_list(session, race, database)
