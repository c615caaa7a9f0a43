"""The search for programs, in file systems of Linux, macOS and Windows, and which one is taken for which server."""

import shutil
import sys
import threading
from pathlib import Path

import pytest

from meosbackup.batch.model import Server
from meosbackup.dump import mysqldump
from meosbackup.errors import UnfitProgramError
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import Program, candidates, find_dump_program, fitting, others, reason
from meosbackup.settings.model import Settings
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import dump_wrapper, shell_script
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import MEOS_PASSWORD, MEOS_USER, RELAY

NAMES = ("mysqldump", "mariadb-dump")
MARIADB_10 = "mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)"
MARIADB_11 = "mariadb-dump from 11.8.6-MariaDB, client 10.20 for debian-linux-gnu (x86_64)"
MYSQL_5 = "mysqldump  Ver 10.13 Distrib 5.7.44, for Win64 (x86_64)"
MYSQL_8 = "mysqldump  Ver 8.0.45 for Win64 on x86_64 (MySQL Community Server - GPL)"
MYSQL_9 = "mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
# What MariaDB's dump program 10.11 says to a MySQL 5.6.
NO_COLUMN = "mysqldump: Couldn't execute 'SHOW FIELDS': Unknown column 'generation_expression' in 'field list' (1054)"

PLACES = {
    "win32": [
        "Program Files/MySQL/MySQL Server 10.1/bin/mysqldump.exe",
        "Program Files/MySQL/MySQL Server 9.7/bin/mysqldump.exe",
        "Program Files/MySQL/MySQL Workbench 8.0 CE/mysqldump.exe", "Program Files/MariaDB 11.4/bin/mariadb-dump.exe",
        "Program Files (x86)/MariaDB 10.3/bin/mysqldump.exe", "xampp/mysql/bin/mysqldump.exe",
        "wamp64/bin/mysql/mysql8.3.0/bin/mysqldump.exe", "wamp64/bin/mariadb/mariadb11.3.2/bin/mariadb-dump.exe",
        "laragon/bin/mysql/mysql-8.0.30-winx64/bin/mysqldump.exe", "tools/mysql/current/bin/mysqldump.exe",
        "Users/anna/scoop/apps/mariadb-lts/current/bin/mariadb-dump.exe",
    ],
    "darwin": [
        "opt/homebrew/bin/mariadb-dump", "opt/homebrew/opt/mysql-client@8.4/bin/mysqldump",
        "opt/homebrew/opt/mariadb@10.11/bin/mariadb-dump", "usr/local/opt/mysql@8.0/bin/mysqldump",
        "usr/local/mysql/bin/mysqldump", "Applications/XAMPP/xamppfiles/bin/mysqldump",
        "Applications/MAMP/Library/bin/mysql80/bin/mysqldump",
    ],
    "linux": [
        "usr/bin/mariadb-dump", "usr/local/bin/mysqldump", "usr/local/mysql/bin/mysqldump", "opt/lampp/bin/mysqldump",
    ],
}  # fmt: skip


def of_version(flavour: str, version: str) -> Server:
    return Server("localhost", 3306, flavour, version, 1)


def programs(*versions: str) -> Program:
    found = tuple(Program(f"/{number}/mysqldump", version, frozenset()) for number, version in enumerate(versions))
    return Program(found[0].path, found[0].version, frozenset(), found)


