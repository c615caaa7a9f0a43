"""Names that others chose: of races and of databases. None may steer a screen, a file system or the dump program."""

import re
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, connect, load
from meosbackup.store import inventory
from tests.toolkit.batches import assert_batches_are_whole, dump_file
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import dump_wrapper
from tests.toolkit.runs import in_one_line, told
from tests.toolkit.servers import EMPTY, INDIVIDUAL, RACE_LIST, contents, query
from tests.toolkit.terminals import in_terminal

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\x1b[8m\r\b\u202egnp"
"""What clears a screen, renames its window, rings, hides and turns what follows."""

RACE_NAMES = [
    "../../etc/passwd", "..\\C:", "l'Été \"du\" `siècle`", "two\r\nlines\ttabs", "😀 🏃‍♀️", STEERING, "x" * 128,
    "Å" * 128, "CON", "con.", "nul.txt", "Aux. natt", "COM1.2026", "LPT9", ".hidden", "-rf", "--help", "", " ",
    "%s %d {0} $HOME `id` $(id)", "meosmain", "reference", "Dubbel", "dubbel", "Dubbel", "name.partial", "批量\u2028赛",
]  # fmt: skip

DATABASES = [
    "--help", "-v", "--result-file=x", "a`b", "two words", "100%", "_", "l'été", 'quo"te', "semi;colon", "tåg 1.2",
    "..", "*$home", "back\\slash", "line\nend", "\x1b[2j", "a/b", "x" * 64,
]  # fmt: skip

RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def add_race(server: PrivateServer, name: str, database: str, number: int) -> None:
    """Add a race with a few of a race's tables, one of them a reference table."""
    query(server, f"CREATE DATABASE {quoted(database)}")
    with closing(connect(server, database)) as connection:
        for table in ("oevent", "orunner", "dbrunner"):
            connection.cmd_query(f"CREATE TABLE {table} LIKE {INDIVIDUAL}.{table}")
            connection.cmd_query(f"INSERT INTO {table} SELECT * FROM {INDIVIDUAL}.{table}")
        connection.cmd_query(f"UPDATE oevent SET Id = {number}, Modified = Modified")  # the Id of its row in the list
    list_race(server, name, database, number)


def list_race(server: PrivateServer, name: str, name_id: str, number: int) -> None:
    insert = f"INSERT INTO {RACE_LIST}.oevent (Id, Name, Annotation, Date, NameId) VALUES (%s, %s, %s, %s, %s)"
    query(server, insert, number, name, name, name, name_id)


def take_any_name(server: PrivateServer) -> None:
    """Empty the race list, and let it take every letter there is."""
    query(server, f"DELETE FROM {RACE_LIST}.oevent")
    query(server, f"ALTER TABLE {RACE_LIST}.oevent CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    query(server, f"ALTER TABLE {RACE_LIST}.oevent MODIFY Date VARCHAR(200) CHARACTER SET utf8mb4")


def test_races_of_any_name_are_backed_up(place: Place, server: PrivateServer) -> None:
    take_any_name(server)
    for number, name in enumerate(RACE_NAMES, start=1):
        add_race(server, name, f"race_{number}", number)
    said = told(once(place, server), 0, f"race list + {len(RACE_NAMES)} races")
    assert "\x1b" not in said
    assert_batches_are_whole(place)
    (folder,) = place.batch_folders
    races = inventory.read(folder).races
    assert [entry.race.name for entry in races if entry.race] == RACE_NAMES
    files = [path for path in place.target.rglob("*") if path.is_file()]
    for path in files:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*[A-Za-z0-9]", path.name), path
        assert not RESERVED.fullmatch(path.name.split(".")[0]), path
        assert len(path.name) <= 120
    names = Counter((path.parent, path.name.lower()) for path in files)
    assert max(names.values()) == 1
    for guide in (folder / "RESTORE.txt", place.target / "meosbackup" / "RESTORE.txt"):
        text = guide.read_bytes().decode("utf-8").replace("\r\n", "")
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e\u2028]", text)


@pytest.mark.parametrize("command", ["--once", "check"])
def test_no_name_steers_the_screen(place: Place, server: PrivateServer, command: str) -> None:
    take_any_name(server)
    add_race(server, f"good{STEERING}", "good", 1)
    add_race(server, f"fails{STEERING}", "fails", 2)
    list_race(server, f"lost{STEERING}", f"lost{STEERING}", 3)
    list_race(server, f"shell{STEERING}", EMPTY, 4)
    query(server, f"DELETE FROM {EMPTY}.oevent")
    wrapper = dump_wrapper(
        place.folder,
        f"""
        case "$database" in fails) printf 'Got error: 1: %s\\n' '{STEERING}' >&2; exit 2 ;; esac
        exec "$real" "$@"
    """,
    )
    options = [command, "--mysqldump", str(wrapper)]
    for name in ("\x1b[2Jnobody", "good", "fails", "lost", "shell"):
        options += ["--race", name]
    screen = in_terminal(place, server, *options)
    assert "Traceback" not in screen
    for word in ("good", "fails", "ended with code 2", "nobody", "lost", "shell"):
        assert word in in_one_line(screen)
    # The tool's own bell at an alarm, its colours, and the line ends of a terminal are all that may steer.
    plain = re.sub(r"\x07(?=\x1b\[31m==)|\x1b\[(0|1|22|31|32|33)m|\r\n", "", screen)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", plain), repr(screen)


def test_databases_of_any_name_are_dumped_and_restored(
    place: Place, server: PrivateServer, spare: PrivateServer
) -> None:
    take_any_name(server)
    for number, name in enumerate(DATABASES, start=1):
        add_race(server, f"Race {number}", name, number)
    told(once(place, server), 0, f"race list + {len(DATABASES)} races")
    assert_batches_are_whole(place)
    (folder,) = place.batch_folders
    races = inventory.read(folder).races
    assert [entry.database for entry in races] == DATABASES
    for entry in races:
        assert entry.reference is not None
        for file in (dump_file(entry), entry.reference):
            load(spare, folder / file.file)
        assert contents(spare, entry.database) == contents(server, entry.database), entry.database


def test_a_name_that_is_asked_for_and_that_no_race_has(place: Place, server: PrivateServer) -> None:
    said = told(once(place, server, "--race", "no such \x1b[2Jrace", "--race", "Tom tävling"), 0, "no race is called")
    assert "race list + 1 race" in said
