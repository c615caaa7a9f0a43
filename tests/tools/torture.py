"""meosbackup killed and its drive pulled out, hundreds of times: nothing that it kept may be wrong or missing.

python -m tests.tools.torture --kills 200 --pulls 50 --seed 1
"""

import hashlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from meosbackup.batch import names
from meosbackup.batch.model import RACE_LIST
from meosbackup.commands.simulation import Laptop
from meosbackup.meos import changes
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, load, private_server
from meosbackup.store import drive, inventory
from tests.toolkit.batches import faults, leftovers, waiting
from tests.toolkit.drives import EXFAT, FAT32, Drive, Slot, make_drive, slot
from tests.toolkit.place import Place
from tests.toolkit.running import Running, running
from tests.toolkit.runs import STOPS_WITHIN, run_meosbackup
from tests.toolkit.servers import FILES, INDIVIDUAL, INNODB, RELAY, databases, make_pristine, query
from tests.toolkit.waiting import PATIENCE, limit, wait_until

_LAPTOPS = (INDIVIDUAL, RELAY, INNODB)


# What the laptops do, and what they remember


State = tuple[str, frozenset[tuple[str, int]]]
"""A database, and the checksums of its race tables or of its reference tables."""


class Recorder(Laptop):
    """A laptop that notes each state that its race was in, so that a backup of any moment can be held against them."""

    def __init__(self, server: PrivateServer, database: str, states: set[State], seed: int) -> None:
        super().__init__(server, database, seed=seed)
        self._states = states
        self._states.update(state(server, database))

    def get_runner(self) -> None:
        """Take a runner into the federation's list, as MeOS does when it has met somebody new."""
        self._execute("INSERT INTO {dbrunner} (Name, CardNo) VALUES ('Ny Löpare', %s)", self.changes)

    def _execute(self, statement: str, *values: int | str) -> int:
        result = super()._execute(statement, *values)
        # In between, the table is locked: nobody sees a state of it.
        if statement.startswith(("UNLOCK", "UPDATE {ocounter}", "INSERT INTO {dbrunner}")):
            self._states.update(state(self._server, self.database))
        return result


def state(server: PrivateServer, database: str) -> tuple[State, State]:
    """Return the state of a database: of its race tables, and of its reference tables."""
    tables = [str(table) for (table,) in query(server, f"SHOW TABLES FROM {quoted(database)}")]
    counted = [table for table in tables if table.lower() != changes.MONITOR_TABLE]
    names = ", ".join(f"{quoted(database)}.{quoted(table)}" for table in counted)
    rows = query(server, f"CHECKSUM TABLE {names}")
    sums = {table: int(checksum) for table, (_, checksum) in zip(counted, rows, strict=True)}
    race, reference = (
        frozenset((table.lower(), value) for table, value in sums.items() if changes.is_reference(table) is wanted)
        for wanted in (False, True)
    )
    return (database, race), (f"{database}: reference tables", reference)


