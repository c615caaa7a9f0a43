"""README's second way to install meosbackup on Windows: a virtual environment, and pip."""

import subprocess
import sys
from pathlib import Path

from meosbackup import __version__
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import server_options, told, with_password
from tests.toolkit.windows import Windows, WindowsPlace
from tests.toolkit.windows_parts import PROJECT


def test_pip_installs_what_it_needs(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, PROJECT], check=True
    )
    [wheel] = tmp_path.glob("meosbackup-*.whl")
    bare = {"PYTHONPATH": ""}
    told(machine.python("-m", "venv", ".venv", env=bare, folder=tmp_path), 0)
    programs = tmp_path / ".venv/Scripts"
    told(
        machine.run(
            programs / "pip.exe", "install", "--no-index", "--find-links", machine.parts.wheels, wheel, env=bare,
            folder=tmp_path,
        ), 0, "Successfully installed ", f"meosbackup-{__version__}",
    )  # fmt: skip
    installed = programs / "meosbackup.exe"
    told(machine.run(installed, "--version", env=bare), 0, f"meosbackup, version {__version__}")
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    told(
        machine.run(installed, "check", *place.options, *server_options(server), env={**bare, **with_password()}), 0,
        r"dump program: C:\Program Files\MariaDB 11.4\bin\mysqldump.exe, MariaDB 11.4.5", "Ready for race day.",
    )  # fmt: skip
