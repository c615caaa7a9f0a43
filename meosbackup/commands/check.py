"""`meosbackup check`: a line for each thing that race day needs, tried for real if possible."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from meosbackup import wording
from meosbackup.backup import survey
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Entry, Race, Server
from meosbackup.commands.common import command, spool_of
from meosbackup.console import Console
from meosbackup.dump import dumping, mysqldump
from meosbackup.dump.mysqldump import DumpProgram
from meosbackup.errors import MeosBackupError, ProgramMissingError
from meosbackup.meos import server_checks
from meosbackup.meos.changes import DatabaseState
from meosbackup.mysql import programs, sessions
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import grant_line
from meosbackup.settings.model import Settings
from meosbackup.store import drive, inventory, retention, spool
from meosbackup.system import disks
from meosbackup.text import clean, unbroken

_FAULTS = frozenset({"clock", "version"})
"""Which of the warnings about a server mean that it isn't ready for race day."""

_SPOOL = "waiting room"
_BATCHES_AN_HOUR = 60
"""If the drive gets full, older batches are deleted, those of the last hour never."""


@dataclass(frozen=True)
class Finding:
    """One thing that race day needs: whether it is ready, and what was found, or what to do."""

    is_ok: bool
    name: str
    text: str
    is_noted: bool = False

    @property
    def word(self) -> str:
        """The word before it; what is only noted doesn't stop a race day."""
        return "NOTE" if self.is_noted else "OK" if self.is_ok else "FAIL"


@command("check", "target", "server", "backup", "programs")
def check_command(settings: Settings, console: Console) -> bool:
    """Check that everything is ready for race day.

    It prints a line for each thing.

    Example:  meosbackup check --target /media/usb
    """
    faults = 0
    for finding in run(settings, spool_of(settings)):
        console.result(finding.word, finding.name, finding.text)
        faults += not finding.is_ok
    return not faults


def run(settings: Settings, spool_root: Path) -> Iterator[Finding]:
    """Check everything that a race day needs, in the order in which a backup needs it."""
    yield from _tried("drive", lambda: _drive(settings))
    spools: list[Path] = []
    yield from _tried(_SPOOL, lambda: _spool(settings.target, spool_root, spools))
    answered: list[Server] = []
    yield from _tried("server", lambda: _server(settings, answered))
    program: list[Program] = []
    yield from _tried("dump program", lambda: _program(settings, answered, program))
    yield from _client(settings, answered)
    seen: list[Survey] = []
    if answered:
        yield from _tried("race list", lambda: _look(settings, seen))
    if seen:
        yield from _races(seen[0])
        yield from _privileges(seen[0])
    if seen and program and spools:
        yield from _tried(_SPOOL, lambda: _trial(settings, spool_root, program[0], seen[0]))


