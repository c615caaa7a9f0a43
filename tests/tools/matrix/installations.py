"""Servers and their programs side by side: this machine's own, and those of Debian's packages, without root or chroot.

The packages are fetched once, from the archive of Debian that this machine's apt uses, and unpacked into a folder of
the user's cache. Each program is started by the loader and with the libraries of its own folder, so that nothing of
this machine has to suit it.
"""

import email
import os
import re
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import ServerProgram

_CACHE = platformdirs.user_cache_path("meosbackup-tests", appauthor=False)
_APT = Path("/etc/apt")
_LIMIT = 120.0
_HOUR = 3600.0
_NOT_NEEDED = ("perl", "libperl", "libc-gconv", "gcc-", "mysql-common", "mariadb-common")


class NotToBeHadError(Exception):
    """An installation that can't be fetched here: why."""


@dataclass(frozen=True)
class Installation:
    """A server with its dump program and its client program; `options` are what its server program needs besides."""

    name: str
    server: ServerProgram
    options: tuple[str, ...]
    dump: str
    client: str


@dataclass(frozen=True)
class _Packages:
    """What Debian has of a server: in which of its suites, and packages of which what they depend on isn't needed."""

    suite: str
    names: tuple[str, ...]
    alone: tuple[str, ...]
    flavour: str
    server: str
    dump: str
    client: str


_DEBIAN = {
    "MySQL 9.7": _Packages(
        "unstable", ("mysql-server-core", "mysql-client-core"), (), "MySQL", "usr/sbin/mysqld", "mysqldump", "mysql"
    ),
    "MariaDB 11.8": _Packages(
        "trixie", ("mariadb-server-core", "mariadb-client-core"), ("mariadb-client", "mariadb-server"), "MariaDB",
        "usr/sbin/mariadbd", "mariadb-dump", "mariadb",
    ),
    "MariaDB 10.5": _Packages(
        "bullseye", ("mariadb-server-core-10.5", "mariadb-client-core-10.5"),
        ("mariadb-client-10.5", "mariadb-server-10.5"), "MariaDB", "usr/sbin/mariadbd", "mariadb-dump", "mariadb",
    ),
}  # fmt: skip
OWN = "MariaDB 10.11"
"""What Debian 12 has itself; on another system it is whatever is installed there."""

NAMES = (OWN, *_DEBIAN)


def find(name: str) -> Installation:
    """Find an installation, or fetch it. Raises NotToBeHadError where that can't be done here."""
    if name == OWN:
        return _own()
    wanted = _DEBIAN[name]
    home = _CACHE / f"{wanted.suite}-{wanted.names[0]}"
    try:
        _have(wanted, home)
        program = ServerProgram(home / wanted.server, wanted.flavour)
        options = (f"--basedir={home / 'usr'}", f"--plugin-dir={next(home.glob('usr/lib/*/plugin'))}")
        return Installation(
            _name(program), program, options, str(home / "usr/bin" / wanted.dump), str(home / "usr/bin" / wanted.client)
        )
    except (OSError, StopIteration, subprocess.SubprocessError, Timeout) as error:
        raise NotToBeHadError(f"what Debian has of it doesn't work here: {error!r}") from error


def _have(wanted: _Packages, home: Path) -> None:
    """Fetch the packages where they aren't there; what failed within the hour is not tried again."""
    home.parent.mkdir(parents=True, exist_ok=True)
    failed = home.with_suffix(".failed")
    with FileLock(f"{home}.lock", timeout=_LIMIT):
        if home.is_dir():
            return
        if failed.exists() and time.time() - failed.stat().st_mtime < _HOUR:
            raise NotToBeHadError(failed.read_text("utf-8"))
        try:
            _fetch(wanted, home)
        except NotToBeHadError as error:
            failed.write_text(str(error), "utf-8")
            raise


def mirror(settings: Path) -> str:
    """Return the first archive of Debian in a folder of apt's settings. Raises NotToBeHadError if it has none."""
    extra = settings / "sources.list.d"
    # Debian's own file there is a .sources file; what vendors add, with paths that end like Debian's, mostly isn't.
    for file in (settings / "sources.list", *sorted(extra.glob("*.sources")), *sorted(extra.glob("*.list"))):
        text = re.sub(r"^[ \t]*#.*\n?", "", file.read_text("utf-8"), flags=re.MULTILINE) if file.is_file() else ""
        for uri in _uris_of_stanzas(text) if file.suffix == ".sources" else _uris_of_lines(text):
            if re.fullmatch(r"https?://\S+/debian/?", uri):
                return uri
    raise NotToBeHadError(f"no archive of Debian is in the settings of apt ({settings})")


