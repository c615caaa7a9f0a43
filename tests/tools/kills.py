"""A restore killed in every way: each race is wholly the old or wholly the new, and the same command goes on.

python -m tests.tools.kills --rounds 60 --seed 1
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import mysql.connector

from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.private_server import PrivateServer, connect, private_server
from tests.toolkit.runs import tool_environment, with_password
from tests.toolkit.servers import FILES, INDIVIDUAL, INNODB, MEOS_USER, RELAY, make_pristine, query
from tests.toolkit.tent import Tent, assert_tidy, work_on
from tests.toolkit.waiting import PATIENCE, wait_until
from tests.tools.matrix import installations
from tests.tools.torture import State, state

RACES = (INDIVIDUAL, RELAY, INNODB)


@dataclass
class Stage:
    """Where it plays: the server, the tent with the batch, the states of the races in it, and what came of each way."""

    server: PrivateServer
    tent: Tent
    chance: random.Random
    new: dict[str, tuple[State, State]]
    seconds: float = 0.0
    """How long a restore takes that nobody kills."""

    figures: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The command line, always the same: no batch is named."""
        return self.tent.command(self.server, "--yes", *itertools.chain(*(("--race", race) for race in RACES)))


def stage(server: PrivateServer, folder: Path, seed: int) -> Stage:
    """Make a batch, and restore it once without a kill."""
    tent = Tent(folder)
    tent.back_up(server)
    made = Stage(server, tent, random.Random(seed), {race: state(server, race) for race in RACES})
    work_on(server, *RACES)
    began = time.monotonic()
    _restore_undisturbed(made)
    made.seconds = time.monotonic() - began
    return made


def play(stage: Stage, way: str) -> None:
    """Change the races, kill a restore of them, look at them, and run the very same command again."""
    server, figures = stage.server, stage.figures.setdefault(way, Counter())
    work_on(server, *RACES, seed=stage.chance.randrange(1 << 30))
    for race in RACES:
        query(server, f"REPLACE INTO {quoted(race)}.dbclub (Id, Name) VALUES (9999, 'Ny klubb')")
    query(server, "FLUSH TABLES")
    old = {race: state(server, race) for race in RACES}
    with _restoring(stage) as process:
        is_hit = WAYS[way](stage, process)
        process.wait(PATIENCE)
    server.start()
    wait_until(lambda: not sessions(server), "the end of all that was begun")
    figures.update(rounds=1, hit=is_hit)
    torn = figures["torn"]
    for race in RACES:
        # Reference tables as small as these come back with their race, at once.
        found = _state(server, race)
        figures["old" if found == old[race] else "new" if found == stage.new[race] else "torn"] += 1
    # What is torn can't be saved first.
    _restore_undisturbed(stage, *(["--force"] if figures["torn"] > torn else []))
    figures["again"] += 1


