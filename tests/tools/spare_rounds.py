"""A spare server kept ready while servers and programs are killed: each race there is whole, and the newest.

python -m tests.tools.spare_rounds --ticks 200 --kills 8 --feeds 15 --seed 1
"""

import itertools
import random
import re
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import click

from meosbackup.batch.model import Entry, StoredBatch, StoredFile
from meosbackup.commands.simulation import Laptop
from meosbackup.dump import fingerprint
from meosbackup.dump.fingerprint import TableDigest
from meosbackup.errors import MeosBackupError
from meosbackup.meos import changes
from meosbackup.mysql import programs
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.private_server import PrivateServer, load, private_server
from meosbackup.mysql.programs import Program
from meosbackup.restore import rehearsal
from meosbackup.store import inventory
from tests.toolkit.place import Place, new_place
from tests.toolkit.running import Running, frozen, running
from tests.toolkit.servers import DATA, databases, make_pristine, query
from tests.toolkit.waiting import wait_until
from tests.tools import kills
from tests.tools.matrix import installations
from tests.tools.matrix.installations import OWN

_MYSQL = "MySQL 9.7"
PAIRS = (
    ((OWN, 1), (_MYSQL, 0)), ((OWN, 0), (_MYSQL, 1)), ((_MYSQL, 1), (OWN, 0)), ((_MYSQL, 0), (OWN, 1)),
)  # fmt: skip
"""The race server and the spare server, each with its lower_case_table_names."""

_LISTED = "meos_20261122_211713_94ABC"
_ENGINES = {_LISTED: "MyISAM", f"{_LISTED[:-1]}D": "MyISAM", f"{_LISTED[:-1]}E": "InnoDB"}
_TICKED = r"^\d\d:\d\d:\d\d  (OK|WAIT|FAIL) "
_WRONG = ("MeOS works on the spare server", "is not put on the spare server")

State = Mapping[str, TableDigest]
"""The race tables of a race, or its reference tables, as digests of their rows."""


class _Writer(Laptop):
    """A laptop that now and then takes a runner into the federation's list, as MeOS does."""

    def change(self) -> None:
        super().change()
        if self.changes % 5 == 0:
            self._execute("INSERT INTO {dbrunner} (Name, CardNo) VALUES ('Ny Löpare', %s)", self.changes)