def _uris_of_lines(text: str) -> list[str]:
    return re.findall(r"^[ \t]*deb[ \t]+(?:\[.*?\][ \t]+)?(\S+)[ \t].*\bmain\b", text, re.MULTILINE)


def _uris_of_stanzas(text: str) -> list[str]:
    stanzas = map(email.message_from_string, re.split(r"\n\s*\n", text.strip()))
    return [
        uri
        for stanza in stanzas
        if stanza.get("Enabled", "yes") != "no"
        and "deb" in stanza.get("Types", "").split()
        and "main" in stanza.get("Components", "").split()
        for uri in stanza.get("URIs", "").split()
    ]


def _own() -> Installation:
    server = private_server.find_server_program()
    dump = shutil.which("mariadb-dump") or shutil.which("mysqldump")
    client = shutil.which("mariadb") or shutil.which("mysql")
    if dump is None or client is None:
        raise NotToBeHadError("no dump program and client program are installed")
    return Installation(_name(server), server, (), dump, client)


def _name(server: ServerProgram) -> str:
    said = subprocess.run([server.path, "--version"], capture_output=True, encoding="utf-8", check=True).stdout
    version = said.partition("Ver ")[2].partition("-")[0]
    return f"{server.flavour} {'.'.join(version.split('.')[:2])}"


def _fetch(wanted: _Packages, home: Path) -> None:
    """Have apt find and fetch the packages in a state of its own, and unpack them."""
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    apt = partial / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "archives/partial").mkdir(parents=True)
    (apt / "status").touch()
    # Names of packages may be as new as the suite, whose date a machine with an odd clock doubts.
    (apt / "sources.list").write_text(f"deb [check-valid-until=no] {mirror(_APT)} {wanted.suite} main\n")
    (apt / "apt.conf").write_text(
        f'Dir::State "{apt}"; Dir::State::status "{apt}/status"; Dir::Cache "{apt}";\n'
        f'Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "/dev/null";\n'
        'Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
        'Acquire::Languages "none"; APT::Sandbox::User ""; APT::Install-Recommends "false";\n'
        'APT::Update::Error-Mode "any";\n'
    )
    _run("apt-get", "-c", f"{apt}/apt.conf", "update", folder=apt)
    planned = _run("apt-get", "-c", f"{apt}/apt.conf", "--simulate", "install", *wanted.names, folder=apt)
    names = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    names = [name for name in names if not name.startswith(_NOT_NEEDED)]
    _run("apt-get", "-c", f"{apt}/apt.conf", "download", *names, *wanted.alone, folder=apt)
    for package in sorted(apt.glob("*.deb")):
        _run("dpkg-deb", "--extract", str(package), str(partial), folder=apt)
    shutil.rmtree(apt)
    _wrap(partial, home)
    partial.rename(home)


def _run(*arguments: str, folder: Path) -> str:
    try:
        result = subprocess.run(
            arguments, cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, encoding="utf-8",
            timeout=_LIMIT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHadError(f"{arguments[0]}: {error}") from error
    if result.returncode:
        complaints = [line for line in result.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg-deb:"))]
        raise NotToBeHadError(f"{arguments[0]} {arguments[3]}: {'; '.join(complaints)}")
    return result.stdout


def _wrap(partial: Path, home: Path) -> None:
    """Put a script in the place of each program that starts it with the libraries of its own folder, `home`."""
    loaders = partial.rglob("ld-linux*.so.*")  # some of them lead to this machine's own
    loader = next(path for path in loaders if path.resolve().is_relative_to(partial.resolve()))
    libraries = sorted({path.parent for path in partial.rglob("*.so*") if "plugin" not in path.parts})
    plugins = next(iter(partial.glob("usr/lib/*/libmariadb3/plugin")), partial / "usr/lib/mysql/plugin")

    def moved(path: Path) -> str:
        return str(home / path.relative_to(partial))

    for path in [*partial.glob("usr/bin/*"), *partial.glob("usr/sbin/*")]:
        if path.is_symlink() or not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        real = path.rename(path.with_name(f"{path.name}.real"))
        path.write_text(
            f"#!/bin/sh\nexport MARIADB_PLUGIN_DIR='{moved(plugins)}' LIBMYSQL_PLUGIN_DIR='{moved(plugins)}'\n"
            f"exec '{moved(loader)}' --library-path '{':'.join(map(moved, libraries))}' '{moved(real)}' \"$@\"\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
