"""What happens while a restore is at work: somebody opens a race, presses Ctrl-C, looks at the screen."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.batch.names import BATCH_FILE
from meosbackup.commands.simulation import delete_race
from meosbackup.meos import changes, race_status
from meosbackup.mysql import sessions
from meosbackup.mysql.private_server import PrivateServer, connect
from meosbackup.settings.model import Settings
from tests.toolkit.batches import dump_file, dump_of, flip_a_byte
from tests.toolkit.programs import client_program, shell_script
from tests.toolkit.runs import run_meosbackup, server_options, told, tool_environment, with_password
from tests.toolkit.servers import (
    INDIVIDUAL,
    INNODB,
    MEOS_PASSWORD,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    databases,
    query,
    rows_of,
)
from tests.toolkit.tent import NAMES, RACES, Tent, add_large_image, assert_tidy, ended, races, work_on
from tests.toolkit.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and client programs made of shell")


@pytest.fixture
def then(server: PrivateServer) -> dict[str, dict[str, list[tuple[object, ...]]]]:
    """All rows as they are in the batch."""
    return races(server)


@pytest.fixture
def stored(server: PrivateServer, then: object, backed_up: StoredBatch) -> StoredBatch:
    """A batch of the server's races as they were; each of them is changed since."""
    work_on(server, *RACES)
    return backed_up


def open_in_meos(server: PrivateServer, database: str) -> None:
    query(server, f"INSERT INTO `{database}`.omonitor (Client, Modified) VALUES ('Målet', NOW())")


class HeldClient:
    """A client program that feeds nothing until the test lets it."""

    def __init__(self, folder: Path) -> None:
        self._begun, self._go = folder / "begun", folder / "go"
        wait = f'echo >> "{self._begun}"; while [ ! -e "{self._go}" ]; do sleep 0.05; done'
        self.path = client_program(folder, f'{wait}; client "$@"')

    def wait_until_it_runs(self) -> None:
        wait_until(self._begun.exists, "the client program")

    def let_go(self) -> None:
        self._go.touch()


@contextmanager
def restoring(
    server: PrivateServer, tent: Tent, *more: str | Path, stdin: int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        tent.command(server, *more),
        # Tests hold dumps up for as long as it takes.
        env={**tool_environment(), **with_password(), "PYTHONUNBUFFERED": "1", "MEOSBACKUP_LOCK_LIMIT": "60"},
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def in_terminal(command: list[str]) -> str:
    """Run a command in a terminal, and return every letter that it wrote."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    controller, terminal = os.openpty()
    with subprocess.Popen(
        command, env={**tool_environment(), **with_password(), "TERM": "xterm"}, stdin=subprocess.DEVNULL,
        stdout=terminal, stderr=terminal,
    ) as process:  # fmt: skip
        os.close(terminal)
        written = b""
        with suppress(OSError):  # how Linux tells that nobody writes any more
            while piece := os.read(controller, 1 << 16):
                written += piece
        os.close(controller)
    assert process.returncode == 0, written
    return written.decode()


# Somebody opens a race


def test_a_race_that_is_opened_while_the_question_stands_is_not_replaced(
    server: PrivateServer, tent: Tent, stored: StoredBatch
) -> None:
    with restoring(server, tent, "--batch", stored.when, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        asked = ""
        while "Restore this?" not in asked:
            letter = process.stdout.read(1)
            assert letter, asked
            asked += letter
        open_in_meos(server, RELAY)
        before = races(server)
        answered, _ = process.communicate("y\n", timeout=PATIENCE)
    assert process.returncode == 1
    said = " ".join(answered.split())
    assert re.search(rf"MeOS has {NAMES[RELAY]}.* open on: Målet\.", said), said
    assert "Nothing was done" in said
    assert races(server) == before
    assert tent.saved() == []


def test_a_race_that_is_opened_while_others_come_back_is_left_alone(
    server: PrivateServer, tent: Tent, stored: StoredBatch, then: object, tmp_path: Path
) -> None:
    held = HeldClient(tmp_path)
    with restoring(server, tent, "--yes", "--batch", stored.when, "--mysql", held.path) as process:
        held.wait_until_it_runs()
        open_in_meos(server, RELAY)
        before = races(server)
        held.let_go()
        code, said = ended(process)
    assert code == 1, said
    assert re.search(rf"FAIL {NAMES[RELAY]}[^:]*: MeOS now has it open on Målet\.", said), said
    after = races(server)
    assert after[RELAY] == before[RELAY]
    assert isinstance(then, dict)
    assert [after[name] for name in RACES if name != RELAY] == [then[name] for name in RACES if name != RELAY]
    assert_tidy(server)


NOT_LISTED_YET = "a program on localhost (MeOS may not list it yet)"


def test_a_race_that_meos_opened_a_moment_ago_is_not_replaced(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    only = ("--batch", stored.when, "--race", RELAY)
    before, held = races(server), HeldClient(tmp_path)
    with closing(connect(server, RELAY.upper())):
        assert f"open on: {NOT_LISTED_YET}." in tent.restore(server, *only, expected=1)
    with restoring(server, tent, "--yes", *only, "--mysql", held.path) as process:
        held.wait_until_it_runs()
        with closing(connect(server, RELAY)):
            held.let_go()
            code, said = ended(process)
    assert code == 1, said
    assert f"MeOS now has it open on {NOT_LISTED_YET}." in said
    assert races(server) == before
    assert_tidy(server)


def test_a_dump_program_does_not_pass_for_meos(server: PrivateServer) -> None:
    """It has the race's database as its current one as well, but not for long."""
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD)
    with sessions.session(settings) as session, closing(connect(server, RELAY)) as dump_program:
        threading.Timer(1.0, dump_program.close).start()
        assert race_status.clients(session, RELAY) == ()


