"""The programs of the MySQL and MariaDB families: where they are, which fits a server, and which options they know."""

import errno
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from meosbackup.batch.model import Server
from meosbackup.errors import ProgramMissingError
from meosbackup.system import process
from meosbackup.text import unbroken

log = logging.getLogger(__name__)

_HELP_LIMIT = 20.0
_NO_PROGRAM_ON_WINDOWS = (193, 216)
"""ERROR_BAD_EXE_FORMAT and ERROR_EXE_MACHINE_TYPE_MISMATCH."""

# Where installers put programs: below the folders of Windows programs, of a user (Scoop), and below the top of the
# file system ("tools" is Chocolatey's).
_PROGRAM_FILES = ("MySQL/*/bin", "MySQL/*", "MariaDB */bin")
_USER = ("scoop/apps/mysql*/current/bin", "scoop/apps/mariadb*/current/bin")
_WINDOWS = (
    "tools/mysql/*/bin", "xampp/mysql/bin", "wamp64/bin/mysql/*/bin", "wamp64/bin/mariadb/*/bin",
    "wamp/bin/mysql/*/bin", "wamp/bin/mariadb/*/bin", "laragon/bin/mysql/*/bin", "laragon/bin/mariadb/*/bin",
)  # fmt: skip
_MACOS = (
    "opt/homebrew/bin", "opt/homebrew/opt/mysql*/bin", "opt/homebrew/opt/mariadb*/bin", "usr/local/bin",
    "usr/local/opt/mysql*/bin", "usr/local/opt/mariadb*/bin", "usr/local/mysql/bin", "usr/local/mysql-*/bin",
    "opt/local/lib/mysql*/bin", "opt/local/lib/mariadb*/bin", "Applications/XAMPP/xamppfiles/bin",
    "Applications/MAMP/Library/bin", "Applications/MAMP/Library/bin/mysql*/bin",
)  # fmt: skip
# The folders of servers are missing in an ordinary user's PATH.
_LINUX = (
    "usr/sbin", "usr/libexec", "usr/bin", "usr/local/sbin", "usr/local/libexec", "usr/local/bin",
    "usr/local/mysql/bin", "opt/lampp/bin", "opt/mysql/*/bin", "opt/mariadb*/bin",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A program, its version as it tells it, and the long options that its help names.

    `found` are all that were found, including this one; empty if the user named this one.
    """

    path: str
    version: str
    options: frozenset[str]
    found: tuple["Program", ...] = ()

    @property
    def flavour(self) -> str:
        """Whose it is, "MySQL" or "MariaDB"."""
        return "MariaDB" if "mariadb" in self.version.lower() else "MySQL"

    @property
    def number(self) -> tuple[int, ...]:
        """Its version as numbers, (10, 11, 6); that of the server that it came with."""
        said = re.search(r"(?:Distrib|from) (\d+(?:\.\d+)+)", self.version) or re.search(
            r"Ver (\d+(?:\.\d+)+)", self.version
        )
        return _numbers(said[1]) if said else ()


@dataclass(frozen=True)
class _Role:
    """What a program is needed for: its names, the options that it must have, and words for messages."""

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
    without="Nothing is restored; the server is unchanged.",
)


def find_dump_program(wanted: str | None) -> Program:
    """Find the dump program: the one that is wanted, or the first that is found.

    Raises ProgramMissingError if there is none, or it doesn't answer as it should.
    """
    return _find(_DUMP_PROGRAM, wanted)


def find_client_program(wanted: str | None) -> Program:
    """Find the client program, which takes dumps in; otherwise as `find_dump_program`."""
    return _find(_CLIENT_PROGRAM, wanted)


def fitting(program: Program, server: Server) -> Program:
    """Return the program that fits a server best: the one that the user named, or the newest of the server's vendor."""
    best = max(program.found, key=lambda other: (other.flavour == server.flavour, other.number), default=program)
    return replace(best, found=program.found)


def reason(program: Program, server: Server) -> str:
    """Return why a program was chosen for a server, and what is doubtful about it, in words."""
    alike = [other for other in program.found if other.flavour == server.flavour]
    if not program.found:
        why = "named by you"
    elif len(program.found) == 1:
        why = "the only one found"
    elif alike:
        why = f"of {len(program.found)} found, the newest of {server.flavour}"
    else:
        why = f"of {len(program.found)} found, the newest; none is from {server.flavour}"
    if program.flavour == server.flavour and program.number[:2] < _numbers(server.version)[:2]:
        why += ". It is older than the server: install the server's own if a dump fails"
    return why


def others(program: Program) -> Iterator[Program]:
    """Yield the other dump programs that were found, those of MySQL first."""
    found = program.found or tuple(_searched(_DUMP_PROGRAM))
    yield from sorted(
        (other for other in found if other.path != program.path), key=lambda other: other.flavour != "MySQL"
    )


def candidates(
    names: Sequence[str], platform: str = sys.platform, root: Path | None = None, search_path: str | None = None
) -> Iterator[str]:
    """Yield the files that have one of these names: on PATH (or `search_path`), then where installers put them.

    `root` is the top of the file system.
    """
    for name in names:
        path = shutil.which(name, path=search_path)
        if path:
            yield path
    ending = ".exe" if platform == "win32" else ""
    for folder in installer_folders(platform, root):
        yield from (str(folder / f"{name}{ending}") for name in names if (folder / f"{name}{ending}").is_file())


def installer_folders(
    platform: str = sys.platform, root: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Iterator[Path]:
    """Yield the folders where installers put programs, of those that exist; of versions, the newest first.

    `root` is the top of the file system; on Windows, that of the drive that has the system.
    """
    if platform == "win32":
        top = root or Path(environment.get("SYSTEMDRIVE", "C:") + "/")
        files = [environment.get(name, "") for name in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)")]
        homes = [Path(path) for path in files if path] or [top / "Program Files", top / "Program Files (x86)"]
        places = [(home, pattern) for home in dict.fromkeys(homes) for pattern in _PROGRAM_FILES]
        if user := environment.get("USERPROFILE"):
            places += [(Path(user), pattern) for pattern in _USER]
        places += [(top, pattern) for pattern in _WINDOWS]
    else:
        top = root or Path("/")
        places = [(top, pattern) for pattern in (_MACOS if platform == "darwin" else _LINUX)]
    for home, pattern in places:
        found = [path for path in home.glob(pattern) if path.is_dir()]
        yield from sorted(found, key=lambda path: (_numbers(str(path)), path), reverse=True)


def how_to_install(debian: str) -> str:
    """Return how programs are installed on this kind of computer, without a full stop; `debian` is Debian's package."""
    match sys.platform:
        case "win32":
            return "Install MariaDB with the installer from mariadb.org, or MySQL with the one from mysql.com"
        case "darwin":
            return "Install MariaDB (brew install mariadb)"
        case _:
            return f"Install MariaDB (Debian and Ubuntu: sudo apt install {debian})"


def _find(role: _Role, wanted: str | None) -> Program:
    if wanted is not None:
        return _asked(role, shutil.which(str(Path(wanted).expanduser())) or wanted)
    found = tuple(_searched(role))
    if found:
        return replace(found[0], found=found)
    raise ProgramMissingError(
        f"No {role.title} ({' or '.join(role.names)}) was found on this computer.",
        role.without,
        f"{how_to_install('mariadb-client')}, or name it with {role.setting}.",
    )


def _searched(role: _Role) -> Iterator[Program]:
    """Yield the programs that are found and work; one that has two names, once."""
    files: set[str] = set()
    for path in candidates(role.names):
        file = os.path.realpath(path)
        if file in files:
            continue
        files.add(file)
        try:
            yield _asked(role, path)
        except ProgramMissingError as error:
            log.warning("passed over: %s", error)


def _asked(role: _Role, path: str) -> Program:
    """Ask a program for its options, since one that it doesn't know would be fatal; its version stands first."""
    try:
        described = process.run([path, "--no-defaults", "--help"], limit=_HELP_LIMIT)
    except OSError as error:
        is_foreign = error.errno == errno.ENOEXEC or getattr(error, "winerror", None) in _NO_PROGRAM_ON_WINDOWS
        why = "It is a script without its first line, or a program for another kind of computer. " if is_foreign else ""
        raise ProgramMissingError(
            f"The {role.title} {unbroken(path)} can't be started ({error.strerror or error}).",
            role.without,
            f"{why}Name another one with {role.setting}, or leave that setting out to have one found.",
        ) from error
    options = frozenset(re.findall(r"--([a-z][a-z0-9-]+)", described.output))
    missing = role.needed - options
    if described.code or missing:
        excuse = _excuse(described) or "it doesn't say what it is"
        is_old = missing and len(missing) < len(role.needed) // 2
        raise ProgramMissingError(
            f"{unbroken(path)} is too old (it has no --{min(missing)})."
            if is_old
            else f"{unbroken(path)} is not a working {role.title} ({excuse}).",
            role.without,
            f"Install that of MySQL 5.7 or newer, or MariaDB's, and name it with {role.setting}.",
        )
    return Program(path, described.output.strip().splitlines()[0], options)


def _excuse(result: process.Result) -> str:
    if result.timed_out:
        return "it doesn't answer"
    if result.code:
        return f"exit code {result.code}" + (f": {result.last_error}" if result.last_error else "")
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