def _tried(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except MeosBackupError as error:
        yield Finding(False, name, clean(f"{error.what} {error.do}"))


def _drive(settings: Settings) -> Iterator[Finding]:
    place = drive.checked_target(settings.target, any_disk=settings.any_disk)
    yield Finding(True, "drive", f"{place} is writable")
    found = inventory.find(drive.root(place))
    free = drive.free_bytes(place)
    newest = found.newest.batch if found.newest else None
    hour = _BATCHES_AN_HOUR * sum(map(_size, newest.databases)) if newest else 0
    needed = hour + retention.reserve_bytes(disks.total_bytes(place), settings.reserve_mb)
    if free is None:
        yield Finding(True, "space", "unknown: the drive doesn't report it")
    else:
        yield Finding(
            free > needed,
            "space",
            f"{wording.size(free)} free"
            if free > needed
            else f"{wording.size(free)} free, but the batches of an hour need {wording.size(needed)}."
            " Make room on the drive, or use a larger one",
        )
    if newest is not None:
        now = datetime.now().astimezone()
        yield Finding(
            newest.taken <= now,
            "batches",
            f"{wording.number(len(found.batches), 'batch', 'batches')} on the drive, the newest from"
            f" {wording.when(newest.taken, now)}"
            + ("" if newest.taken <= now else ", which is in the future: set this computer's clock"),
        )


def _size(entry: Entry) -> int:
    return sum(file.bytes for file in entry.files)


def _spool(target: Path | None, root: Path, found: list[Path]) -> Iterator[Finding]:
    spool.prepare(root, target)
    found.append(root)
    yield Finding(True, _SPOOL, f"{root}, {wording.size(disks.free_bytes(root))} free")


def _program(settings: Settings, answered: list[Server], found: list[Program]) -> Iterator[Finding]:
    program, text = _fitting(programs.find_dump_program(settings.mysqldump), answered)
    found.append(program)
    yield Finding(True, "dump program", text)


def _client(settings: Settings, answered: list[Server]) -> Iterator[Finding]:
    """Report the program that restores; backups work without it."""
    try:
        yield Finding(True, "client program", _fitting(programs.find_client_program(settings.mysql), answered)[1])
    except ProgramMissingError as error:
        text = f"{error.what} Only `meosbackup restore` needs it; backups work without it. {error.do}"
        yield Finding(True, "client program", text, is_noted=True)


def _fitting(program: Program, answered: list[Server]) -> tuple[Program, str]:
    """Return the program that fits the server best, and what it is and why, in words."""
    if not answered:
        return program, f"{unbroken(program.path)}, {clean(program.version)}"
    best = programs.fitting(program, answered[0])
    return best, f"{unbroken(best.path)}, {clean(best.version)} ({programs.reason(best, answered[0])})"


def _server(settings: Settings, found: list[Server]) -> Iterator[Finding]:
    with sessions.session(settings) as session:
        facts = sessions.facts(session, settings)
        checks = server_checks.run(session).checks
    found.append(facts)
    yield Finding(True, "server", f"{facts.flavour} {facts.version} at {facts.host}, port {facts.port}")
    for check in checks:
        is_fault = not check.is_ok and check.name in _FAULTS
        yield Finding(not is_fault, check.name, check.text, is_noted=not check.is_ok and not is_fault)


def _look(settings: Settings, found: list[Survey]) -> Iterator[Finding]:
    found.append(survey.take(settings, datetime.now().astimezone()))
    yield from ()


def _races(seen: Survey) -> Iterator[Finding]:
    present = [chosen.race for chosen in seen.selection.chosen if chosen.database is not None]
    for race in present:
        yield Finding(True, "race", f"{race.display_name} will be backed up")
    if not present:
        yield Finding(False, "race", "no race would be backed up now. Check --days, --race and --all-races")
    for name in seen.selection.unmatched:
        yield Finding(False, "race", f"there is no race named {clean(name)}")


def _privileges(seen: Survey) -> Iterator[Finding]:
    """Report races whose database can't be seen, if the user may not see every database."""
    hidden = [chosen.race.display_name for chosen in seen.selection.chosen if chosen.database is None]
    if hidden and not seen.sees_everything:
        yield Finding(
            False,
            "privileges",
            f"the user can't see a database for {', '.join(hidden)}: there is none, or the user has no privilege."
            f" In an administrator's mysql prompt: {grant_line(seen.account)}",
        )


def _trial(settings: Settings, spool_root: Path, program: Program, seen: Survey) -> Iterator[Finding]:
    """Make a dump of each database and delete it: nothing else proves that no privilege is missing."""
    try:
        yield from _dumps(settings, spool_root, program, seen)
    except OSError as error:
        raise spool.unusable(spool_root, error) from error


def _dumps(settings: Settings, spool_root: Path, program: Program, seen: Survey) -> Iterator[Finding]:
    never = threading.Event()
    with (
        spool.work_folder(spool_root) as folder,
        mysqldump.logged_in(program, settings, folder, seen.account) as runner,
    ):
        packet = seen.server_checks.max_allowed_packet
        yield from _tried("dump of the race list", lambda: _dumped("dump of the race list", dumping.dump_race_list(
            runner, seen.states[seen.race_list], never), packet))  # fmt: skip
        for database, race in seen.races.items():
            yield from _tried(
                f"dump of {race.display_name}", partial(_race_dumped, runner, seen.states[database], race, packet)
            )


def _race_dumped(runner: DumpProgram, state: DatabaseState, race: Race, packet: int) -> Iterator[Finding]:
    good = dumping.dump_race_tables(runner, state, race, threading.Event())
    return _dumped(f"dump of {race.display_name}", good, packet)


def _dumped(name: str, good: dumping.GoodDump, packet: int) -> Iterator[Finding]:
    good.path.unlink()
    found = good.freshness
    counts = f", {found.entries} entries, {found.finished} finished" if found else ""
    yield Finding(True, name, f"good, {wording.size(good.bytes)}{counts}")
    if good.longest > packet:
        yield Finding(
            True,
            "max_allowed_packet",
            f"a row takes {wording.size(good.longest)}, but the server accepts {wording.size(packet)} at most: it"
            " can't be restored there. In an administrator's mysql prompt: SET GLOBAL max_allowed_packet=1073741824;",
            is_noted=True,
        )