def _restore_undisturbed(stage: Stage, *more: str) -> None:
    done = subprocess.run(
        [*stage.command, *more], env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for race in RACES:
        assert state(stage.server, race) == stage.new[race], f"{race} is not as in the batch:\n{done.stdout}"
    assert_tidy(stage.server)


@contextmanager
def _restoring(stage: Stage) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        stage.command, env=_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    return {**tool_environment(), **with_password()}


def _state(server: PrivateServer, race: str) -> tuple[State | None, State | None]:
    """Return the state of a race; None if it can't be read."""
    try:
        return state(server, race)
    except (mysql.connector.Error, TypeError):
        return None, None


def sessions(server: PrivateServer) -> list[str]:
    """Return what meosbackup's sessions with a server do."""
    return [str(row) for row in query(server, "SHOW PROCESSLIST") if row[1] == MEOS_USER]


# The ways; each returns whether it hit a restore that was still running


def _kill_itself(stage: Stage, process: "subprocess.Popen[bytes]") -> bool:
    time.sleep(stage.chance.uniform(0.1, stage.seconds))
    return _ends(process)


def _kill_client(stage: Stage, process: "subprocess.Popen[bytes]") -> bool:
    if sys.platform == "win32":  # it has no /proc to find the program in
        return False
    delay, deadline = stage.chance.uniform(0, 0.1), time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        feeding = clients_of(process.pid)
        if feeding:
            time.sleep(delay)
            if kill_any(feeding, stage.chance):
                return True
    return False


def kill_any(feeding: Sequence[int], chance: random.Random) -> bool:
    """Kill one of these processes; return whether it was still there."""
    if sys.platform == "win32":
        return False
    with suppress(ProcessLookupError, IndexError):
        os.kill(chance.choice(feeding), signal.SIGKILL)
        return True
    return False


def _kill_server(stage: Stage, process: "subprocess.Popen[bytes]") -> bool:
    time.sleep(stage.chance.uniform(0.1, stage.seconds))
    is_hit = process.poll() is None
    stage.server.kill()
    return is_hit


def _kill_itself_amid_the_swap(stage: Stage, process: "subprocess.Popen[bytes]") -> bool:
    return waits_for_the_swap(stage.server, process, stage.chance, len(RACES)) and _ends(process)


def _kill_server_amid_the_swap(stage: Stage, process: "subprocess.Popen[bytes]") -> bool:
    is_hit = waits_for_the_swap(stage.server, process, stage.chance, len(RACES))
    stage.server.kill()
    return is_hit


WAYS: dict[str, Callable[[Stage, "subprocess.Popen[bytes]"], bool]] = {
    "itself": _kill_itself,
    "its client program": _kill_client,
    "the server": _kill_server,
    "itself, amid the swap": _kill_itself_amid_the_swap,
    "the server, amid the swap": _kill_server_amid_the_swap,
}


def _ends(process: "subprocess.Popen[bytes]") -> bool:
    is_hit = process.poll() is None
    process.kill()
    return is_hit


def clients_of(process_id: int) -> list[int]:
    """Return the processes that feed a dump for another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == process_id:
                found += [int(path.name)] if b"--binary-mode" in (path / "cmdline").read_bytes() else []
    return found


def waits_for_the_swap(
    server: PrivateServer, process: "subprocess.Popen[bytes]", chance: random.Random, count: int
) -> bool:  # fmt: skip
    """Wait until any of the first `count` statements replaces tables, and for a random part of it."""
    which = chance.randrange(count)
    seen: set[str] = set()
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        while process.poll() is None:
            cursor.execute("SHOW PROCESSLIST")
            rows: list[tuple[object, ...]] = cursor.fetchall()  # type: ignore[assignment]
            seen.update(str(row[7]) for row in rows if str(row[7]).startswith("RENAME TABLE"))
            if len(seen) > which:
                time.sleep(chance.uniform(0, 0.03))
                return True
    return False


@click.command()
@click.option("--rounds", default=60, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--server", "name", default=installations.OWN, show_default=True, type=click.Choice(installations.NAMES))
@click.option("--way", "ways", multiple=True, default=tuple(WAYS), type=click.Choice(tuple(WAYS)))
def main(rounds: int, seed: int, name: str, ways: tuple[str, ...]) -> None:
    """Kill a restore of three races again and again, and print what became of the races."""
    installation = installations.find(name)
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-kills-") as folder,
        private_server(program=installation.server, options=installation.options) as server,
    ):
        make_pristine(server, FILES, {})
        where = stage(server, Path(folder), seed)
        for number, way in enumerate(itertools.islice(itertools.cycle(ways), rounds), 1):
            play(where, way)
            if number % 10 == 0:
                click.echo(f"{number} of {rounds}")
    click.echo(f"{'killed':<26} rounds   hit   old   new  torn  brought back by the same command")
    for way, counted in where.figures.items():
        columns = "".join(f"{counted[word]:>6}" for word in ("rounds", "hit", "old", "new", "torn", "again"))
        click.echo(f"{way:<26}{columns}")
    torn = sum(counted["torn"] for counted in where.figures.values())
    assert torn == 0, f"{torn} torn"


if __name__ == "__main__":
    main()
