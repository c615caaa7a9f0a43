"""`meosbackup restore`: races of a batch back into a server, told before, while and after it is done."""

import logging
import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from meosbackup import (
    backup,
    batch,
    choice,
    drive,
    mysqldump,
    programs,
    replacement,
    report,
    server,
    shipping,
    spool,
    standing,
)
from meosbackup.batch import Dump, Freshness, Stored
from meosbackup.client import Client
from meosbackup.console import Console, number, span, when
from meosbackup.errors import BadBatchError, MeosBackupError, WrongUsageError
from meosbackup.programs import Program
from meosbackup.replacement import Step, Tools
from meosbackup.room import PIN_FILE
from meosbackup.settings import Settings
from meosbackup.shipping import Shipper
from meosbackup.standing import Standing
from meosbackup.text import clean

log = logging.getLogger(__name__)

_THIS_COMPUTER = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Wish:
    """What the user asked for: a batch, races of it, the whole race list too; and which questions are answered."""

    when: str
    names: tuple[str, ...]
    whole_list: bool
    force: bool


@dataclass(frozen=True)
class Plan:
    """What is going to be done: the dumps of a batch, and how each race stands on the server now (None: not there)."""

    stored: Stored
    note: str
    dumps: tuple[Dump, ...]
    standings: tuple[Standing | None, ...]
    has_list: bool

    @property
    def takes_list(self) -> bool:
        """Whether the race list of the server is replaced as a whole."""
        return any(dump.race is None for dump in self.dumps)

    @property
    def replaced(self) -> list[Standing]:
        """The races that are on the server, and make way."""
        return [found for found in self.standings if found is not None]


def run(
    settings: Settings,
    target: Path,
    spool_root: Path,
    wish: Wish,
    console: Console,
    *,
    dry_run: bool,
    is_agreed: bool,
) -> bool:
    """Restore as wished; tell whether all races are back, or nothing was to be done. Raises MeosBackupError."""
    root, now = drive.root(target), datetime.now().astimezone().replace(microsecond=0)
    dump_program = programs.find_dump_program(settings.mysqldump)
    client_program = programs.find_client_program(settings.mysql)
    spool.prepare(spool_root)
    spool.tidy(spool_root)
    found = plan(settings, root, wish)
    show(found, console, now)
    if dry_run:
        console.say("This was a dry run: nothing was done.")
        return True
    if not is_agreed and not console.ask("Restore this?"):
        console.say("Nothing was done.")
        return True
    saved = save_replaced(settings, found, dump_program, spool_root, root, is_forced=wish.force)
    if saved is not None:
        console.result(
            "OK", "what the server has now", f"saved as the batch of {saved.when}; to undo, restore that one"
        )
        _ship(settings, target, spool_root, console)
    try:
        is_done = perform(settings, found, console, spool_root, (dump_program, client_program))
    except KeyboardInterrupt:
        console.say("Stopped. What has an OK above is restored; everything else on the server is as it was.")
        raise
    if is_done:
        next_steps(settings, console)
    else:
        console.say(f'To try again, name this very batch: --batch "{found.stored.when}"')
    return is_done


def plan(settings: Settings, root: Path, wish: Wish) -> Plan:
    """Choose the batch and its races, and look at the server. Nothing is changed.

    Raises WrongUsageError and others of MeosBackupError; one where clients of MeOS have a race open.
    """
    chosen = choice.batch_at(batch.find(root).batches, wish.when)
    dumps = choice.dumps_named(chosen.stored.batch.databases, wish.names)
    usable = tuple(dump for dump in dumps if dump.file is not None)
    if not usable:
        raise WrongUsageError(
            "The batch holds no good dump of what was asked for.", "Nothing was done.", "Take another batch by --batch."
        )
    try:
        with server.session(settings) as session:
            known = server.databases(session)
            standings = tuple(
                standing.find(session, dump.race.name_id, known) if dump.race else None for dump in usable
            )
    except MeosBackupError as error:
        raise type(error)(error.what, "Nothing was done.", error.do) from error
    race_list = chosen.stored.batch.race_list
    if wish.whole_list and race_list is not None and race_list.file is not None:
        usable, standings = (race_list, *usable), (None, *standings)
    found = Plan(chosen.stored, chosen.note, usable, standings, server.spelled(batch.RACE_LIST, known) is not None)
    if not wish.force:
        _refuse_if_open(found)
    return found


