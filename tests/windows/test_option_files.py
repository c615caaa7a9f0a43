"""Option files where Windows' users keep them, as their editors write them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.runs import told
from tests.toolkit.servers import query
from tests.toolkit.windows import Windows, WindowsPlace

USER, PASSWORD = "åsa", "pässw 'Å' #1"
_NOBODY = {"MEOSBACKUP_PASSWORD": ""}


@pytest.fixture
def login(server: PrivateServer) -> Iterator[str]:
    """The text of an option file that logs in to the server."""
    query(server, f"CREATE OR REPLACE USER '{USER}' IDENTIFIED BY %s", PASSWORD)
    query(server, f"GRANT ALL ON *.* TO '{USER}'")
    yield f'# Club\r\n[client]\r\nhost = 127.0.0.1\r\nport={server.port}\r\nuser={USER}\r\npassword = "{PASSWORD}"\r\n'
    query(server, f"DROP USER '{USER}'")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("home/AppData/Roaming/my.ini", "utf-16"), ("home/.my.cnf", "utf-8-sig"), ("c/my.ini", "cp1252")],
)  # fmt: skip
def test_the_users_own_file(machine: Windows, place: WindowsPlace, login: str, name: str, encoding: str) -> None:
    drive, _, rest = name.partition("/")
    path = (machine.home() if drive == "home" else machine.prefix / "drive_c") / rest
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(login.encode(encoding))
    try:
        told(machine.meosbackup(*place.options, "--once", env=_NOBODY), 0, f"as user {USER}", "race list + 4 races")
    finally:
        path.unlink()


def test_where_mariadbs_own_programs_look(machine: Windows) -> None:
    homes = (machine.home() / "AppData/Roaming", machine.prefix / "drive_c", machine.prefix / "drive_c/windows")
    for number, folder in enumerate(homes):
        (folder / "my.ini").write_text(f"[client]\nuser=user{number}\n", "ascii")
    try:
        program = machine.parts.mariadb / "bin/mysqldump.exe"
        said = told(machine.run(program, "--print-defaults"), 0)
    finally:
        for folder in homes:
            (folder / "my.ini").unlink()
    assert said.split("arguments: ")[1].split() == ["--user=user2", "--user=user1"]  # the last one counts


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_file_of_settings(machine: Windows, place: WindowsPlace, login: str, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "login.ini").write_bytes(login.encode(encoding))
    config = tmp_path / "Klubb å.toml"
    config.write_bytes("# På tävlingsdagen\r\ndefaults_file = 'login.ini'\r\n".encode(encoding))
    result = machine.meosbackup(*place.options, "--once", "--config", config, env=_NOBODY)
    if encoding == "utf-8-sig":
        told(result, 0, "race list + 4 races")
    else:
        told(
            result, 2, "Klubb å.toml, line 1: not in UTF-8; save it as UTF-8 (Notepad: File, Save as, Encoding: UTF-8)"
        )
