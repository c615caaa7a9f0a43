"""A command's settings: option > variable > file of settings > MySQL option file > the user's own one > default."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from meosbackup import notices
from meosbackup.errors import WrongUsageError
from meosbackup.settings import faults, option_file
from meosbackup.settings.model import Settings
from meosbackup.settings.options import CONFIG, PREFIX, SettingOption

_RANKS = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
_OPTION_FILE, _OWN_OPTION_FILE = 3, 4
_RIVALS = (("quiet", "verbose"), ("ask_password", "password"), ("race", "all_races"))
"""Of each two, only one can be meant: the one of the higher rank."""


class _Given(NamedTuple):
    """A value that the user gave, the rank of its source (0 is the highest), and what set it."""

    rank: int
    label: str
    value: Any


def settings(ctx: click.Context) -> Settings:
    """Return the settings of a command that has the options of all settings (`options.options`).

    If nothing sets a user or a password, the user's own MySQL option file may. Raises WrongUsageError for the first
    thing that is wrong.
    """
    options = {option.setting.key: option for option in ctx.command.params if isinstance(option, SettingOption)}
    _refuse_unknown_variables([option.setting.variable for option in options.values()])
    _check_overridden(ctx, options)
    given = {
        key: _Given(_RANKS.index(source), option.label(ctx), ctx.params[key])
        for key, option in options.items() if (source := ctx.get_parameter_source(key)) in _RANKS
    }  # fmt: skip
    config = given.pop(CONFIG.key, None)
    if "defaults_file" in given:
        given = _from_option_file(ctx, options, given["defaults_file"].value, _OPTION_FILE) | given
    if "standby_defaults_file" in given:
        given = _spare_login(ctx, options, given["standby_defaults_file"].value) | given
    is_asked = "ask_password" in given and given["ask_password"].value
    if not is_asked and not {"user", "password"} & given.keys():
        given = _own_login(ctx, options) | given
    _settle_rivals(given)
    _settle_address(given)
    if "adopt_standby" in given and given["adopt_standby"].value and "standby" not in given:
        raise faults.wrong(f"{given['adopt_standby'].label} needs the spare server, --standby HOST")
    values = {options[key].setting.field: item.value for key, item in given.items()}
    return Settings(config=config and config.value, **values)


def _refuse_unknown_variables(known: list[str]) -> None:
    for name in os.environ:
        if name.startswith(PREFIX) and os.environ[name] and name not in known:
            raise faults.unknown("", name, known)


def _check_overridden(ctx: click.Context, options: dict[str, SettingOption]) -> None:
    """Check variables and the file of settings even if something else overrides them, which click doesn't."""
    for key, option in options.items():
        if (text := option.value_from_envvar(ctx)) is not None:
            option.converted(ctx, text, option.setting.variable)
        if key in (ctx.default_map or {}):
            option.of_file(ctx, (ctx.default_map or {})[key])


def _from_option_file(
    ctx: click.Context, options: dict[str, SettingOption], path: Path, rank: int
) -> dict[str, _Given]:
    return {
        key: _Given(rank, f"{path}: {key}", options[key].converted(ctx, text, f"{path}: {key}"))
        for key, text in option_file.read(path).items() if text
    }  # fmt: skip


def _spare_login(ctx: click.Context, options: dict[str, SettingOption], path: Path) -> dict[str, _Given]:
    """Return the login for the spare server that a MySQL option file has."""
    found = _from_option_file(ctx, options, path, _OPTION_FILE)
    return {f"standby_{key}": found[key] for key in ("user", "password") if key in found}


def _own_login(ctx: click.Context, options: dict[str, SettingOption]) -> dict[str, _Given]:
    """Return what the user's own option file says of the login: the first of those files that says anything."""
    for path in option_file.own_files(os.environ):
        try:
            found = _from_option_file(ctx, options, path, _OWN_OPTION_FILE)
        except WrongUsageError as error:
            # MySQL's own programs silently ignore a file that everyone can change.
            notices.tell(f"{error.what.removesuffix('.')}; meosbackup continues without it")
            continue
        if {"user", "password"} & found.keys():
            return found
    return {}


def _settle_rivals(given: dict[str, _Given]) -> None:
    for rivals in _RIVALS:
        meant = {key: given[key] for key in rivals if key in given and given[key].value}
        if len(meant) < 2:
            continue
        one, other = meant.values()
        if one.rank == other.rank:
            raise faults.wrong(f"{one.label} and {other.label} can't be used together")
        del given[max(meant, key=lambda key: meant[key].rank)]


def _settle_address(given: dict[str, _Given]) -> None:
    """Keep either the socket, or the host and port: whichever ranks higher, lest it be another server that is meant.

    If they come from the same source, the rule is that of MySQL's programs: a socket counts for localhost alone.
    """
    if "socket" not in given:
        return
    socket = given["socket"]
    address = {key: given[key] for key in ("host", "port") if key in given}
    is_remote = "host" in address and address["host"].value.lower() != "localhost"
    if any(item.rank < socket.rank for item in address.values()) or (is_remote and address["host"].rank == socket.rank):
        del given["socket"]
    else:
        for key, item in address.items():
            if item.rank > socket.rank:
                del given[key]
