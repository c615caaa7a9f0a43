"""A console of an old code page, as Windows has them: nothing fails, and what it hasn't is written another way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import Place, new_place
from tests.toolkit.runs import server_options, with_password
from tests.toolkit.waiting import PATIENCE

RACE = {
    "cp437": "Höstmedeln «?????» O'Cup", "cp1252": "Höstmedeln «?????» O'Cup", "cp866": "Hostmedeln \"Осень\" O'Cup",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def run(code_page: str, *arguments: str | Path) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEOSBACKUP_")}
    result = subprocess.run(
        [sys.executable, "-m", "meosbackup", *map(str, arguments)],
        env={**environment, "PYTHONUTF8": "0", "PYTHONIOENCODING": code_page, **with_password()},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    said = result.stdout.decode(code_page)
    assert "Traceback" not in said
    assert "unexpected error" not in said
    return result.returncode, " ".join(said.split())


@pytest.mark.parametrize("code_page", list(RACE))
def test_each_command_in_an_old_code_page(place: Place, server: PrivateServer, code_page: str) -> None:
    login, drive = server_options(server), place.folders
    name = RACE[code_page]
    commands: list[tuple[str | Path, ...]] = [
        (*place.options, "--once", *login),
        ("check", *place.options, *login),
        ("list", *place.options[:2]),
        ("restore", *(option for option in drive if option != "--any-disk"), *login, "--dry-run"),
    ]
    for arguments in commands:
        ended, said = run(code_page, *arguments)
        assert ended == 0, said
        assert name in said
    ended, said = run(code_page, "--target", place.folder / "Tävling – Осень", "--once", *login)
    assert ended == 75
    assert "There is no folder" in said


@pytest.mark.parametrize("code_page", list(RACE))
def test_help_and_errors_in_an_old_code_page(code_page: str) -> None:
    for command in ("restore", "export", "list", "check"):
        assert run(code_page, command, "--help")[0] == 0
    ended, said = run(code_page, "restore", "--Осень")
    assert ended == 2
    assert "--" in said
