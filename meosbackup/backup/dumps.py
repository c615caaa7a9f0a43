"""The dumps that a tick makes of several databases, some at a time."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Race
from meosbackup.dump import dumping
from meosbackup.dump.dumping import GoodDump
from meosbackup.dump.former import Former
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.dump.reader import Sink
from meosbackup.dump.rows import RowMemory
from meosbackup.dump.together import Raw
from meosbackup.errors import LoginRefusedError, MeosBackupError, ServerUnreachableError
from meosbackup.meos import changes
from meosbackup.meos.changes import DatabaseState
from meosbackup.system import signals

log = logging.getLogger(__name__)

Value = TypeVar("Value")

_SMALL = 1 << 20
_LARGEST_GROUP = 4
"""Databases of at most so many bytes that are dumped together: their dump is held in memory for a moment."""
_FEW = 2
"""Races for which a run each isn't worth it."""
_WHILE = 600.0
"""Seconds in which databases are dumped one by one after they couldn't be dumped together."""

_MOST_REMEMBERED = 3 << 20
"""Bytes of rows; with what they come to, they take five times as many."""


@dataclass(frozen=True)
class NewDumps:
    """What was dumped in a tick and what failed, each by database.

    `race_tables` has the race list's dump as well; in `references`, None stands for reference tables without rows.
    """

    race_tables: Mapping[str, GoodDump]
    references: Mapping[str, GoodDump | None]
    errors: Mapping[str, MeosBackupError]
    reference_errors: Mapping[str, MeosBackupError]

    def failed(self, databases: Collection[str], error: MeosBackupError) -> "NewDumps":
        """Return these dumps but those of some databases, which failed after all."""
        good = {name: dump for name, dump in self.race_tables.items() if name not in databases}
        return replace(self, race_tables=good, errors={**self.errors, **dict.fromkeys(databases, error)})

    def joined(self, later: "NewDumps", databases: Collection[str]) -> "NewDumps":
        """Return these dumps and later ones of these databases; if both have one, the later one counts."""

        def both(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, Value]:
            return {name: value for name, value in {**before, **after}.items() if name in databases}

        return NewDumps(
            both(self.race_tables, later.race_tables), both(self.references, later.references),
            both(self.errors, later.errors), both(self.reference_errors, later.reference_errors),
        )  # fmt: skip


class Experience:
    """What is remembered of dumps, to make the next ones fast: the rows of those made last, and whether some failed."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._rows: dict[str, RowMemory] = {}
        self._apart_until = 0.0

    def rows(self, seen: Survey, due: Sequence[str]) -> dict[str, RowMemory]:
        """Return the memories of the databases `due`; make room for them at the cost of others and of those gone."""
        wanted = {name: self._rows.get(name) or RowMemory(self._room) for name in due}
        others = {name: memory for name, memory in self._rows.items() if name in seen.states and name not in wanted}
        self._rows = others | wanted
        while self._room() < _MOST_REMEMBERED // 2 and (oldest := next(iter(self._rows), "")) not in wanted:
            del self._rows[oldest]
        return wanted

    def _room(self) -> int:
        return _MOST_REMEMBERED - sum(memory.size for memory in self._rows.values())

    def usable(self, seen: Survey, formers: Mapping[str, Former]) -> dict[str, Former]:
        """Return the former dumps of the races that may be dumped together, or completed: the small ones.

        A former dump proves that a race can be dumped. There are none if dumping together failed lately.
        """
        if time.monotonic() < self._apart_until:
            return {}
        return {
            name: former for name, former in formers.items()
            if name != seen.race_list and _size(seen.states[name]) <= _SMALL
        }  # fmt: skip

    def groups(self, seen: Survey, due: Sequence[str], usable: Collection[str], jobs: int) -> list[list[str]]:
        """Return the databases `due` in groups, each to be dumped by one run of the dump program.

        What isn't of those with `usable` former dumps is a group of its own.
        """
        kinds: dict[bool, list[str]] = {False: [], True: []}
        groups = []
        for name in due:
            if name in usable:
                kinds[changes.transactional(seen.states[name])].append(name)
            else:
                groups.append([name])
        for names in kinds.values():
            # Nothing is read until the first is dumped, so it is small. Large ones save runs, half of which is start.
            start, size = 0, 1 if len(names) > _FEW else _FEW
            while start < len(names):
                groups.append(names[start : start + size])
                start, size = start + size, min(size + 2, len(names) // jobs + 1, _LARGEST_GROUP)
        return groups

    def failed_together(self) -> None:
        """Have each database dumped by a run of its own for a while."""
        self._apart_until = time.monotonic() + _WHILE


def _size(state: DatabaseState) -> int:
    """Return the bytes of a database's race tables."""
    return sum(table.data_bytes or 0 for table in state.tables if not changes.is_reference(table.name))


