"""`meosbackup` by itself: the race day."""

from datetime import datetime

import click

from meosbackup import wording
from meosbackup.commands.common import STATE_FOLDER, begin, spool_of
from meosbackup.day import daemon
from meosbackup.errors import MeosBackupError
from meosbackup.restore import adoption
from meosbackup.store import available, spool
from meosbackup.system import lock


def run(context: click.Context, *, once: bool) -> int:
    """Back up until Ctrl-C, or only once; return the exit code. Raises MeosBackupError."""
    settings, console = begin(context)
    spool_root = spool_of(settings)
    try:
        ready = daemon.prepare(settings, spool_root)
        with lock.held(STATE_FOLDER / "locks", [ready.place.target, ready.spool], "--once" if once else ""):
            if ready.spare:
                adoption.begin(ready.spare, ready.place, console, datetime.now().astimezone())
            if once:
                return daemon.run_once(ready, console)
            daemon.run(ready, console)
    except lock.AlreadyRunningError:
        raise
    except MeosBackupError as error:
        if waiting := spool.waiting(available.in_spool(spool_root)):
            count = wording.number(len(waiting), "batch is", "batches are")
            error.means += f" {count} only on this computer, in {spool_root}, until meosbackup runs with a drive."
        raise
    return 0
