"""What `check` finds of the spare server: whether it can be kept ready, tried for real, and what stands in the way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from meosbackup import wording
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Race, Server
from meosbackup.commands.checkup import AS_ADMINISTRATOR, MORE_PACKET, Checkup
from meosbackup.commands.findings import Finding
from meosbackup.dump import client, mysqldump
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.meos import changes, server_checks
from meosbackup.mysql import moment, programs, sessions
from meosbackup.mysql.identifiers import quoted, spelled
from meosbackup.mysql.server_errors import is_on_this_computer, quoted_account
from meosbackup.mysql.sessions import Session
from meosbackup.restore import feeding, replacement, spare_look, spare_memory, temporary
from meosbackup.restore.spare_look import Standing
from meosbackup.settings import command_line, spare
from meosbackup.settings.model import Settings
from meosbackup.store import spool
from meosbackup.system import disks
from meosbackup.text import clean

_NAME = "spare server"
_FAULTS = frozenset({"clock", "version", "read_only"})
_CHECKED_HERE = frozenset({"table names", "changes"})
_LEFT_ALONE = frozenset({Standing.FOREIGN, Standing.CHANGED, Standing.OPEN})


def findings(work: Checkup) -> Iterator[Finding]:
    """Check the spare server; nothing if none is set. Raises WrongUsageError if it is the race server."""
    if work.settings.standby is None:
        return
    own = spare.server(work.settings, work.settings.standby)
    try:
        with sessions.session(own) as session:
            yield from _checked(work, own, session)
    except WrongUsageError:
        raise
    except MeosBackupError as error:
        yield _fault(_NAME, error, own)


def _checked(work: Checkup, own: Settings, session: Session) -> Iterator[Finding]:
    facts = sessions.facts(session, own)
    if work.server is not None:
        feeding.refuse_race_server(work.settings, session)
    yield Finding("OK", _NAME, f"{facts.flavour} {facts.version} at {facts.host}, port {facts.port}")
    found = server_checks.run(session, moment.ask(session), None, work.settings.distrust_minutes)
    for check in found.checks:
        if check.name not in _CHECKED_HERE:
            word = "OK" if check.is_ok else "FAIL" if check.name in _FAULTS else "NOTE"
            yield Finding(word, _called(check.name), check.text)
    if work.server is None:
        yield Finding("", _called("privileges"), "not tried, since the race server can't be asked")
        return
    if any(check.name == "read_only" for check in found.warnings):
        yield Finding("", _called("privileges"), "not tried, since it is read-only")
    else:
        yield from _privileges(work, own, session)
    yield from _programs(work, own, session, facts)
    if work.seen is not None:
        yield from _table_names(work.seen, facts)
        yield from _races(work, work.seen, session)
        yield from _room(work, work.seen, own, session)
        yield from _rows(work, found.max_allowed_packet)


def _fault(name: str, error: MeosBackupError, own: Settings) -> Finding:
    worded = feeding.spare_error(error, own)
    return Finding("FAIL", name, clean(worded.what), clean(worded.do.removesuffix(feeding.AGAIN).rstrip()))


def _called(name: str) -> str:
    return f"{_NAME}, {name}"


def _privileges(work: Checkup, own: Settings, session: Session) -> Iterator[Finding]:
    """Do with databases of its own what a feeding does with races."""
    name, account = _called("privileges"), session.account or f"{own.user}@%"
    try:
        with replacement.only_restore(session, own):
            _try(own, session)
    except MeosBackupError as error:
        yield _fault(name, error, own)
        return
    yield Finding("OK", name, f"{clean(own.user)} can put races there, as was tried with an empty database")
    if own.user != work.settings.user and not sessions.has_everywhere(session, "PROCESS"):
        text = f"{clean(own.user)} can't see at once that MeOS opens a race there."
        yield Finding("NOTE", name, text, f"{AS_ADMINISTRATOR} GRANT PROCESS ON *.* TO {quoted_account(account)};")


def _try(own: Settings, session: Session) -> None:
    token = temporary.token()
    new, old = (temporary.name(kind, token, 1) for kind in ("new", "old"))
    table, moved = (f"{quoted(database)}.{quoted('oRunner')}" for database in (new, old))
    memory = quoted(spare_memory.DATABASE)
    statements = [
        f"CREATE DATABASE {quoted(new)}", f"CREATE TABLE {table} (Id INT PRIMARY KEY, Name TEXT)",
        f"LOCK TABLES {table} WRITE", f"ALTER TABLE {table} DISABLE KEYS", f"REPLACE INTO {table} VALUES (1, 'X')",
        "UNLOCK TABLES", f"UPDATE {table} SET Name = 'Y' WHERE Id = 1", f"CHECKSUM TABLE {table}",
        f"CREATE DATABASE {quoted(old)}", f"RENAME TABLE {table} TO {moved}",
        f"DROP DATABASE {quoted(old)}", f"DROP DATABASE {quoted(new)}",
    ]  # fmt: skip
    if spelled(spare_memory.DATABASE, sessions.databases(session)) is None:
        statements += [f"CREATE DATABASE {memory}", f"DROP DATABASE {memory}"]
    try:
        for statement in statements:
            session.rows(statement)
    finally:
        temporary.drop(own, (new, old))


def _programs(work: Checkup, own: Settings, session: Session, facts: Server) -> Iterator[Finding]:
    """Log in with the programs that compare and feed; their encryption may differ from the connector's."""
    if not (work.has_spool and work.program and work.client_program):
        return
    dump_program, client_program = (programs.fitting(one, facts) for one in (work.program, work.client_program))
    try:
        with (
            spool.work_folder(work.spool) as folder,
            mysqldump.logged_in(dump_program, own, folder, session.account),
        ):
            client.logged_in(client_program, own, folder, session.account, threading.Event())
    except OSError as error:
        raise spool.unusable(work.spool, error) from error
    yield Finding("OK", _called("programs"), "the dump program and the client program can log in")


