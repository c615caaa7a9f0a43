"""`meosbackup` by itself: the race day."""

from meosbackup.commands.common import STATE_FOLDER, spool_of
from meosbackup.console import Console
from meosbackup.day import daemon
from meosbackup.settings.model import Settings
from meosbackup.system import lock


def run(settings: Settings, console: Console, *, once: bool) -> int:
    """Back up until Ctrl-C, or only once; return the exit code. Raises MeosBackupError."""
    ready = daemon.prepare(settings, spool_of(settings))
    with lock.held(STATE_FOLDER / "locks", [ready.place.target, ready.spool]):
        if once:
            return daemon.run_once(ready, console)
        daemon.run(ready, console)
    return 0
