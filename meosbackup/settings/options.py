"""Each setting once: its key, its group, what it may be and what --help says; click options are made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from meosbackup.settings import faults, toml_file
from meosbackup.settings.model import Settings
from meosbackup.settings.value_types import (
    ADDRESS,
    COUNT,
    DAYS,
    FILE,
    FOLDER,
    MEGABYTES,
    MINUTES,
    NAMES,
    PORT,
    PROGRAM,
    SECONDS,
    SPAN,
    SSL_MODE,
    SWITCH,
    TARGET,
    TEXT,
    Kind,
    has_lost_quote,
)
from meosbackup.text import clean

Command = TypeVar("Command", bound=Callable[..., Any])

PREFIX = "MEOSBACKUP_"
"""What the name of each environment variable begins with."""

FILE_ONLY = ""
"""The group of what only a variable or the file of settings can set: a password is never an argument."""


@dataclass(frozen=True)
class Setting:
    """A setting: its key in the file of settings, which its option and its variable are called after."""

    group: str
    key: str
    kind: Kind
    help: str = ""

    @property
    def field(self) -> str:
        """The field of Settings that it sets."""
        return "races" if self.key == "race" else self.key

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.key.upper()


_SECRET = frozenset({"password", "notify", "standby_password"})

CONFIG = Setting("common", "config", FILE, "A file of settings, such as config.example.toml.")

SETTINGS = (
    Setting("target", "target", TARGET, "The drive's folder, such as /media/usb or E:. It must exist."),
    Setting("target", "any_disk", SWITCH, "Allow a target on the system's own disk."),
    Setting("server", "host", TEXT, "The server's name or address."),
    Setting("server", "port", PORT, "The server's port."),
    Setting("server", "socket", FILE, "The server's socket, instead of host and port."),
    Setting("server", "user", TEXT, "The user that MeOS logs in as."),
    Setting("server", "ask_password", SWITCH, "Ask for the user's password."),
    Setting("server", "defaults_file", FILE, "A MySQL option file with the login."),
    Setting("server", "ssl_mode", SSL_MODE, "Encryption: PREFERRED, REQUIRED or DISABLED."),
    Setting("backup", "interval", SECONDS, "The time from one backup to the next."),
    Setting("backup", "days", DAYS, "Back up races dated within the last N days or later."),
    Setting("backup", "race", NAMES, "Back up only this race; may be repeated."),
    Setting("backup", "all_races", SWITCH, "Back up every race, however old."),
    Setting("backup", "page_port", PORT, "Serve a page that shows to the network how things stand, at this port."),
    Setting("backup", "standby", ADDRESS, "A spare server that is kept ready, with the races as of the last backup."),
    Setting("backup", "adopt_standby", SWITCH, "Replace also races that somebody else put on the spare server."),
    Setting("programs", "spool", FOLDER, "The waiting room on this computer, where batches are made."),
    Setting("programs", "mysqldump", PROGRAM, "The dump program."),
    Setting("programs", "mysql", PROGRAM, "The client program."),
    CONFIG,
    Setting("common", "log_file", FILE, "The log file."),
    Setting("common", "quiet", SWITCH, "Print only trouble, without a sound."),
    Setting("common", "verbose", SWITCH, "Write every detail to the log file."),
    Setting(FILE_ONLY, "password", TEXT),
    Setting(FILE_ONLY, "standby_user", TEXT),
    Setting(FILE_ONLY, "standby_password", TEXT),
    Setting(FILE_ONLY, "standby_defaults_file", FILE),
    Setting(FILE_ONLY, "spool_mb", MEGABYTES),
    Setting(FILE_ONLY, "reserve_mb", MEGABYTES),
    Setting(FILE_ONLY, "jobs", COUNT),
    Setting(FILE_ONLY, "lock_limit", SECONDS),
    Setting(FILE_ONLY, "dump_limit", SECONDS),
    Setting(FILE_ONLY, "skip_unchanged", SWITCH),
    Setting(FILE_ONLY, "distrust_minutes", MINUTES),
    Setting(FILE_ONLY, "meosxml", SWITCH),
    Setting(FILE_ONLY, "alarm", SWITCH),
    Setting(FILE_ONLY, "stay_awake", SWITCH),
    Setting(FILE_ONLY, "rehearse_every", SPAN),
    Setting(FILE_ONLY, "notify", NAMES),
)
KEYS = tuple(setting.key for setting in SETTINGS if setting is not CONFIG)
"""Every key of the file of settings."""


class SettingOption(click.Option):
    """The option of a setting. Where a command has none for it, variables and the file of settings still count."""

    def __init__(self, _: Sequence[str], /, *, setting: Setting, is_offered: bool) -> None:
        """Make the option; it can stand on the command line, and in --help, if it `is_offered`."""
        is_config, is_switch = setting is CONFIG, setting.kind is SWITCH and is_offered
        super().__init__(
            [setting.option], type=setting.kind.type, metavar=None if is_switch else setting.kind.metavar,
            is_flag=is_switch, multiple=setting.kind is NAMES, help=setting.help, hidden=not is_offered,
            default=None if is_config else getattr(Settings, setting.field), show_default=setting.kind is not NAMES,
            envvar=setting.variable, is_eager=is_config, callback=_open if is_config else None,
        )  # fmt: skip
        self.setting = setting
        if not is_offered:
            self.opts = []

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser know the option if the command line may hold it."""
        if self.opts:
            super().add_to_parser(parser, ctx)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Take the value. Before a command's name, only options count: the command reads everything else itself."""
        if args and isinstance(ctx.command, click.Group) and self.setting.key not in opts:
            return None, args
        return super().handle_parse_result(ctx, opts, args)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Find the value. An empty option counts as not given; one before the command's name counts as its own."""
        key = self.setting.key
        given = {name: value for name, value in opts.items() if name != key or value != ""}
        if key not in given and ctx.parent and ctx.parent.get_parameter_source(key) is ParameterSource.COMMANDLINE:
            found = ctx.parent.params[key], ParameterSource.COMMANDLINE
        else:
            found = super().consume_value(ctx, given)
        ctx.set_parameter_source(key, found[1])  # not every click does so before it converts the value
        return found

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value as its type; raise WrongUsageError if it is wrong."""
        if ctx.get_parameter_source(self.setting.key) is ParameterSource.DEFAULT_MAP:
            return self.of_file(ctx, value)
        return self.converted(ctx, value, self.label(ctx))

    def of_file(self, ctx: click.Context, value: Any) -> Any:
        """Return a value of the file of settings, in which it must stand as its type; raise WrongUsageError if not."""
        label = f"{ctx.params[CONFIG.key]}: {self.setting.key}"
        if not self._is_in_toml(value):
            raise self.fault(label, value)
        return self.converted(ctx, value, label)

    def converted(self, ctx: click.Context, value: Any, label: str) -> Any:
        """Return a value as its type; raise WrongUsageError if it is wrong. The label is what sets it."""
        try:
            return super().type_cast_value(ctx, value)
        except (click.BadParameter, ValueError) as error:
            raise self.fault(label, value) from error

    def fault(self, label: str, value: Any) -> Exception:
        """Return the error for a wrong value; one that may hold a password is never shown."""
        shown = "(not shown)" if self.setting.key in _SECRET else faults.shown(value)
        if has_lost_quote(value):
            return faults.wrong(
                f'{label} is {clean(value, 80)}: Windows takes \\" for a quotation mark, and what follows it for the'
                f' rest of the name; write {label} E:\\ without quotation marks, or "E:\\folder" without \\ at its end'
            )
        return faults.wrong(f"{label} is {shown}; it must be {self.setting.kind.must_be}")

    def label(self, ctx: click.Context) -> str:
        """Return what sets it, as a person finds it: `--user`, `MEOSBACKUP_USER`, `/etc/club.toml: user`."""
        match ctx.get_parameter_source(self.setting.key):
            case ParameterSource.ENVIRONMENT:
                return self.setting.variable
            case ParameterSource.DEFAULT_MAP:
                return f"{ctx.params[CONFIG.key]}: {self.setting.key}"
            case _:
                return self.setting.option

    def _is_in_toml(self, value: Any) -> bool:
        if self.multiple:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        expected = {SWITCH: bool}.get(self.setting.kind, int if isinstance(self.type, click.IntRange) else str)
        return type(value) is expected  # not isinstance: True is an int as well


def _open(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Let click look in the file of settings for what no option and no variable sets."""
    if path is not None:
        ctx.default_map = toml_file.read(path, KEYS)
    return path


def options(*groups: str) -> Callable[[Command], Command]:
    """Give a command all settings; those of `groups`, and what is common to all commands, as options of its own."""

    def decorate(command: Command) -> Command:
        for setting in reversed(SETTINGS):
            is_offered = setting.group in (*groups, "common")
            command = click.option(cls=SettingOption, setting=setting, is_offered=is_offered)(command)
        return command

    return decorate