@contextmanager
def laptops(server: PrivateServer, seed: int) -> Iterator[set[State]]:
    """Have a laptop at work on each of three races; give all states that any database was ever in."""
    states: set[State] = set(state(server, RACE_LIST))
    states.update(found for database in databases(server) for found in state(server, database))
    stop = threading.Event()
    threads = [
        threading.Thread(target=_work, args=(Recorder(server, database, states, seed + number), stop), daemon=True)
        for number, database in enumerate(_LAPTOPS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield states
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)


def _work(laptop: Recorder, stop: threading.Event) -> None:
    while not stop.wait(0.3):
        laptop.change()
        if laptop.changes % 20 == 0:
            laptop.get_runner()
    laptop.close()


# The rounds


@dataclass
class Figures:
    """What came of a run."""

    kills: int = 0
    kills_amid_shipping: int = 0
    kills_amid_dumping: int = 0
    pulls: int = 0
    pulls_amid_shipping: int = 0
    batches_made: int = 0
    batches_on_the_drive: int = 0
    batches_lost: int = 0
    readings_of_the_whole_drive: int = 0
    batches_read_back: int = 0
    batches_restored_and_compared: int = 0
    states_that_the_server_was_in: int = 0
    longest_stop_in_ms: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class Stage:
    """Where it plays: the race server, another to restore into, the drive and its slot, a folder for all the rest."""

    server: PrivateServer
    spare: PrivateServer
    slot: Slot
    drive: Drive
    folder: Path
    states: set[State]
    chance: random.Random
    figures: Figures
    made: dict[int, str] = field(default_factory=dict)
    """The SHA-256 of each batch's batch.json, by its sequence."""

    @property
    def root(self) -> Path:
        return drive.root(self.slot.place)

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def running(self) -> AbstractContextManager[Running]:
        return running(Place(self.folder, self.slot.place), self.server, "--interval", "1", terminal=True)


def torture(stage: Stage, kills: int, pulls: int, *, each: int, tell: Callable[[str], None]) -> None:
    """Kill and pull in a random order, look at all batches after each, and restore the newest after `each` of them."""
    began = time.monotonic()
    rounds = [_kill] * kills + [_pull] * pulls
    stage.chance.shuffle(rounds)
    stage.slot.plug(stage.drive)
    for number, play in enumerate(rounds, 1):
        play(stage)
        _look(stage)
        if number % each == 0:
            _restore(stage)
        if number % 10 == 0:
            seconds = time.monotonic() - began
            tell(f"{number} of {len(rounds)} after {seconds:.0f} s: {len(stage.made)} batches, all good")
    _ship_the_rest(stage)
    _look(stage)
    _restore(stage)
    found = run_meosbackup("verify", "--target", stage.slot.place)
    assert found.returncode == 0, found.stdout + found.stderr
    stage.figures.batches_made = len(stage.made)
    stage.figures.batches_on_the_drive = len(inventory.find(stage.root).batches)
    stage.figures.batches_lost = stage.figures.batches_made - stage.figures.batches_on_the_drive
    stage.figures.states_that_the_server_was_in = len(stage.states)
    stage.figures.seconds = round(time.monotonic() - began)
    assert stage.figures.batches_lost == 0


def _kill(stage: Stage) -> None:
    with stage.running() as day:
        bide(stage.root, stage.chance)
        day.kill()
    stage.figures.kills += 1
    stage.figures.kills_amid_shipping += bool(leftovers(stage.root))
    stage.figures.kills_amid_dumping += any(stage.spool.glob("work-*"))


def _pull(stage: Stage) -> None:
    with stage.running() as day:
        day.expect(" OK .* free$")
        bide(stage.root, stage.chance)
        is_shipping = bool(leftovers(stage.root))
        stage.slot.pull()
        time.sleep(stage.chance.uniform(0, 1.2))
        stage.slot.leave()
        time.sleep(stage.chance.uniform(0, 1.2))
        assert not any(stage.slot.place.iterdir()), "something was written below the empty mount point"
        stage.slot.plug(stage.drive)
        wait_until(lambda: not waiting(stage.spool), "an empty spool")
        _stop(stage, day)
    assert leftovers(stage.root) == []
    stage.figures.pulls += 1
    stage.figures.pulls_amid_shipping += is_shipping


def bide(root: Path, chance: random.Random) -> None:
    """Wait for a random moment; every other time for one while a batch is on its way to the drive."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0.1, 2.5))
        return
    end = time.monotonic() + 30.0
    while not leftovers(root) and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.015))


def _stop(stage: Stage, day: Running) -> None:
    seconds = day.stop()
    assert seconds < limit(STOPS_WITHIN), f"it took {seconds:.1f} s to stop"
    stage.figures.longest_stop_in_ms = max(stage.figures.longest_stop_in_ms, round(seconds * 1000))


def _ship_the_rest(stage: Stage) -> None:
    with stage.running() as day:
        day.expect(" OK ")
        wait_until(lambda: not waiting(stage.spool), "an empty spool")
        _stop(stage, day)
    assert leftovers(stage.root) == []


def _look(stage: Stage) -> None:
    """See that all on the drive is whole, and that no batch ever changed, vanished or took another's number."""
    assert faults(stage.root) == []
    on_drive = inventory.find(stage.root).batches
    for stored in (*inventory.find(stage.spool).batches, *on_drive):
        sha256 = hashlib.sha256((stored.folder / names.BATCH_FILE).read_bytes()).hexdigest()
        known = stage.made.setdefault(stored.batch.sequence, sha256)
        assert known == sha256, f"two batches are called {stored.batch.sequence}"
    there = {stored.batch.sequence for stored in (*on_drive, *inventory.find(stage.spool).batches)}
    assert there == stage.made.keys(), f"lost: {stage.made.keys() - there}"
    assert sorted(stage.made) == list(range(1, len(stage.made) + 1))
    stage.figures.readings_of_the_whole_drive += 1
    stage.figures.batches_read_back += len(on_drive)


def _restore(stage: Stage) -> None:
    """Restore the newest batch on the drive into an empty server, and see that its databases were once like that."""
    newest = inventory.find(stage.root).newest
    if newest is None:
        return
    for database in databases(stage.spare):
        query(stage.spare, f"DROP DATABASE {quoted(database)}")
    for entry in newest.batch.databases:
        assert entry.dump is not None
        load(stage.spare, newest.folder / entry.dump.file)
        race, _ = state(stage.spare, entry.database)
        assert race in stage.states, f"{entry.database} of {newest.folder} was never like that"
        if entry.reference is not None:
            load(stage.spare, newest.folder / entry.reference.file)
            _, reference = state(stage.spare, entry.database)
            assert reference in stage.states, f"{entry.reference.file} of {newest.folder} was never like that"
    stage.figures.batches_restored_and_compared += 1


@contextmanager
def stage(server: PrivateServer, spare: PrivateServer, folder: Path, seed: int, kind: str = EXFAT) -> Iterator[Stage]:
    """Have laptops at work on a server that has the races of the fixture, and a drive to plug in."""
    with slot(folder) as place, laptops(server, seed) as states:
        yield Stage(
            server, spare, place, make_drive(kind, folder / "drive.image", 2048), folder, states,
            random.Random(seed), Figures(),
        )  # fmt: skip


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--pulls", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--each", default=1, show_default=True, help="Restore the newest batch after so many of them.")
@click.option("--kind", default=EXFAT, show_default=True, type=click.Choice([EXFAT, FAT32]), help="Of the drive.")
def main(kills: int, pulls: int, seed: int, each: int, kind: str) -> None:
    """Kill meosbackup and pull its drive out, again and again, and print what came of it."""
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-torture-") as name,
        private_server() as server,
        private_server() as spare,
    ):
        make_pristine(server, FILES, {})
        with stage(server, spare, Path(name), seed, kind) as where:
            torture(where, kills, pulls, each=each, tell=click.echo)
            for word, number in asdict(where.figures).items():
                click.echo(f"{word.replace('_', ' '):<32} {number:>9,}")


if __name__ == "__main__":
    main()
