"""`meosbackup demo`: a whole race day in a minute, on private servers that nobody else sees."""

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import click

from meosbackup.batch import choosing
from meosbackup.batch.model import StoredBatch
from meosbackup.commands import rehearse, simulation
from meosbackup.commands.common import command
from meosbackup.console import Console
from meosbackup.day import daemon
from meosbackup.dump import fingerprint
from meosbackup.dump.fingerprint import TableDigest
from meosbackup.errors import MeosBackupError
from meosbackup.meos import changes
from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.programs import Program
from meosbackup.restore import feeding, rehearsal, restore
from meosbackup.restore.job import RestoreOptions
from meosbackup.settings.model import Address, Settings
from meosbackup.store import drive, inventory

RACES = ("meos_20261122_211702_1e5", "meos_20261122_211713_94", "meos_20261122_211720_1cb")
_FILES = ("meosmain.sql", "individual.sql", "relay.sql", "innodb.sql")
_INTERVAL = 5
_PAUSE = 1.5


@dataclass(frozen=True)
class Stage:
    """Where the demo runs: the race server, the spare server, the drive and the spool, all in temporary folders."""

    server: PrivateServer
    spare: PrivateServer
    target: Path
    spool: Path


@command("demo", "common")
@click.option("--seconds", type=int, default=50, show_default=True, metavar="N", help="How long the race day lasts.")
def demo_command(_: Settings, console: Console, *, seconds: int) -> bool:
    """Show a whole race day in a minute, on private servers.

    It needs neither MeOS nor a drive.

    Example:  meosbackup demo
    """
    return run(console, seconds)


def run(console: Console, seconds: int) -> bool:
    """Run the demo for about `seconds`; return whether what was restored is what was backed up.

    Raises ProgramMissingError and other kinds of MeosBackupError. Ctrl-C ends it as it ends a race day.
    """
    console.say("A race day in a minute: a private server with three races made by MeOS, laptops that change them")
    console.say("as MeOS does, meosbackup backing them up, and a spare server. Only temporary folders are used.")
    console.say()
    with _stage() as stage:
        ready = daemon.prepare(_settings(stage), stage.spool)
        if _race_day(ready, console, stage, seconds):
            _finish_feeding(ready, stage)
            parts = (_loss, _accident, _failover)
            return all(part(console, stage, ready.program) for part in parts)
    console.say("The demo was stopped, and everything it made was deleted.")
    return True


@contextmanager
def _stage() -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-demo-", ignore_cleanup_errors=True) as name,
        private_server.private_server() as server,
        private_server.private_server() as spare,
    ):
        folder = Path(name)
        target = folder / "drive"
        target.mkdir()
        with resources.as_file(resources.files("meosbackup.commands") / "demo_data") as data:
            for file in _FILES:
                private_server.load(server, data / file)
        _make_it_today(server)
        yield Stage(server, spare, target, folder / "spool")


def _make_it_today(server: PrivateServer) -> None:
    """Date the races today, since older ones are not backed up, and take the one that isn't here off the list."""
    with private_server.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE meosmain.oevent SET Date = CURDATE()")
        marks = ", ".join(["%s"] * len(RACES))
        cursor.execute(f"DELETE FROM meosmain.oevent WHERE LOWER(NameId) NOT IN ({marks})", RACES)


def _settings(stage: Stage) -> Settings:
    server, spare = stage.server, stage.spare
    return Settings(
        target=stage.target, any_disk=True, spool=stage.spool, interval=_INTERVAL, host=server.host, port=server.port,
        socket=server.socket, user=server.user, password=server.password,
        standby=Address(spare.host, spare.port), standby_user=spare.user, standby_password=spare.password,
        stay_awake=False,
    )  # fmt: skip


