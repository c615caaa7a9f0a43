"""How long meosbackup.exe takes to start, beside the same meosbackup in a Python for Windows: both in turns.

python -m tests.tools.bench.exe_start
"""

import statistics
import time
from dataclasses import replace

import click

from tests.toolkit import exe, windows_parts
from tests.toolkit.windows import Windows, spelled, windows

_TURNS = 7


@click.command()
def main() -> None:
    """Print how long `--version` takes both ways, and the size of the exe."""
    with windows(windows_parts.find()) as packaged:
        made = exe.have(packaged)
        ways = {"meosbackup.exe": replace(packaged, tool=(spelled(made),)), "Python's meosbackup": packaged}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_TURNS):
            for name, machine in ways.items():
                seconds[name].append(_start(machine))
    click.echo(f"{'seconds until --version has ended':<34} {'min':>6} {'median':>6} {'max':>6}")
    for name, each in seconds.items():
        click.echo(f"{name:<34} {min(each):>6.2f} {statistics.median(each):>6.2f} {max(each):>6.2f}")
    exes, packages = (statistics.median(each) for each in seconds.values())
    click.echo(f"ratio of the medians {exes / packages:.2f}; size of the exe {made.stat().st_size / 1e6:.1f} MB")


def _start(machine: Windows) -> float:
    began = time.monotonic()
    assert machine.meosbackup("--version").returncode == 0
    return time.monotonic() - began


if __name__ == "__main__":
    main()