def without_program_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment not tell where Windows keeps programs."""
    for variable in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("platform", list(PLACES))
def test_the_places_of_each_platform_are_searched(
    tmp_path: Path, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_program_folders(monkeypatch)
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "Users/anna"))
    for name in [*PLACES[platform], "home/anna/mysqldump", "usr/bin/mysqldumpslow", "xampp/mysql/bin/mysqldump.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [Path(path).relative_to(tmp_path).as_posix() for path in candidates(NAMES, platform, tmp_path, "")]
    assert sorted(found) == sorted(PLACES[platform])
    if platform == "win32":
        assert found.index(PLACES[platform][0]) < found.index(PLACES[platform][1])


def test_a_computer_with_nothing_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_program_folders(monkeypatch)
    for platform in PLACES:
        assert list(candidates(NAMES, platform, tmp_path, "")) == []


@pytest.mark.parametrize(
    ("version", "flavour", "number"),
    [(MARIADB_10, "MariaDB", (10, 11, 19)), (MARIADB_11, "MariaDB", (11, 8, 6)), (MYSQL_5, "MySQL", (5, 7, 44)),
     (MYSQL_8, "MySQL", (8, 0, 45)), (MYSQL_9, "MySQL", (9, 7, 4)), ("something else", "MySQL", ())],
)  # fmt: skip
def test_a_version_is_read(version: str, flavour: str, number: tuple[int, ...]) -> None:
    program = Program("x", version, frozenset())
    assert (program.flavour, program.number) == (flavour, number)


@pytest.mark.parametrize(
    ("versions", "of", "chosen", "why"),
    [
        ((MARIADB_10, MYSQL_8, MYSQL_9), ("MySQL", "8.0.45"), MYSQL_9, "of 3 found, the newest of MySQL"),
        ((MYSQL_9, MARIADB_10, MARIADB_11), ("MariaDB", "10.5.1"), MARIADB_11, "of 3 found, the newest of MariaDB"),
        ((MARIADB_10, MARIADB_11), ("MySQL", "5.7.1"), MARIADB_11, "none is from MySQL"),
        ((MYSQL_5,), ("MySQL", "8.0.45"), MYSQL_5, "the only one found. It is older than the server"),
        ((MYSQL_8,), ("MySQL", "8.0.46"), MYSQL_8, "the only one found"),
    ],
)
def test_the_newest_of_the_servers_vendor_is_taken(
    versions: tuple[str, ...], of: tuple[str, str], chosen: str, why: str
) -> None:
    best = fitting(programs(*versions), of_version(*of))
    assert best.version == chosen
    assert why in reason(best, of_version(*of))
    assert fitting(best, of_version(*of)) == best
    assert [other.version for other in others(best)] == sorted(
        set(versions) - {chosen}, key=lambda version: ("MariaDB" in version, versions.index(version))
    )


def test_the_one_that_the_user_named_is_taken() -> None:
    named = Program("/x", MYSQL_5, frozenset())
    assert fitting(named, of_version("MariaDB", "11.8.1")) == named
    assert "named by you" in reason(named, of_version("MySQL", "8.0.1"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def test_a_program_that_does_not_work_is_passed_over(place: Place, server: PrivateServer) -> None:
    real = find_dump_program(None).path
    folder = place.folder / "first"
    folder.mkdir()
    shell_script(folder / "mysqldump", "echo 'not today' >&2; exit 3")
    path = f"{folder}:{Path(real).parent}:/usr/bin:/bin"
    result = run_meosbackup("check", *place.options, *server_options(server), env={**with_password(), "PATH": path})
    said = told(result, 0, "OK dump program: ", "the only one found")
    assert str(folder) not in said


@pytest.mark.skipif(sys.platform != "linux", reason="this is a program of Linux")
def test_a_program_for_another_kind_of_processor(place: Place, server: PrivateServer) -> None:
    program = place.folder / "mysqldump"
    header = bytearray(Path(shutil.which("true") or "/bin/true").read_bytes())
    header[18:20] = (22).to_bytes(2, "little")  # EM_S390
    program.write_bytes(header)
    program.chmod(0o755)
    result = once(place, server, "--mysqldump", program)
    told(result, 1, "can't be started (Exec format error)", "a program for another kind of computer")


def test_a_dump_program_that_asks_an_old_server_for_what_it_has_not_makes_room_for_another(
    place: Place, server: PrivateServer
) -> None:
    wrapper = dump_wrapper(place.folder, f'echo "{NO_COLUMN}" >&2; exit 2')
    said = told(
        once(place, server, "--mysqldump", wrapper), 0, "can't dump a server as old as this one", "is used instead"
    )
    assert said.count("NOTE") == 1
    assert "race list + 4 races" in said


def test_without_another_one_the_cure_is_told(
    tmp_path: Path, server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meosbackup.mysql.programs.others", lambda _: iter(()))
    named = find_dump_program(str(dump_wrapper(tmp_path, f'echo "{NO_COLUMN}" >&2; exit 2')))
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)
    with mysqldump.logged_in(named, settings, tmp_path) as runner, pytest.raises(UnfitProgramError) as caught:
        mysqldump.dump(
            runner, RELAY, left_out=(), one_transaction=False, file="x.sql", stop=threading.Event()
        )  # fmt: skip
    assert "can't dump a server as old as this one" in caught.value.what
    assert "mysqldump" in caught.value.do