def _race_day(ready: daemon.Ready, console: Console, stage: Stage, seconds: int) -> bool:
    """Have laptops change the races while the daemon backs them up; return whether nobody stopped it.

    The laptops go home two ticks before the end, so that the newest batch holds their last change.
    """
    go_home = threading.Event()
    with simulation.run_laptops(stage.server, RACES, go_home, _PAUSE):
        timer = threading.Timer(max(1, seconds - 2.5 * _INTERVAL), go_home.set)
        timer.daemon = True
        timer.start()
        try:
            return daemon.run(ready, console, seconds)
        finally:
            timer.cancel()


def _finish_feeding(ready: daemon.Ready, stage: Stage) -> None:
    """Bring the newest batch to the spare server, if the end of the day broke that off."""
    if ready.spare:
        feeding.feed(replace(ready.spare, stop=threading.Event()), _newest(stage), "")


def _accident(console: Console, stage: Stage, program: Program) -> bool:
    """Delete a race as somebody in a hurry might in MeOS, restore it, and compare."""
    lost = _newest(stage).batch.races[0]
    if lost.race is None:
        raise _no_batch()
    console.say()
    console.say(f"An accident: {lost.race.display_name} was deleted in MeOS. `meosbackup restore` restores it:")
    console.say()
    before = rehearsal.database_digests(lost.database, stage.server, program, threading.Event())
    simulation.delete_race(stage.server, lost.race.name_id)
    options = RestoreOptions(choosing.LATEST, (lost.race.name_id,), yes=True)
    found = inventory.find(drive.root(stage.target))
    is_done = restore.run(_settings(stage), found, stage.target, stage.spool, options, console)
    after = rehearsal.database_digests(lost.database, stage.server, program, threading.Event())
    is_same = is_done and _are_same(before, after)
    console.say()
    console.say("The race is exactly as it was." if is_same else "The race is NOT as it was.")
    return is_same


def _loss(console: Console, stage: Stage, program: Program) -> bool:
    """Restore the newest batch into a second server, and compare that with the first, row by row."""
    newest = _newest(stage)
    console.say()
    console.say("What if the server were lost now? The newest batch is restored on a second, empty one:")
    console.say()
    is_same = rehearse.rehearse(newest, program, console)
    for entry in newest.batch.databases:
        there = rehearsal.database_digests(entry.database, stage.server, program, threading.Event())
        is_same &= _are_same(there, rehearsal.stored_digests(newest, entry))
    console.say(
        "The second server has what the first one has." if is_same else "The second server does NOT have what was lost."
    )
    return is_same


def _failover(console: Console, stage: Stage, program: Program) -> bool:
    """Kill the race server, compare what the spare one has with the newest batch, and have a laptop go on there."""
    newest, is_same = _newest(stage), True
    console.say()
    console.say("The race server is lost: it was killed. A laptop goes on with the spare server:")
    console.say()
    began = time.monotonic()
    stage.server.kill()
    for entry in newest.batch.races:
        there = rehearsal.database_digests(entry.database, stage.spare, program, threading.Event())
        is_same &= _are_same(there, rehearsal.stored_digests(newest, entry))
    with closing(simulation.Laptop(stage.spare, newest.batch.races[0].database)) as laptop:
        laptop.read_card()
    seconds = time.monotonic() - began
    what = "all races of" if is_same else "NOT all races of"
    console.say(
        f"It had {what} the newest batch, row by row. {seconds:.1f} s after the loss, a card was read out there."
    )
    return is_same


def _are_same(before: Mapping[str, TableDigest], after: Mapping[str, TableDigest]) -> bool:
    """Compare two states of a database, but for oMonitor, which no batch is made for."""
    return set(fingerprint.differing_tables(before, after)) <= {changes.MONITOR_TABLE}


def _newest(stage: Stage) -> StoredBatch:
    newest = inventory.find(drive.root(stage.target)).newest
    if newest is None or not newest.batch.races:
        raise _no_batch()
    return newest


def _no_batch() -> MeosBackupError:
    return MeosBackupError(
        "No batch of the demo reached its drive.",
        "Your races and backups are untouched.",
        "The log file has the details.",
    )
