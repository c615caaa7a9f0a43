"""Races replaced on the spare server as a restore does it, so that whatever ends it, what is there is known."""

import hashlib
import logging
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from meosbackup.batch.model import Entry, Race, StoredBatch
from meosbackup.dump import client, mysqldump
from meosbackup.errors import BadBatchError, MeosBackupError, StoppedError
from meosbackup.meos import changes, relisting
from meosbackup.mysql import programs, sessions
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.programs import Program
from meosbackup.mysql.sessions import Session
from meosbackup.restore import replacement, spare_look, spare_memory, swap, temporary
from meosbackup.restore.replacement import Restorer, Step
from meosbackup.restore.spare_look import Standing
from meosbackup.restore.spare_memory import Remembered
from meosbackup.restore.swap import Swap
from meosbackup.settings.model import Settings
from meosbackup.store import spool
from meosbackup.system import files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spare:
    """The spare server and what feeding it takes: `settings` are those of the race day, `own` those to log in there."""

    settings: Settings
    own: Settings
    dump_program: Program
    client_program: Program
    spool: Path
    stop: threading.Event


@dataclass(frozen=True)
class Replacing:
    """Races of a batch being replaced; `remembered` is what is known of those on the spare server, by NameId."""

    to: Spare
    session: Session
    stored: StoredBatch
    remembered: dict[str, Remembered]

    def run(self, entries: Sequence[Entry]) -> dict[str, MeosBackupError]:
        """Replace these races, race tables first; return what went wrong, by NameId: such a race is as it was.

        Raises MeosBackupError if nothing can be replaced there, StoppedError.
        """
        errors: dict[str, MeosBackupError] = {}
        steps = [step for step in replacement.steps(entries) if not self._holds(step)]
        with (
            spool.work_folder(self.to.spool) as folder,
            replacement.only_restore(self.session, self.to.own),
            self._restorer(folder) as restorer,
        ):
            paths = {step.number: _linked(self.stored, step, folder) for step in steps}
            for step in steps:
                name_id = name_id_of(step.entry)
                if name_id in errors:
                    continue
                try:
                    self._replace(restorer, step, paths[step.number])
                except MeosBackupError as error:
                    log.warning("%s was not put on the spare server", step.name, exc_info=True)
                    errors[name_id] = error
            for step in self._emptied(entries, errors):
                self._empty(step)
        return errors

    def _emptied(self, entries: Sequence[Entry], errors: Container[str]) -> list[Step]:
        """Return steps for the races that have reference tables only there: those held no rows any more."""
        return [
            replace(step, is_reference=True) for step in replacement.steps(entries)
            if step.entry.reference is None and name_id_of(step.entry) not in errors
            and self.remembered[name_id_of(step.entry)].reference_sha256
        ]  # fmt: skip

    def _empty(self, step: Step) -> None:
        """Remove a race's reference tables, in one statement as they are replaced."""
        session, database = self.session, replacement.database_of(self.session, step.entry)
        try:
            session.rows(f"CREATE DATABASE {quoted(step.new)}")
            last_look = partial(self._last_look, session, step, database)
            swap.run(session, Swap(database, step.new, step.old, frozenset({True})), last_look)
        finally:
            temporary.drop(self.to.own, (step.new, step.old))
        self._remember(step, "")

    def _holds(self, step: Step) -> bool:
        known = self.remembered.get(name_id_of(step.entry))
        return known is not None and known.holds(step.source, is_reference=step.is_reference)

    @contextmanager
    def _restorer(self, folder: Path) -> Iterator[Restorer]:
        to, account = self.to, self.session.account
        spare_memory.prepare(self.session)
        server = sessions.facts(self.session, to.own)
        with mysqldump.logged_in(programs.fitting(to.dump_program, server), to.own, folder, account) as dumper:
            feeder = client.logged_in(programs.fitting(to.client_program, server), to.own, folder, account, to.stop)
            yield Restorer(feeder, dumper, to.stop, self._last_look, lambda step: log.info("%s stalls", step.name))

    def _replace(self, restorer: Restorer, step: Step, path: Path) -> None:
        if self.to.stop.is_set():
            raise StoppedError
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != step.source.sha256:
                raise BadBatchError(
                    f"The contents of {step.source.name} in the waiting room differ from what was written.",
                    "This race is not put on the spare server.",
                    "Check the disk of this computer.",
                )
        replacement.restore_dumps(restorer, {step: path}, lambda _: None)
        self._remember(step, step.source.sha256)

    def _last_look(self, session: Session, step: Step, database: str) -> None:
        """Check that the race is not in use there, and remember what its tables are going to be."""
        race, name_id = step.entry.race, name_id_of(step.entry)
        found = spare_look.look(session, [name_id], self.remembered, [database])[name_id]
        if race is None or found.standing not in {Standing.ABSENT, Standing.OURS}:
            raise MeosBackupError(f"{step.name} is left alone: {found.reason}.", "It is as it was.", "")
        if not step.is_reference:
            self._list(session, race, step.new)
        known = self.remembered.get(name_id) or Remembered(name_id, race.name, 0, self.stored.batch.taken, "", "", {})
        others = {table: sign for table, sign in found.sign.items() if changes.is_reference(table) != step.is_reference}
        new = spare_look.read_signs(session, [step.new])[step.new]
        self._write(replace(known, sign=found.sign, next_sign={**others, **new}))

    @staticmethod
    def _list(session: Session, race: Race, new: str) -> None:
        """Have the race list say of a race what its new tables say.

        They get the Id that the race has on the list; they must not change any more once they are in place.
        """
        replacement.put_on_list(session, race, new)
        own = spelled("oEvent", swap.tables(session, new))
        if own is not None:
            session.rows(relisting.following(race, new, own))

    def _remember(self, step: Step, sha256: str) -> None:
        """Remember that a step is done, with the checksum of the dump that the tables are from."""
        known, batch = self.remembered[name_id_of(step.entry)], self.stored.batch
        held = {"reference_sha256" if step.is_reference else "sha256": sha256}
        sign = known.sign if known.next_sign is None else known.next_sign
        name = step.entry.race.name if step.entry.race else ""
        self._write(replace(
            known, name=name, sequence=batch.sequence, taken=batch.taken, sign=sign, next_sign=None, **held
        ))  # fmt: skip

    def _write(self, known: Remembered) -> None:
        self.remembered[known.name_id] = known
        spare_memory.write(self.session, [known])


def _linked(stored: StoredBatch, step: Step, folder: Path) -> Path:
    """Return another name for a dump of the spool, which may soon remove the batch. Raises StoppedError if it has."""
    path = folder / f"{step.number}.dump.sql"
    try:
        files.link_or_copy(stored.path(step.source), path)
    except FileNotFoundError as error:
        raise StoppedError from error
    return path


def name_id_of(entry: Entry) -> str:
    """Return the NameId of an entry's race; an empty text for the race list."""
    return entry.race.name_id if entry.race else ""
