"""The programs of the MySQL and MariaDB families: where they are, and which options they know."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meosbackup import process
from meosbackup.errors import ProgramMissingError

_HELP_LIMIT = 20.0
_WINDOWS_FOLDERS = (
    "MySQL/*/bin",
    "MariaDB */bin",
)


@dataclass(frozen=True)
class Program:
    """A program, its version as it tells it, and the long options that its help names."""

    path: str
    version: str
    options: frozenset[str]


@dataclass(frozen=True)
class _Role:
    """What a program is wanted for: its names, the options that it can't do without, and words for people."""

    title: str
    names: tuple[str, ...]
    setting: str
    needed: frozenset[str]
    without: str


_DUMP_PROGRAM = _Role(
    title="dump program",
    names=("mysqldump", "mariadb-dump"),
    setting="--mysqldump PROGRAM",
    needed=frozenset({"databases", "ignore-table", "result-file", "hex-blob", "no-tablespaces", "dump-date"}),
    without="Nothing is backed up.",
)
_CLIENT_PROGRAM = _Role(
    title="client program",
    names=("mysql", "mariadb"),
    setting="--mysql PROGRAM",
    needed=frozenset({"binary-mode", "default-character-set", "max-allowed-packet"}),
    without="Nothing is restored; the server is as it was.",
)


def find_dump_program(wanted: str | None) -> Program:
    """Find the dump program: the one that is wanted, or the first that is found.

    Raises ProgramMissingError where there is none, or it doesn't answer as it should.
    """
    return _find(_DUMP_PROGRAM, wanted)


def find_client_program(wanted: str | None) -> Program:
    """Find the client program, which takes dumps in; otherwise as `find_dump_program`."""
    return _find(_CLIENT_PROGRAM, wanted)


def _find(role: _Role, wanted: str | None) -> Program:
    if wanted is not None:
        return _asked(role, shutil.which(str(Path(wanted).expanduser())) or wanted)
    for path in _candidates(role.names):
        return _asked(role, path)
    raise ProgramMissingError(
        f"No {role.title} ({' or '.join(role.names)}) was found on this computer.",
        role.without,
        "Install it (Debian and Ubuntu: sudo apt install mariadb-client; Windows: the MySQL or MariaDB installer),"
        f" or name it by {role.setting}.",
    )


def _asked(role: _Role, path: str) -> Program:
    """Ask a program for its version and its options; an option that a program doesn't know would be fatal."""
    try:
        version = process.run([path, "--version"], limit=_HELP_LIMIT)
        described = process.run([path, "--no-defaults", "--help"], limit=_HELP_LIMIT)
    except OSError as error:
        raise ProgramMissingError(
            f"The {role.title} {path} can't be started ({error.strerror or error}).",
            role.without,
            f"Name another one by {role.setting}, or leave that setting out to have one found.",
        ) from error
    options = frozenset(re.findall(r"--([a-z][a-z0-9-]+)", described.output))
    missing = role.needed - options
    if version.code or described.code or missing or not version.output.strip():
        excuse = _excuse(version) or _excuse(described) or "it doesn't say what it is"
        is_old = missing and len(missing) < len(role.needed) // 2
        raise ProgramMissingError(
            f"{path} is too old (it has no --{min(missing)})."
            if is_old
            else f"{path} is no {role.title} that works ({excuse}).",
            role.without,
            f"Install that of MySQL 5.7 or newer, or MariaDB's, and name it by {role.setting}.",
        )
    return Program(path, version.output.strip().splitlines()[0], options)


def _excuse(result: process.Result) -> str:
    if result.timed_out:
        return "it doesn't answer"
    if result.code:
        return f"exit code {result.code}" + (f": {result.last_error}" if result.last_error else "")
    return ""


def _candidates(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = shutil.which(name)
        if path:
            yield path
    if sys.platform == "win32":
        for variable in ("ProgramFiles", "ProgramFiles(x86)"):
            yield from _below(Path(os.environ.get(variable, r"C:\Program Files")), _WINDOWS_FOLDERS, names)
        yield from _below(Path("C:/"), ("xampp/mysql/bin",), names)


def _below(root: Path, patterns: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        for folder in sorted(root.glob(pattern), reverse=True):
            yield from (str(folder / f"{name}.exe") for name in names if (folder / f"{name}.exe").is_file())