NONE = NewDumps({}, {}, {}, {})
"""What was dumped if nothing was."""


def make(
    program: DumpProgram,
    seen: Survey,
    due: Sequence[str],
    due_reference: Sequence[str],
    formers: Mapping[str, Former],
    sinks: Callable[[Race], Sequence[Sink]],
    experience: Experience,
    afterwards: Callable[[], Value],
    stop: threading.Event,
) -> tuple[NewDumps, Value | None]:
    """Dump the race tables (or the race list) of the databases `due`, then the reference tables of the others.

    Those with a former dump may be dumped together, without what is unchanged since. `sinks` gives those that share the
    reading of a race's dump. What is done `afterwards`, on this thread, begins once no race tables are being dumped any
    more, while the last dumps are still read; what it returns is returned as well, None if nothing could be dumped.

    Raises ServerUnreachableError or LoginRefusedError if that is why nothing could be dumped; StoppedError.
    """
    jobs, races, memories = program.settings.jobs, seen.races, experience.rows(seen, due)
    usable = experience.usable(seen, formers)

    def run_for(names: Sequence[str]) -> Mapping[str, Raw]:
        if len(names) == 1 and not (names[0] in usable and usable[names[0]].unchanged):
            return {}
        raws = dumping.dump_together(program, [seen.states[name] for name in names], usable, stop)
        if not raws:
            experience.failed_together()
        return raws

    def dump(name: str, raw: Raw | None) -> GoodDump:
        if name == seen.race_list:
            return dumping.dump_race_list(program, seen.states[name], stop)
        race = races[name]
        return dumping.dump_race_tables(program, seen.states[name], race, stop, sinks(race), memories[name], raw)

    found: Value | None = None

    def finish() -> None:
        nonlocal found
        found = afterwards()

    race_tables, errors = _side_by_side(dump, experience.groups(seen, due, usable, jobs), jobs, run_for, finish)
    for error in errors.values():
        if not race_tables and isinstance(error, ServerUnreachableError | LoginRefusedError):
            raise error
    references, reference_errors = _side_by_side(
        lambda name, _: dumping.dump_reference_tables(program, seen.states[name], stop),
        [[name] for name in due_reference if name not in errors],
        jobs,
    )
    return NewDumps(race_tables, references, errors, reference_errors), found


def _side_by_side(
    dump: Callable[[str, Raw | None], Value],
    groups: Sequence[Sequence[str]],
    jobs: int,
    run_for: Callable[[Sequence[str]], Mapping[str, Raw]] = lambda _: {},
    afterwards: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Value], dict[str, MeosBackupError]]:
    """Dump databases, `jobs` groups at a time, after what is `run_for` each; one that fails, fails alone.

    What was dumped together is read while the next group is dumped; by one thread, since two would hinder each other.
    What is to be done `afterwards` begins when the last was dumped, if any was.
    """
    good: dict[str, Value] = {}
    errors: dict[str, MeosBackupError] = {}

    def dump_one(name: str, raw: Raw | None) -> None:
        try:
            good[name] = dump(name, raw)
        except MeosBackupError as error:
            log.warning("%s: %s", name, error, exc_info=True)
            errors[name] = error

    def dump_all(names: Sequence[str]) -> list[Future[None]]:
        raws = run_for(names)
        for name in names:
            if name not in raws:
                dump_one(name, None)
        return [reader.submit(dump_one, name, raw) for name, raw in raws.items()]

    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(jobs, "dump") as pool:
        dumped = [pool.submit(dump_all, names) for names in groups]
        readings = [reading for group in dumped for reading in signals.result_of(group)]
        if good or readings:
            afterwards()
        for reading in readings:
            signals.result_of(reading)
    return good, errors
