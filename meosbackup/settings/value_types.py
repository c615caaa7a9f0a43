"""What a setting may be: click's types, and those that click hasn't."""

import re
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from meosbackup.settings.model import SPOOL, Address

_LONGEST_TEXT = 500
_DAY = 86_400
_QUOTED = re.compile(r'(?:[A-Za-z]:|\\\\)[^"]*"')
"""A path of Windows with a quotation mark, which no file's name can have there."""

AnyPath = TypeVar("AnyPath", bound=PurePath)


class Kind(NamedTuple):
    """A kind of setting: its type, the word for its value in --help, and what completes "it must be …"."""

    type: click.ParamType[Any]
    metavar: str
    must_be: str


def rooted(path: AnyPath) -> AnyPath:
    r"""Return `E:\` for the Windows path `E:`, which means whatever folder was last used on that drive."""
    return type(path)(f"{path.drive}/", *path.parts[1:]) if path.drive and not path.root else path


class _Type(click.ParamType[Any]):
    """A type that click hasn't; `read` gets a value and the folder that relative paths start from."""

    def __init__(self, read: Callable[[Any, Path], Any]) -> None:
        """Make the type of a function, which raises ValueError for a wrong value."""
        self.name = read.__name__
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a value; relative paths in the file of settings start from that file's folder."""
        is_in_file = (
            ctx and param and param.name and ctx.get_parameter_source(param.name) is ParameterSource.DEFAULT_MAP
        )
        return self._read(value, ctx.params["config"].parent if ctx and is_in_file else Path())

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the items of a list in a variable, in which a `;` stands between two."""
        return [item.strip() for item in rv.split(";") if item.strip()]


def _demand(is_right: bool) -> None:
    if not is_right:
        raise ValueError


def _text(value: str, _folder: Path) -> str:
    _demand(len(value) <= _LONGEST_TEXT and "\0" not in value)
    value.encode()  # fails if a variable holds bytes that are not UTF-8
    return value


def _name(value: str, folder: Path) -> str:
    _demand(bool(value.strip()))
    return _text(value, folder)


def has_lost_quote(value: Any) -> bool:
    r"""Tell whether a path is what Windows makes of `"E:\" --once`: it takes `\"` for a quotation mark in the name."""
    return isinstance(value, str) and _QUOTED.match(value) is not None


def _path(value: str | Path, folder: Path) -> Path:
    _demand(not has_lost_quote(str(value)))
    # A control character comes from a path such as "C:\temp", in which TOML takes \t for a tab.
    _demand(not any(letter < " " for letter in str(value)))
    try:
        return (folder / rooted(Path(value).expanduser())).absolute()
    except (RuntimeError, OSError) as error:  # there is no such home, or no current folder
        raise ValueError from error


def _target(value: str | Path, folder: Path) -> Path:
    return SPOOL if str(value) == str(SPOOL) else _path(value, folder)


def _program(value: str, folder: Path) -> str:
    """Keep a bare name, which is looked for in PATH; anything else is a file."""
    return _text(value, folder) if value == Path(value).name else str(_path(value, folder))


def _span(value: str, _folder: Path) -> int:
    """Return the seconds of "30 min" or "2 h"."""
    found = re.fullmatch(r"\s*([0-9]{1,5})\s*(min|h)\s*", value)
    seconds = int(found[1]) * (60 if found[2] == "min" else 3_600) if found else 0
    _demand(60 <= seconds <= _DAY)
    return seconds


def _address(value: str | Address, _folder: Path) -> Address:
    """Read `HOST` or `HOST:PORT`; an IPv6 address with a port stands in brackets."""
    if isinstance(value, Address):
        return value
    found = re.fullmatch(r"\[([^\]\s]+)\](?::(\d{1,5}))?|([^\s:]+)(?::(\d{1,5}))?|([0-9a-fA-F:.]+)", value)
    _demand(found is not None and len(value) <= _LONGEST_TEXT)
    host, port = (found[1] or found[3] or found[5], found[2] or found[4]) if found else ("", "")
    address = Address(host, int(port)) if port else Address(host)
    _demand(1 <= address.port <= 65_535)
    return address


def _number(unit: str, metavar: str, least: int, most: int) -> Kind:
    return Kind(click.IntRange(least, most), metavar, f"a whole number{unit} from {least} to {most}")


_QUOTES = "in single quotes if it contains backslashes"
SECONDS = _number(" of seconds", "SECONDS", 1, _DAY)
MINUTES = _number(" of minutes", "N", 1, 1_440)
COUNT = _number("", "N", 1, 16)
DAYS = _number(" of days", "N", 0, 36_500)
MEGABYTES = _number(" of MiB", "N", 1, 100_000_000)
PORT = _number("", "NUMBER", 1, 65_535)
SPAN = Kind(_Type(_span), "SPAN", 'a text such as "30 min" or "2 h", from 1 min to 24 h')
SWITCH = Kind(click.BOOL, "", "true or false")
ADDRESS = Kind(_Type(_address), "HOST[:PORT]", "a name or an address, if need be with a port: 192.168.1.11:3307")
TEXT = Kind(_Type(_text), "NAME", f"a text of at most {_LONGEST_TEXT} characters, in quotes")
NAMES = Kind(_Type(_name), "NAME", 'a list such as ["one", "another"], or in a variable: one; another')
FOLDER = Kind(_Type(_path), "DIR", rf"a folder such as '/media/usb' or 'E:\meos', {_QUOTES}")
TARGET = Kind(_Type(_target), *FOLDER[1:])
FILE = Kind(_Type(_path), "FILE", rf"a file such as '/home/me/file' or 'C:\meos\file', {_QUOTES}")
PROGRAM = Kind(_Type(_program), "PROGRAM", f"the name of a program, or its file, {_QUOTES}")
SSL_MODE = Kind(
    click.Choice(["PREFERRED", "REQUIRED", "DISABLED"], case_sensitive=False), "MODE", "PREFERRED, REQUIRED or DISABLED"
)
