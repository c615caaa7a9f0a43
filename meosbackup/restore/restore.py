"""`meosbackup restore`: races of a batch back into a server, with what is shown before, meanwhile and afterwards."""

import logging
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from meosbackup.console import Console
from meosbackup.dump import client, mysqldump
from meosbackup.dump.client import UNTOUCHED
from meosbackup.dump.progress import STALLED_SECONDS
from meosbackup.errors import MeosBackupError, ServerUnreachableError, StoppedError
from meosbackup.mysql import programs, server_errors, sessions
from meosbackup.mysql.sessions import Session
from meosbackup.restore import fetching, planning, replacement
from meosbackup.restore.job import Job, RestoreOptions
from meosbackup.restore.planning import Plan
from meosbackup.restore.replacement import Restored, Restorer, Step
from meosbackup.settings import command_line
from meosbackup.settings.model import SPOOL, Settings
from meosbackup.store import spool
from meosbackup.store.inventory import Inventory
from meosbackup.system import addresses, signals
from meosbackup.text import clean
from meosbackup.wording import number

log = logging.getLogger(__name__)

_SIDE_BY_SIDE = 5
"""How many dumps are restored at a time: more would wait for each other's disk."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended: what came of it, the seconds that it took, or what went wrong."""

    restored: Restored
    seconds: float
    error: MeosBackupError | None


def run(
    settings: Settings, found: Inventory, target: Path | None, spool_root: Path, options: RestoreOptions,
    console: Console,
) -> bool:  # fmt: skip
    """Restore what was asked for; return whether all of it is restored, or nothing was to be done.

    It is chosen of the batches that were `found`; `target` is None if no drive takes part.

    Raises MeosBackupError.
    """
    try:
        with ThreadPoolExecutor() as meanwhile:
            client_program = meanwhile.submit(programs.find_client_program, settings.mysql)
            dump_program = programs.find_dump_program(settings.mysqldump)
        job = Job(
            options, settings, found, target, spool_root, dump_program, client_program.result(), console
        )  # fmt: skip
        spool.prepare(spool_root, target)
        spool.tidy(spool_root)
        plan = planning.make(job)
        planning.show(plan, console, datetime.now().astimezone())
    except KeyboardInterrupt:
        console.say("Stopped. Nothing was done.")
        raise
    if options.dry_run:
        console.say("This was a dry run: nothing was done.")
        return True
    if not options.yes and not console.ask("Restore this?"):
        console.say(f"Nothing was done. To do it later: {planning.command_for(job, plan.stored, plan.entries)}")
        return True
    # From here on, Ctrl-C interrupts nothing halfway: what is replacing tables finishes, and the rest is given up.
    with signals.stopping(job.stop, is_patient=True):
        return _run(job, plan)


def _run(job: Job, plan: Plan) -> bool:
    """Save what will be replaced, restore the races, and say so."""
    restored: list[Step] = []
    try:
        with planning.going_on(job, plan.stored, plan.entries):
            if not job.options.yes and not job.options.force:
                planning.refuse_if_opened_meanwhile(job.settings, plan)
            if plan.replaces_something:
                _save(job, plan)
            is_done = _restore_all(job, plan, restored)
    except StoppedError:
        job.console.say(
            "Stopped. What has an OK above is restored; everything else on the server is unchanged."
            if restored else "Stopped. Nothing was restored; the server is unchanged."
        )  # fmt: skip
        _say_how_to_go_on(job, plan, restored)
        return False
    for missing in plan.missing:
        job.console.result("FAIL", missing.race.display_name, f"{missing.why} {missing.advice}")
    if restored:
        _show_next_steps(job.settings, job.console)
    if not is_done:
        _say_how_to_go_on(job, plan, restored)
    return is_done and not plan.missing


def _say_how_to_go_on(job: Job, plan: Plan, restored: Sequence[Step]) -> None:
    """Print the command that restores the rest."""
    rest = dict.fromkeys(step.entry for step in replacement.steps(plan.entries) if step not in restored)
    job.console.say(f"To continue with the same batch: {planning.command_for(job, plan.stored, [*rest])}")


def _save(job: Job, plan: Plan) -> None:
    """Save what is going to be replaced, in the spool and on the drive. Raises MeosBackupError, StoppedError."""
    from meosbackup.restore import safety_batch  # noqa: PLC0415 - half of all modules, and a spare server needs none

    saved = safety_batch.save(job, plan)
    if saved is not None:
        keys = {entry.key for entry in plan.entries}
        replaced = [entry for entry in saved.batch.databases if entry.key in keys]
        job.console.result(
            "OK",
            "what the server has now",
            f"saved as the batch from {saved.when}; to undo this restore later:"
            f" {planning.command_for(job, saved, replaced)}",
        )
        safety_batch.bring_to_drive(job)


