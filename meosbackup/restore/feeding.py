"""The spare server, brought up to date: what changed is put there as a restore does it, race tables first."""

import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from meosbackup.batch.model import Entry, Race, StoredBatch
from meosbackup.dump.client import PRIVILEGES
from meosbackup.errors import MeosBackupError, SpareServerError, WrongUsageError
from meosbackup.mysql import programs, sessions
from meosbackup.mysql.identifiers import is_system
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import address
from meosbackup.mysql.sessions import Session
from meosbackup.restore import spare_look, spare_memory
from meosbackup.restore.spare_look import Found, Standing
from meosbackup.restore.spare_memory import Remembered
from meosbackup.restore.spare_replacement import Replacing, Spare, name_id_of
from meosbackup.settings import spare
from meosbackup.settings.model import Settings

AGAIN = "It will retry automatically."
"""What to do about an error of the spare server, by day."""

log = logging.getLogger(__name__)

_LOCK_SECONDS = 2
_MEANS = "Backups are not affected."

# What messages about the race server say, and what they say about the spare one.
_CALLED = (
    ("--host", "--standby"), ("--port is its port", "--standby names its port"), ("--port", "--standby"),
    ("--user", "standby_user"), ("--ask-password or --defaults-file", "standby_password or standby_defaults_file"),
    ("GRANT SELECT, LOCK TABLES ON", f"GRANT {PRIVILEGES} ON"), ("Run the command again.", ""),
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A race on the spare server: how it was found there, and whether it is as the batch has it.

    `taken` is the time of the batch that it is of there, None if meosbackup didn't put it there. If `stopped` is set,
    it isn't fed, for that reason. `error` is why it could not be brought there.
    """

    race: Race
    standing: Standing
    taken: datetime | None
    is_current: bool = False
    stopped: str = ""
    error: MeosBackupError | None = None

    @property
    def is_in_use(self) -> bool:
        """Whether meosbackup fed it, and stopped since somebody works on it."""
        return bool(self.stopped) and self.taken is not None


@dataclass(frozen=True)
class Fed:
    """What a feeding came to: each race of the batch, and the names of those that only the spare server still has.

    `server` is what tells the spare server from another one, which was checked not to be the race server.
    """

    server: str
    races: tuple[Kept, ...]
    deleted: tuple[str, ...]


def spare_of(settings: Settings, dump_program: Program, spool_root: Path) -> Spare | None:
    """Return the spare server that is set; None if there is none. Raises ProgramMissingError."""
    if settings.standby is None:
        return None
    own, client_program = spare.server(settings, settings.standby), programs.find_client_program(settings.mysql)
    return Spare(settings, own, dump_program, client_program, spool_root, threading.Event())


def feed(to: Spare, newest: StoredBatch, checked: str) -> Fed:
    """Bring to the spare server what it lacks of a batch; what meosbackup didn't put there is left alone.

    So are races that changed there or are open there. `checked` is the `server` of the feeding before: another one is
    first checked not to be the race server. Raises SpareServerError, WrongUsageError if it is; StoppedError.
    """
    try:
        with sessions.session(to.own) as session:
            session.rows(f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
            server = spare_look.identity(session)
            if server != checked:
                refuse_race_server(to.settings, session)
            return _fed(to, session, newest, server)
    except WrongUsageError:
        raise
    except MeosBackupError as error:
        raise spare_error(error, to.own) from error


def refuse_race_server(settings: Settings, session: Session) -> None:
    """Check that a session with the spare server isn't one with the race server.

    Raises WrongUsageError if it is; SpareServerError if the race server can't be asked.
    """
    try:
        with sessions.session(settings) as race_server:
            spare_look.refuse_same(race_server, session, settings)
    except WrongUsageError:
        raise
    except MeosBackupError as error:
        raise SpareServerError(
            f"Nothing is put on the spare server before the race server has answered. {error.what}", _MEANS, error.do
        ) from error


def spare_error(error: MeosBackupError, own: Settings) -> SpareServerError:
    """Return an error of a session with the spare server, or of a restore there, as one of the spare server."""
    if isinstance(error, SpareServerError):
        return error
    what = re.sub(r"\b(the|a) server\b", r"\1 spare server", error.what, count=1, flags=re.IGNORECASE)
    if what == error.what:
        what = f"The spare server at {address(own)}: {what}"
    do = error.do
    for name, spare_name in _CALLED:
        do = do.replace(name, spare_name)
    return SpareServerError(what, _MEANS, do if AGAIN in do else f"{do} {AGAIN}".strip())


def race_error(failed: Sequence[Kept], own: Settings) -> SpareServerError:
    """Return the error for races that could not be put on the spare server, each with its error."""
    first = next(kept.error for kept in failed if kept.error)
    names = ", ".join(kept.race.display_name for kept in failed)
    error = spare_error(first, own)
    return SpareServerError(f"{names} could not be put on the spare server. {error.what}", error.means, error.do)


def _fed(to: Spare, session: Session, newest: StoredBatch, server: str) -> Fed:
    databases = sessions.databases(session)
    remembered = spare_memory.read(session, databases)
    entries = [entry for entry in newest.batch.races if entry.dump is not None and entry.race is not None]
    usable, refused = _usable(session, entries)
    found = spare_look.look(session, [name_id_of(entry) for entry in usable], remembered, databases)
    _stop_those_in_use(session, usable, found, remembered)
    wanted = [entry for entry in usable if _is_wanted(found[name_id_of(entry)], remembered.get(name_id_of(entry)))]
    lacking = [entry for entry in wanted if not _is_current(entry, remembered)]
    errors = _unreadable(usable, found)
    errors |= Replacing(to, session, newest, remembered).run(lacking) if lacking else {}
    kept = [
        _kept(entry.race, entry, found[entry.race.name_id], remembered, errors.get(entry.race.name_id))
        for entry in usable if entry.race
    ]  # fmt: skip
    listed = {name_id_of(entry) for entry in newest.batch.races}
    deleted = [one.name for name_id, one in remembered.items() if name_id not in listed]
    return Fed(server, (*kept, *refused), tuple(deleted))


def _usable(session: Session, entries: Iterable[Entry]) -> tuple[list[Entry], list[Kept]]:
    """Return the entries that can have a database of their own on the spare server, and the others."""
    is_exact = session.lower_case_table_names == 0
    first: dict[str, Entry] = {}
    refused = []
    for entry in entries:
        name_id = name_id_of(entry)
        other = first.setdefault(name_id if is_exact else name_id.lower(), entry)
        why = ""
        if is_system(name_id) or name_id.lower() == spare_memory.DATABASE:
            why = "its database has a name that the spare server uses itself"
        elif other is not entry:
            why = f"to the spare server (lower_case_table_names), it is the same database as {other.display_name}"
        if why and entry.race:
            refused.append(Kept(entry.race, Standing.FOREIGN, None, stopped=why))
    names = {one.race.name_id for one in refused}
    return [entry for entry in first.values() if name_id_of(entry) not in names], refused


def _stop_those_in_use(
    session: Session, entries: Iterable[Entry], found: Mapping[str, Found], remembered: dict[str, Remembered]
) -> None:
    """Remember for good which races somebody works on: they are not fed any more, whatever happens to them."""
    for name_id in map(name_id_of, entries):
        known, now = remembered.get(name_id), found[name_id]
        if known is not None and not known.stopped and now.standing in {Standing.OPEN, Standing.CHANGED}:
            log.warning("%s is in use, %s; tables: %s", name_id, now.reason, ", ".join(known.differing(now.sign)))
            remembered[name_id] = replace(known, stopped=now.reason)
            spare_memory.write(session, [remembered[name_id]])


def _unreadable(entries: Iterable[Entry], found: Mapping[str, Found]) -> dict[str, MeosBackupError]:
    """Return an error for each race of which it can't be told whether somebody works on it."""
    return {
        name_id: SpareServerError(
            f"The spare server can't read it ({found[name_id].standing.value}).", _MEANS,
            f"{AGAIN} If that lasts, delete the race on the spare server: then it is put there again.",
        ) for name_id in map(name_id_of, entries) if found[name_id].standing is Standing.UNREADABLE
    }  # fmt: skip


def _is_wanted(found: Found, known: Remembered | None) -> bool:
    is_free = found.standing in {Standing.ABSENT, Standing.OURS}
    return is_free and (known is None or not known.stopped)


def _is_current(entry: Entry, remembered: Mapping[str, Remembered]) -> bool:
    known = remembered.get(name_id_of(entry))
    return (
        known is not None and known.holds(entry.dump, is_reference=False)
        and known.holds(entry.reference, is_reference=True)
    )  # fmt: skip


def _kept(
    race: Race, entry: Entry, found: Found, remembered: Mapping[str, Remembered], error: MeosBackupError | None
) -> Kept:  # fmt: skip
    known = remembered.get(race.name_id)
    stopped = known.stopped if known else found.reason if found.standing is Standing.FOREIGN else ""
    is_current = error is None and not stopped and _is_current(entry, remembered)
    return Kept(race, found.standing, known.taken if known else None, is_current, stopped, error)
