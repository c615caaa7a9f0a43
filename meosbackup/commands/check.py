"""`meosbackup check`: a line for each thing that race day needs, tried for real if possible, and a verdict."""

import re
import threading
from collections.abc import Iterator
from datetime import datetime
from functools import partial

import click

from meosbackup import wording
from meosbackup.backup import survey
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Race, Server
from meosbackup.commands import check_spare, findings
from meosbackup.commands.checkup import AS_ADMINISTRATOR, MORE_PACKET, Checkup, tried
from meosbackup.commands.common import command, spool_of
from meosbackup.commands.findings import Finding
from meosbackup.console import Console
from meosbackup.day import notify_thread, start_block
from meosbackup.dump import dumping, mysqldump
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.errors import ProgramMissingError
from meosbackup.meos import race_list, server_checks, signs
from meosbackup.meos.changes import DatabaseState
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.mysql import moment, programs, sessions
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import grant_line
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, retention, space, spool
from meosbackup.system import awake, disks, files, receivers
from meosbackup.text import clean, unbroken

_FAULTS = frozenset({"clock", "version"})
"""Which of the warnings about a server mean that it isn't ready for race day."""

_SPOOL = "waiting room"
_ANSWER_SECONDS = 60.0


@command("check", "target", "server", "backup", "programs")
@click.option("--notify", "sends_messages", is_flag=True, help="Send a test message to all that notify names.")
def check_command(settings: Settings, console: Console, *, sends_messages: bool) -> bool:
    """Check that everything is ready for race day.

    It prints a line for each thing, and at the end what is left to do.

    Example:  meosbackup check --target /media/usb
    """
    found: list[Finding] = []
    work = Checkup(settings, spool_of(settings), sends_messages)
    for part in parts(work):
        before = len(found)
        for finding in part:
            console.result(finding.word, finding.name, f"{finding.text} {finding.do}".rstrip())
            found.append(finding)
        if len(found) > before:
            console.say()
    if work.left_out:
        console.block(start_block.left_out_rows(work.left_out))
        console.say()
    return findings.show_verdict(found, console)


def parts(work: Checkup) -> Iterator[Iterator[Finding]]:
    """Check everything that race day needs, part by part, in the order in which it is put right."""
    yield tried((("drive", _drive), (_SPOOL, _spool)), work)
    yield tried((("server", _server),), work)
    yield tried((("dump program", _program), ("client program", _client)), work)
    yield tried((("race list", _survey), ("race", _races), (_SPOOL, _trial), ("privileges", _without_database)), work)
    yield tried((("spare server", check_spare.findings),), work)
    yield tried((("space", _space), ("sleep", _sleep), ("notify", _notify)), work)


def _drive(work: Checkup) -> Iterator[Finding]:
    place = drive.checked_target(work.settings.target, any_disk=work.settings.any_disk)
    work.place = place
    drive.identity(drive.place(place))  # raises what the race day would end with
    found = inventory.find(drive.root(place))
    if found.newest is None:
        yield Finding("OK", "drive", f"{place} is writable; no batches on it yet")
        return
    now, taken = datetime.now().astimezone(), found.newest.batch.taken
    count = wording.number(len(found.batches), "batch", "batches")
    text = f"{place} is writable; {count} on it, the newest from {wording.when(taken, now)}"
    if taken <= now:
        yield Finding("OK", "drive", text)
    else:
        yield Finding("FAIL", "drive", f"{text}, which is in the future.", "Set this computer's clock.")


def _spool(work: Checkup) -> Iterator[Finding]:
    spool.prepare(work.spool, work.settings.target)
    work.has_spool = True
    free = wording.size(disks.free_bytes(work.spool))
    yield Finding("OK", _SPOOL, f"{work.spool} on this computer, {free} free")


