"""How little meosbackup is felt, beside what else people back races up with: one table, all sides in one run.

python -m tests.tools.bench.lightness

(a) is a plain mysqldump of each race in turn, straight onto the target; (b) the same through gzip; (c) mydumper. The
machine should have nothing else to do: waits are the longest ones, ticks are medians.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from meosbackup import console
from meosbackup.console import Console
from tests.tools.bench import amounts, rows, sides
from tests.tools.bench.rows import Row

_HEAD = ("what", "no backup", "meosbackup", *(side.name for side in sides.RIVALS), "of (a)", "aim at most", "")


@click.command()
@click.option("--ticks", default=1000, show_default=True, help="Ticks for what is held in the end.")
@click.option("--megabytes", default=1000, show_default=True, help="Size of the large database.")
@click.option("--only", multiple=True, help="Measure these alone, by a part of their names.")
def main(ticks: int, megabytes: int, only: tuple[str, ...]) -> None:
    """Measure all, and print the table."""
    if missing := sides.missing():
        raise click.ClickException(f"not installed: {', '.join(missing)}")
    logging.disable(logging.WARNING)
    measurements: dict[str, Callable[[Path], Iterator[Row]]] = {
        "waits": rows.longest_waits,
        "quiet": rows.quiet_tick,
        "memory": lambda folder: amounts.peak_memory(folder, megabytes),
        "steadiness": lambda folder: amounts.steadiness(folder, ticks),
    }
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as folder:
        for name, measure in measurements.items():
            if not only or any(part in name for part in only):
                began = time.monotonic()
                for row in measure(Path(folder)):
                    found.append(row)
                    click.echo(f"{time.monotonic() - began:5.0f} s: {'; '.join(filter(None, _line(row)))}", err=True)
    Console().table(_HEAD, [_line(row) for row in found])
    console.finish()


def _line(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    return row.what, row.none, row.ours, *row.rivals, ratio, row.aim, "reached" if row.is_reached else "NOT reached"


if __name__ == "__main__":
    main()