def show(plan_: Plan, console: Console, now: datetime) -> None:
    """Tell what is going to be done, race by race: how it is in the batch, how it is on the server, what would go."""
    taken = plan_.stored.batch.taken
    console.say(
        f"Batch of {plan_.stored.when}, {span((now - taken).total_seconds())} old"
        + (f" ({plan_.note})" if plan_.note else "")
    )
    for dump, found in zip(plan_.dumps, plan_.standings, strict=True):
        rows = [("", f"in the batch:   {_counts(dump.freshness, now)}")]
        if dump.race is None:
            rows = [("", "takes the place of the server's race list, all rows of it")]
        elif found is None:
            rows.append(("", "on the server:  not there; it is made anew"))
        else:
            rows.append(("", f"on the server:  {_counts(found.freshness, now)}"))
            rows.append(("", _loss(dump.freshness, found.freshness)))
        if dump.error:
            rows.append(("", f"OLDER than the batch: {clean(dump.error, 80)}"))
        console.say()
        console.block([(report.named(dump.race) if dump.race else "race list", ""), *rows])
    console.say()


def save_replaced(
    settings: Settings, plan_: Plan, program: Program, spool_root: Path, root: Path, *, is_forced: bool
) -> Stored | None:
    """Back up what is going to be replaced, as a batch in the spool that is never thinned out.

    Returns None where nothing is replaced. Raises MeosBackupError, after which nothing may be replaced.
    """
    wanted = [found for found in plan_.replaced if not found.is_shell]
    if not wanted and not (plan_.takes_list and plan_.has_list):
        return None
    _list_unlisted(settings, plan_)
    sequence = max(
        (found.batch.sequence for place in (spool_root, root) if (found := batch.find(place).newest)), default=0
    )
    everything = replace(settings, races=(), all_races=True, skip_unchanged=False)
    outcome = backup.Backup(everything, program, spool_root, sequence).tick(
        datetime.now().astimezone().replace(microsecond=0), threading.Event()
    )
    good = {dump.database for dump in outcome.stored.batch.databases if not dump.error} if outcome.stored else set()
    unsaved = [found.database for found in wanted if found.database not in good]
    if unsaved and not is_forced:
        reasons = "".join(f" {failure.error.what}" for failure in outcome.failures)
        raise MeosBackupError(
            f"What the server has of {', '.join(unsaved)} can't be saved.{reasons}",
            "Nothing was restored.",
            "--force restores all the same; what the server has of it is lost then.",
        )
    if outcome.stored is not None:
        (outcome.stored.folder / PIN_FILE).touch()
    return outcome.stored


def _list_unlisted(settings: Settings, plan_: Plan) -> None:
    """Put on the race list what is replaced and isn't listed: a backup takes what the list has."""
    with server.session(settings) as session:
        name = server.spelled("MeOSMain", server.databases(session))
        rows = server.listed_races(session, name) if name else ()
        listed = {row.race.name_id.lower() for row in rows if not row.removed}
        for dump, found in zip(plan_.dumps, plan_.standings, strict=True):
            if dump.race and found and not found.is_shell and dump.race.name_id.lower() not in listed:
                replacement.put_on_list(session, dump.race, found.database)


def perform(
    settings: Settings, plan_: Plan, console: Console, spool_root: Path, found: tuple[Program, Program]
) -> bool:
    """Bring the races back one after the other; tell whether all of them are. Raises MeosBackupError.

    `found` are the dump program and the client program.
    """
    dump_program, client_program = found
    with (
        spool.work_folder(spool_root) as folder,
        server.session(settings) as session,
        mysqldump.logged_in(dump_program, settings, folder, session.account) as runner,
    ):
        client = Client(client_program, settings, folder, session.account)
        tools = Tools(session, client, runner, folder, threading.Event())
        wanted = replacement.steps(plan_.dumps)
        paths = [_fetch(tools, plan_.stored, step, console) for step in wanted]
        done = [path is not None and _take(tools, step, path, console)
                for step, path in zip(wanted, paths, strict=True)]  # fmt: skip
        return all(done)