def _server(work: Checkup) -> Iterator[Finding]:
    with sessions.session(work.settings) as session:
        facts = sessions.facts(session, work.settings)
        now, untimed = moment.ask(session), signs.untimed(session)
        checks = server_checks.run(session, now, untimed, work.settings.distrust_minutes).checks
    work.server = facts
    yield Finding("OK", "server", f"{facts.flavour} {facts.version} at {facts.host}, port {facts.port}")
    for check in checks:
        yield Finding("OK" if check.is_ok else "FAIL" if check.name in _FAULTS else "NOTE", check.name, check.text)


def _program(work: Checkup) -> Iterator[Finding]:
    work.program, text = _fitting(programs.find_dump_program(work.settings.mysqldump), work.server)
    yield Finding("OK", "dump program", text)


def _client(work: Checkup) -> Iterator[Finding]:
    """Report the program that restores; backups work without it, but not a spare server."""
    try:
        work.client_program, text = _fitting(programs.find_client_program(work.settings.mysql), work.server)
        yield Finding("OK", "client program", text)
    except ProgramMissingError as error:
        if work.settings.standby:
            raise
        text = f"{error.what} Only `meosbackup restore` needs it; backups work without it."
        yield Finding("NOTE", "client program", text, error.do)


def _fitting(program: Program, server: Server | None) -> tuple[Program, str]:
    """Return the program that fits the server best, and what it is and why, in words."""
    best = programs.fitting(program, server) if server else program
    version = f"{best.flavour} {'.'.join(map(str, best.number))}" if best.number else clean(best.version)
    why = f" ({programs.reason(best, server)})" if server else ""
    return best, f"{unbroken(best.path)}, {version}{why}"


def _survey(work: Checkup) -> Iterator[Finding]:
    if work.server is not None:
        work.seen = survey.take(work.settings, datetime.now().astimezone(), with_others=True)
    yield from ()


def _races(work: Checkup) -> Iterator[Finding]:
    """Report races that are missing altogether; and those that there are, if they can't be dumped."""
    if work.seen is None:
        return
    if not work.seen.races and not work.seen.selection.unmatched:
        error = race_list.no_race(work.seen.selection)
        yield Finding("FAIL", "race", error.what, error.do)
    for name in work.seen.selection.unmatched:
        yield Finding("FAIL", "race", f"no race is called {clean(name)}.", "Correct --race, or create it in MeOS.")
    if not (work.program and work.has_spool):
        for race in work.seen.races.values():
            yield Finding("", race.display_name, "not tried, since something above is missing")


def _without_database(work: Checkup) -> Iterator[Finding]:
    """Report races whose database the user can't see, unless they are mere separators or it doesn't exist."""
    if work.seen is None:
        return
    absent = [chosen.race for chosen in work.seen.selection.chosen if chosen.database is None]
    hidden = [race for race in absent if re.search("[A-Za-z0-9]", race.name_id) and not work.seen.sees_everything]
    work.left_out += work.seen.selection.left_out
    work.left_out += [
        LeftOutRace(race, "the server has no database for it") for race in absent if race not in hidden
    ]  # fmt: skip
    if hidden:
        names = ", ".join(race.display_name for race in hidden)
        text = f"the user can't see a database for {names}: there is none, or the user is missing a privilege."
        yield Finding("FAIL", "privileges", text, f"{AS_ADMINISTRATOR} {grant_line(work.seen.account)}")


def _space(work: Checkup) -> Iterator[Finding]:
    """Report for how long the drive has room; on a new one, as if every race changed all the time."""
    if work.place is None:
        return
    free, settings, now = drive.free_bytes(work.place), work.settings, datetime.now().astimezone()
    if free is None:
        yield Finding("OK", "space", "unknown: the drive doesn't report it")
        return
    batches = inventory.find(drive.root(work.place)).batches
    rate = space.bytes_an_hour([stored.batch for stored in batches], settings.interval, now)
    if rate is None and work.dumps:
        rate = space.most_bytes_an_hour(work.dumps, settings.interval, with_meosxml=settings.meosxml)
    text = f"{wording.size(free)} free on the drive"
    if rate is None:
        yield Finding("OK", "space", text)
        return
    reserve = retention.reserve_bytes(disks.total_bytes(work.place), settings.reserve_mb)
    outlook = space.on_drive(batches, rate, free, reserve, now)
    do = "Delete other files (photos …) from the drive, or use a larger one." if outlook.is_noted else ""
    word = "FAIL" if outlook.is_full_soon else "NOTE" if outlook.is_noted else "OK"
    yield Finding(word, "space", f"{text}, {outlook}{'.' if do else ''}", do)


