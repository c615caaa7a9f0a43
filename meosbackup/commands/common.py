"""What the commands have in common: their settings, console and log, and the default folders."""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import click
import platformdirs
from click.core import ParameterSource

from meosbackup import logfile, notices
from meosbackup.console import Console
from meosbackup.errors import DriveFailedError, DriveGoneError, NoBackupsError
from meosbackup.settings import chosen, command_line
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.settings.options import CONFIG, KEYS, SettingOption, options
from meosbackup.store import available
from meosbackup.store.inventory import Inventory
from meosbackup.system import login_file

STATE_FOLDER = platformdirs.user_state_path("meosbackup", appauthor=False)
"""The default folder of the spool and the log; the locks are always there."""

_LISTS_ALL = ("list", "verify")
"""The commands that list by themselves what can't be trusted."""
_MOST_TOLD = 3

_READING = ("target", "server", "programs")

batch_option = click.option(
    "--batch", metavar="WHEN", default="latest", show_default=True,
    help="The batch: latest, a time as `list` prints it, or its start, such as 14:03.",
)  # fmt: skip


def begin(context: click.Context) -> tuple[Settings, Console]:
    """Return the settings of a command and the console; open the log, and ask for the password if that is wanted.

    Raises WrongUsageError.
    """
    settings = chosen.settings(context)
    logfile.begin(settings.log_file or STATE_FOLDER / "meosbackup.log", verbose=settings.verbose)
    login_file.remove_abandoned(spool_of(settings))
    if settings.ask_password:
        settings = replace(settings, password=click.prompt("Password", hide_input=True, default="", show_default=False))
    console = Console(quiet=settings.quiet, whole=_paths(settings))
    notes = Console(quiet=settings.quiet, stream=sys.stderr) if context.params.get("as_json") else console
    notices.listen(lambda text: notes.result("NOTE", "note", text))
    return settings, console


def _paths(settings: Settings) -> list[str]:
    """Return the paths that messages may name."""
    values = [getattr(settings, field.name) for field in fields(settings)]
    return [str(STATE_FOLDER), *(str(value) for value in values if isinstance(value, Path))]


def command(name: str, *groups: str) -> Callable[[Callable[..., bool]], click.Command]:
    """Make a command of a function that gets the settings, the console and the command's own options.

    The command has the options of the `groups` of settings. It ends with 0 if the function returns True, otherwise
    with 1.
    """

    def decorate(action: Callable[..., bool]) -> click.Command:
        @functools.wraps(action)
        def run(context: click.Context, /, **values: Any) -> int:
            settings, console = begin(context)
            own = {option: value for option, value in values.items() if option not in (*KEYS, CONFIG.key)}
            return 0 if action(settings, console, **own) else 1

        made = click.command(name)(options(*(groups or _READING))(click.pass_context(run)))
        made.params.sort(key=lambda param: isinstance(param, SettingOption))  # in --help, the command's own come first
        return made

    return decorate


def races_asked(own: tuple[str, ...]) -> tuple[str, ...]:
    """Return the races that a command was asked for: by its own --race, or by one before its name."""
    before = click.get_current_context().parent
    if own or before is None or before.get_parameter_source("race") is not ParameterSource.COMMANDLINE:
        return own
    return tuple(before.params["race"])


@contextmanager
def batches_for(settings: Settings, *words: str) -> Iterator[Inventory]:
    """Yield the batches that a command reads: the drive's, and those of the spool that go with it.

    If the drive is dead or missing, also later on, the error names the command that does without it; `words` are what
    was given of it.

    Raises NoBackupsError, DriveGoneError, DriveFailedError.
    """
    try:
        found = available.find(settings.target, spool_of(settings))
        if words[0] not in _LISTS_ALL:
            _tell_passed_over(found)
        yield found
    except (NoBackupsError, DriveGoneError, DriveFailedError) as error:
        newest = available.in_spool(spool_of(settings)).newest
        if newest is None or settings.target == SPOOL:
            raise
        without = command_line.command(replace(settings, target=SPOOL), *words)
        do = f"{error.do} Or use the batches on this computer's disk, up to {newest.when}: {without}"
        raise type(error)(error.what, error.means, do) from error


def _tell_passed_over(found: Inventory) -> None:
    """Tell of what has the name of a batch, would be newer than the newest one, and can't be trusted."""
    newest = found.newest.name if found.newest else ""
    folders = ((folder.relative_to(found.root).as_posix(), error) for folder, error in found.doubtful)
    for name, error in sorted((one for one in folders if one[0] > newest), key=itemgetter(0))[-_MOST_TOLD:]:
        notices.tell(f"{name} was passed over. {error.what}")


def given(batch: str, races: Iterable[str] = (), *more: str) -> list[str]:
    """Return the options of a command with a batch and races, as they were given."""
    return ["--batch", batch, *(part for race in races for part in ("--race", race)), *more]


def spool_of(settings: Settings) -> Path:
    """Return the folder of the spool."""
    return settings.spool or STATE_FOLDER / "spool"
