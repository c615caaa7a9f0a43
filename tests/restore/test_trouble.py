"""Restoring that is cut short or refused: what was on the server stays whole, and words tell what to do."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.batch.names import BATCH_FILE
from meosbackup.commands.simulation import run_laptops
from meosbackup.meos import changes
from meosbackup.mysql.private_server import PrivateServer, ServerProgram, private_server
from tests.toolkit.batches import dump_file, dump_of, flip_a_byte
from tests.toolkit.programs import client_program, dump_program
from tests.toolkit.runs import tool_environment, with_password
from tests.toolkit.servers import (
    EMPTY,
    INDIVIDUAL,
    INNODB,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    damaged,
    databases,
    everything,
    make_pristine,
    query,
    rows_of,
)
from tests.toolkit.tent import RACES, Tent, assert_tidy, ended, races, work_on
from tests.toolkit.waiting import PATIENCE, limit, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and client programs made of shell")


@pytest.fixture
def stored(server: PrivateServer, backed_up: StoredBatch) -> StoredBatch:
    """A batch of the server's races as they were; each of them is changed since."""
    work_on(server, *RACES)
    return backed_up


def has_left_something(server: PrivateServer) -> bool:
    return any(name.startswith("meosbackup-new") for name in databases(server))


class SlowClient:
    """A client program that feeds the start of a dump, and then waits for as long as the test needs."""

    def __init__(self, folder: Path) -> None:
        self._mark = folder / "begun"
        self.path = client_program(
            folder, f'{{ head -c 30000; echo $$ >> "{self._mark}"; sleep 60; cat; }} | client "$@"'
        )

    @property
    def process_ids(self) -> list[int]:
        return [int(line) for line in self._mark.read_text("ascii").splitlines()]

    def wait_until_it_feeds(self, server: PrivateServer) -> None:
        wait_until(lambda: self._mark.exists() and bool(self.process_ids), "the client program")
        wait_until(lambda: has_left_something(server), "the first table")

    def end(self) -> None:
        if sys.platform != "win32":
            for process_id in self.process_ids:
                with suppress(ProcessLookupError):
                    os.killpg(process_id, signal.SIGKILL)

    def is_at_work(self) -> bool:
        """Tell whether it runs, or anything that it started; what has ended may wait for its parent to notice."""
        states = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, group = path.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
                states += [state] if int(group) in self.process_ids else []
        return any(state != "Z" for state in states)