def _sleep(work: Checkup) -> Iterator[Finding]:
    """Report whether this computer can be kept awake, by trying it."""
    if not work.settings.stay_awake:
        yield Finding("OK", "sleep", "this computer is not kept awake, since stay_awake is false")
        return
    with awake.kept() as is_kept:
        pass
    if is_kept:
        yield Finding("OK", "sleep", "this computer is kept awake while meosbackup runs, as long as its lid is open")
    else:
        do = "Check in its settings that it doesn't go to sleep by itself."
        yield Finding("NOTE", "sleep", "this computer can't be kept awake from here.", do)


def _notify(work: Checkup) -> Iterator[Finding]:
    """Report who gets messages, and whether they take one where that is tried."""
    found, is_tried = receivers.find(work.settings.notify), work.sends_messages
    names = ", ".join(receiver.name for receiver in found)
    if found and not is_tried:
        yield Finding("OK", "notify", f"messages go to {names}; not tried: --notify sends a test message")
    elif not found and not is_tried:
        yield Finding("OK", "notify", "no messages are sent, since notify is not set")
    elif not found:
        do = "Put an Apprise URL into the settings, as README explains."
        yield Finding("FAIL", "notify", "no messages are sent, since notify is not set.", do)
    for receiver, is_taken in notify_thread.send_trial(found if is_tried else (), _ANSWER_SECONDS):
        if is_taken:
            yield Finding("OK", "notify", f"{receiver.name} took the test message")
        else:
            do = "Check the internet connection, and the URL in the settings."
            yield Finding("FAIL", "notify", f"{receiver.name} didn't take the test message.", do)


def _trial(work: Checkup) -> Iterator[Finding]:
    """Make a dump of each database and delete it: nothing else proves that no privilege is missing."""
    if work.seen is None or work.program is None or not work.has_spool:
        return
    try:
        with (
            spool.work_folder(work.spool) as folder,
            mysqldump.logged_in(work.program, work.settings, folder, work.seen.account) as runner,
        ):
            yield from _dumps(work, work.seen, runner)
    except OSError as error:
        raise spool.unusable(work.spool, error) from error


def _dumps(work: Checkup, seen: Survey, runner: DumpProgram) -> Iterator[Finding]:
    packet = seen.server_checks.max_allowed_packet
    wanted = [(None, seen.race_list), *((race, database) for database, race in seen.races.items())]
    for race, database in wanted:
        name = race.display_name if race else "race list"
        dump = partial(_dumped, name, race, runner, seen.states[database], packet)
        yield from tried(((name, dump),), work)


def _dumped(
    name: str, race: Race | None, runner: DumpProgram, state: DatabaseState, packet: int, work: Checkup
) -> Iterator[Finding]:
    never = threading.Event()
    try:
        good = (
            dumping.dump_race_tables(runner, state, race, never)
            if race else dumping.dump_race_list(runner, state, never)
        )  # fmt: skip
    except dumping.EmptyShellError as error:
        work.left_out += [LeftOutRace(race, error.what)] if race else []
        return
    files.discard(good.path)
    work.dumps.append(good.bytes)
    work.longest[name] = good.longest
    found = good.freshness
    counts = f"{found.entries} entries, {found.finished} finished; " if found else ""
    yield Finding("OK", name, f"{counts}dump good, {wording.size(good.bytes)}")
    if good.longest > packet:
        row, most = wording.size(good.longest), wording.size(packet)
        text = f"a row of {name} takes {row}, but the server accepts {most} at most: it can't be restored there."
        yield Finding("NOTE", "max_allowed_packet", text, f"{AS_ADMINISTRATOR} {MORE_PACKET}")
