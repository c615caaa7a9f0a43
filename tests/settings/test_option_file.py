import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mysql.connector.connection import MySQLConnection

from meosbackup.errors import WrongUsageError
from meosbackup.mysql import private_server
from meosbackup.mysql.programs import find_client_program, find_dump_program
from meosbackup.settings import option_file

NASTY = [
    "plain", "with blank", " blank at both ends ", 'double"quote', "single'quote", "back\\slash", "\\", '"', "'",
    '"quoted"', 'ends with \\"', "#hash # here", "; semicolon=equals", "[client]", "line\nbreak", "a\r\nb\tc\bd",
    "\\n\\t\\s", "\x01\x0b\x1a\x1f\x7f", "Långdistans à", "😀", "x" * 500,
]  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "my.cnf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


@cache
def dump_program() -> str:
    return find_dump_program(None).path


def as_programs_see_it(path: Path) -> str:
    """What the dump program makes of the only option of an option file."""
    command = [dump_program(), f"--defaults-file={path}", "--print-defaults"]
    asked = subprocess.run(command, capture_output=True, check=True)
    return asked.stdout.decode().split("\n", 1)[1].removesuffix(" \n")


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from(option_file.OPTIONS), texts))
@example(dict(zip(option_file.OPTIONS, NASTY, strict=False)))
def test_what_is_written_is_read(options: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert option_file.read(written(Path(folder), option_file.text(options))) == options


@pytest.mark.parametrize("value", NASTY)
def test_what_is_written_is_what_the_dump_program_takes(tmp_path: Path, value: str) -> None:
    path = written(tmp_path, option_file.text({"user": value}))
    assert as_programs_see_it(path) == f"--user={value}"


# A program takes long to start on Windows.
@hypothesis_settings(max_examples=15 if sys.platform == "win32" else 150, deadline=None)
@given(st.text("ab \t\\'\"#;=[]!ntrbs", max_size=16))
def test_a_value_is_read_as_the_dump_program_reads_it(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), f"[client]\nuser = {value}\n")
        assert f"--user={option_file.read(path)['user']}" == as_programs_see_it(path)


@pytest.fixture(scope="module")
def server() -> Iterator[private_server.PrivateServer]:
    with private_server.private_server() as running:
        yield running


@pytest.mark.parametrize("password", NASTY)
def test_a_written_password_logs_in(server: private_server.PrivateServer, tmp_path: Path, password: str) -> None:
    with closing(private_server.connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER nasty@'%' IDENTIFIED BY %s", (password,))
    login = {"host": server.host, "port": str(server.port), "user": "nasty", "password": password}
    path = written(tmp_path, option_file.text(login))
    client = find_client_program(None).path
    asked = subprocess.run(
        [client, f"--defaults-file={path}", "--protocol=tcp", "-NBe", "SELECT USER()"], capture_output=True, check=False
    )
    assert (asked.stdout.split(b"@")[0], asked.stderr) == (b"nasty", b"")
    login = option_file.read(path)
    with closing(
        MySQLConnection(
            host=login["host"], port=int(login["port"]), user=login["user"], password=login["password"],
            charset="utf8mb4", collation="utf8mb4_general_ci",
        )
    ) as connection:  # fmt: skip
        assert connection.is_connected()


def test_a_file_of_the_user(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(
        tmp_path,
        "\ufeff# comment\r\n; comment\r\n\r\n"
        "[meosbackup]\r\npassword = 'own # one'  # why\r\n"
        "[mysqldump]\r\nuser=dump\r\nquick\r\nmax_allowed_packet = 16M\r\n"
        "!include /etc/other.cnf\r\n"
        "[Client]\r\n  host = db.club.example  \r\nport=3307\r\nuser = client\r\npassword\r\npassword = client\r\n"
        "[mysqld]\r\nport = 9999\r\nsocket = /run/other.sock\r\n",
    )
    with caplog.at_level(logging.WARNING):
        assert option_file.read(path) == {
            "host": "db.club.example", "port": "3307", "user": "dump", "password": "own # one",
        }  # fmt: skip
    assert "line 10: !include /etc/other.cnf is not followed" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("user = meos\n", "line 1 stands before any [group]"),
        ("[client]\nuser = meos\n\n[mysqldump\n", "line 4 begins a [group] without a ]"),
        (b"[client]\npassword = \x81\n", "it is not in UTF-8; save it as UTF-8"),
        ("\ufeff[client]\npassword = x\n".encode("utf-16-le")[:-1], "it is not in UTF-8; save it as UTF-8"),
    ],
)
def test_a_faulty_file(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(WrongUsageError) as caught:
        option_file.read(path)
    assert str(path) in caught.value.what
    assert said in caught.value.what


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "cp1252"])
def test_what_notepad_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "cp1252")  # as on a computer in western Europe
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    path = written(tmp_path, f"{mark}[client]\r\nuser = meos\r\npassword = 'Ångström #1'\r\n".encode(encoding))
    assert option_file.read(path) == {"user": "meos", "password": "Ångström #1"}


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.cnf", tmp_path):
        with pytest.raises(WrongUsageError, match="can't be used"):
            option_file.read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such right")
def test_a_file_that_everyone_may_write_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "[client]\nuser = someone\n")
    path.chmod(0o666)
    with pytest.raises(WrongUsageError, match="everyone can change it"):
        option_file.read(path)


@hypothesis_settings(deadline=None)
@given(st.one_of(st.binary(), st.text("[]client\nuserpaswod=\"'\\# !").map(str.encode)))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), content)
        try:
            options = option_file.read(path)
        except WrongUsageError as error:
            options, said = {}, error.what
        else:
            said = str(path)
    assert str(path) in said
    assert set(options) <= set(option_file.OPTIONS)


@pytest.mark.parametrize("value", ["a\0b", "x" * 5000, "å" * 2500])
def test_a_value_that_no_option_file_holds(value: str) -> None:
    with pytest.raises(ValueError):
        option_file.text({"password": value})
