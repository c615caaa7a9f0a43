"""One tick's batch: which races changed, their dumps, and the batch made of them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from meosbackup import __version__, notices
from meosbackup.backup import deciding, dumps, survey
from meosbackup.backup.assembling import BatchFolder
from meosbackup.backup.deciding import Decision
from meosbackup.backup.due import Due
from meosbackup.backup.dumps import Experience, NewDumps
from meosbackup.backup.outcome import Outcome
from meosbackup.backup.survey import Survey
from meosbackup.batch import batch_file, names
from meosbackup.batch.model import BACKUP, Batch, Entry, Race, StoredBatch
from meosbackup.dump import mysqldump
from meosbackup.dump.dumping import GoodDump
from meosbackup.dump.former import Former
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.errors import DumpFailedError, MeosBackupError
from meosbackup.guide.picture import Picture
from meosbackup.meos import changes
from meosbackup.meosxml.batch_files import MeosFiles
from meosbackup.mysql import programs
from meosbackup.mysql.kept_session import KEPT_SECONDS, KeptSession
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.store import inventory, spool

log = logging.getLogger(__name__)

Looked = TypeVar("Looked")

_TORN = DumpFailedError(
    "The race changed while it was dumped, and couldn't be dumped again.",
    "This race is not in the newest backup.",
    "It will retry automatically.",
)


class Backup:
    """Makes batches in the spool, and remembers from tick to tick what they hold."""

    def __init__(
        self, settings: Settings, program: Program, spool_root: Path, sequence: int, kind: str = BACKUP
    ) -> None:
        """Continue after batch `sequence`, and after the spool's newest backup, with batches of this kind."""
        self._settings = settings
        self._program = program
        self._spool = spool_root
        self._sequence = sequence
        self._kind = kind
        self._session = KeptSession(settings, 0)
        self._newest = inventory.find(spool_root).newest
        self._has_published = False
        self._race_tables = Due(settings, changes.race_tables_changed)
        self._reference_tables = Due(settings, changes.reference_tables_changed)
        # What the race list said of each race when it was dumped: the last statements of a dump say it again.
        self._listed: dict[str, Race | None] = {}
        # The dates that races were chosen for: one whose date moves while this runs is backed up all the same.
        self._dates: dict[str, str] = {}
        self._experience = Experience()
        self._meosfiles = MeosFiles(spool_root, is_wanted=settings.meosxml)

    @property
    def newest(self) -> StoredBatch | None:
        """The newest batch, of this run or of one before."""
        return self._newest

    def continue_after(self, sequence: int) -> None:
        """Give the next batch a number above one that another drive holds, and make it even if nothing changed."""
        if sequence > self._sequence:
            self._sequence = sequence
            self._has_published = False

    def tick(self, now: datetime, stop: threading.Event, day: Picture | None = None) -> Outcome:
        """Make one batch, or find that there is nothing new. `now` is local time with its zone, to the second.

        The batch's own page tells of the `day` until then.

        Raises MeosBackupError if nothing could be backed up at all, StoppedError.
        """
        try:
            with self._session.ended_by_trouble():
                return self._tick(now, stop, day or Picture())
        except OSError as error:
            raise spool.unusable(self._spool, error) from error

    def keep_session(self) -> None:
        """Keep the session with the server from tick to tick, until `log_out`: for a single tick, it isn't worth it."""
        self._session = KeptSession(self._settings, KEPT_SECONDS)

    def log_out(self) -> None:
        """End the session with the server. The next tick has a new one, to which new privileges apply."""
        self._session.close()

    def _tick(self, now: datetime, stop: threading.Event, day: Picture) -> Outcome:
        started = time.monotonic()
        seen = self._look(now)
        earlier = deciding.earlier_entries(self._newest, seen)
        self._program = programs.fitting(self._program, seen.server)
        due, due_reference = self._due(seen, earlier, now), self._due_reference(seen, earlier, now)
        with spool.work_folder(self._spool) as folder:
            new = dumps.NONE
            if due or due_reference:
                with mysqldump.logged_in(self._program, self._settings, folder, seen.account) as program:
                    formers = self._formers(seen, due, now)
                    new, last = self._dump(
                        program, seen, due, due_reference, formers, now, stop, lambda: self._last_look(now)
                    )
                    if new.race_tables and last is not None:
                        seen, new = self._with_newcomers(program, seen, new, last, now, stop)
            changed = self._changed(new.race_tables, earlier)
            decision = deciding.decide(seen, earlier, changed, new)
            is_news = self._is_news(decision, changed, new)
            stored = self._publish(folder, now, day, seen, decision, changed, new, stop) if is_news else None
        self._remember(seen, new)
        if deciding.may_be_cured(seen, decision):
            self.log_out()
        return Outcome(
            seen, stored, sum(name != seen.race_list for name in changed), tuple(decision.failures),
            (*seen.selection.left_out, *decision.left_out), time.monotonic() - started,
            self._meosfiles.missing(stored.batch.databases) if stored else (),
        )  # fmt: skip

    def _look(self, now: datetime, *, with_others: bool = False) -> Survey:
        return self._session.use(
            lambda session: survey.look(session, self._settings, now, self._dates, with_others=with_others)
        )

    def _dump(
        self,
        program: DumpProgram,
        seen: Survey,
        due: Sequence[str],
        due_reference: Sequence[str],
        formers: Mapping[str, Former],
        now: datetime,
        stop: threading.Event,
        afterwards: Callable[[], Looked],
    ) -> tuple[NewDumps, Looked | None]:
        """Make dumps, and in the same pass over each what its `.meosxml` file is made from; then as in `dumps.make`."""
        sinks = partial(self._meosfiles.sinks, folder=program.folder, taken=now)
        return dumps.make(program, seen, due, due_reference, formers, sinks, self._experience, afterwards, stop)

    def _formers(self, seen: Survey, due: Sequence[str], now: datetime) -> dict[str, Former]:
        """Return the newest good dumps of databases, if they were made in this run, with what is unchanged since."""
        found = {}
        for entry in self._newest.batch.databases if self._newest else ():
            name = entry.database
            if self._newest and entry.dump and name in due and self._race_tables.identity(name) is not None:
                state = seen.states[name]
                unchanged = changes.unchanged_race_tables(self._race_tables.trusted(state, now.date()), state)
                found[name] = Former(self._newest.path(entry.dump), entry.dump.sha256, unchanged)
        return found

    def _due(self, seen: Survey, earlier: Mapping[str, Entry], now: datetime) -> list[str]:
        """Return the databases whose race tables must be dumped; the race list comes first."""
        held, races = {entry.database for entry in earlier.values()}, seen.races
        return [
            name for name in (seen.race_list, *seen.databases)
            if name not in held or races.get(name) != self._listed.get(name)
            or self._race_tables.is_due(seen.states[name], now.date())
        ]  # fmt: skip

    def _due_reference(self, seen: Survey, earlier: Mapping[str, Entry], now: datetime) -> list[str]:
        """Return the databases whose reference tables must be dumped."""
        held = {entry.database for entry in earlier.values()}
        lost = {
            entry.database for entry in earlier.values()
            if entry.reference and not (self._spool / names.REFERENCE_FOLDER / entry.reference.name).is_file()
        }  # fmt: skip
        return [
            name for name in seen.databases
            if name in lost or name not in held or self._reference_tables.is_due(seen.states[name], now.date())
        ]  # fmt: skip

    def _last_look(self, now: datetime) -> Survey | MeosBackupError:
        try:
            return self._look(now, with_others=True)
        except MeosBackupError as error:
            log.warning("what changed on the race list meanwhile waits for the next tick", exc_info=True)
            return error

    def _with_newcomers(
        self,
        program: DumpProgram,
        seen: Survey,
        new: NewDumps,
        last: Survey | MeosBackupError,
        now: datetime,
        stop: threading.Event,
    ) -> tuple[Survey, NewDumps]:
        """Compare the server with what it is after the dumps, as the `last` survey has it, if that didn't fail.

        The races that were added meanwhile are dumped as well. A race of which a table changed meanwhile is dumped
        again, if the text of that table had been kept.
        """
        kept = {name: good.kept for name, good in new.race_tables.items() if good.kept}
        if isinstance(last, MeosBackupError):
            return seen, new.failed(kept, last)
        torn = [
            name for name, tables in kept.items()
            if changes.some_changed(seen.states[name], last.states.get(name), tables)
        ]  # fmt: skip
        new = new.failed(torn, _TORN)
        self._look_for_lies(seen, last, new, now)
        is_listed = last.selection == seen.selection
        if is_listed and not torn:
            return replace(seen, others=last.others), new
        added = [name for name in last.databases if name not in seen.states]
        again = [*([] if is_listed else [last.race_list, *added]), *(name for name in torn if name in last.databases)]
        try:
            more, _ = self._dump(program, last, again, added, {}, now, stop, lambda: None)
        except MeosBackupError:
            log.warning("what changed on the server meanwhile waits for the next tick", exc_info=True)
            return seen, new
        # What was dumped before is remembered as it was before: a change since then is one for the next tick.
        states = {**last.states, **{name: seen.states[name] for name in seen.databases if name in last.states}}
        return replace(last, states=states), new.joined(more, {last.race_list, *last.databases})

    def _look_for_lies(self, seen: Survey, last: Survey, new: NewDumps, now: datetime) -> None:
        """Trust the server's signs no more this day if a race changed without one.

        Reference tables have no more than their rows and bytes, so that nothing is concluded from theirs.
        """
        races = seen.races
        liars = [
            name for name, good in new.race_tables.items()
            if races.get(name) == self._listed.get(name)
            and self._race_tables.hid_a_change(last.states.get(name), good.identity)
        ]  # fmt: skip
        if liars and self._race_tables.distrust(now.date()):
            what = ", ".join(races[name].display_name if name in races else "the race list" for name in liars)
            notices.tell(
                f"{what} changed, and the server showed no sign of it: until the end of {now.date()}, every race is"
                " dumped each time"
            )

    def _changed(self, new: Mapping[str, GoodDump], earlier: Mapping[str, Entry]) -> dict[str, GoodDump]:
        """Return the new dumps that differ from those of the batch before in more than oMonitor."""
        held = {entry.database: entry.dump.sha256 for entry in earlier.values() if entry.dump and entry.error is None}
        return {
            name: good for name, good in new.items()
            if name not in held or not self._settings.skip_unchanged
            or (good.sha256 != held[name] and good.identity != self._race_tables.identity(name))
        }  # fmt: skip

    def _is_news(self, decision: Decision, changed: Mapping[str, GoodDump], new: NewDumps) -> bool:
        """Return whether a batch would hold anything that the newest doesn't. The first of a run is always made."""
        if not changed and not any(entry.dump for entry in decision.entries):
            return False
        if self._newest is None or not self._has_published or changed:
            return True
        return deciding.differs(decision.entries, new.references, self._newest)

    def _publish(
        self,
        folder: Path,
        now: datetime,
        day: Picture,
        seen: Survey,
        decision: Decision,
        changed: Mapping[str, GoodDump],
        new: NewDumps,
        stop: threading.Event,
    ) -> StoredBatch:
        """Assemble the batch in the work folder, and publish it in the spool."""
        path = folder / "batch"
        path.mkdir()
        batch_folder = BatchFolder(path, self._spool, self._newest, now, day)
        entries = batch_folder.fill(decision.entries, changed, new.references, self._meosfiles, stop)
        self._newest = batch_folder.publish(Batch(
            sequence=min(self._sequence + 1, batch_file.LARGEST_SEQUENCE), taken=now,
            complete=all(entry.error is None for entry in entries), server=seen.server,
            dump_program=self._program.version, meosbackup=__version__, databases=entries, kind=self._kind,
        ))  # fmt: skip
        self._sequence = self._newest.batch.sequence
        self._has_published = True
        return self._newest

    def _remember(self, seen: Survey, new: NewDumps) -> None:
        """Remember the dates, and what was dumped, now that a batch holds it."""
        chosen, races = seen.selection.chosen, seen.races
        self._dates |= {one.race.key: one.race.date for one in chosen if one.former_date is None}
        for name, good in new.race_tables.items():
            self._race_tables.remember(seen.states[name], good.identity, is_whole=not good.kept)
            self._listed[name] = races.get(name)
        for name, reference in new.references.items():
            self._reference_tables.remember(seen.states[name], reference.identity if reference else "")
        for name in new.errors:
            self._race_tables.forget(name)
