"""The kinds of settings: what a value must be, and how it is read from text."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

_DAY = 86_400
_LONGEST_TEXT = 500
SSL_MODES = ("PREFERRED", "REQUIRED", "DISABLED")
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

AnyPath = TypeVar("AnyPath", bound=PurePath)


@dataclass(frozen=True)
class Kind:
    """What a setting may be.

    `right` completes the sentence "must be …". `check` gets a value and the folder that relative paths start from; it
    returns the value to keep, or raises ValueError. `parse` makes such a value of the text of a variable or a flag,
    and leaves the text as it is where it can't. A secret's value is never repeated in a message.
    """

    right: str
    check: Callable[[Any, Path], Any]
    parse: Callable[[str], Any] = str
    secret: bool = False


def rooted(path: AnyPath) -> AnyPath:
    r"""Return `E:\` for the Windows path `E:`, which means whatever folder was last used on that drive."""
    return type(path)(f"{path.drive}/", *path.parts[1:]) if path.drive and not path.root else path


def _demand(is_right: bool) -> None:
    if not is_right:
        raise ValueError


def _switch(value: Any, _folder: Path) -> bool:
    _demand(isinstance(value, bool))
    return bool(value)


def _text(value: Any, _folder: Path) -> str:
    _demand(isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\0" not in value)
    text = str(value)
    text.encode()  # fails where a variable holds bytes that are no UTF-8
    return text


def _texts(value: Any, folder: Path) -> tuple[str, ...]:
    _demand(isinstance(value, list | tuple))
    texts = tuple(_text(item, folder) for item in value)
    _demand(all(text.strip() for text in texts))
    return texts


def _path(value: Any, folder: Path) -> Path:
    # A control character comes from a path such as "C:\temp", where TOML takes \t for a tab.
    _demand(isinstance(value, str | Path) and not any(letter < " " for letter in str(value)))
    try:
        return (folder / rooted(Path(value).expanduser())).absolute()
    except (RuntimeError, OSError) as error:  # there is no such home, or no current folder
        raise ValueError from error


def _program(value: Any, folder: Path) -> str:
    """Keep a bare name for the search in PATH; anything else is a file."""
    is_name = isinstance(value, str) and value == Path(value).name
    return _text(value, folder) if is_name else str(_path(value, folder))


def _span(value: Any, _folder: Path) -> int:
    found = re.fullmatch(r"\s*([0-9]{1,5})\s*(min|h)\s*", value) if isinstance(value, str) else None
    seconds = int(found[1]) * (60 if found[2] == "min" else 3_600) if found else 0
    if not 60 <= seconds <= _DAY:
        raise ValueError
    return seconds


def _ssl_mode(value: Any, _folder: Path) -> str:
    _demand(isinstance(value, str) and value.upper() in SSL_MODES)
    return str(value).upper()


def _number(unit: str, least: int, most: int) -> Kind:
    def check(value: Any, _folder: Path) -> int:
        _demand(type(value) is int and least <= value <= most)  # not isinstance: True is an int as well
        return int(value)

    return Kind(f"a whole number{unit}, from {least} to {most}", check, _parsed_number)


def _parsed_number(text: str) -> object:
    return int(text) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text) else text


def _parsed_switch(text: str) -> object:
    return _SWITCHES.get(text.strip().lower(), text)


def _parsed_texts(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(";") if name.strip())


_BACKSLASHES = "in single quotes where it holds backslashes"
SECONDS = _number(" of seconds", 1, _DAY)
COUNT = _number("", 1, 16)
DAYS = _number(" of days", 0, 36_500)
MEGABYTES = _number(" of MiB", 1, 100_000_000)
SPAN = Kind('a text such as "30 min" or "2 h", from 1 min to 24 h', _span)
SSL_MODE = Kind("PREFERRED, REQUIRED or DISABLED", _ssl_mode)
PORT = _number("", 1, 65_535)
SWITCH = Kind("true or false", _switch, _parsed_switch)
TEXT = Kind(f"a text of at most {_LONGEST_TEXT} characters, in quotes", _text)
SECRET = Kind(TEXT.right, _text, secret=True)
TEXTS = Kind('a list such as ["one", "another"], or in a variable: one; another', _texts, _parsed_texts)
FOLDER = Kind(rf"a folder such as '/media/usb' or 'E:\meos', {_BACKSLASHES}", _path)
FILE = Kind(rf"a file such as '/home/me/file' or 'C:\meos\file', {_BACKSLASHES}", _path)
PROGRAM = Kind(f"a program's name, or its file, {_BACKSLASHES}", _program)
