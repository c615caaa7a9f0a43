"""One tick: which races changed, their dumps, and the batch that they make."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from meosbackup import __version__
from meosbackup.backup import entries, survey
from meosbackup.backup.entries import Entries, Failure, Made
from meosbackup.backup.survey import Look
from meosbackup.batch import batch_file, names
from meosbackup.batch.model import Batch, Entry, Server, Stored, StoredFile
from meosbackup.dump import dumping, mysqldump
from meosbackup.dump.dumping import GoodDump
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.errors import LoginRefusedError, MeosBackupError, ServerUnreachableError
from meosbackup.guide import restore_txt
from meosbackup.meos import changes
from meosbackup.meos.changes import DatabaseState
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.meosxml.batch_files import MeosFiles
from meosbackup.mysql import programs
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.store import inventory, spool
from meosbackup.system import files

log = logging.getLogger(__name__)

Good = TypeVar("Good")


@dataclass(frozen=True)
class Outcome:
    """What a tick came to. `stored` is the new batch, None where there was nothing new to keep."""

    look: Look
    stored: Stored | None
    changed: int
    failures: tuple[Failure, ...]
    left_out: tuple[LeftOutRace, ...]
    seconds: float
    without_file: tuple[LeftOutRace, ...] = ()
    """The races that have a dump and no `.meosxml` file, and why."""


class Backup:
    """Makes batches in the spool, and remembers from tick to tick what they hold."""

    def __init__(self, settings: Settings, program: Program, spool_root: Path, sequence: int) -> None:
        """Go on after batch `sequence`."""
        self._settings = settings
        self._program = program
        self._spool = spool_root
        self._sequence = sequence
        self._newest = inventory.find(spool_root).newest
        self._has_published = False
        # What each database looked like when its newest good dump began; empty at first, since while nobody
        # looked anything may have happened.
        self._dumped: dict[str, DatabaseState] = {}
        self._dumped_reference: dict[str, DatabaseState] = {}
        self._identities: dict[str, str] = {}
        self._meosfiles = MeosFiles(spool_root, is_wanted=settings.meosxml)

    @property
    def newest(self) -> Stored | None:
        """The newest batch, of this run or of one before."""
        return self._newest

    def go_on_after(self, sequence: int) -> None:
        """Give the next batch a number above one that another drive holds, and make it even if nothing changed."""
        if sequence > self._sequence:
            self._sequence = sequence
            self._has_published = False

    def tick(self, now: datetime, stop: threading.Event) -> Outcome:
        """Make one batch, or find that there is nothing new. `now` is local time with its zone, to the second.

        Raises MeosBackupError where nothing could be backed up at all, and StoppedError.
        """
        try:
            return self._tick(now, stop)
        except OSError as error:
            raise spool.unusable(self._spool, error) from error

    def _tick(self, now: datetime, stop: threading.Event) -> Outcome:
        started = time.monotonic()
        seen = survey.look(self._settings, now)
        earlier = self._earlier(seen.server)
        self._program = programs.fitting(self._program, seen.server)
        with (
            spool.work_folder(self._spool) as folder,
            mysqldump.logged_in(self._program, self._settings, folder, seen.account) as program,
        ):
            made = self._make(program, seen, earlier, stop)
            if made.dumped:
                seen, made = self._with_newcomers(program, seen, made, now, stop)
            decided = entries.decide(seen, earlier, made)
            is_news = self._is_news(made, decided)
            stored = self._assemble(folder, now, seen, decided.dumps, made, stop) if is_news else None
        self._remember(seen, made)
        return Outcome(
            seen, stored, sum(name != seen.race_list for name in made.dumps), tuple(decided.failures),
            (*seen.selection.left_out, *decided.left_out), time.monotonic() - started,
            self._meosfiles.missing(stored.batch.databases) if stored else (),
        )  # fmt: skip

    def _make(self, program: DumpProgram, seen: Look, earlier: Mapping[str, Entry], stop: threading.Event) -> Made:
        """Dump what may have changed."""
        race_tables = self._due(seen, earlier)
        return self._dump(program, seen, earlier, race_tables, self._due_reference(seen, earlier), stop)

    def _with_newcomers(
        self, program: DumpProgram, seen: Look, made: Made, now: datetime, stop: threading.Event
    ) -> tuple[Look, Made]:
        """Hold the race list that was read first against what it is now: what came meanwhile is dumped, too."""
        try:
            last = survey.look(self._settings, now)
            if last.selection == seen.selection:
                return seen, made
            new = [name for name in last.databases if name not in seen.states]
            more = self._dump(program, last, {}, [last.race_list, *new], new, stop)
        except MeosBackupError:
            log.warning("what changed on the race list meanwhile waits for the next tick", exc_info=True)
            return seen, made
        # What was dumped before is known as it was before: a change since then is one for the next tick.
        states = {**last.states, **{name: seen.states[name] for name in seen.databases if name in last.states}}
        return replace(last, states=states), entries.joined(made, more, {last.race_list, *last.databases})

    def _dump(
        self,
        program: DumpProgram,
        seen: Look,
        earlier: Mapping[str, Entry],
        race_tables: Sequence[str],
        reference_tables: Sequence[str],
        stop: threading.Event,
    ) -> Made:
        """Dump the race list and the race tables of these databases, and after them the reference tables of those."""
        named = seen.races
        dumps, errors = _side_by_side(
            lambda name: dumping.dump_race_list(program, seen.states[name], stop)
            if name == seen.race_list else dumping.dump_race_tables(program, seen.states[name], named[name], stop),
            race_tables,
            self._settings.jobs,
        )  # fmt: skip
        _raise_if_hopeless(dumps, errors)
        references, reference_errors = _side_by_side(
            lambda name: dumping.dump_reference_tables(program, seen.states[name], stop),
            [name for name in reference_tables if name not in errors],
            self._settings.jobs,
        )
        return Made(self._different(dumps, earlier), dumps, references, errors, reference_errors)

    def _different(self, new: Mapping[str, GoodDump], earlier: Mapping[str, Entry]) -> dict[str, GoodDump]:
        """Leave out the dumps of what the batch before holds, byte for byte or but for oMonitor: nothing changed."""
        held = {entry.database: entry.dump.sha256 for entry in earlier.values() if entry.dump and entry.error is None}
        return {
            name: good for name, good in new.items()
            if name not in held or not self._settings.skip_unchanged
            or (good.sha256 != held[name] and good.identity != self._identities.get(name))
        }  # fmt: skip

    def _remember(self, seen: Look, made: Made) -> None:
        """Note what was dumped, now that a batch holds it: what is noted is dumped again only where it changes."""
        self._dumped |= {name: seen.states[name] for name in made.dumped}
        self._identities |= {name: good.identity for name, good in made.dumped.items()}
        self._dumped_reference |= {name: seen.states[name] for name in made.references}
        for name in made.errors:
            self._dumped.pop(name, None)

    def _is_news(self, made: Made, decided: Entries) -> bool:
        """Tell whether a batch would hold anything that the newest doesn't. The first of a run is made in any case."""
        if not made.dumps and not any(entry.dump for entry in decided.dumps):
            return False
        if self._newest is None or not self._has_published or made.dumps:
            return True
        held = {
            entry.database: entry.reference.sha256 if entry.reference else None for entry in self._newest.batch.races
        }
        return any(
            held.get(name) != (good.sha256 if good else None) for name, good in made.references.items()
        ) or entries.outline(decided.dumps) != entries.outline(self._newest.batch.databases)

    def _earlier(self, where: Server) -> dict[str, Entry]:
        """Return the good dumps that the newest batch of this server holds, by the race's NameId."""
        if self._newest is None or (self._newest.batch.server.host, self._newest.batch.server.port) != (
            where.host, where.port,
        ):  # fmt: skip
            return {}
        return {
            entries.key(entry.race): entry.carried(self._newest.batch.sequence)
            for entry in self._newest.batch.databases
            if entry.dump is not None and (self._newest.folder / entry.dump.file).is_file()
        }

    def _due(self, seen: Look, earlier: Mapping[str, Entry]) -> list[str]:
        """Return the databases whose race tables must be dumped; the race list comes first."""
        held = {entry.database for entry in earlier.values()}
        return [
            name for name in (seen.race_list, *seen.databases)
            if name not in held or not self._settings.skip_unchanged
            or changes.race_tables_changed(self._dumped.get(name), seen.states[name])
        ]  # fmt: skip

    def _due_reference(self, seen: Look, earlier: Mapping[str, Entry]) -> list[str]:
        lost = {
            entry.database for entry in earlier.values()
            if entry.reference and not (self._spool / names.REFERENCE_FOLDER / entry.reference.name).is_file()
        }  # fmt: skip
        return [
            name for name in seen.databases
            if name in lost or not self._settings.skip_unchanged
            or changes.reference_tables_changed(self._dumped_reference.get(name), seen.states[name])
        ]  # fmt: skip

    def _assemble(
        self,
        folder: Path,
        now: datetime,
        seen: Look,
        dumps: Sequence[Entry],
        made: Made,
        stop: threading.Event,
    ) -> Stored:
        """Put the batch together in the work folder, and publish it in the spool as a whole."""
        partial = folder / "batch"
        partial.mkdir()
        stems = names.stems([entry.race for entry in dumps if entry.race is not None])
        before = self._newest.folder if self._newest else None
        finished = []
        for decided in dumps:
            stem = stems[decided.race.name_id] if decided.race else names.RACE_LIST
            entry = self._with_file(decided, stem, partial, now, made.dumps.get(decided.database))
            if entry.database in made.references:
                entry = replace(entry, reference=self._keep_reference(stem, made.references[entry.database]))
            if entry.reference != decided.reference:  # where a race's file has its images from
                entry = replace(entry, meosxml=None)
            finished.append(self._meosfiles.bring(entry, partial, before, now, stop))
        whole = Batch(
            sequence=self._sequence + 1, taken=now, complete=all(entry.error is None for entry in finished),
            server=seen.server, dump_program=self._program.version, meosbackup=__version__, databases=tuple(finished),
        )  # fmt: skip
        text = restore_txt.restore_text(whole, None).encode(restore_txt.ENCODING)
        (partial / names.GUIDE_FILE).write_bytes(text)
        whole = replace(whole, guides=((names.GUIDE_FILE, hashlib.sha256(text).hexdigest()),))
        batch_file.write(partial, whole)
        name = names.first_free(names.folder_name(now), lambda name: not (self._spool / name).exists())
        self._newest = Stored(spool.publish(self._spool, partial, name), whole)
        self._sequence = whole.sequence
        self._has_published = True
        return self._newest

    def _with_file(self, entry: Entry, stem: str, partial: Path, now: datetime, good: GoodDump | None) -> Entry:
        """Bring a dump's file into the batch's folder, under the time of the moment that it is good for."""
        if entry.dump is None:
            return entry
        moment = entry.taken if entry.error is not None and entry.taken is not None else now
        name = names.dump_name(stem, moment)
        if good is not None:
            good.path.replace(partial / name)
        elif self._newest is not None:
            files.link_or_copy(self._newest.path(entry.dump), partial / name)
        return replace(entry, dump=replace(entry.dump, file=name))

    def _keep_reference(self, stem: str, good: GoodDump | None) -> StoredFile | None:
        if good is None:
            return None
        name = names.reference_name(stem, good.sha256)
        folder = self._spool / names.REFERENCE_FOLDER
        folder.mkdir(exist_ok=True)
        good.path.replace(folder / name)
        return StoredFile(f"../../{names.REFERENCE_FOLDER}/{name}", good.bytes, good.sha256)


def _side_by_side(
    make: Callable[[str], Good], databases: Sequence[str], jobs: int
) -> tuple[dict[str, Good], dict[str, MeosBackupError]]:
    """Make something of each database, `jobs` at a time; one that fails, fails alone."""
    made, errors = {}, {}
    with ThreadPoolExecutor(jobs, thread_name_prefix="dump") as pool:
        futures = {name: pool.submit(make, name) for name in databases}
        for name, future in futures.items():
            try:
                made[name] = future.result()
            except MeosBackupError as error:
                log.warning("%s: %s", name, error, exc_info=True)
                errors[name] = error
    return made, errors


def _raise_if_hopeless(new: Mapping[str, GoodDump], errors: Mapping[str, MeosBackupError]) -> None:
    """Give the tick up where no database could be dumped for a reason that lies with the server as a whole."""
    for error in errors.values():
        if not new and isinstance(error, ServerUnreachableError | LoginRefusedError):
            raise error