@contextmanager
def restoring(
    server: PrivateServer, tent: Tent, stored: StoredBatch, slow: SlowClient, *more: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run a restore that is amid feeding a dump when the block begins."""
    command = tent.command(server, "--yes", "--batch", stored.when, "--mysql", slow.path, *more)
    with subprocess.Popen(
        command, env={**tool_environment(), **with_password()}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8",
    ) as process:  # fmt: skip
        try:
            slow.wait_until_it_feeds(server)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            slow.end()


# The drive


def test_a_race_in_a_database_of_the_server_itself_is_not_restored(
    server: PrivateServer, tent: Tent, stored: StoredBatch
) -> None:
    batch = stored.folder / BATCH_FILE
    batch.write_text(batch.read_text("utf-8").replace('"meos_20261122_211702_1E5"', '"MySQL"'), "utf-8")
    shutil.rmtree(tent.at(server).spool)  # its copy would be taken
    users, before = query(server, "SELECT COUNT(*) FROM mysql.user"), set(databases(server))
    said = tent.restore(server, "--race", "MySQL", expected=1)
    assert "the server's own. The server is unchanged." in said
    assert (query(server, "SELECT COUNT(*) FROM mysql.user"), set(databases(server))) == (users, before)


def test_nothing_of_a_damaged_dump_reaches_the_server_and_an_earlier_one_is_offered(
    server: PrivateServer, spare: PrivateServer, tent: Tent, stored: StoredBatch
) -> None:
    then = rows_of(server, INDIVIDUAL)  # as in the second batch, which stays good
    batches = [stored, tent.back_up(server)]
    for _ in range(2):
        work_on(server, INDIVIDUAL)
        batches.append(tent.back_up(server))
        bad = batches[-1]
        flip_a_byte(bad.folder / dump_file(dump_of(bad.batch, INDIVIDUAL)).file)
    said = tent.restore(spare, expected=1)
    assert databases(spare) == set()
    assert "differ from what was written" in said
    offered = re.search(r"--batch '([^']+)' --race (\S+)", said)
    assert offered is not None, said
    assert offered[1] == batches[1].when
    tent.restore(spare, "--batch", offered[1], "--race", offered[2])
    assert rows_of(spare, INDIVIDUAL) == then
    assert databases(spare) == {RACE_LIST, INDIVIDUAL}


def test_where_no_batch_has_a_good_dump_that_is_told(spare: PrivateServer, tent: Tent, stored: StoredBatch) -> None:
    flip_a_byte(stored.folder / dump_file(dump_of(stored.batch, RELAY)).file)
    assert "No earlier batch has a good dump of it" in tent.restore(spare, expected=1)
    (stored.folder / dump_file(dump_of(stored.batch, RELAY)).file).unlink()
    assert "can't be read" in tent.restore(spare, expected=1)
    assert databases(spare) == set()


def test_a_damaged_register_keeps_no_race_from_coming_back(
    server: PrivateServer, spare: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    reference = dump_of(backed_up.batch, INDIVIDUAL).reference
    assert reference is not None
    flip_a_byte(backed_up.folder / reference.file)
    said = tent.restore(spare, expected=1)
    assert re.search(r"FAIL Höstmedeln[^;]*reference tables", said), said
    back, there = everything(spare), everything(server)
    assert {name: back[INDIVIDUAL][name] for name in back[INDIVIDUAL] if name not in changes.REFERENCE_TABLES} == {
        name: there[INDIVIDUAL][name] for name in there[INDIVIDUAL] if name not in changes.REFERENCE_TABLES
    }
    assert [back[name] for name in RACES[1:]] == [there[name] for name in RACES[1:]]


def test_reference_tables_that_are_refused_keep_no_race_from_coming_back(
    server: PrivateServer, spare: PrivateServer, tent: Tent, backed_up: StoredBatch, tmp_path: Path
) -> None:
    refusing = client_program(
        tmp_path, 'cat > "$$.sql"; grep -q "INTO .oimage" "$$.sql" && exit 1; client "$@" < "$$.sql"'
    )
    said = tent.restore(spare, "--mysql", refusing, expected=1)
    assert re.findall("FAIL ([^;]*?): ", said) == ["Höstmedeln «Осень» O'Cup (2026-11-22), reference tables"], said
    back, there = everything(spare), everything(server)
    assert back[INDIVIDUAL] == {
        name: there[INDIVIDUAL][name] for name in there[INDIVIDUAL] if name not in changes.REFERENCE_TABLES
    }
    assert [back[name] for name in RACES[1:]] == [there[name] for name in RACES[1:]]
    assert re.findall(r"--race (\S+)", said.rpartition("To continue")[2]) == [INDIVIDUAL.replace("1e5", "1E5")]


# Killed midway


@pytest.mark.parametrize(
    "body",
    ['head -c 9000 | client "$@"; kill -9 $$', 'head -c 9000 | client "$@"', "cat > /dev/null", "cat; exit 1"],
    ids=["killed", "cut short", "does nothing", "fails"],
)
def test_a_client_program_that_dies_leaves_the_races_whole(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path, body: str
) -> None:
    before = races(server)
    bad = client_program(tmp_path, body)
    said = tent.restore(server, "--batch", stored.when, "--mysql", bad, expected=1)
    assert races(server) == before
    assert said.count("FAIL") >= len(RACES)
    assert "server is unchanged" in said
    assert f"To continue with the same batch: meosbackup restore --batch '{stored.when}' --target" in said
    assert_tidy(server)


@pytest.mark.parametrize("end", [PrivateServer.kill, PrivateServer.stop], ids=["killed", "stopped"])
def test_a_server_that_dies_leaves_the_races_whole(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path, end: Callable[[PrivateServer], None]
) -> None:
    before, slow = races(server), SlowClient(tmp_path)
    query(server, "FLUSH TABLES")
    with restoring(server, tent, stored, slow) as process:
        end(server)
        slow.end()
        code, said = ended(process)
    assert code == 1, said
    assert "server is unchanged" in said
    assert "OK Höst" not in said
    server.start()
    assert races(server) == before
    tent.restore(server, "--batch", stored.when)
    assert races(server) != before
    assert_tidy(server)


def test_ctrl_c_leaves_the_races_whole_and_says_so(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    before, slow = races(server), SlowClient(tmp_path)
    with restoring(server, tent, stored, slow) as process:
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, said = ended(process)
        assert time.monotonic() - began < limit(5)
        assert not slow.is_at_work()
    assert code == 1
    assert "Stopped" in said
    assert "server is unchanged" in said
    assert races(server) == before
    assert_tidy(server)
    assert list(tent.at(server).spool.glob("work-*")) == []


def test_what_a_killed_restore_left_behind_goes_with_the_next(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    before, slow = races(server), SlowClient(tmp_path)
    with restoring(server, tent, stored, slow) as process:
        process.kill()
        process.wait()
        slow.end()
    assert races(server) == before
    assert has_left_something(server)
    tent.restore(server, "--batch", stored.when, "--race", RELAY)
    assert_tidy(server)
    assert list(tent.at(server).spool.glob("work-*")) == []


# Refused


def test_a_running_writer_is_not_written_over(server: PrivateServer, tent: Tent, stored: StoredBatch) -> None:
    with run_laptops(server, [INDIVIDUAL, INNODB], threading.Event(), 0.1) as laptops:
        wait_until(lambda: all(laptop.changes for laptop in laptops), "the laptops")
        said = tent.restore(server, "--batch", stored.when, expected=1)
        changes = [laptop.changes for laptop in laptops]
        wait_until(
            lambda: all(laptop.changes > so_far for laptop, so_far in zip(laptops, changes, strict=True)), "more"
        )
    assert "open on: Laptop 1" in said
    assert "Nothing was done" in said
    assert [laptop.failures for laptop in laptops] == [0, 0]


def weaken(server: PrivateServer, privileges: str) -> None:
    """Leave the user meos these privileges alone."""
    query(server, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {MEOS_USER}@'%'")
    query(server, f"GRANT {privileges} ON *.* TO {MEOS_USER}@'%'")


def test_a_read_only_server_is_told_as_that(server: PrivateServer, tent: Tent, stored: StoredBatch) -> None:
    before = races(server)
    weaken(server, "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES")
    query(server, "SET GLOBAL read_only = 1")
    try:
        said = tent.restore(server, "--batch", stored.when, expected=1)
    finally:
        query(server, "SET GLOBAL read_only = 0")
    assert "read-only" in said
    assert races(server) == before
    tent.restore(server, "--batch", stored.when)


@pytest.mark.parametrize("privileges", ["SELECT, LOCK TABLES", "SELECT, LOCK TABLES, DROP", "ALL"])
def test_the_line_that_is_named_gives_the_rights_that_are_missing(
    server: PrivateServer, spare: PrivateServer, tent: Tent, stored: StoredBatch, privileges: str
) -> None:
    place = "ON meosmain.*" if privileges == "ALL" else "ON *.*"
    query(spare, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {MEOS_USER}@'%'")
    query(spare, f"GRANT {privileges} {place} TO {MEOS_USER}@'%'")
    said = tent.restore(spare, "--race", INDIVIDUAL, expected=1)
    assert databases(spare) == set()
    line = re.search(r"administrator's mysql prompt: (GRANT [^;]+);", said)
    assert line is not None, said
    query(spare, line[1])
    tent.restore(spare, "--race", INDIVIDUAL)
    assert databases(spare) == {RACE_LIST, INDIVIDUAL}


def test_without_the_client_program_nothing_is_done(
    spare: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    said = tent.restore(spare, "--mysql", tmp_path / "no such program", expected=1)
    assert "Nothing is restored" in said
    assert "--mysql" in said
    assert "client program" in tent.restore(spare, "--mysql", Path(shutil.which("true") or "true"), expected=1)
    assert databases(spare) == set()


def test_without_the_server_nothing_is_done(spare: PrivateServer, tent: Tent, stored: StoredBatch) -> None:
    spare.stop()
    try:
        said = tent.restore(spare, expected=75)
    finally:
        spare.start()
    assert "doesn't answer" in said
    assert "Nothing was done" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 120 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes free on a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65536)
    os.truncate(filler, filler.stat().st_size - left)


@pytest.mark.parametrize("copies", [0, 1], ids=["while the dumps are read", "while they are compared"])
def test_a_full_disk_of_this_computer_leaves_the_server_as_it_was(
    server: PrivateServer, spare: PrivateServer, tent: Tent, backed_up: StoredBatch, small_disk: Path, copies: int
) -> None:
    parts = [part for entry in backed_up.batch.races for part in (entry.dump, entry.reference) if part is not None]
    fill(small_disk, copies * sum(part.bytes + 4096 for part in parts) + 40_000)
    options = ("--spool", small_disk / "spool")
    said = tent.restore(spare, *options, expected=1)
    assert "this computer's disk, where the spool is" in said.lower()
    assert ("server is unchanged" if copies else "Nothing was restored") in said
    assert list((small_disk / "spool").iterdir()) == []
    assert_tidy(spare)
    (small_disk / "filler").unlink()
    tent.restore(spare, *options)
    assert [rows_of(spare, name) for name in RACES] == [rows_of(server, name) for name in RACES]


@pytest.mark.parametrize(("file", "at"), [("orunner.MYI", 24), ("orunner.MYD", 4000)])
def test_a_race_with_a_damaged_table_is_replaced_where_that_is_wished(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch, file: str, at: int
) -> None:
    then = rows_of(server, INDIVIDUAL)
    work_on(server, INDIVIDUAL, RELAY)
    options = ("--race", INDIVIDUAL, "--batch", backed_up.when)
    with damaged(server, INDIVIDUAL, file, at):
        others = rows_of(server, RELAY)
        said = tent.restore(server, *options, expected=1)
        assert "on the server: The table" in said
        assert "is damaged" in said
        assert "can't be saved" in said
        assert "--force" in said
        tent.restore(server, *options, "--force")
        assert rows_of(server, INDIVIDUAL) == then
        assert rows_of(server, RELAY) == others
        assert_tidy(server)


def test_a_table_without_files_is_not_in_the_way_of_a_restore(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch
) -> None:
    then = rows_of(server, INDIVIDUAL)
    query(server, "FLUSH TABLES")
    for file in ("ocard.MYI", "ocard.MYD"):
        (server.folder / "data" / INDIVIDUAL / file).unlink()
    options = ("--race", INDIVIDUAL, "--batch", backed_up.when)
    said = tent.restore(server, *options, expected=1)
    assert "ocard of this race is damaged" in said
    assert "--force" in said
    tent.restore(server, *options, "--force")
    assert rows_of(server, INDIVIDUAL) == then
    assert_tidy(server)


def test_a_server_whose_disk_is_full_keeps_what_it_has(
    server: PrivateServer, server_program: ServerProgram, tent: Tent, backed_up: StoredBatch, small_disk: Path
) -> None:
    then = rows_of(server, INNODB)
    with private_server(small_disk, program=server_program) as full:
        make_pristine(full, {}, {})
        tent.restore(full, "--race", INNODB)
        work_on(full, INNODB)
        before = rows_of(full, INNODB)
        assert before != then
        fill(small_disk, 600_000)
        said = tent.restore(full, "--race", INNODB, "--batch", backed_up.when, expected=1)
        assert "disk is full" in said
        assert rows_of(full, INNODB) == before
        assert_tidy(full)
        (small_disk / "filler").unlink()
        tent.restore(full, "--race", INNODB, "--batch", backed_up.when)
        assert rows_of(full, INNODB) == then


IMPATIENT = (
    "from meosbackup.dump import progress; progress.STALLED_SECONDS = 2; from meosbackup.cli import main; main()"
)


def test_a_server_whose_full_disk_stalls_it_does_not_hang_a_restore(
    server: PrivateServer, server_program: ServerProgram, tent: Tent, small_disk: Path
) -> None:
    for _ in range(9):
        query(server, f"INSERT INTO {INDIVIDUAL}.ocard (Punches) SELECT Punches FROM {INDIVIDUAL}.ocard")
    stored = tent.back_up(server)
    with private_server(small_disk, program=server_program) as full:
        make_pristine(full, {}, {})
        tent.restore(full, "--race", INDIVIDUAL)
        before = rows_of(full, INDIVIDUAL)
        fill(small_disk, 1_000_000)
        arguments = tent.command(full, "--yes", "--race", INDIVIDUAL, "--batch", stored.when)[3:]
        command = [sys.executable, "-c", IMPATIENT, *arguments]
        environment = {**tool_environment(), **with_password(), "PYTHONUNBUFFERED": "1"}

        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        ) as process:
            assert process.stdout is not None
            told = next((line for line in process.stdout if line.startswith("WAIT")), "it ended")
            assert "no progress for 2 s; the server may be out of disk space. Ctrl-C gives up" in told
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            code, said = ended(process)
        assert time.monotonic() - began < limit(8)
        assert code == 1
        assert "Stopped. Nothing was restored; the server is unchanged." in said
        assert rows_of(full, INDIVIDUAL) == before

        assert full.process_id is not None
        full.kill()  # what is stalled waits for up to a minute until it tries again
        full.start()
        environment["MEOSBACKUP_DUMP_LIMIT"] = "4"
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, said
        assert "The server has taken nothing more for 4 s. Its disk may be full. The server is unchanged." in said
        assert rows_of(full, INDIVIDUAL) == before

        assert full.process_id is not None
        full.kill()
        full.start()
        (small_disk / "filler").unlink()
        tent.restore(full, "--race", INDIVIDUAL, "--batch", stored.when)
        assert rows_of(full, INDIVIDUAL) == rows_of(server, INDIVIDUAL)
        assert_tidy(full)


def test_a_comparison_that_takes_long_is_told_as_well(
    server: PrivateServer, tent: Tent, backed_up: StoredBatch, tmp_path: Path
) -> None:
    slow = dump_program(tmp_path, before='case "$*" in *meosbackup-new*) sleep 3;; esac')
    command = [
        sys.executable,
        "-c",
        IMPATIENT,
        *tent.command(server, "--yes", "--race", EMPTY, "--mysqldump", slow)[3:],
    ]
    done = subprocess.run(
        command, env={**tool_environment(), **with_password()}, capture_output=True, encoding="utf-8",
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "WAIT  Tom" in done.stdout
    assert "OK    Tom" in done.stdout


def test_a_client_program_that_vanishes_is_told(
    server: PrivateServer, tent: Tent, stored: StoredBatch, tmp_path: Path
) -> None:
    before = races(server)
    vanishing = client_program(tmp_path, 'case "$*" in *--execute*) client "$@"; rm "$0";; esac')
    said = tent.restore(server, "--batch", stored.when, "--race", RELAY, "--mysql", vanishing, expected=1)
    assert re.search(r"FAIL Stafett.*: The client program .* can't be started .* The server is unchanged\.", said), said
    assert races(server) == before
    assert_tidy(server)