@dataclass
class Stage:
    """Where it plays: both servers, a dump program for the spare one, the databases of the races, and meosbackup.

    `ages` are those of what the spare server had when the race server was killed, `waits` how long it was fed after
    that, both in seconds.
    """

    server: PrivateServer
    spare: PrivateServer
    program: Program
    place: Place
    races: Sequence[str]
    chance: random.Random
    ages: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    figures: dict[str, Counter[str]] = field(default_factory=dict)
    ticks: int = 0
    _day: Running | None = field(default=None, init=False)
    stack: ExitStack = field(default_factory=ExitStack, init=False)
    _states: dict[str, State] = field(default_factory=dict, init=False)

    @property
    def day(self) -> Running:
        """Meosbackup at work."""
        assert self._day is not None
        return self._day

    def start(self) -> None:
        """Start meosbackup, and wait for its first tick and until the spare server has all races."""
        options = ("--interval", "1", "--standby", f"{self.spare.host}:{self.spare.port}")
        self._day = self.stack.enter_context(running(self.place, self.server, *options))
        self.settle()

    def end(self) -> None:
        """End meosbackup, and see that it never took itself for somebody who works on the spare server."""
        said = self.day.said
        self.ticks += sum(re.match(_TICKED, line) is not None for line in self.day.lines)
        self.stack.close()
        assert not [words for words in _WRONG if words in said], said

    def settle(self) -> None:
        """Wait until the spare server has the newest batch, while nobody works on the race server; compare it."""
        for _ in range(2):  # the second of them began after the last change
            self.day.expect(_TICKED)
        self.compare()

    def compare(self) -> None:
        """Wait until the spare server has the newest batch, which no other follows, and compare each race with it."""
        [newest] = wait_until(self._fed, "the newest batch on the spare server")
        for entry in _races(newest):
            expected = tuple(self._state(newest, file) for file in (entry.dump, entry.reference))
            found = self._found(entry)
            assert found == expected, f"{entry.database} on the spare server is not as in {newest.name}: {found}"
        temporary = self.temporary()
        assert not temporary, f"{temporary} are left on the spare server"

    def torn(self) -> list[str]:
        """Return the races on the spare server that are not as in some batch: race tables, and reference tables."""
        known: dict[str, tuple[list[State], list[State]]] = {}
        entries = {}
        for stored in self._batches():
            for entry in _races(stored):
                states = known.setdefault(entry.database, ([], []))
                entries[entry.database] = entry
                with suppress(FileNotFoundError):  # the spool keeps only the newest of those that are on the drive
                    for side, file in zip(states, (entry.dump, entry.reference), strict=True):
                        side.append(self._state(stored, file))
        return [
            race for race, states in known.items()
            if not all(found in side for found, side in zip(self._found(entries[race]), states, strict=True))
        ]  # fmt: skip

    def held(self) -> datetime:
        """Return up to when the spare server has all changes: the time of the oldest batch that a race there is of.

        What is the same in later batches is of the latest of them.
        """
        moments: dict[str, datetime] = {}
        for stored in sorted(self._batches(), key=lambda one: one.batch.sequence):
            for entry in _races(stored):
                moments |= dict.fromkeys(_sums(entry), stored.batch.taken)
        return min(moments[sha256] for *sums, _ in self._remembered().values() for sha256 in sums)

    def temporary(self) -> set[str]:
        """Return the databases that a feeding has made for itself."""
        return {name for name in databases(self.spare) if name.startswith("meosbackup-")}

    def is_half_done(self) -> bool:
        """Tell whether the spare server was left amid a feeding."""
        return bool(self.temporary()) or any(not is_done for _, _, is_done in self._remembered().values())

    def _batches(self) -> list[StoredBatch]:
        return [stored for root in (self.place.root, self.place.spool) for stored in inventory.find(root).batches]

    def _fed(self) -> list[StoredBatch]:
        """Return the newest batch if the spare server has it, as meosbackup remembers there; otherwise none."""
        try:
            newest = inventory.find(self.place.spool).newest
        except OSError:  # meosbackup is removing a batch
            return []
        remembered = self._remembered()
        is_fed = newest is not None and all(
            remembered.get(_name_id(entry)) == (*_sums(entry), True) for entry in _races(newest)
        )
        return [newest] if newest is not None and is_fed else []

    def _remembered(self) -> dict[str, tuple[str, str, bool]]:
        """Return what the spare server's own database remembers: both checksums, and whether nothing is under way."""
        if "meosbackup" not in databases(self.spare):
            return {}
        rows = query(self.spare, "SELECT name_id, sha256, reference_sha256, next_sign, stopped FROM meosbackup.races")
        stopped = {name_id: why for name_id, _, _, _, why in rows if why}
        assert not stopped, f"not fed any more: {stopped}"
        return {name_id: (one, other, sign is None) for name_id, one, other, sign, _ in rows}

    def _found(self, entry: Entry) -> tuple[State | None, State | None]:
        """Return the state of a race on the spare server; None if it can't be read."""
        name = spelled(_name_id(entry), databases(self.spare))
        if name is None:
            return None, None
        try:
            found = rehearsal.database_digests(name, self.spare, self.program, threading.Event())
        except MeosBackupError:
            return None, None
        race = {table: digest for table, digest in found.items() if not changes.is_reference(table)}
        reference = {table: digest for table, digest in found.items() if changes.is_reference(table) and digest.rows}
        return race, reference

    def _state(self, stored: StoredBatch, file: StoredFile | None) -> State:
        if file is None:
            return {}
        if file.sha256 not in self._states:
            found = fingerprint.table_digests(stored.path(file))
            is_needed = {table: not changes.is_reference(table) or digest.rows for table, digest in found.items()}
            self._states[file.sha256] = {table: digest for table, digest in found.items() if is_needed[table]}
        return self._states[file.sha256]


def _races(stored: StoredBatch) -> list[Entry]:
    return [entry for entry in stored.batch.races if entry.dump is not None]


