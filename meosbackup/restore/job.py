"""What a restore is asked for, and what it works with."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.console import Console
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.store.inventory import Inventory


@dataclass(frozen=True)
class RestoreOptions:
    """What the user asked for: the batch from `when`, and the `races` with these names, or all if there are none.

    `whole_list` replaces the server's race list as well. `force` restores even races that MeOS has open or that can't
    be saved first, and `yes` doesn't ask for confirmation.
    """

    when: str
    races: tuple[str, ...] = ()
    whole_list: bool = False
    dry_run: bool = False
    yes: bool = False
    force: bool = False


@dataclass(frozen=True)
class Job:
    """A restore: what was asked for, the settings, the drive's and the spool's folders, the programs, the console.

    `found` are the batches to choose from; `target` is None if no drive takes part. Once `stop` is set, what has begun
    to replace tables finishes that, and the rest is given up.
    """

    options: RestoreOptions
    settings: Settings
    found: Inventory
    target: Path | None
    spool: Path
    dump_program: Program
    client_program: Program
    console: Console
    stop: threading.Event = field(default_factory=threading.Event)
