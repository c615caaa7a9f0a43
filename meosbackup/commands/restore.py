"""`meosbackup restore`: the options of what `meosbackup.restore` does."""

import click

from meosbackup.commands.common import STATE_FOLDER, batch_option, batches_for, command, given, races_asked, spool_of
from meosbackup.console import Console
from meosbackup.restore import restore
from meosbackup.restore.job import RestoreOptions
from meosbackup.settings import command_line
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.system import lock


@command("restore")
@batch_option
@click.option("--race", "races", metavar="NAME", multiple=True, help="Restore only this race; may be repeated.")
@click.option("--whole-list", is_flag=True, help="Replace the whole race list as well.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--force", is_flag=True, help="Restore even races that MeOS has open.")
def restore_command(
    settings: Settings,
    console: Console,
    *,
    batch: str,
    races: tuple[str, ...],
    whole_list: bool,
    dry_run: bool,
    yes: bool,
    force: bool,
) -> bool:
    """Restore races from a batch, on the race server or on a spare one.

    Example:  meosbackup restore --target /media/usb --batch 14:03 --race Långdistans
    """
    options = RestoreOptions(batch, races_asked(races), whole_list=whole_list, dry_run=dry_run, yes=yes, force=force)
    target, spool = settings.target if settings.target != SPOOL else None, spool_of(settings)
    words = ["restore", *given(batch, options.races, *(["--whole-list"] if whole_list else []))]
    try:
        with (
            lock.held(STATE_FOLDER / "locks", [spool, *([target] if target else [])], "restore"),
            batches_for(settings, *words) as found,
        ):
            return restore.run(settings, found, target, spool, options, console)
    except lock.AlreadyRunningError as error:
        raise lock.AlreadyRunningError(
            error.what, "It keeps running. Nothing was restored: only one of the two can use the drive at a time.",
            f"On this computer, press Ctrl-C in its window, and wait for its last line. Then run this again:"
            f" {command_line.command(settings, *words)}",
        ) from error  # fmt: skip
