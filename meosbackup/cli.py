"""The commands and their options; no logic.

A command imports what it needs by itself: who wants a race back waits for no other command's modules.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import platformdirs

from meosbackup import __version__, errors, logfile, notices
from meosbackup.console import Console, simplify_unprintable
from meosbackup.errors import MeosBackupError
from meosbackup.settings.model import Settings, load

log = logging.getLogger(__name__)

Command = TypeVar("Command", bound=Callable[..., Any])

STATE_FOLDER = platformdirs.user_state_path("meosbackup", appauthor=False)
"""Where the spool and the log lie unless a setting says otherwise."""

_LATEST = "latest"


class Option(Protocol):
    """A decorator that gives a command an option."""

    def __call__(self, command: Command, /) -> Command:
        """Return the command with the option."""


def _option(*names: str, help: str, **more: Any) -> Option:  # noqa: A002 - click's own word
    return click.option(*names, help=help, default=None, **more)


def _flag(name: str, text: str) -> Option:
    return click.option(name, help=text, is_flag=True, default=None)


_DRIVE_OPTION = _option("--target", metavar="DIR", help="The drive's folder, such as /media/usb or E:. It must exist.")
_TARGET_OPTIONS = (
    _DRIVE_OPTION,
    _flag("--any-disk", "Allow a target on the system's own disk."),
)
_SERVER_OPTIONS = (
    _option("--host", metavar="NAME", help="The server's name or address (localhost)."),
    _option("--port", metavar="NUMBER", help="The server's port (3306)."),
    _option("--socket", metavar="FILE", help="The server's socket, instead of host and port."),
    _option("--user", metavar="NAME", help="The user that MeOS logs in with (meos)."),
    _flag("--ask-password", "Ask for the user's password."),
    _option("--defaults-file", metavar="FILE", help="A MySQL option file with the login."),
    _option("--ssl-mode", metavar="MODE", help="Encryption: PREFERRED (the default), REQUIRED or DISABLED."),
)
_BACKUP_OPTIONS = (
    _option("--interval", metavar="SECONDS", help="The time from one backup to the next (60)."),
    _option("--days", metavar="N", help="Back up races dated within the last N days or later (3)."),
    _option("--race", metavar="NAME", multiple=True, help="Back up this race only; may be given again."),
    _flag("--all-races", "Back up every race, however old."),
)
_PROGRAM_OPTIONS = (
    _option("--spool", metavar="DIR", help="The folder on this computer where batches are made."),
    _option("--mysqldump", metavar="PROGRAM", help="The dump program."),
    _option("--mysql", metavar="PROGRAM", help="The client program."),
)
_COMMON_OPTIONS = (
    _option("--config", metavar="FILE", help="A file of settings, such as config.example.toml."),
    _option("--log-file", metavar="FILE", help="The log file."),
    _flag("--quiet", "Print trouble only."),
    _flag("--verbose", "Write every detail to the log file."),
)


def _options(*groups: tuple[Option, ...]) -> Option:
    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(invoke_without_command=True, context_settings=_HELP)
@click.version_option(__version__)
@_options(_TARGET_OPTIONS, _SERVER_OPTIONS, _BACKUP_OPTIONS, _PROGRAM_OPTIONS)
@_flag("--once", "Make one batch and leave.")
@_options(_COMMON_OPTIONS)
@click.pass_context
def cli(context: click.Context, /, once: bool | None, **flags: Any) -> None:
    """Back up all MeOS races of a server to a drive, minute after minute, until Ctrl-C.

    Race day:  meosbackup --target /media/usb
    """
    if context.invoked_subcommand is not None:
        context.obj = flags
        return
    from meosbackup.day import daemon
    from meosbackup.system import lock

    chosen, console = _begin(flags)
    ready = daemon.prepare(chosen, _spool(chosen))
    with lock.held(STATE_FOLDER / "locks", [ready.place.target, ready.spool]):
        if once:
            context.exit(daemon.run_once(ready, console))
        daemon.run(ready, console)


@cli.command("check")
@_options(_TARGET_OPTIONS, _SERVER_OPTIONS, _BACKUP_OPTIONS, _PROGRAM_OPTIONS, _COMMON_OPTIONS)
@click.pass_context
def check_command(context: click.Context, /, **flags: Any) -> None:
    """Tell whether everything is ready for race day, one line for each thing.

    Example:  meosbackup check --target /media/usb
    """
    from meosbackup.commands import check

    chosen, console = _begin(_merged(context.obj, flags))
    faults = 0
    for finding in check.run(chosen, _spool(chosen)):
        console.result(finding.word, finding.name, finding.text)
        faults += not finding.is_ok
    context.exit(1 if faults else 0)


@cli.command("restore")
@_options(_TARGET_OPTIONS)
@_option("--batch", metavar="WHEN", help="The batch: latest (the default), or a time as `list` prints it, or 14:03.")
@_option("--race", metavar="NAME", multiple=True, help="Restore this race only; may be given again.")
@_flag("--whole-list", "Replace the whole race list as well.")
@_flag("--dry-run", "Only tell what would be done.")
@_flag("--yes", "Don't ask.")
@_flag("--force", "Restore races that MeOS has open, too.")
@_options(_SERVER_OPTIONS, _PROGRAM_OPTIONS, _COMMON_OPTIONS)
@click.pass_context
def restore_command(
    context: click.Context,
    /,
    batch: str | None,
    race: tuple[str, ...],
    whole_list: bool | None,
    dry_run: bool | None,
    yes: bool | None,
    force: bool | None,
    **flags: Any,
) -> None:
    """Bring races back from a batch: on the race server, or on a spare one.

    Example:  meosbackup restore --target /media/usb --batch 14:03 --race Långdistans
    """
    from meosbackup.restore import restore
    from meosbackup.restore.plan import Wish
    from meosbackup.store import inventory
    from meosbackup.system import lock

    chosen, console = _begin(_merged(context.obj, flags))
    wish = Wish(batch or _LATEST, race, bool(whole_list), bool(force))
    place = inventory.root_of(chosen.target).parent
    with lock.held(STATE_FOLDER / "locks", [place, _spool(chosen)]):
        is_done = restore.run(chosen, place, _spool(chosen), wish, console, dry_run=bool(dry_run), is_agreed=bool(yes))
    context.exit(0 if is_done else 1)


@cli.command("rehearse")
@_options(_TARGET_OPTIONS)
@_option("--batch", metavar="WHEN", help="The batch: latest (the default), or a time as `list` prints it, or 14:03.")
@_option("--mysqldump", metavar="PROGRAM", help="The dump program.")
@_options(_COMMON_OPTIONS)
@click.pass_context
def rehearse_command(context: click.Context, /, batch: str | None, **flags: Any) -> None:
    """Prove that a batch restores: into a private server, compared with the dumps row by row.

    Example:  meosbackup rehearse --target /media/usb
    """
    from meosbackup.commands import rehearse
    from meosbackup.store import inventory

    chosen, console = _begin(_merged(context.obj, flags))
    place = inventory.root_of(chosen.target).parent
    context.exit(0 if rehearse.run(chosen, place, batch or _LATEST, console) else 1)


@cli.command("export")
@_options((_DRIVE_OPTION,))
@_option("--batch", metavar="WHEN", help="The batch: latest (the default), or a time as `list` prints it, or 14:03.")
@_option("--race", metavar="NAME", multiple=True, help="This race only; may be given again.")
@click.option("--to", metavar="FOLDER", default=".", help="Where the files go (the current folder).")
@_options(_COMMON_OPTIONS)
@click.pass_context
def export_command(context: click.Context, /, batch: str | None, race: tuple[str, ...], to: str, **flags: Any) -> None:
    """Write races of a batch as files that MeOS opens by itself (.meosxml): no server is needed.

    Example:  meosbackup export --target /media/usb --race Långdistans --to .
    """
    from meosbackup.commands import export

    chosen, console = _begin(_merged(context.obj, flags))
    is_done = export.run(chosen.target, batch or _LATEST, race, Path(to).expanduser().absolute(), console)
    context.exit(0 if is_done else 1)


@cli.command("list")
@_options((_DRIVE_OPTION,))
@click.option("--race", metavar="NAME", help="The batches of this race only: its name, NameId, or a part of one.")
@click.option("--json", "as_json", is_flag=True, help="All that the batches tell of themselves, for programs.")
@_options(_COMMON_OPTIONS)
@click.pass_context
def list_command(context: click.Context, /, race: str | None, as_json: bool, **flags: Any) -> None:
    """List the batches on a drive with their races and how fresh they are, the newest last.

    Example:  meosbackup list --target /media/usb --race Stafett
    """
    from meosbackup.commands import list as listing

    chosen, console = _begin(_merged(context.obj, flags))
    listing.run(chosen.target, console, race, as_json=as_json)


@cli.command("verify")
@_options((_DRIVE_OPTION,), _COMMON_OPTIONS)
@click.pass_context
def verify_command(context: click.Context, /, **flags: Any) -> None:
    """Read every file of every batch on a drive back, and tell what is wrong. Nothing is changed.

    Example:  meosbackup verify --target /media/usb
    """
    from meosbackup.commands import verify

    chosen, console = _begin(_merged(context.obj, flags))
    context.exit(0 if verify.run(chosen.target, console) else 1)


@cli.command("demo")
@click.option("--seconds", default=50, show_default=True, metavar="N", help="How long the race day lasts.")
@_options(_COMMON_OPTIONS)
@click.pass_context
def demo_command(context: click.Context, /, seconds: int, **flags: Any) -> None:
    """Show a whole race day in a minute on a private server, with no MeOS and no drive.

    Example:  meosbackup demo
    """
    from meosbackup.commands import demo

    _, console = _begin(flags)
    context.exit(0 if demo.run(console, seconds) else 1)


def main() -> None:
    """Run the command line. Whatever goes wrong is told in words, and the log file has the rest."""
    simplify_unprintable()
    try:
        code = cli.main(standalone_mode=False)
    except MeosBackupError as error:
        log.info("ended by: %s", error, exc_info=True)
        Console().error(error)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 1
    except Exception as error:
        log.exception("ended by an unexpected error")
        Console().error(errors.unexpected(error, "meosbackup", "The backups on the drive are unchanged."))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _merged(outer: Mapping[str, Any] | None, inner: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command's flags with those that were given before its name."""
    return {**(outer or {}), **{name: value for name, value in inner.items() if value not in (None, ())}}


def _begin(flags: Mapping[str, Any]) -> tuple[Settings, Console]:
    """Read the settings, open the log, and ask for the password where that is wanted."""
    config = flags.get("config")
    given = {name: value for name, value in flags.items() if name != "config" and value not in (None, ())}
    chosen = load(given, os.environ, Path(config) if config else None)
    logfile.begin(chosen.log_file or STATE_FOLDER / "meosbackup.log", verbose=chosen.verbose)
    if chosen.ask_password:
        chosen = replace(chosen, password=click.prompt("Password", hide_input=True, default="", show_default=False))
    console = Console(quiet=chosen.quiet)
    notices.listen(lambda text: console.result("NOTE", "note", text))
    return chosen, console


def _spool(chosen: Settings) -> Path:
    return chosen.spool or STATE_FOLDER / "spool"
