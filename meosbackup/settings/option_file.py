"""MySQL option files, which hold a login: the user's are read, and the text of private ones is made.

The syntax is that of the MySQL and MariaDB programs themselves, as `my_print_defaults` shows it.
"""

import codecs
import locale
import logging
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from meosbackup.errors import WrongUsageError
from meosbackup.settings.faults import SAVE_AS_UTF8
from meosbackup.text import clean

log = logging.getLogger(__name__)

OPTIONS = ("host", "port", "socket", "user", "password")
"""The options that `read` looks for."""

# A later group overrides an earlier one, wherever they stand in the file.
_GROUPS = ("client", "client-server", "client-mariadb", "mysql", "mariadb-client", "mysqldump", "mariadb-dump",
           "meosbackup")  # fmt: skip
# On Windows, they lie in the folders that these variables name. MySQL's programs read the last two (seen, and MySQL
# manual, "Using Option Files"), C:'s later than Windows' own, and files that come with the installation, which name
# nobody. All users of the computer can read those; so the user's own folders, which the programs pass over, come first.
_OWN_ON_WINDOWS = (("APPDATA", ("my.ini", "my.cnf", "MySQL/my.ini", "MySQL/my.cnf")), ("USERPROFILE", (".my.cnf",)),
                   ("SYSTEMDRIVE", ("my.cnf", "my.ini")), ("WINDIR", ("my.cnf", "my.ini")))  # fmt: skip
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "s": " ", "\\": "\\", '"': '"', "'": "'"}
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\b": r"\b"})
_SPACE = " \t\r\v\f"
_LONGEST_LINE = 4000  # The programs read a line in pieces of 4,095 bytes, and take a second piece for another option.


def read(path: Path) -> dict[str, str]:
    """Return the values of those of OPTIONS that an option file sets.

    An option without a value (`password`, which makes MySQL's programs ask for it) counts as not set.
    Raises WrongUsageError if the file can't be read, has a syntax error, or can be changed by everyone.
    """
    found: dict[str, dict[str, str]] = {group: {} for group in _GROUPS}
    group = None
    for number, raw in enumerate(_contents(path).split("\n"), start=1):
        line = raw.strip(_SPACE)
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            log.warning("%s, line %d: %s is not followed", path, number, clean(line, 80))
        elif line[0] == "[":
            name, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise _refused(path, f"line {number} begins a [group] without a ]")
            group = name.strip(_SPACE).lower()
        elif group is None:
            raise _refused(path, f"line {number} stands before any [group] such as [client]")
        else:
            key, equals, value = _without_comment(line).partition("=")
            if equals and key.strip(_SPACE) in OPTIONS and group in found:
                found[group][key.strip(_SPACE)] = _value(value.strip(_SPACE))
    return {key: value for options in found.values() for key, value in options.items()}


def own_files(environment: Mapping[str, str], platform: str = sys.platform) -> list[Path]:
    """Return the option files in which a user keeps a login; what the first of them says counts."""
    places = _OWN_ON_WINDOWS if platform == "win32" else (("HOME", (".my.cnf",)),)
    files = [Path(f"{environment[variable]}/{name}")
             for variable, names in places if environment.get(variable) for name in names]  # fmt: skip
    return [path for path in files if path.is_file()]


def text(options: Mapping[str, str]) -> str:
    """Return the text of an option file with options as its `[client]` group.

    Raises ValueError for a value that no option file can hold: one with a NUL character, or of some thousand
    characters.
    """
    lines = [f'{key}="{value.translate(_ESCAPED)}"' for key, value in options.items()]
    if any("\0" in line or len(line.encode()) > _LONGEST_LINE for line in lines):
        raise ValueError("a value is too long for an option file, or holds a NUL character")
    return "\n".join(["[client]", *lines, ""])


def _contents(path: Path) -> str:
    try:
        if sys.platform != "win32" and path.stat().st_mode & stat.S_IWOTH:
            raise _refused(path, f"everyone can change it (run: chmod 600 '{path}')")
        return _decoded(path.read_bytes())
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _refused(path, f"it is not in UTF-8; {SAVE_AS_UTF8}") from error


def _decoded(content: bytes) -> str:
    """Decode UTF-8, UTF-16 by its mark (Notepad's "Unicode"), or else what old editors write here ("ANSI")."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(locale.getencoding())


def _refused(path: Path, why: str) -> WrongUsageError:
    return WrongUsageError(
        f"The option file {path} can't be used: {why}.",
        "Nothing was backed up.",
        "Correct the file, or name another one with --defaults-file.",
    )


def _without_comment(line: str) -> str:
    """Return the line without a # outside of quotes and what follows it."""
    quote, escaped = "", False
    for place, letter in enumerate(line):
        if letter in "'\"" and not escaped and quote in ("", letter):
            quote = "" if quote else letter
        elif letter == "#" and not quote:
            return line[:place]
        escaped = bool(quote) and letter == "\\" and not escaped
    return line


def _value(text: str) -> str:
    if len(text) > 1 and text[0] in "'\"" and text[0] == text[-1]:
        text = text[1:-1]
    # A backslash before any other letter, or at the end, stands for itself.
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)
