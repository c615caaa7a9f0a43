"""`meosbackup restore`: races of a batch back into a server, told before, while and after it is done."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup.console import Console
from meosbackup.dump import client, mysqldump
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.mysql import programs, sessions
from meosbackup.mysql.programs import Program
from meosbackup.mysql.sessions import Session
from meosbackup.restore import fetching, plan, replacement
from meosbackup.restore.plan import Plan, Wish
from meosbackup.restore.replacement import Step, Tools
from meosbackup.settings.model import Settings
from meosbackup.store import drive, spool
from meosbackup.system import signals
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

SIDE_BY_SIDE = 3
"""How many dumps are brought back at a time: more would wait for each other's disk."""

_THIS_COMPUTER = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Job:
    """What restoring works with: the settings, the folders, the two programs, and what stops it."""

    settings: Settings
    target: Path
    spool: Path
    dump_program: Program
    client_program: Program
    console: Console
    stop: threading.Event
    is_forced: bool


@dataclass(frozen=True)
class Done:
    """How one step ended: the rows that are back and the seconds that it took, or what went wrong."""

    rows: int
    seconds: float
    error: MeosBackupError | None


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
    try:
        job = Job(
            settings, target, spool_root, programs.find_dump_program(settings.mysqldump),
            programs.find_client_program(settings.mysql), console, threading.Event(), wish.force,
        )  # fmt: skip
        spool.prepare(spool_root)
        spool.tidy(spool_root)
        found = plan.make(settings, drive.root(target), wish)
        plan.show(found, console, datetime.now().astimezone())
    except KeyboardInterrupt:
        console.say("Stopped. Nothing was done.")
        raise
    if dry_run:
        console.say("This was a dry run: nothing was done.")
        return True
    if not is_agreed and not console.ask("Restore this?"):
        console.say("Nothing was done.")
        return True
    # From here on Ctrl-C cuts nothing in two: what has begun to take its place takes it, and the rest is given up.
    with signals.stopping(job.stop, is_patient=True):
        return _do(job, found, is_asked=not is_agreed)


def _do(job: Job, found: Plan, *, is_asked: bool) -> bool:
    """Save what is replaced, bring the races back, and tell of it."""
    back: list[Step] = []
    try:
        if is_asked and not job.is_forced:
            plan.look_again(job.settings, found)
        if found.loses_something:
            _save(job, found)
        is_done = _bring_back(job, found, back) and not found.missing
    except StoppedError:
        job.console.say(
            "Stopped. What has an OK above is restored; everything else on the server is as it was."
            if back else "Stopped. Nothing was restored; what is on the server is as it was."
        )  # fmt: skip
        return False
    for missing in found.missing:
        job.console.result("FAIL", missing.race.display_name, f"not in this batch. {plan.where(missing)}")
    if back:
        _next_steps(job.settings, job.console)
    if not is_done:
        job.console.say(f'To try again, name this very batch: --batch "{found.stored.when}"')
    return is_done


def _save(job: Job, found: Plan) -> None:
    """Save what is going to be replaced, in the spool and on the drive. Raises MeosBackupError, StoppedError."""
    from meosbackup.restore import safety_batch  # noqa: PLC0415 - half of all modules, and on a spare server none is wanted

    saved = safety_batch.save(
        job.settings, found, job.dump_program, job.spool, job.target, job.stop, is_forced=job.is_forced
    )
    if saved is not None:
        job.console.result(
            "OK", "what the server has now", f"saved as the batch of {saved.when}; to undo, restore that one"
        )
        safety_batch.bring_to_drive(job.settings, job.target, job.spool, job.console, job.stop)


def _bring_back(job: Job, found: Plan, back: list[Step]) -> bool:
    """Bring the dumps back side by side, and add to `back` those that are; tell whether all of them are.

    Raises MeosBackupError where nothing was restored, StoppedError.
    """
    with (
        spool.work_folder(job.spool) as folder,
        sessions.session(job.settings) as session,
        replacement.alone(session),
        mysqldump.logged_in(_fitting(job.dump_program, job, session), job.settings, folder, session.account) as runner,
    ):
        program = _fitting(job.client_program, job, session)
        feeder = client.logged_in(program, job.settings, folder, session.account, job.stop)
        tools = Tools(job.settings, feeder, runner, folder, job.stop, job.is_forced)
        every = replacement.steps(found.dumps)
        paths = fetching.fetch(found.stored, every, folder, job.spool, job.console, job.stop)
        with (
            ThreadPoolExecutor(SIDE_BY_SIDE) as threads,
            job.console.progress("Restoring", sum(step.source.bytes for step in every)) as advance,
        ):
            work: list[tuple[Step, Future[Done | None]]] = []
            for step in every:
                if step.number in paths:
                    first = next((taken for before, taken in work if step.waits_for(before)), None)
                    work.append((step, threads.submit(_taken, tools, step, paths[step.number], advance, first)))
            for step, taken in work:
                while wait([taken], timeout=0.2).not_done:
                    pass  # a wait without an end would keep Ctrl-C from Windows
                if _told(step, taken.result(), job.console):
                    back.append(step)
        if job.stop.is_set() and len(back) < len(every):
            raise StoppedError
        return len(back) == len(every)


def _fitting(program: Program, job: Job, session: Session) -> Program:
    return programs.fitting(program, sessions.facts(session, job.settings))


def _taken(
    tools: Tools, step: Step, path: Path, advance: Callable[[int], None], first: "Future[Done | None] | None"
) -> Done | None:  # fmt: skip
    """Bring one dump back, after the one that it waits for; None where it is given up.

    A failure leaves its race as it was, and the others go on. Reference tables are nothing without their race.
    """
    before = first.result() if first is not None else None
    if step.is_reference and (before is None or before.error is not None):
        return None
    began = time.monotonic()
    try:
        rows, error = replacement.take(tools, step, path, advance), None
    except StoppedError:
        return None
    except MeosBackupError as trouble:
        log.warning("%s was not restored", step.name, exc_info=True)
        rows, error = 0, trouble
    return Done(rows, time.monotonic() - began, error)


def _told(step: Step, done: Done | None, console: Console) -> bool:
    """Tell how a step ended, and return whether its tables are back."""
    if done is None:
        return False
    if done.error is not None:
        console.result("FAIL", step.name, f"{clean(done.error.what)} {clean(done.error.means)} {clean(done.error.do)}")
        return False
    rows = number(done.rows, "row")
    console.result("OK", step.name, f"{rows} back, each compared with the dump; {done.seconds:.1f} s")
    return True


def _next_steps(settings: Settings, console: Console) -> None:
    """Tell what is left to do in MeOS, with the address of the server."""
    console.say()
    console.say("Now, on one laptop: start MeOS, page Competition (Tävling), Database Connection (Databasanslutning):")
    console.say(f"  MySQL Server / IP-address   {_address(settings)}")
    console.say(f"  Port                        {settings.port}")
    console.say("Open the race and look at the last finishers. If all is well, do the same on the other laptops.")


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