# Ctrl-C


@pytest.mark.parametrize(
    ("moment", "words", "asks"),
    [
        ("--help", "Stopped. Nothing was done.", ["SIGINT"]),
        ("--result-file", "Stopped. Nothing was restored; the server is unchanged.", ["SIGINT"]),
        ("--result-file", "Stopped. Nothing was restored; the server is unchanged.", ["SIGHUP", "SIGHUP"]),
    ],
    ids=["before anything is shown", "while the server's races are saved", "the window is closed"],
)
def test_ctrl_c_before_anything_is_restored(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path, moment: str, words: str, asks: list[str]
) -> None:
    asked, before = tmp_path / "asked", races(server)
    slow = shell_script(
        tmp_path / "slow", f'case "$*" in *{moment}*) touch "{asked}"; sleep 60;; esac\nexec mysqldump "$@"'
    )
    with restoring(server, tent, "--yes", "--batch", stored.when, "--mysqldump", slow) as process:
        wait_until(asked.exists, "the dump program")
        for name in asks:
            process.send_signal(signal.Signals[name])
        code, said = ended(process)
    assert code == 1, said
    assert words in said
    assert words in tent.log.read_text("utf-8")
    assert "OK" not in said
    assert races(server) == before
    assert [*tent.at(server).spool.glob("work-*"), *tent.saved()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for threads")
def test_a_signal_that_interrupts_no_wait_counts_all_the_same(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    """As one that comes an instant before the main thread begins to wait; here, another thread gets it."""
    asked = tmp_path / "asked"
    slow = shell_script(
        tmp_path / "slow", f'case "$*" in *--result-file*) touch "{asked}"; sleep 60;; esac\nexec mysqldump "$@"'
    )
    with restoring(server, tent, "--yes", "--batch", stored.when, "--mysqldump", slow) as process:
        wait_until(asked.exists, "the dump program")
        threads = [int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()]
        assert ctypes.CDLL(None).tgkill(process.pid, max(threads), signal.SIGINT) == 0
        code, said = ended(process)
    assert code == 1, said
    assert "Stopped. Nothing was restored; the server is unchanged." in said


@pytest.mark.parametrize("database", [INDIVIDUAL, INNODB])
def test_ctrl_c_while_tables_change_places_says_what_is_true(
    server: PrivateServer, tent: Tent, tmp_path: Path, database: str
) -> None:
    add_large_image(server, database)  # its reference tables wait for the race
    stored, then = tent.back_up(server), races(server)
    work_on(server, *RACES)
    held, before = HeldClient(tmp_path), races(server)
    with (
        restoring(server, tent, "--yes", "--batch", stored.when, "--mysql", held.path) as process,
        closing(connect(server)) as laptop, closing(laptop.cursor()) as cursor,
    ):  # fmt: skip
        held.wait_until_it_runs()
        cursor.execute(f"LOCK TABLES `{database}`.orunner WRITE")
        held.let_go()
        wait_until(lambda: is_replacing_tables(server, database), "the tables to be replaced")
        for _ in range(3):  # by somebody who is in a hurry
            process.send_signal(signal.SIGINT)
        cursor.execute("UNLOCK TABLES")
        code, said = ended(process)
    assert code == 1, said
    assert "Stopped. What has an OK above is restored; everything else on the server is unchanged." in said
    after = races(server)
    for race in RACES:
        is_back = f"OK {NAMES[race]}" in said
        expected = (then if is_back else before)[race]
        found = after[race]
        if race == database:
            assert f"OK {NAMES[race]} (2026-11-22), reference tables" not in said
            found, expected = without_reference_tables(found), without_reference_tables(expected)
        assert found == expected, race
    assert f"OK {NAMES[database]}" in said
    assert_tidy(server)


def is_replacing_tables(server: PrivateServer, database: str) -> bool:
    statements = [str(row[7]) for row in query(server, "SHOW FULL PROCESSLIST")]
    return any(statement.startswith(f"RENAME TABLE `{database}`") for statement in statements)


def without_reference_tables(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    return {name: found for name, found in rows.items() if name not in changes.REFERENCE_TABLES}


def test_two_restores_dont_meet_on_a_server(spare: PrivateServer, tent: Tent, backed_up: StoredBatch) -> None:
    with closing(connect(spare)) as other, closing(other.cursor()) as cursor:
        cursor.execute("SELECT GET_LOCK('meosbackup restore', 0)")
        assert cursor.fetchall() == [(1,)]
        assert "Another restore is still running on this server" in tent.restore(spare, expected=1)
    assert databases(spare) == set()
    tent.restore(spare)


# On the screen


def test_a_terminal_shows_how_far_it_is_and_a_file_does_not(
    server: PrivateServer, spare: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    shown = in_terminal(tent.command(spare, "--yes"))
    assert re.search(r"Restoring  \[#+-*\] +\d+%", shown)
    assert re.search(r"Restoring  \[#+\] +100%", shown)
    # The bar is gone from each line that stays.
    lines = [line.rpartition("\x1b[K")[2] for line in shown.split("\n")]
    assert not any("Restoring  [" in line for line in lines)
    # A long result is broken between words.
    assert " ".join(" ".join(lines).split()).count("each compared with the dump") >= len(RACES)
    assert [rows_of(spare, name) for name in RACES] == [rows_of(server, name) for name in RACES]
    assert "Restoring" not in tent.restore(spare)


# What the batch lacks


def leave_out(stored: StoredBatch, database: str) -> None:
    """Make of a batch one that never had a good dump of a race."""
    path = stored.folder / BATCH_FILE
    document = json.loads(path.read_text("utf-8"))
    for entry in document["databases"]:
        if entry["database"] == database:
            entry.update(file=None, bytes=None, sha256=None, taken=None, reference=None, freshness=None)
            entry["error"] = "The table orunner of this race is damaged."
    path.write_text(json.dumps(document), "utf-8")


def test_a_race_that_the_batch_lacks_is_named_with_the_batch_that_has_it(
    server: PrivateServer, spare: PrivateServer, tent: Tent, stored: StoredBatch, then: object
) -> None:
    assert isinstance(then, dict)
    leave_out(tent.back_up(server), RELAY)
    newest = rows_of(server, INDIVIDUAL)
    said = tent.restore(spare, expected=1)
    assert said.count("NOT RESTORED: the batch has no good dump of it. The table orunner of this race is damaged.") == 1
    assert re.search(rf"FAIL {NAMES[RELAY]}[^:]*: the batch has no good dump of it", said)
    assert databases(spare) == {RACE_LIST, *RACES} - {RELAY}
    assert rows_of(spare, INDIVIDUAL) == newest
    assert "Now, on one laptop" in said

    offered = set(re.findall(r"--batch '([^']+)' --race (\S+)", said))
    assert [when for when, _ in offered] == [stored.when]
    [(when, race)] = offered
    tent.restore(spare, "--batch", when, "--race", race)
    assert rows_of(spare, RELAY) == then[RELAY]

    query(spare, f"DELETE FROM `{RELAY}`.orunner")
    assert f"Batch from {stored.when}" in tent.restore(spare, "--race", RELAY)
    assert rows_of(spare, RELAY) == then[RELAY]
    leave_out(stored, RELAY)
    assert "No batch here has a good dump" in tent.restore(spare, "--race", RELAY, expected=2)


def test_a_race_that_was_deleted_before_the_newest_batch_comes_from_the_one_that_has_it(
    server: PrivateServer, tent: Tent, stored: StoredBatch, then: object
) -> None:
    assert isinstance(then, dict)
    delete_race(server, "meos_20261122_211702_1E5")
    newest = tent.back_up(server)
    relay = rows_of(server, RELAY)
    for more in (["--dry-run"], []):
        said = tent.restore(server, *more)
        assert f"Batch from {newest.when}" in said
        assert re.search(rf"{NAMES[INDIVIDUAL]}[^:]*: not in this batch; the batch from {stored.when} has it", said)
        assert f"meosbackup restore --batch '{stored.when}' --race meos_20261122_211702_1E5 --target" in said
    assert INDIVIDUAL not in databases(server)

    query(server, f"DELETE FROM `{RELAY}`.orunner")
    said = tent.restore(server, "--race", "Höst", "--race", "Stafett")
    assert f"FROM AN EARLIER BATCH, {stored.when}" in said
    assert (rows_of(server, INDIVIDUAL), rows_of(server, RELAY)) == (then[INDIVIDUAL], relay)
    said = tent.restore(server, "--race", "Höst", "--dry-run")
    assert re.search(rf"Batch from {stored.when}, [^(]* \(the newest with {NAMES[INDIVIDUAL]}[^)]*", said)

    folders = [word for word in tent.at(server).folders if word != "--any-disk"]
    done = run_meosbackup("export", "--race", "Höst", "--to", tent.folder / "files", *folders)
    assert f"FROM AN EARLIER BATCH, {stored.when}" in told(done, 0)


def test_where_the_drive_is_bad_the_copy_in_the_spool_is_taken(
    server: PrivateServer, spare: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    entry, its_spool = dump_of(backed_up.batch, INDIVIDUAL), ("--spool", tent.at(server).spool)
    assert entry.reference is not None
    flip_a_byte(backed_up.folder / dump_file(entry).file)
    (backed_up.folder / entry.reference.file).unlink()
    copy = next(tent.at(server).spool.glob(f"*/*/{dump_file(entry).file}"))
    flip_a_byte(copy)
    assert "differ from what was written" in tent.restore(spare, *its_spool, expected=1)
    assert databases(spare) == set()
    flip_a_byte(copy)  # and back
    said = tent.restore(spare, *its_spool)
    assert said.count("The copy on this computer is good, and is used.") == 2
    assert [rows_of(spare, name) for name in RACES] == [rows_of(server, name) for name in RACES]


def test_reference_tables_dont_come_back_without_their_race(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    query(server, f"INSERT INTO `{INDIVIDUAL}`.dbclub (Id, Name) VALUES (9999, 'Sävedalens AIK')")
    before = races(server)
    only_references = client_program(
        tmp_path, 'cat > "$$.sql"; grep -q "INTO .oevent" "$$.sql" && exit 1; client "$@" < "$$.sql"'
    )
    said = tent.restore(server, "--batch", stored.when, "--mysql", only_references, expected=1)
    assert said.count("FAIL") == len(RACES)
    assert "OK Höst" not in said
    assert races(server) == before


# The same command again


@pytest.mark.parametrize("is_killed", [False, True], ids=["Ctrl-C", "killed"])
def test_after_a_restore_was_broken_off_the_same_command_brings_back_the_backup(
    server: PrivateServer, tent: Tent, stored: StoredBatch, then: object, tmp_path: Path, is_killed: bool
) -> None:
    ruined, held = races(server), HeldClient(tmp_path)
    with restoring(server, tent, "--yes", "--mysql", held.path) as process:
        held.wait_until_it_runs()  # what the server has now was saved before that
        process.kill() if is_killed else process.send_signal(signal.SIGINT)
        held.let_go()
        _, said = ended(process)
    [saved] = tent.saved()
    assert f"saved as the batch from {saved.when}" in said
    assert "(saved before a restore)" in (saved.folder / "RESTORE.txt").read_text("utf-8-sig")
    again = f"restore --batch '{stored.when}' --target {tent.target}"
    assert (again in said) != is_killed, said
    assert races(server) == ruined
    assert stored.name in (tent.root / "RESTORE.txt").read_text("utf-8-sig")

    assert f"Batch from {stored.when}" in tent.restore(server)
    assert isinstance(then, dict)
    assert [races(server)[name] for name in RACES] == [then[name] for name in RACES]
    folders = [argument for argument in tent.at(server).folders if argument != "--any-disk"]
    listed = run_meosbackup("list", *folders).stdout
    assert re.search(rf"^{saved.when} .* saved before a restore$", listed, re.MULTILINE)
    assert f"The newest is {stored.name}" in listed
    assert "all good" in run_meosbackup("verify", *folders).stdout
    tent.restore(server, "--batch", saved.when)
    assert [races(server)[name] for name in RACES] == [ruined[name] for name in RACES]


def test_a_batch_without_any_race_leads_to_the_ones_before(
    server: PrivateServer, tent: Tent, stored: StoredBatch
) -> None:
    for (name_id,) in query(server, "SELECT NameId FROM MeOSMain.oEvent"):
        delete_race(server, str(name_id))
    done = run_meosbackup("--once", *tent.at(server).folders, *server_options(server), env=with_password())
    assert done.returncode == 1, "no race is backed up"
    said = tent.restore(server, expected=2)
    assert said.count(f"the batch from {stored.when} has it: meosbackup restore --batch '{stored.when}'") == len(RACES)
