"""Measure how long it takes to restore and compare five races of 1,500 runners, and the same by hand.

Run it from the repository: python -m tests.tools.bench.restore_time [ROUNDS] [--profile]

Side by side on one private server, which is emptied before each run: `mysql < FILE` for each dump of a batch, and
`meosbackup restore --yes`, which also checks each file's SHA-256 and compares each row. Times are seconds.
"""

import cProfile
import os
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from meosbackup.batch.model import StoredBatch
from meosbackup.cli import cli
from meosbackup.mysql.private_server import PrivateServer, load, private_server
from meosbackup.store import drive, inventory
from tests.toolkit.batches import dump_file
from tests.toolkit.runs import server_options, with_password
from tests.toolkit.servers import BIG, DATA, MEOS_PASSWORD, databases, make_pristine, query

RACES = 5
AIM = 1.2


def main() -> None:
    """Measure, and print a table."""
    rounds = int(next((argument for argument in sys.argv[1:] if argument.isdecimal()), 5))
    with tempfile.TemporaryDirectory() as name, private_server() as server:
        folder = Path(name)
        stored = _batch_of_big_races(server, folder)
        ways: dict[str, Callable[[], None]] = {
            "by hand (mysql < FILE)": lambda: _by_hand(server, stored),
            "meosbackup restore": lambda: _by_meosbackup(server, folder),
        }
        times: dict[str, list[float]] = {title: [] for title in ways}
        for _ in range(rounds):
            for title, way in ways.items():  # in turns, so that a busy moment strikes both
                times[title].append(_timed(server, way))
        _print(times)
        if "--profile" in sys.argv:
            _profile(server, folder)


def _batch_of_big_races(server: PrivateServer, folder: Path) -> StoredBatch:
    make_pristine(server, {}, {})
    load(server, DATA / "meosmain.sql")
    query(server, "DELETE FROM meosmain.oevent")
    text = (DATA / "big.sql").read_text("utf-8")
    for number in range(1, RACES + 1):
        path, database = folder / "race.sql", f"{BIG}{number}"
        path.write_text(text.replace(BIG, database), "utf-8")
        load(server, path)
        query(server, f"UPDATE `{database}`.oevent SET Id = %s", number)
        query(
            server, "INSERT INTO meosmain.oevent (Id, Name, NameId, Version) VALUES (%s, %s, %s, 101)",
            number, f"Storloppet {number}", database,
        )  # fmt: skip
    (folder / "drive").mkdir()
    _run([sys.executable, "-m", "meosbackup", "--once", "--all-races", *_options(server, folder)])
    [stored] = inventory.find(drive.root(folder / "drive")).batches
    return stored


def _timed(server: PrivateServer, way: Callable[[], None]) -> float:
    for database in databases(server):
        query(server, f"DROP DATABASE `{database}`")
    began = time.perf_counter()
    way()
    seconds = time.perf_counter() - began
    runners = [query(server, f"SELECT COUNT(*) FROM `{BIG}{number}`.orunner")[0][0] for number in range(1, RACES + 1)]
    assert runners == [runners[0]] * RACES
    assert runners[0] >= 1500
    return seconds


def _by_hand(server: PrivateServer, stored: StoredBatch) -> None:
    files = [dump_file(entry) for entry in stored.batch.races]
    files += [entry.reference for entry in stored.batch.races if entry.reference]
    for file in files:
        with (stored.folder / file.file).open("rb") as statements:
            _run([_client(), *server_options(server)], stdin=statements, MYSQL_PWD=MEOS_PASSWORD)


def _by_meosbackup(server: PrivateServer, folder: Path) -> None:
    _run([sys.executable, "-m", "meosbackup", "restore", "--yes", *_options(server, folder)])


def _client() -> str:
    path = shutil.which("mysql") or shutil.which("mariadb")
    assert path is not None
    return path


def _options(server: PrivateServer, folder: Path) -> list[str]:
    return ["--target", str(folder / "drive"), "--any-disk", "--spool", str(folder / "spool"),
            "--log-file", str(folder / "log"), *server_options(server)]  # fmt: skip


def _run(arguments: list[str], stdin: IO[bytes] | None = None, **environment: str) -> None:
    done = subprocess.run(
        arguments, stdin=stdin or subprocess.DEVNULL, env={**os.environ, **with_password(), **environment},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def _print(times: dict[str, list[float]]) -> None:
    hand, tool = (statistics.median(seconds) for seconds in times.values())
    print(f"{RACES} races of 1,500 runners, {len(next(iter(times.values())))} rounds\n")  # noqa: T201
    print(f"{'':<24}{'median':>8}{'least':>8}{'most':>8}")  # noqa: T201
    for title, seconds in times.items():
        print(f"{title:<24}{statistics.median(seconds):>8.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}")  # noqa: T201
    print(f"{'ratio':<24}{tool / hand:>8.2f}   (aim: {AIM} at most, comparison included)")  # noqa: T201


def _profile(server: PrivateServer, folder: Path) -> None:
    for database in databases(server):
        query(server, f"DROP DATABASE `{database}`")
    os.environ |= with_password()
    profile = cProfile.Profile()
    profile.runcall(cli.main, ["restore", "--yes", *_options(server, folder)], standalone_mode=False)
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