def _fetch(tools: Tools, stored: Stored, step: Step, console: Console) -> Path | None:
    """Fetch a dump. Bad race tables end it all before anything is restored; bad reference tables are left out alone."""
    race = step.dump.race
    try:
        return replacement.fetch(tools, stored.folder, step)
    except BadBatchError as error:
        if race is None:
            raise
        if step.is_reference:
            console.result("FAIL", f"{report.named(race)}, reference tables", f"{error.what} {error.means}")
            return None
        other = choice.newest_good(batch.find(stored.folder.parents[1]).batches, stored, race)
        do = (
            f'The newest earlier batch that has it whole: --batch "{other.when}" --race {clean(race.name_id, 64)}'
            if other else "No earlier batch has it whole; look for another drive."
        )  # fmt: skip
        raise BadBatchError(f"{report.named(race)}: {error.what}", error.means, do) from error


def _ship(settings: Settings, target: Path, spool_root: Path, console: Console) -> None:
    """Bring what was saved to the drive as well; where that fails, it is in the spool."""
    now = datetime.now().astimezone()
    try:
        shipper = Shipper(spool_root, drive.place(target), settings.reserve_mb, threading.Event(), console.say)
        shipping.ship_waiting(shipper, shipping.attach(shipper, now))
    except MeosBackupError as error:
        log.warning("what was saved is in the spool only", exc_info=True)
        console.result("NOTE", "the drive", f"{clean(error.what)} What was saved is in the spool {spool_root}.")


def next_steps(settings: Settings, console: Console) -> None:
    """Tell what is left to do in MeOS, with the address of the server."""
    console.say()
    console.say("Now, on one laptop: start MeOS, page Competition (Tävling), Database Connection (Databasanslutning):")
    console.say(f"  MySQL Server / IP-address   {_address(settings)}")
    console.say(f"  Port                        {settings.port}")
    console.say("Open the race and look at the last finishers. If all is well, do the same on the other laptops.")


def _take(tools: Tools, step: Step, path: Path, console: Console) -> bool:
    """Bring one dump back and tell of it; a failure leaves the race as it was, and goes on with the next."""
    race = step.dump.race
    name = (report.named(race) if race else "race list") + (", reference tables" if step.is_reference else "")
    began = time.monotonic()
    try:
        rows = replacement.take(tools, step, path)
    except MeosBackupError as error:
        log.warning("%s was not restored", name, exc_info=True)
        console.result("FAIL", name, f"{clean(error.what)} {clean(error.means)} {clean(error.do)}")
        return False
    seconds = time.monotonic() - began
    console.result("OK", name, f"{number(rows, 'row')} back, each compared with the dump; {seconds:.1f} s")
    return True


def _refuse_if_open(found: Plan) -> None:
    """Refuse to replace a race that MeOS has open: what its clients hold would be written over the restored one."""
    for dump, now in zip(found.dumps, found.standings, strict=True):
        if now is not None and now.clients and dump.race is not None:
            clients = ", ".join(clean(name, 30) or "a computer without a name" for name in now.clients)
            raise MeosBackupError(
                f"MeOS has {report.named(dump.race)} open on: {clients}.",
                "Nothing was done. A MeOS that stays open writes its own copy over what is restored.",
                "Save the race to a file there (page Competition, Backup / Save as), close MeOS, wait half a minute,"
                " and try again. --force does it all the same.",
            )


def _counts(freshness: Freshness | None, now: datetime) -> str:
    if freshness is None:
        return "not known"
    changed = f"last change {when(freshness.last_change, now)}" if freshness.last_change else "no change known"
    return f"{freshness.entries} entries, {freshness.finished} finished, {freshness.cards} cards, {changed}"


def _loss(then: Freshness | None, now: Freshness) -> str:
    """Tell what the server has that the batch hasn't."""
    if then is None or then.last_change is None or now.last_change is None:
        return "what is on the server now goes"
    newer = (now.last_change - then.last_change).total_seconds()
    if newer <= 0:
        return "the server has nothing newer"
    return f"LOST: what changed on the server in {span(newer)} after that ({now.finished - then.finished:+d} finished)"


def _address(settings: Settings) -> str:
    """Return the server's address for other computers; that of this computer where the server is here."""
    if settings.socket is None and settings.host.lower() not in _THIS_COMPUTER:
        return settings.host
    # No packet is sent: the system is only asked by which address it would.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return f"{socket.gethostname()} (this computer; ipconfig or hostname -I tells its address)"
