import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.errors import MeosBackupError, ProgramMissingError
from meosbackup.mysql import programs
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, find_server_program, load, private_server
from tests.toolkit.running import runs
from tests.toolkit.servers import BIG, DATA, FILES, INDIVIDUAL, RACE_LIST, contents, databases, query
from tests.toolkit.waiting import PATIENCE, wait_until


def accepts_connections(server: PrivateServer) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((server.host, server.port)) == 0


def test_a_server_that_is_stopped_or_killed_comes_back_on_its_port_with_its_data(server_program: ServerProgram) -> None:
    with private_server(program=server_program) as server:
        port = server.port
        query(server, "CREATE DATABASE race")
        query(server, "CREATE TABLE race.orunner (Name TEXT CHARACTER SET utf8mb4) ENGINE=InnoDB")
        for name, end in (("Åsa", server.stop), ("Юлия", server.kill)):
            query(server, "INSERT INTO race.orunner VALUES (%s)", name)
            first = server.process_id
            assert first is not None
            end()
            assert not runs(first)
            wait_until(lambda: not accepts_connections(server), "the end of its port")
            server.start()
            assert server.process_id not in {None, first}
            assert server.port == port
            assert accepts_connections(server)
        assert query(server, "SELECT Name FROM race.orunner ORDER BY Name") == [("Åsa",), ("Юлия",)]


def test_starting_a_server_that_runs_changes_nothing(server: PrivateServer) -> None:
    before = server.process_id
    server.start()
    assert server.process_id == before is not None


def test_two_servers_run_side_by_side_and_spell_names_as_they_are_told(server_program: ServerProgram) -> None:
    with private_server(program=server_program, lower_case_table_names=1) as one:
        query(one, "CREATE DATABASE MeOSMain")
        assert databases(one) == {"meosmain"}
        if sys.platform == "linux":
            with private_server(program=server_program, lower_case_table_names=0) as other:
                query(other, "CREATE DATABASE MeOSMain")
                assert databases(other) == {"MeOSMain"}
        assert databases(one) == {"meosmain"}