def _name_id(entry: Entry) -> str:
    assert entry.race is not None
    return entry.race.name_id


def _sums(entry: Entry) -> tuple[str, str]:
    return entry.dump.sha256 if entry.dump else "", entry.reference.sha256 if entry.reference else ""


@contextmanager
def at_work(stage: Stage) -> Iterator[None]:
    """Have a laptop at work on each race until the block ends."""
    stop = threading.Event()
    seeds = [stage.chance.randrange(1 << 30) for _ in stage.races]
    writers = [_Writer(stage.server, race, seed=seed) for race, seed in zip(stage.races, seeds, strict=True)]
    threads = [threading.Thread(target=_work, args=(writer, stop), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(writer: Laptop, stop: threading.Event) -> None:
    with suppress(Exception):  # the race server is killed
        writer.touch_monitor()
        while not stop.wait(0.1):
            writer.change()
    writer.close()


# The rounds


def kill_race_server(stage: Stage, ticks: int) -> None:
    """Kill the race server some time after so many ticks; what the spare server gets is exactly the newest batch."""
    with at_work(stage):
        for _ in range(ticks):
            stage.day.expect(_TICKED)
        time.sleep(stage.chance.uniform(0, 1))
        stage.day.skip()
        stage.server.kill()
        began, moment = time.monotonic(), datetime.now().astimezone()
        stage.ages.append((moment - stage.held()) / timedelta(seconds=1))
    stage.day.expect("  FAIL ")
    stage.compare()
    stage.waits.append(time.monotonic() - began)
    stage.server.start()
    stage.day.expect("  OK ")
    stage.day.skip()


def kill_feed(stage: Stage, way: str) -> None:
    """Kill something amid a feeding; each race is whole then, and fed again."""
    who, _, amid = way.partition(", ")
    counted = stage.figures.setdefault(way, Counter())
    with at_work(stage):
        stage.day.expect(_TICKED)
        _await_feeding(stage, is_swap=bool(amid))
        with ExitStack() as stack:
            if who == "itself":
                stage.day.kill()
            else:
                stack.enter_context(frozen(stage.day.process.pid))
            if who == "its client program":
                kills.kill_any(kills.clients_of(stage.day.process.pid), stage.chance)
            elif who == "the spare server":
                stage.spare.kill()
                stage.spare.start()
            else:
                wait_until(lambda: not kills.sessions(stage.spare), "the end of all that was begun")
            torn = stage.torn()
            counted.update(rounds=1, hit=stage.is_half_done(), torn=len(torn))
    if who == "itself":
        stage.end()
        stage.start()
    else:
        stage.settle()


def _await_feeding(stage: Stage, *, is_swap: bool) -> None:
    """Wait for a random moment of a feeding."""
    process = stage.day.process
    if is_swap:
        assert kills.waits_for_the_swap(stage.spare, process, stage.chance, 1 + len(stage.races))
        return
    wait_until(lambda: kills.clients_of(process.pid), "a feeding", pause=0.002)
    time.sleep(stage.chance.uniform(0, 0.5))


WAYS = ("itself", "its client program", "the spare server", "itself, amid the swap", "the spare server, amid the swap")


@contextmanager
def stage(
    server: PrivateServer, spare: PrivateServer, dump: str | None, races: Sequence[str], folder: Path, seed: int
) -> Iterator[Stage]:  # fmt: skip
    """Have meosbackup at work on a race server, whose races come to a spare one."""
    program = programs.find_dump_program(dump)
    made = Stage(server, spare, program, new_place(folder), races, random.Random(seed))
    try:
        with made.stack:
            made.start()
            yield made
            made.end()
    except AssertionError as error:
        raise AssertionError(f"{error}\nmeosbackup said:\n{made.day.text}") from error


@contextmanager
def _servers(pair: tuple[tuple[str, int], tuple[str, int]]) -> Iterator[tuple[PrivateServer, PrivateServer, str]]:
    (one, exact), (other, spare_exact) = pair
    first, second = installations.find(one), installations.find(other)
    # A server that was killed has MyISAM tables to repair. Of the spare one, this is not expected.
    options = (*first.options, "--myisam-recover-options=BACKUP,FORCE")
    with (
        private_server(program=first.server, options=options, lower_case_table_names=exact) as server,
        private_server(program=second.server, options=second.options, lower_case_table_names=spare_exact) as spare,
    ):
        make_pristine(server, {}, {})
        make_pristine(spare, {}, {})
        yield server, spare, second.dump


def _load(server: PrivateServer, folder: Path) -> list[str]:
    """Load three races, two of MyISAM and one of InnoDB, as MeOS makes them; return their databases."""
    text = (DATA / "lctn0.sql").read_text("utf-8")
    path = folder / "race.sql"
    for number, (name, engine) in enumerate(_ENGINES.items(), 1):
        path.write_text(text.replace(_LISTED, name).replace("ENGINE=MyISAM", f"ENGINE={engine}"), "utf-8")
        load(server, path)
        query(server, f"UPDATE {quoted(name)}.`oEvent` SET Id = {number}, Name = 'Race {number}'")
    for number, name in enumerate(_ENGINES, 1):
        query(server, "REPLACE INTO `MeOSMain`.`oEvent` (Id, Name, Date, NameId, Version) VALUES (%s, %s, %s, %s, 101)",
              number, f"Race {number}", "2026-11-22", name)  # fmt: skip
    return list(_ENGINES)


@click.command()
@click.option("--ticks", default=200, show_default=True, help="Ticks during which the race server is killed.")
@click.option("--kills", "count", default=8, show_default=True, help="Kills of the race server.")
@click.option("--feeds", default=15, show_default=True, help="Kills amid a feeding.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--pair", "pairs", multiple=True, default=(0, 1, 2, 3), type=click.IntRange(0, 3), help="These servers only."
)
@click.option("--way", "ways", multiple=True, default=WAYS, type=click.Choice(WAYS), help="Kill amid a feeding so.")
def main(ticks: int, count: int, feeds: int, seed: int, pairs: tuple[int, ...], ways: tuple[str, ...]) -> None:
    """Kill the race server, and then all that feeds the spare one, on each pair of servers; print the figures."""
    ages: list[float] = []
    waits: list[float] = []
    figures: dict[str, Counter[str]] = {}
    for number in pairs:
        (one, exact), (other, spare_exact) = PAIRS[number]
        click.echo(f"{one} (lower_case_table_names={exact}), fed to {other} ({spare_exact})")
        with tempfile.TemporaryDirectory(prefix="meosbackup-spare-") as name, _servers(PAIRS[number]) as found:
            server, spare, dump = found
            races = _load(server, Path(name))
            with stage(server, spare, dump, races, Path(name), seed + number) as played:
                for place in range(count):
                    kill_race_server(played, played.chance.randint(1, max(1, 2 * ticks // count - 5)))
                    click.echo(f"  kill {place + 1}: held what was {played.ages[-1]:.1f} s old; fed within"
                               f" {played.waits[-1]:.1f} s")  # fmt: skip
                for place, way in enumerate(itertools.islice(itertools.cycle(ways), feeds), 1):
                    kill_feed(played, way)
                    click.echo(f"  kill {place} amid a feeding: {way}")
            click.echo(f"  {played.ticks} ticks")
        ages, waits = ages + played.ages, waits + played.waits
        for way, counted in played.figures.items():
            figures.setdefault(f"{other}: {way}", Counter()).update(counted)
            click.echo(f"  {way:<34} {dict(counted)}")
    _tell("age of what the spare server had at a kill of the race server", ages)
    _tell("from the kill until it had the newest batch, compared", waits)
    click.echo(f"{'killed amid a feeding':<50} rounds   hit  torn")
    for way, counted in figures.items():
        click.echo(f"{way:<50}{counted['rounds']:>7}{counted['hit']:>6}{counted['torn']:>6}")


def _tell(what: str, seconds: Sequence[float]) -> None:
    if seconds:
        middle, most = statistics.median(seconds), max(seconds)
        click.echo(f"{what}: {len(seconds)} times, median {middle:.1f} s, longest {most:.1f} s")


if __name__ == "__main__":
    main()
