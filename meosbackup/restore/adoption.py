"""`--adopt-standby`: races that somebody else put on the spare server, or worked on, saved and then fed from now on."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from meosbackup.backup import survey
from meosbackup.batch.model import Race
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.meos import race_status
from meosbackup.meos.race_status import RaceStatus
from meosbackup.mysql import sessions
from meosbackup.mysql.sessions import Session
from meosbackup.restore import feeding, planning, safety_batch, spare_look, spare_memory
from meosbackup.restore.spare_look import Found, Standing
from meosbackup.restore.spare_memory import Remembered
from meosbackup.restore.spare_replacement import Spare
from meosbackup.settings import command_line
from meosbackup.store import drive, inventory
from meosbackup.store.drive import Place
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

_OTHERS = frozenset({Standing.FOREIGN, Standing.CHANGED, Standing.OPEN, Standing.UNREADABLE})


@dataclass(frozen=True)
class _Candidate:
    """A race that can be adopted: what was found of it on the spare server, before its status was read."""

    race: Race
    found: Found
    status: RaceStatus


def begin(to: Spare, place: Place, console: Console, now: datetime) -> None:
    """Check that the spare server isn't the race server; adopt races if that is wanted and the user agrees.

    A spare server that can't be asked is no reason not to begin. Raises WrongUsageError if it is the race server.
    """
    try:
        with sessions.session(to.own) as session:
            feeding.refuse_race_server(to.settings, session)
            if to.settings.adopt_standby:
                _adopt(to, place, session, console, now)
    except WrongUsageError:
        raise
    except MeosBackupError as error:
        log.warning("the spare server was not looked at", exc_info=True)
        if to.settings.adopt_standby:
            worded = feeding.spare_error(error, to.own)
            text = f"{clean(worded.what)} No race there is adopted. When it is there, start again with --adopt-standby"
            console.result("NOTE", "spare server", text)


def _adopt(to: Spare, place: Place, session: Session, console: Console, now: datetime) -> None:
    databases = sessions.databases(session)
    remembered = spare_memory.read(session, databases)
    candidates = _candidates(session, survey.take(to.settings, now).races.values(), remembered, databases)
    if not candidates:
        console.result("OK", "spare server", "no race there has to be adopted")
        return
    console.say(f"On the spare server {clean(to.own.host, 80)}, these races are not as meosbackup left them:")
    for one in candidates:
        console.say()
        console.block([(one.race.display_name, ""), *(("", line) for line in _lines(one, now))])
    console.say()
    free = [one for one in candidates if not one.status.clients]
    them = "it" if len(free) == 1 else "them"
    if not free or not console.ask(f"Save {number(len(free), 'race')}, and then replace {them} on the spare server?"):
        console.say("Nothing is replaced: these races are left alone on the spare server.")
        return
    _save(to, place, free, console)
    spare_memory.prepare(session)
    spare_memory.write(session, [
        Remembered(one.race.name_id, one.race.name, 0, now, "", "", one.found.sign) for one in free
    ])  # fmt: skip


def _candidates(
    session: Session, races: Iterable[Race], remembered: dict[str, Remembered], databases: Sequence[str]
) -> list[_Candidate]:  # fmt: skip
    by_name_id = {race.name_id: race for race in races}
    found = spare_look.look(session, by_name_id, remembered, databases)
    stopped = {name_id for name_id, known in remembered.items() if known.stopped}
    wanted = {name_id: one for name_id, one in found.items() if one.standing in _OTHERS or name_id in stopped}
    return [
        _Candidate(by_name_id[name_id], one, status)
        for name_id, one in wanted.items() if (status := race_status.of_race(session, name_id, databases))
    ]  # fmt: skip


def _lines(one: _Candidate, now: datetime) -> list[str]:
    lines = [f"on the spare server:  {clean(one.status.damage, 100) or planning.counts(one.status.freshness, now)}"]
    if clients := race_status.in_words(one.status.clients):
        lines.append(f"NOT ADOPTED: MeOS has it open on {clients}. Close it there first")
    return lines


def _save(to: Spare, place: Place, adopted: Sequence[_Candidate], console: Console) -> None:
    """Save the spare server as a safety batch. Raises MeosBackupError if one of the adopted races couldn't be saved."""
    sequence = inventory.find(drive.root(place.target)).highest_sequence
    safety_batch.note_drive(to.spool, place.target)
    races = [(one.race, one.status.database) for one in adopted]
    outcome = safety_batch.of_server(to.own, to.dump_program, to.spool, sequence, races, to.stop)
    stored = outcome.stored
    good = safety_batch.saved_by(outcome)
    unsaved = [one.race.display_name for one in adopted if one.status.database not in good]
    if unsaved or stored is None:
        raise MeosBackupError(f"{', '.join(unsaved)} can't be saved.", "Nothing is replaced.", "")
    names = [part for one in adopted for part in ("--race", clean(one.race.name_id, 64))]
    there = replace(to.own, target=to.settings.target)
    undo = command_line.command(there, "restore", "--batch", stored.when, *names)
    console.result("OK", "spare server", f"saved as the batch from {stored.when}; to bring it back there: {undo}")
