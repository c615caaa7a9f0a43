"""A race of which few tables changed: the others keep their text, and its dump is that of all its tables."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from meosbackup.backup import dumps
from meosbackup.backup.backup import Backup
from meosbackup.backup.outcome import Outcome
from meosbackup.batch.model import Entry
from meosbackup.mysql import programs
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Settings
from meosbackup.store import spool
from tests.toolkit.programs import dump_wrapper
from tests.toolkit.servers import INDIVIDUAL, INNODB, MEOS_PASSWORD, MEOS_USER, query, statements
from tests.toolkit.waiting import wait_until
from tests.tools.equality import SETTLED, touch

RACES = (INDIVIDUAL, INNODB)


@dataclass
class Ground:
    """A server with a MyISAM and an InnoDB race, and a backup of them that has begun."""

    server: PrivateServer
    folder: Path
    settings: Settings
    backup: Backup

    @classmethod
    def begun(cls, server: PrivateServer, folder: Path, distrust_minutes: int = 5) -> "Ground":
        settings = Settings(
            host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, races=RACES,
            distrust_minutes=distrust_minutes,
        )  # fmt: skip
        for race in RACES:
            for (table,) in query(server, f"SHOW TABLES FROM {race}"):
                touch(server, race, str(table))  # InnoDB knows no time of a table before that
        time.sleep(SETTLED)
        ground = cls(server, folder, settings, _new_backup(settings, folder, "spool"))
        ground.tick()
        return ground

    def tick(self) -> Outcome:
        return self.backup.tick(datetime.now().astimezone().replace(microsecond=0), threading.Event())

    @contextmanager
    def tick_that_waits(self) -> Iterator[None]:
        """Run a tick beside the block, which begins when the dump programs have ended; the tick then continues."""
        with ThreadPoolExecutor() as pool:
            (self.folder / "wait").touch()
            (self.folder / "dumped").unlink(missing_ok=True)
            tick = pool.submit(self.tick)
            try:
                wait_until((self.folder / "dumped").exists, "a dump program's end")
                yield
            finally:
                (self.folder / "wait").unlink()
            tick.result()

    def asked_for(self) -> set[str]:
        """Return the race tables that the dump program was asked for since this was called last."""
        log = self.folder / "runs"
        runs = log.read_text("utf-8")
        every = {str(name).lower() for (name,) in query(self.server, f"SHOW TABLES FROM {RACES[0]}")}
        log.unlink()
        return {name for name in every if runs.count(f".{name} ") < len(RACES)}

    def entry(self, race: str) -> Entry:
        assert self.backup.newest is not None
        [entry] = [entry for entry in self.backup.newest.batch.databases if entry.database == race]
        return entry

    def dump_of(self, entry: Entry) -> Path:
        assert self.backup.newest is not None
        assert entry.dump is not None
        return self.backup.newest.path(entry.dump)

    def assert_equal_to_server(self) -> None:
        """Compare with the dumps of a backup that remembers nothing."""
        fresh = _new_backup(self.settings, self.folder, "fresh")
        other = replace(self, backup=fresh)
        other.tick()
        for race in RACES:
            mine, its = self.entry(race), other.entry(race)
            assert mine.error is None
            assert self.dump_of(mine).read_bytes() == other.dump_of(its).read_bytes()
            assert mine.freshness == its.freshness


def _new_backup(settings: Settings, folder: Path, name: str) -> Backup:
    spool.prepare(folder / name, None)
    program = dump_wrapper(folder, f"""
        echo "$*" | tr '[:upper:]' '[:lower:]' >> '{folder}/runs'
        [ ! -e '{folder}/fail' ] || exit 2
        "$real" "$@"; code=$?
        touch '{folder}/dumped'
        while [ -e '{folder}/wait' ]; do sleep 0.05; done
        exit $code""")  # fmt: skip
    return Backup(settings, programs.find_dump_program(str(program)), folder / name, 0)


def change(server: PrivateServer, status: int) -> None:
    for race in RACES:
        query(server, f"UPDATE {race}.orunner SET Name = %s WHERE Removed = 0", f"Åsa, {status}")


def test_only_tables_that_changed_are_asked_for(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path)
    ground.asked_for()
    change(server, 1)
    assert ground.tick().changed == len(RACES)
    assert ground.asked_for() == {"orunner", "omonitor"}
    ground.assert_equal_to_server()


def test_a_table_that_changes_meanwhile_has_its_race_dumped_again(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path)
    change(server, 1)
    with ground.tick_that_waits():
        for race in RACES:
            query(server, f"UPDATE {race}.oclass SET Name = 'H 21'")
    ground.assert_equal_to_server()


def test_without_a_look_at_the_server_afterwards_the_dump_before_is_kept(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path)
    before = ground.dump_of(ground.entry(INDIVIDUAL)).read_bytes()
    change(server, 1)
    with ground.tick_that_waits():
        query(server, "ALTER USER %s ACCOUNT LOCK", MEOS_USER)
        query(server, f"KILL USER {MEOS_USER}")
    assert [ground.entry(race).error is None for race in RACES] == [False, False]
    assert ground.dump_of(ground.entry(INDIVIDUAL)).read_bytes() == before
    query(server, "ALTER USER %s ACCOUNT UNLOCK", MEOS_USER)
    ground.tick()
    ground.assert_equal_to_server()


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_a_dump_before_that_is_not_as_written_is_not_used(server: PrivateServer, tmp_path: Path, harm: str) -> None:
    ground = Ground.begun(server, tmp_path)
    for race in RACES:
        path = ground.dump_of(ground.entry(race))
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes().replace(b"oClass", b"oGlass"))
    change(server, 1)
    ground.tick()
    ground.assert_equal_to_server()


def test_every_few_minutes_all_tables_are_asked_for(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path, distrust_minutes=1)  # within which no other tick of this interval is
    ground.asked_for()
    time.sleep(1.1)
    change(server, 1)
    ground.tick()
    assert {"oclass", "ocontrol"} < ground.asked_for()


def test_a_large_race_is_dumped_as_a_whole(
    server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be completed, a dump is held in memory."""
    monkeypatch.setattr(dumps, "_SMALL", 0)
    ground = Ground.begun(server, tmp_path)
    ground.asked_for()
    change(server, 1)
    ground.tick()
    assert {"oclass", "ocontrol"} < ground.asked_for()


def test_if_nothing_could_be_dumped_the_server_is_not_asked_again(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path)
    change(server, 1)
    (ground.folder / "fail").touch()
    with statements(server, MEOS_USER) as seen:
        assert len(ground.tick().failures) == len(RACES)
    assert sum("UTC_TIMESTAMP" in one for one in seen) == 1


def test_a_table_that_comes_or_goes_is_in_the_dump(server: PrivateServer, tmp_path: Path) -> None:
    ground = Ground.begun(server, tmp_path)
    for race in RACES:
        query(server, f"CREATE TABLE {race}.omap (Id INT) ENGINE=MyISAM")
        query(server, f"DROP TABLE {race}.oteam")
    change(server, 1)
    ground.tick()
    ground.assert_equal_to_server()
