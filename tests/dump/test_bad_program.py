"""A dump program that is missing, too old, fails, lies or hangs; and Ctrl-C while it runs."""

import re
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from meosbackup.commands.simulation import run_laptops
from meosbackup.errors import ProgramMissingError
from meosbackup.mysql import programs
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import find_dump_program
from meosbackup.store import inventory
from tests.toolkit.batches import assert_batches_are_whole, assert_no_backup, dump_file
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import dump_wrapper, shell_script
from tests.toolkit.running import running, runs
from tests.toolkit.runs import Completed, run_meosbackup, told
from tests.toolkit.servers import FILES, INDIVIDUAL, INNODB, RELAY, query
from tests.toolkit.waiting import wait_until

FAILS = 'echo "mysqldump: Got error: 9999: no such luck" >&2; exit 2'
IS_CUT_SHORT = '"$real" "$@" && sed "\\$d" "$result" > "$result.cut" && mv "$result.cut" "$result"'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def without_server(place: Place, program: str | Path, **variables: str) -> Completed:
    """Make one batch, where things are to fail before any server is asked."""
    return run_meosbackup(*place.options, "--once", "--host", "127.0.0.1", "--port", "1", "--mysqldump", program,
                          env=variables)  # fmt: skip


@pytest.mark.parametrize("name", ["no-such-dump", "{folder}/no-such-dump"])
def test_a_dump_program_that_is_not_there(place: Place, name: str) -> None:
    program = Path(name.format(folder=place.folder))
    told(
        without_server(place, program), 1, f"The dump program {program} can't be started", "Nothing is backed up",
        "with --mysqldump PROGRAM",
    )  # fmt: skip
    assert_no_backup(place.target)


def test_a_computer_without_any_dump_program(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.folder))
    monkeypatch.setattr(programs, "installer_folders", lambda *_: ())
    with pytest.raises(ProgramMissingError) as caught:
        find_dump_program(None)
    assert "No dump program (mysqldump or mariadb-dump) was found" in caught.value.what
    assert caught.value.means == "Nothing is backed up."
    assert "Install MariaDB" in caught.value.do


@pytest.mark.parametrize(("mode", "why"), [(0o644, "Permission denied"), (0o755, "Exec format error")])
def test_a_file_that_is_no_program(place: Place, mode: int, why: str) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no right to execute")
    program = place.folder / "notes"
    program.write_text("These are notes.")
    program.chmod(mode)
    told(without_server(place, program), 1, f"{program} can't be started ({why})", "Nothing is backed up")
    assert_no_backup(place.target)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exit 0", ["is not a working dump program"]),
        ("echo 'Hello!'", ["is not a working dump program"]),
        ("echo 'it is broken' >&2; exit 3", ["is not a working dump program", "exit code 3: it is broken"]),
        ("{real} \"$@\" | grep -v -e '--dump-date' -e '--no-tablespaces'", ["is too old", "it has no --"]),
    ],
    ids=["says nothing", "says something", "fails", "is too old"],
)
def test_a_program_that_is_no_good_dump_program(place: Place, text: str, words: list[str]) -> None:
    program = shell_script(place.folder / "dump", text.replace("{real}", find_dump_program(None).path))
    said = told(without_server(place, program), 1, str(program), *words, "Nothing is backed up", "--mysqldump PROGRAM")
    assert "()" not in said
    assert_no_backup(place.target)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FAILS, ["ended with code 2", "no such luck"]),
        ('"$real" "$@"; kill -9 $$', ["ended"]),
        (': > "$result"', ["cut short"]),
        (IS_CUT_SHORT, ["cut short"]),
        ('"$real" "$@" && head -c 2950 "$result" > "$result.cut" && mv "$result.cut" "$result"', ["cut short"]),
        ('"$real" "$@" && sed "s/INSERT INTO/INSERT INTO  /" "$result" > odd && mv odd "$result"', ["good dump"]),
        ("exit 0", ["wrote no dump"]),
    ],
    ids=["error", "killed", "empty", "last line", "half", "strange", "no file"],
)
def test_a_dump_that_fails_is_no_backup(place: Place, server: PrivateServer, text: str, words: list[str]) -> None:
    said = told(once(place, server, "--mysqldump", dump_wrapper(place.folder, text)), 1, "FAIL", *words)
    assert_no_backup(place.target)
    assert "Still saved" not in said
    assert not re.search("(earlier|newest good)", said)
    assert str(place.spool / "work") not in said


def test_a_dump_program_that_hangs_is_ended(place: Place, server: PrivateServer) -> None:
    config = place.folder / "config.toml"
    config.write_text("dump_limit = 3", "utf-8")
    wrapper = dump_wrapper(
        place.folder,
        f"""
        case "$database" in meosmain | {INNODB}) exec "$real" "$@" ;; esac
        sleep 600
    """,
    )
    said = told(
        once(place, server, "--config", config, "--mysqldump", wrapper), 1, "O'Cup", "Relais", "Tom tävling",
        "stopped because it took longer than 3 s", "is not in the newest backup", "dump_limit",
    )  # fmt: skip
    assert "InnoDB-tävlingen (2026-11-22): The dump program" not in said
    assert_batches_are_whole(place)
    newest = inventory.read(place.batch_folders[-1])
    assert {entry.database for entry in newest.databases if entry.dump is not None} == {"meosmain", INNODB}
    assert not newest.complete