def _restore_all(job: Job, plan: Plan, restored: list[Step]) -> bool:
    """Restore the dumps side by side, and add to `restored` those that are; return whether all of them are.

    Raises MeosBackupError if nothing was restored, StoppedError.
    """
    with (
        spool.work_folder(job.spool) as folder,
        sessions.session(job.settings) as session,
        replacement.only_restore(session, job.settings),
    ):
        server = sessions.facts(session, job.settings)
        dump_program = programs.fitting(job.dump_program, server)
        client_program = programs.fitting(job.client_program, server)
        with mysqldump.logged_in(dump_program, job.settings, folder, session.account) as dumper:
            steps = replacement.steps(plan.entries)
            with ThreadPoolExecutor() as meanwhile:
                feeder = meanwhile.submit(
                    client.logged_in, client_program, job.settings, folder, session.account, job.stop
                )
                paths = fetching.fetch(job, plan.sources, steps, folder)
            last_look = _look_at_nothing if job.options.force else replacement.refuse_if_open
            restorer = Restorer(feeder.result(), dumper, job.stop, last_look, partial(_show_stalled, job.console))
            _run_steps(job, restorer, paths, restored)
        if job.stop.is_set() and len(restored) < len(steps):
            raise StoppedError
        return len(restored) == len(steps)


def _look_at_nothing(_session: Session, _step: Step, _database: str) -> None:
    """Have even races replaced that MeOS has open, as --force wants it."""


def _run_steps(job: Job, restorer: Restorer, paths: dict[Step, Path], restored: list[Step]) -> None:
    """Restore groups of dumps side by side, and add to `restored` those that are.

    If a race fails that comes back with its reference tables, the fault may be theirs: then each comes alone.
    """
    with (
        ThreadPoolExecutor(_SIDE_BY_SIDE) as threads,
        job.console.progress("Restoring", sum(step.source.bytes for step in paths)) as advance,
    ):
        work: list[tuple[list[Step], Future[StepResult | None]]] = []

        def begin(steps: list[Step]) -> None:
            first = next((future for before, future in reversed(work) if steps[0].waits_for(before[0])), None)
            own = {step: paths[step] for step in steps}
            work.append((steps, threads.submit(_restore_together, restorer, own, advance, first)))

        for steps in replacement.together(paths):
            begin(steps)
        for steps, future in work:
            result = signals.result_of(future)
            if len(steps) > 1 and result and _may_be_of_one(result.error):
                for step in steps:
                    begin([step])
            elif _show_result(steps[0], result, job.console):
                restored += steps


def _may_be_of_one(error: MeosBackupError | None) -> bool:
    """Return whether, after this error of several dumps, some of them may be restored."""
    return error is not None and error.means == UNTOUCHED and not isinstance(error, ServerUnreachableError)


def _restore_together(
    restorer: Restorer,
    paths: dict[Step, Path],
    advance: Callable[[int], None],
    first: "Future[StepResult | None] | None",
) -> StepResult | None:
    """Restore dumps at once, after the one that they wait for; None if they are given up.

    If it fails, the race is unchanged, and the others continue. Reference tables are useless without their race.
    """
    before = first.result() if first is not None else None
    step = next(iter(paths))
    if step.is_reference and (before is None or before.error is not None):
        return None
    began = time.monotonic()
    try:
        restored, error = replacement.restore_dumps(restorer, paths, advance), None
    except StoppedError:
        return None
    except MeosBackupError as trouble:
        log.warning("%s was not restored", step.name, exc_info=True)
        restored, error = Restored(0), trouble
    return StepResult(restored, time.monotonic() - began, error)


def _show_result(step: Step, result: StepResult | None, console: Console) -> bool:
    """Print how a step ended, and return whether its tables are restored."""
    if result is None:
        return False
    if result.error is not None:
        error = result.error
        console.result("FAIL", step.name, f"{clean(error.what)} {clean(error.means)} {clean(error.do)}")
        return False
    rows, left_out = number(result.restored.rows, "row"), clean(", ".join(result.restored.left_out), 200)
    but = f". Not restored, as MeOS makes no such thing: {left_out}" if left_out else ""
    console.result("OK", step.name, f"{rows} restored, each compared with the dump; {result.seconds:.1f} s{but}")
    return True


def _show_stalled(console: Console, step: Step) -> None:
    console.result(
        "WAIT",
        step.name,
        f"no progress for {STALLED_SECONDS:.0f} s; the server may be out of disk space. Ctrl-C gives up, the race on"
        " the server is unchanged",
    )


def _show_next_steps(settings: Settings, console: Console) -> None:
    """Print what remains to be done: in MeOS, with the server's address and MeOS's user, and to go on backing up."""
    console.say()
    console.say("Now, on one laptop: start MeOS, page Competition (Tävling), Database Connection (Databasanslutning):")
    console.say(f"  MySQL Server / IP-address   {_address(settings)}")
    console.say(f"  User name                   {settings.user if settings.user != 'root' else Settings.user}")
    console.say(f"  Port                        {settings.port}")
    console.say("Open the race and look at the last finishers. If all is well, do the same on the other laptops.")
    console.say()
    is_spool = settings.target == SPOOL
    console.say(f"Now start meosbackup again{', with the path of another stick for DRIVE' if is_spool else ''}:")
    console.say(f"  {command_line.command(replace(settings, target=Path('DRIVE')) if is_spool else settings)}")


def _address(settings: Settings) -> str:
    """Return the server's address for other computers; how to find out this computer's if it has none by now."""
    host = server_errors.host_for_others(settings)
    is_known = host != addresses.NONE or not server_errors.is_on_this_computer(settings)
    return host if is_known else f"{socket.gethostname()} (this computer; its address: ipconfig or hostname -I)"
