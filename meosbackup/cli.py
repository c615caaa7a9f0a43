"""What joins the commands. Each is imported only when it is called, and so is what it needs."""

import gc
import importlib
import logging
import os
import sys
from contextlib import suppress
from typing import Any

import click

from meosbackup import __version__, console, errors
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.settings.options import options
from meosbackup.system import console_modes, login_file, signals

log = logging.getLogger(__name__)

COMMANDS = {
    "check": "Check that everything is ready for race day.",
    "status": "Tell whether backups are being made, and how old the newest is.",
    "list": "List the batches on a drive and how fresh their races are.",
    "verify": "Read every file of every batch on a drive and report damage.",
    "rehearse": "Prove that a batch restores, on a private server.",
    "restore": "Restore races from a batch, on the race server or on a spare one.",
    "export": "Write the races of a batch as files that MeOS opens without a server.",
    "demo": "Show a whole race day in a minute, on private servers.",
}
"""Each command, `commands/<name>.py`, and the first line of its help."""

_LAST_WORDS = 1.0
"""Seconds that the end waits for a screen that stands still, once the program was asked to end."""


class Commands(click.Group):
    """The commands, of which only the one that is called is imported."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the commands in the order in which they are needed."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"meosbackup.commands.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        command.help = _with_drive(command.help)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _with_drive(text: str | None) -> str | None:
    """Return a command's help with a drive in its example as this system spells one."""
    return text.replace("/media/usb", "E:") if text and sys.platform == "win32" else text


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
@click.option("--once", is_flag=True, help="Make one batch, then exit.")
@options("target", "server", "backup", "programs")
@click.pass_context
def cli(context: click.Context, /, *, once: bool, **_settings: Any) -> int:
    """Back up all MeOS races of a server to a drive, minute after minute, until Ctrl-C.

    Race day:  meosbackup --target /media/usb
    """
    if context.invoked_subcommand is not None:
        return 0
    from meosbackup.commands import race_day

    return race_day.run(context, once=once)


cli.help = _with_drive(cli.help)


def main() -> None:
    """Run the command line. Whatever goes wrong is reported in words, and the log file has the details."""
    with console_modes.escapes() as has_escapes:
        console.begin(has_escapes=has_escapes)
        signals.take_closed_window_as_ctrl_c()
        code = _run()
        if code and not signals.asked.is_set() and console_modes.closes_at_once():
            _let_read()
        _end(code)


def _run() -> int:
    """Run a command and return the exit code; what ends it is told."""
    try:
        code = cli.main(prog_name="meosbackup", standalone_mode=False)
    except MeosBackupError as error:
        log.info("ended by: %s", error, exc_info=True)
        Console().error(error)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        log.info("ended by Ctrl-C")
        signals.asked.set()
        code = 1
    except Exception as error:
        code = 1
        if isinstance(error, OSError) and signals.asked.is_set():
            log.info("ended by a closed window, to which nothing can be written", exc_info=True)
        else:
            log.exception("ended by an unexpected error")
            Console().error(errors.unexpected(error, "meosbackup", "The backups on the drive are unchanged."))
    return code if isinstance(code, int) else 0


def _let_read() -> None:
    """Keep the window open until what is in it was read."""
    Console().say()
    Console().say("Press Enter to close this window.")
    with suppress(KeyboardInterrupt):
        sys.stdin.readline()


def _end(code: int) -> None:
    """End the program once everything is printed; soon, if it was asked to end and the screen stands still."""
    login_file.remove_own()  # a thread that isn't waited for may have one
    try:
        is_printed = console.finish(_LAST_WORDS if signals.asked.is_set() else None)
    except KeyboardInterrupt:
        is_printed = False
    if not is_printed:
        logging.shutdown()
        os._exit(code)  # Python itself would wait for the screen
    gc.freeze()  # else Python would look for garbage at its end, longer than many a command takes
    sys.exit(code)
