"""meosbackup.exe, made by the tests' Windows from this project's sources, and kept until they change."""

import hashlib
import shutil
import sys
import time
from pathlib import Path

from tests.toolkit import cache, windows_parts
from tests.toolkit.cache import NotToBeHadError
from tests.toolkit.windows import Windows, windows
from tests.toolkit.windows_parts import PROJECT

_LIMIT = 550.0
_WEEK = 7 * 24 * 3600.0
_SPEC = PROJECT / "meosbackup.spec"


def have(machine: Windows) -> Path:
    """Return the exe that these sources make; it takes a minute if they have changed. Raises NotToBeHadError."""
    home = cache.folder() / "exe" / _digest(machine) / "meosbackup.exe"
    cache.have(home, lambda: _make(machine, home))
    return home


def _digest(machine: Windows) -> str:
    """Return what is the same as long as the exe would be."""
    digest = hashlib.sha256("\n".join(sorted(path.name for path in machine.parts.wheels.iterdir())).encode())
    sources = (path for path in (PROJECT / "meosbackup").rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in sorted((_SPEC, *sources)):
        digest.update(f"\n{path.relative_to(PROJECT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(machine: Windows, home: Path) -> None:
    for folder in home.parents[1].iterdir():
        if folder != home.parent and folder.stat().st_mtime < time.time() - _WEEK:
            shutil.rmtree(folder, ignore_errors=True)
    work = home.parent / "work"
    made = machine.python(
        "-m", "PyInstaller", "--noconfirm", "--distpath", work / "dist", "--workpath", work / "build", _SPEC,
        timeout=_LIMIT,
    )  # fmt: skip
    if made.returncode:
        raise NotToBeHadError("\n".join(made.stderr.splitlines()[-20:]))
    (work / "dist" / home.name).rename(home)
    shutil.rmtree(work)


if __name__ == "__main__":
    with windows(windows_parts.find()) as computer:
        Path(sys.argv[1]).mkdir(exist_ok=True)
        shutil.copy(have(computer), sys.argv[1])
