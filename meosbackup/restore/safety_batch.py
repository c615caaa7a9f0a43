"""What a restore is about to replace, saved first: as a batch that is never thinned out."""

import logging
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from meosbackup.backup import backup
from meosbackup.batch.model import StoredBatch
from meosbackup.batch.names import PIN_FILE
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.meos import race_list
from meosbackup.mysql import sessions
from meosbackup.mysql.programs import Program
from meosbackup.restore import replacement
from meosbackup.restore.plan import Plan
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, shipping
from meosbackup.store.shipping import Shipper
from meosbackup.text import clean

log = logging.getLogger(__name__)


def save(
    settings: Settings, plan: Plan, program: Program, spool_root: Path, target: Path, stop: threading.Event,
    *, is_forced: bool,
) -> StoredBatch | None:  # fmt: skip
    """Back up what is going to be replaced, as a pinned batch in the spool; None where that failed, and is forced.

    Raises MeosBackupError, after which nothing may be replaced; StoppedError.
    """
    _list_unlisted(settings, plan)
    places = (spool_root, drive.root(target))
    sequence = max((found.batch.sequence for place in places if (found := inventory.find(place).newest)), default=0)
    everything = replace(settings, races=(), all_races=True, skip_unchanged=False)
    outcome = backup.Backup(everything, program, spool_root, sequence).tick(
        datetime.now().astimezone().replace(microsecond=0), stop
    )
    good = {entry.database for entry in outcome.stored.batch.databases if not entry.error} if outcome.stored else set()
    unsaved = [found.database for found in plan.replaced if not found.is_shell and found.database not in good]
    if (unsaved or outcome.stored is None) and not is_forced:
        reasons = "".join(f" {failure.error.what}" for failure in outcome.failures)
        raise MeosBackupError(
            f"What the server has of {', '.join(unsaved) or 'the race list'} can't be saved.{reasons}",
            "Nothing was restored.",
            "--force restores all the same; what the server has of it is lost then.",
        )
    if outcome.stored is not None:
        (outcome.stored.folder / PIN_FILE).touch()
    return outcome.stored


def bring_to_drive(settings: Settings, target: Path, spool_root: Path, console: Console, stop: threading.Event) -> None:
    """Bring what was saved to the drive as well; where that fails, it is in the spool. Raises StoppedError."""
    now = datetime.now().astimezone()
    try:
        shipper = Shipper(spool_root, drive.place(target), settings.reserve_mb, stop, console.say)
        shipping.ship_waiting(shipper, shipping.attach(shipper, now))
    except MeosBackupError as error:
        log.warning("what was saved is in the spool only", exc_info=True)
        console.result("NOTE", "the drive", f"{clean(error.what)} What was saved is in the spool {spool_root}.")


def _list_unlisted(settings: Settings, plan: Plan) -> None:
    """Put on the race list what is replaced and isn't listed: a backup takes what the list has."""
    with sessions.session(settings) as session:
        name = sessions.spelled("MeOSMain", sessions.databases(session))
        rows = race_list.listed_races(session, name) if name else ()
        listed = {row.race.name_id.lower() for row in rows if not row.removed}
        for entry, found in zip(plan.dumps, plan.standings, strict=True):
            if entry.race and found and not found.is_shell and entry.race.name_id.lower() not in listed:
                replacement.put_on_list(session, entry.race, found.database)