@pytest.mark.parametrize("times", [1, 2])
def test_a_dump_that_keeps_tables_locked_is_ended_and_tried_once_more(
    place: Place, server: PrivateServer, times: int
) -> None:
    config = place.folder / "config.toml"
    config.write_text("lock_limit = 2", "utf-8")
    query(server, f"UPDATE {RELAY}.orunner SET Annotation = REPEAT('x', 5000)")
    # Nobody reads what the real dump program writes, so that it stands still with all tables of the race locked.
    wrapper = dump_wrapper(
        place.folder,
        f"""
        case "$database" in {RELAY}) ;; *) exec "$real" "$@" ;; esac
        echo >> '{place.folder}/tries'
        rm "$result"
        [ $(wc -l < '{place.folder}/tries') -le {times} ] || exec "$real" "$@"
        mkfifo "$result"
        sleep 600 < "$result" &
        "$real" "$@"
    """,
    )
    with run_laptops(server, [RELAY], threading.Event(), pause=0.01) as [laptop]:
        result = once(place, server, "--config", config, "--mysqldump", wrapper)
    dumps_of_reference_tables = 2 - times
    assert len((place.folder / "tries").read_text()) == 2 + dumps_of_reference_tables
    assert 0.3 < laptop.longest_wait < 30, "it waited for a dump, and went on"
    assert laptop.failures == 0
    locking = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE Db = %s AND Command <> 'Sleep'"
    wait_until(lambda: query(server, locking, RELAY) == [(0,)], "nothing of the dump program is left on the server")
    if times == 2:
        told(result, 1, "Relais", "kept the tables locked for longer than 2 s", "MeOS waited as long", "lock_limit")
        assert not inventory.read(place.batch_folders[-1]).complete
    else:
        told(result, 0, "race list + 4 races")
    assert_batches_are_whole(place)


def test_a_race_list_that_is_not_dumped_is_not_said_to_be_saved(place: Place, server: PrivateServer) -> None:
    wrapper = dump_wrapper(place.folder, f'case "$database" in meosmain) {FAILS} ;; esac; exec "$real" "$@"')
    said = told(once(place, server, "--mysqldump", wrapper), 1, "race list: The dump program ended with code 2")
    assert "race list + 4 races" not in said
    assert_batches_are_whole(place)
    entries = inventory.read(place.batch_folders[-1]).databases
    assert {entry.database for entry in entries if entry.dump} == set(FILES) - {"meosmain"}


@pytest.mark.parametrize("text", [FAILS, IS_CUT_SHORT], ids=["error", "cut short"])
def test_a_race_that_fails_later_keeps_its_dump_from_before(place: Place, server: PrivateServer, text: str) -> None:
    told(once(place, server), 0)
    query(server, f"UPDATE {INDIVIDUAL}.orunner SET Name = 'Someone Else' LIMIT 1")
    wrapper = dump_wrapper(place.folder, f'case "$database" in {INDIVIDUAL}) {text} ;; *) exec "$real" "$@" ;; esac')
    told(once(place, server, "--mysqldump", wrapper), 1, "O'Cup", "Its newest good dump is from")
    assert_batches_are_whole(place)
    first, second = (inventory.read(folder) for folder in place.batch_folders)
    before, after = (next(entry for entry in whole.races if entry.database == INDIVIDUAL) for whole in (first, second))
    assert (dump_file(after).sha256, after.taken) == (dump_file(before).sha256, before.taken)
    assert before.error is None
    assert after.error is not None
    assert first.complete
    assert not second.complete


@pytest.mark.parametrize("deaf", [False, True], ids=["polite", "deaf to SIGTERM"])
def test_ctrl_c_during_a_dump_leaves_at_once_and_nothing_behind(
    place: Place, server: PrivateServer, deaf: bool
) -> None:
    wrapper = dump_wrapper(
        place.folder,
        f"""
        {"trap '' TERM" if deaf else ""}
        "$real" "$@"
        sleep 600 &
        echo "$$ $!" >> '{place.folder}/processes'
        wait
        wait
    """,
    )
    with running(place, server, "--once", "--mysqldump", wrapper) as tool:
        processes = place.folder / "processes"
        wait_until(
            lambda: processes.exists() and len(processes.read_text().splitlines()) == 2, "two dumps side by side"
        )
        told(tool.press_ctrl_c(), 0, "stopped; 0 batches made")
    assert_no_backup(place.target)
    assert {path.name for path in place.spool.iterdir()} <= {"DRIVES"}
    assert [number for number in processes.read_text().split() if is_alive(int(number))] == []


def test_ctrl_c_while_a_long_dump_is_read(place: Place, server: PrivateServer) -> None:
    many_times = (
        "awk '/^INSERT INTO .orunner/ {b=1} {print} b {t=t $0 RS} b && /;$/ {b=0; while (n++ < 2500) printf \"%s\", t}'"
    )
    wrapper = dump_wrapper(
        place.folder, f'"$real" "$@" && {many_times} "$result" > "$result.long" && mv "$result.long" "$result"'
    )
    with running(place, server, "--once", "--race", "O'Cup", "--mysqldump", wrapper) as tool:
        wait_until(lambda: is_read(place.spool), "a long dump that is read")
        told(tool.press_ctrl_c(), 0, "stopped; 0 batches made")
    assert_no_backup(place.target)
    assert {path.name for path in place.spool.iterdir()} <= {"DRIVES"}  # no login.cnf either


def is_read(spool: Path) -> bool:
    """Tell whether a long dump that the dump program wrote is being read, and part of it is written anew."""
    with suppress(FileNotFoundError):
        written, read = (
            max((path.stat().st_size for path in spool.glob(f"work-*/*{kind}")), default=0) for kind in (".raw", ".sql")
        )
        return written > 20_000_000 and read > 1_000_000
    return False


def is_alive(number: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped doesn't."""
    if sys.platform != "linux":
        return runs(number)
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