def test_temporary_tables_of_other_servers_are_left_alone(
    server_program: ServerProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that starts removes all files of this name in the folder that it is given for them."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "#sql-temptable-1-1-1.MAI"
    file.touch()
    with private_server(program=server_program):
        assert file.exists()


def test_nothing_is_left_when_the_block_ends_by_an_exception(server_program: ServerProgram, tmp_path: Path) -> None:
    seen = []

    def fail_within_the_block() -> None:
        with private_server(tmp_path, program=server_program) as server:
            assert server.folder.parent == tmp_path
            seen.append((server.process_id, server.socket))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within_the_block()
    [(process_id, near_socket)] = seen
    assert process_id is not None
    assert not runs(process_id)
    assert list(tmp_path.iterdir()) == []
    assert near_socket is None or not near_socket.parent.exists()


def test_a_temporary_folder_may_be_called_anything(
    server_program: ServerProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="Åsas 'tmp' $HOME ") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        with private_server(program=server_program) as server:
            assert server.folder.parent.samefile(folder)  # whose short name may stand for it on Windows
            load(server, DATA / "empty.sql")
            server.stop()
            server.start()
            assert len(databases(server)) == 1
        assert list(Path(folder).iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a single process")
@pytest.mark.parametrize("seconds", [0.3, 0.7, None])
def test_ctrl_c_leaves_no_process_and_no_folder(
    server_program: ServerProgram, tmp_path: Path, seconds: float | None
) -> None:
    """While the data folder is made, while the server starts, and while it runs."""
    script = (
        "import sys, time; from pathlib import Path; from meosbackup.mysql.private_server import private_server\n"
        "print('begun', flush=True)\n"
        "with private_server(Path(sys.argv[1])) as server:\n"
        "    print('runs', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        if seconds is None:
            assert child.stdout.readline() == "runs\n"
        else:
            time.sleep(seconds)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=PATIENCE)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []
    assert processes_that_name(str(tmp_path)) == []


def processes_that_name(text: str) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-e", "-o", "args="], capture_output=True, encoding="utf-8", check=True)
    return [line for line in listed.stdout.splitlines() if text in line]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="the other tests run as a normal user already")
def test_a_normal_user_can_run_a_server(server_program: ServerProgram) -> None:
    # The first server makes Python load all that it needs while it may still read this user's files.
    script = (
        "import os; from meosbackup.mysql.private_server import connect, load, private_server\n"
        "with private_server() as server: pass\n"
        "os.chdir('/'); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "with private_server() as server:\n"
        "    connect(server).close()\n"
        "    print((server.folder / 'data').stat().st_uid, os.stat(f'/proc/{server.process_id}').st_uid)\n"
        "print(server.folder.exists(), server.socket.exists())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in {"TMPDIR", "TEMP", "TMP"}}
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=PATIENCE,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("65534 65534\nFalse False\n", 0), result.stderr


@pytest.mark.parametrize("file", [FILES[RACE_LIST], FILES[INDIVIDUAL], DATA / "big.sql"])
def test_all_rows_of_a_file_are_loaded(spare: PrivateServer, file: Path) -> None:
    load(spare, file)
    [database] = databases(spare)
    tables = contents(spare, database)
    in_file: Counter[str] = Counter()
    table = ""
    for line in file.read_text("utf-8", "replace").split("\n"):
        begin = re.match(r"(?:CREATE TABLE|INSERT INTO) `(\w+)`", line)
        table = begin[1] if begin else table
        in_file[table] += line.startswith("(")
    del in_file[""]
    assert {name: len(rows) for name, rows in tables.items()} == dict(in_file)
    assert sum(in_file.values()) > (1_500 if database == BIG else 3)


def test_texts_are_loaded_as_they_are(server: PrivateServer) -> None:
    assert query(server, "SELECT Name, Annotation FROM meosmain.oevent WHERE Id = 1") == [
        ("Höstmedeln «Осень» O'Cup", "Anteckning: åäö \\ ' \" ; -- /* ЖЩ */")
    ]


def test_a_file_that_is_no_sql_is_refused_with_the_reason(spare: PrivateServer, tmp_path: Path) -> None:
    file = tmp_path / "broken.sql"
    file.write_text("CREATE DATABASE good; SELEKT 1;", "utf-8")
    with pytest.raises(MeosBackupError, match=r"broken\.sql.*ERROR 1064.*SELEKT"):
        load(spare, file)


def test_a_file_gives_no_commands_to_the_client(spare: PrivateServer, tmp_path: Path) -> None:
    file, trace = tmp_path / "hostile.sql", tmp_path / "trace"
    file.write_text(f"SELECT 1;\n\\! touch {trace}\n", "utf-8")
    with pytest.raises(MeosBackupError):
        load(spare, file)
    assert not trace.exists()


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(
    server_program: ServerProgram, tmp_path: Path
) -> None:
    with (
        pytest.raises(ProgramMissingError, match="nonsense"),
        private_server(tmp_path, program=server_program, options=["--nonsense"]),
    ):
        pytest.fail("it started")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_no_server_of_ours(server_program: ServerProgram, server: PrivateServer) -> None:
    with private_server(program=server_program) as other:
        other.stop()
        other.port = server.port
        with pytest.raises(ProgramMissingError, match=r"(?i)port"):
            other.start()
        assert other.process_id is None


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_a_program_that_does_not_run_is_passed_over(
    server_program: ServerProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("mariadbd", "#!/bin/sh\nexit 1\n"), ("mysqld", "no program")):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_server_program() == server_program


def test_without_a_server_program_the_advice_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "installer_folders", tuple)
    with pytest.raises(ProgramMissingError, match=r"(?i)install MariaDB"):
        find_server_program()
