"""Servers and their programs side by side: this machine's own, and those of Debian's packages, without root or chroot.

The packages are fetched once, from the archive of Debian that this machine's apt uses, and unpacked into a folder of
the user's cache. Each program is started by the loader and with the libraries of its own folder, so that nothing of
this machine has to suit it.
"""

import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import ServerProgram
from tests.toolkit import cache, debian
from tests.toolkit.cache import NotToBeHadError

_NOT_NEEDED = ("perl", "libperl", "libc-gconv", "gcc-", "mysql-common", "mariadb-common")


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
    home = cache.folder() / f"{wanted.suite}-{wanted.names[0]}"
    try:
        cache.have(home, lambda: _fetch(wanted, home))
        program = ServerProgram(home / wanted.server, wanted.flavour)
        options = (f"--basedir={home / 'usr'}", f"--plugin-dir={next(home.glob('usr/lib/*/plugin'))}")
        return Installation(
            _name(program), program, options, str(home / "usr/bin" / wanted.dump), str(home / "usr/bin" / wanted.client)
        )
    except (OSError, StopIteration, subprocess.SubprocessError, Timeout) as error:
        raise NotToBeHadError(f"what Debian has of it doesn't work here: {error!r}") from error


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
    """Fetch the packages of a server, and make its programs ready to run from `home`."""
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    debian.unpack(wanted.suite, wanted.names, partial, alone=wanted.alone, but=_NOT_NEEDED)
    _wrap(partial, home)
    partial.rename(home)


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
