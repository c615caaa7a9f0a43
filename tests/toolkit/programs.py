"""Programs for tests: real ones that must be there, and ones made of a few lines of shell."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.programs import find_client_program, find_dump_program
from tests.toolkit.place import Place


def shell_script(path: Path, text: str) -> Path:
    """Make a program of a shell script."""
    if sys.platform == "win32":
        pytest.skip("Windows runs no shell scripts")
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8", newline="\n")
    path.chmod(0o755)
    return path


def dump_wrapper(folder: Path, text: str) -> Path:
    """Make a dump program that tells all about itself as the real one does, and dumps as a shell script says.

    The script has the real one in `$real`, the file to write in `$result`, and the database in `$database`; it runs
    in a folder that is going to vanish.
    """
    return shell_script(folder / "dump-wrapper", f"""
real='{find_dump_program(None).path}'
case "$1" in --defaults-file=*) ;; *) exec "$real" "$@" ;; esac
for argument in "$@"; do
    case "$argument" in --result-file=*) result=${{argument#--result-file=}} ;; esac
    database=$argument
done
{text}
""")  # fmt: skip


def waiting_dump(place: Place) -> Path:
    """Make a dump program that waits for a file `gate` in the place's folder.

    The files `dumping` and `going-on` tell that it began, and that it waits no more.
    """
    return dump_wrapper(
        place.folder,
        f"""
touch '{place.folder}/dumping'
while [ ! -e '{place.folder}/gate' ]; do sleep 0.05; done
touch '{place.folder}/going-on'
exec "$real" "$@"
""",
    )


def needed(program: str) -> str:
    """Return a program's path; without the program the test is skipped, but not on CI."""
    path = shutil.which(program)
    if path is None and not os.environ.get("CI"):
        pytest.skip(f"{program} is not installed")
    assert path is not None, f"{program} is not installed"
    return path


def dump_program(folder: Path, *, before: str = "", after: str = "") -> Path:
    """Make a dump program that runs lines of shell before and after it does what the real one does."""
    real = shutil.which("mysqldump") or needed("mariadb-dump")
    path = folder / "dump program"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *--help*) exec {real} "$@";; esac\n'
        f'{before}\n{real} "$@"\ncode=$?\n{after}\nexit $code\n',
        "utf-8",
    )
    path.chmod(0o755)
    return path


def client_program(folder: Path, body: str) -> Path:
    """Make a client program that does what lines of shell say; `client` is the real one, with its arguments."""
    real = find_client_program(None).path
    path = folder / "client program"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *--help*) exec {real} "$@";; esac\n'
        f'client() {{ {real} "$@"; }}\n{body}\n', "utf-8",
    )  # fmt: skip
    path.chmod(0o755)
    return path
