"""How long somebody waits who only asks: `--version`, `list` of a long day, its page; beside Python's own start.

python -m tests.tools.bench.commands_time
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from meosbackup.batch import batch_file, names
from meosbackup.guide import page
from meosbackup.store import drive
from tests.toolkit.pictured_days import MINUTE, Counts, at, batch, largest_day

_BATCHES, _RACES = 600, 3


@click.command()
@click.option("--rounds", default=9, show_default=True)
def main(rounds: int) -> None:
    """Print the medians of all, measured in turns, and how many times as long as Python's start each takes."""
    with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as name:
        folder = Path(name)
        _fill(drive.root(folder))
        options = ["--target", str(folder), "--spool", str(folder / "spool"), "--log-file", str(folder / "log")]
        told = largest_day(_BATCHES, _RACES)
        ways: dict[str, tuple[float, Callable[[], object]]] = {
            "python -c pass": (0.0, lambda: _run("-c", "pass")),
            "meosbackup --version": (0.15, lambda: _run("-m", "meosbackup", "--version")),
            f"meosbackup list, {_BATCHES} batches": (0.5, lambda: _run("-m", "meosbackup", "list", *options)),
            f"RESTORE.html, {_BATCHES} batches": (0.2, lambda: page.page_html(told)),
        }
        seconds: dict[str, list[float]] = {what: [] for what in ways}
        for _ in range(rounds):
            for what, (_, way) in ways.items():
                began = time.perf_counter()
                way()
                seconds[what].append(time.perf_counter() - began)
    python = statistics.median(seconds["python -c pass"])
    click.echo(f"{'seconds':<32} {'min':>7} {'median':>7} {'of Python':>10} {'aim at most':>12}")
    for what, (aim, _) in ways.items():
        median = statistics.median(seconds[what])
        click.echo(f"{what:<32} {min(seconds[what]):>7.3f} {median:>7.3f} {median / python:>10.1f} {aim or '':>12}")


def _fill(root: Path) -> None:
    """Write what `list` reads of a day's batches."""
    for minute in range(_BATCHES):
        taken = at("07:00:00") + minute * MINUTE
        made = batch(taken, {f"Deltävling {place}": Counts(300, minute, minute) for place in range(_RACES)})
        folder = root / names.folder_name(taken)
        folder.mkdir(parents=True)
        batch_file.write(folder, replace(made, sequence=minute + 1))


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    main()
