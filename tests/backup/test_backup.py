"""What a tick costs: each new dump is read once, whatever is made from it."""

import os
import sys
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path

from meosbackup.backup.backup import Backup
from meosbackup.backup.outcome import Outcome
from meosbackup.mysql import programs
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Settings
from meosbackup.store import spool
from tests.toolkit.programs import dump_wrapper
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, MEOS_PASSWORD, MEOS_USER, RELAY, damaged, query

RACES = {INDIVIDUAL, RELAY, EMPTY, INNODB}
_NO_READING = os.O_WRONLY | os.O_RDWR | getattr(os, "O_DIRECTORY", 0)


class Openings:
    """Counts how often this process opens each file below a folder for reading."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counter[Path] | None = None
        sys.addaudithook(self._note)  # for good, so it does nothing until it is asked to

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and self.counts is not None:
            path, mode, flags = arguments
            is_read = mode in {"r", "rb"} or (mode is None and isinstance(flags, int) and not flags & _NO_READING)
            # A file that is opened by way of its folder is seen without that; folders have no suffix.
            if not (isinstance(path, str) and is_read and Path(path).suffix):
                return
            if str(self.folder) in path or Path(path).name == path:
                self.counts[Path(path)] += 1

    def during_tick(self, backup: Backup) -> tuple[Counter[Path], set[str]]:
        """Return how often each file was opened in a tick, and the races that have a `.meosxml`."""
        self.counts = counts = Counter[Path]()
        try:
            outcome = backup.tick(datetime.now().astimezone().replace(microsecond=0), threading.Event())
        finally:
            self.counts = None
        assert outcome.stored is not None
        assert not outcome.failures
        return counts, {entry.database for entry in outcome.stored.batch.races if entry.meosxml}


def test_a_tick_reads_each_new_dump_once(server: PrivateServer, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    spool.prepare(root, None)
    settings = Settings(host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, all_races=True)
    backup = Backup(settings, programs.find_dump_program(None), root, 0)
    openings = Openings(root)
    counts, races = openings.during_tick(backup)
    assert races == RACES
    raw = [path for path in counts if path.suffix == ".raw"]
    assert len(raw) == 1 + 2 * len(RACES)  # the race list, and race tables and reference tables of each race
    query(server, f"UPDATE {RELAY}.orunner SET Name = 'Åsa' WHERE Id = 1")
    more, races = openings.during_tick(backup)
    assert races == RACES
    assert len(more) > 0
    counts += more
    # The dump before, too: what is unchanged is taken from it.
    assert {
        path.name: times for path, times in counts.items() if times > 1 or path.suffix not in {".raw", ".sql"}
    } == {}


def test_races_are_dumped_together_and_one_that_fails_fails_alone(server: PrivateServer, tmp_path: Path) -> None:
    log = tmp_path / "runs"
    program = programs.find_dump_program(str(dump_wrapper(tmp_path, f'echo $* >> \'{log}\'; exec "$real" "$@"')))
    settings = Settings(
        host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, all_races=True, jobs=1
    )
    root, races = tmp_path / "spool", [INDIVIDUAL, RELAY, EMPTY]
    spool.prepare(root, None)
    backup = Backup(settings, program, root, 0)

    def runs_of(status: int) -> tuple[list[int], Outcome]:
        """Return how many races were dumped by each run, in order, and what the tick came to."""
        for race in races:
            query(server, f"UPDATE {race}.oevent SET Annotation = %s", str(status))
        log.write_text("")
        outcome = backup.tick(datetime.now().astimezone().replace(microsecond=0), threading.Event())
        ignored = [line.lower().count(".dbrunner") for line in log.read_text().splitlines()]
        return sorted(filter(None, ignored)), outcome

    runs_of(1)
    runs, outcome = runs_of(2)
    assert runs[-1] == 2
    assert outcome.changed == len(races)
    with damaged(server, RELAY, "oclub.MYD", 4):
        runs, outcome = runs_of(3)
        assert [failure.race and failure.race.name_id.lower() for failure in outcome.failures] == [RELAY]
        assert outcome.changed == len(races) - 1
        runs, outcome = runs_of(4)
        assert len(outcome.failures) == 1
        assert outcome.changed == len(races) - 1
