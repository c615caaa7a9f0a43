"""The dumps that a tick makes of several databases, some at a time."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Race
from meosbackup.dump import dumping
from meosbackup.dump.dumping import GoodDump
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.dump.reader import Sink
from meosbackup.dump.rows import RowMemory
from meosbackup.errors import LoginRefusedError, MeosBackupError, ServerUnreachableError
from meosbackup.system import signals

log = logging.getLogger(__name__)

Value = TypeVar("Value")

_MOST_REMEMBERED = 1 << 22
"""Bytes of rows; what they come to takes several times as many."""


@dataclass(frozen=True)
class NewDumps:
    """What was dumped in a tick and what failed, each by database.

    `race_tables` has the race list's dump as well; in `references`, None stands for reference tables without rows.
    """

    race_tables: Mapping[str, GoodDump]
    references: Mapping[str, GoodDump | None]
    errors: Mapping[str, MeosBackupError]
    reference_errors: Mapping[str, MeosBackupError]

    def joined(self, later: "NewDumps", databases: Collection[str]) -> "NewDumps":
        """Return these dumps and later ones of these databases; if both have one, the later one counts."""

        def both(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, Value]:
            return {name: value for name, value in {**before, **after}.items() if name in databases}

        return NewDumps(
            both(self.race_tables, later.race_tables), both(self.references, later.references),
            both(self.errors, later.errors), both(self.reference_errors, later.reference_errors),
        )  # fmt: skip


class Memories:
    """What is remembered of the rows of several databases, to read their next dumps fast; of those dumped last."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._of: dict[str, RowMemory] = {}

    def of(self, databases: Sequence[str]) -> dict[str, RowMemory]:
        """Return the memories of databases that are about to be dumped; forget others that there is no room for."""
        wanted = {name: self._of.get(name) or RowMemory(_MOST_REMEMBERED) for name in databases}
        self._of = {name: memory for name, memory in self._of.items() if name not in wanted} | wanted
        while sum(memory.size for memory in self._of.values()) > _MOST_REMEMBERED:
            del self._of[next(iter(self._of))]
        return wanted


def make(
    program: DumpProgram,
    seen: Survey,
    due: Sequence[str],
    due_reference: Sequence[str],
    sinks: Callable[[Race], Sequence[Sink]],
    memories: Memories,
    stop: threading.Event,
) -> NewDumps:
    """Dump the race tables (or the race list) of the databases `due`, then the reference tables of the others.

    `sinks` gives those that share the reading of a race's dump.

    Raises ServerUnreachableError or LoginRefusedError if that is why nothing could be dumped; StoppedError.
    """
    jobs, races, memory = program.settings.jobs, seen.races, memories.of(due)

    def dump(name: str) -> GoodDump:
        if name == seen.race_list:
            return dumping.dump_race_list(program, seen.states[name], stop)
        race = races[name]
        return dumping.dump_race_tables(program, seen.states[name], race, stop, sinks(race), memory[name])

    race_tables, errors = _side_by_side(dump, due, jobs)
    for error in errors.values():
        if not race_tables and isinstance(error, ServerUnreachableError | LoginRefusedError):
            raise error
    references, reference_errors = _side_by_side(
        lambda name: dumping.dump_reference_tables(program, seen.states[name], stop),
        [name for name in due_reference if name not in errors],
        jobs,
    )
    return NewDumps(race_tables, references, errors, reference_errors)


def _side_by_side(
    dump: Callable[[str], Value], databases: Sequence[str], jobs: int
) -> tuple[dict[str, Value], dict[str, MeosBackupError]]:
    """Dump databases, `jobs` at a time; one that fails, fails alone."""
    good, errors = {}, {}
    with ThreadPoolExecutor(jobs, thread_name_prefix="dump") as pool:
        futures = {name: pool.submit(dump, name) for name in databases}
        for name, future in futures.items():
            try:
                good[name] = signals.result_of(future)
            except MeosBackupError as error:
                log.warning("%s: %s", name, error, exc_info=True)
                errors[name] = error
    return good, errors