def _table_names(seen: Survey, facts: Server) -> Iterator[Finding]:
    """Report lower_case_table_names of both servers, and races that are one to the spare server."""
    name = _called("table names")
    here, there = seen.server.lower_case_table_names, facts.lower_case_table_names
    if here == there:
        text = f"lower_case_table_names is {here} on both servers"
    else:
        text = f"lower_case_table_names is {here} on the race server and {there} on the spare one, which works"
    first: dict[str, Race] = {}
    twins = [] if there == 0 else [
        (first[key].display_name, race.display_name) for race in seen.races.values()
        if first.setdefault(key := race.name_id.lower(), race) is not race
    ]  # fmt: skip
    if not twins:
        yield Finding("OK", name, text)
    for one, other in twins:
        same = f"to the spare server (lower_case_table_names), {one} and {other} are the same: only the first is there."
        yield Finding("NOTE", name, same, "Use a spare server with lower_case_table_names=0.")


def _races(work: Checkup, seen: Survey, session: Session) -> Iterator[Finding]:
    """Report races that are there and not as meosbackup left them: they are not replaced."""
    name, databases = _called("races"), sessions.databases(session)
    if not sessions.sees_everything(session):
        yield Finding("", name, "not looked at, since the user may not see all databases there")
        return
    remembered = spare_memory.read(session, databases)
    races = {race.name_id: race for race in seen.races.values()}
    looked = spare_look.look(session, races, remembered, databases)
    reasons = {
        name_id: known.stopped if (known := remembered.get(name_id)) and known.stopped else found.reason
        for name_id, found in looked.items()
        if found.standing in _LEFT_ALONE or (name_id in remembered and remembered[name_id].stopped)
    }
    if not reasons:
        yield Finding("OK", name, "none there stands in the way")
        return
    listed = ", ".join(f"{races[name_id].display_name} ({clean(why, 120)})" for name_id, why in reasons.items())
    command = command_line.command(replace(work.settings, adopt_standby=True))
    text = f"left alone there, so that the spare server is not ready with them: {listed}."
    yield Finding("NOTE", name, text, f"To have them saved, and then replaced, start with: {command}")


def _room(work: Checkup, seen: Survey, own: Settings, session: Session) -> Iterator[Finding]:
    """Report the room that all races take, with a second copy of the largest while that is replaced."""
    name = _called("room")
    with sessions.session(work.settings) as race_server:
        here = changes.sizes(race_server, seen.databases)
    databases = sessions.databases(session)
    there = changes.sizes(session, [one for race in here if (one := spelled(race, databases))])
    needed = max(0, sum(here.values()) - sum(there.values())) + max(here.values(), default=0)
    text = f"{wording.size(needed)} needed for all races, and for a second copy of the largest while it is replaced"
    free = _free(own, session)
    if free is None:
        yield Finding("", name, f"{text}; how much is free there can't be told from here")
    elif free > needed:
        yield Finding("OK", name, f"{text}; {wording.size(free)} free there")
    else:
        do = "Delete other files from the disk of the spare server."
        yield Finding("FAIL", name, f"{text}, but only {wording.size(free)} free there.", do)


def _free(own: Settings, session: Session) -> int | None:
    """Return the bytes that are free for the server's data: as this computer says if it is there, or the server.

    MariaDB tells it, in KiB, where its plugin DISKS is loaded (its documentation, "Information Schema DISKS Table").
    """
    row = session.rows("SELECT @@datadir AS folder, @@hostname AS host")[0]
    folder = str(row["folder"])
    with suppress(OSError):
        if is_on_this_computer(own) and str(row["host"]).lower() == socket.gethostname().lower():
            return disks.free_bytes(Path(folder))
    with suppress(MeosBackupError):
        rows = session.rows("SELECT Path, Available FROM information_schema.DISKS")
        holding = [row for row in rows if folder.startswith(str(row["path"]).rstrip("/") + "/")]
        if holding:
            return int(max(holding, key=lambda row: len(row["path"]))["available"]) * 1024
    return None


def _rows(work: Checkup, packet: int) -> Iterator[Finding]:
    """Report rows that are too long for the spare server."""
    too_long = {name: longest for name, longest in work.longest.items() if longest > packet}
    for name, longest in too_long.items():
        text = f"a row of {name} takes {wording.size(longest)}, but {wording.size(packet)} is the most there."
        yield Finding("FAIL", _called("max_allowed_packet"), text, f"{AS_ADMINISTRATOR} {MORE_PACKET}")
    if work.longest and not too_long:
        most = f"{wording.size(packet)} is the most there, and the longest row takes"
        yield Finding("OK", _called("max_allowed_packet"), f"{most} {wording.size(max(work.longest.values()))}")
