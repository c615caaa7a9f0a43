"""The whole matrix, and its table written into CONTRIBUTING.md.

python -m tests.tools.matrix [--tool-every N] [--ticks N]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tests.toolkit.cache import NotToBeHadError
from tests.toolkit.servers import RACE_LIST, RELAY
from tests.tools.matrix import installations, race_day
from tests.tools.matrix.grid import Cell, cells, hosts, portable_files
from tests.tools.matrix.installations import Installation
from tests.tools.matrix.race_day import RaceDay

_MARK = "<!-- the matrix -->\n"
_DOCUMENT = Path(__file__).parents[3] / "CONTRIBUTING.md"


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description="Every dump program, source, client program and destination.")
    parser.add_argument(
        "--tool-every", type=int, default=1, metavar="N", help="have the tool restore each Nth way only"
    )
    parser.add_argument(
        "--ticks", type=int, default=60, metavar="N", help="ticks of the daemon's race day, one a second"
    )
    chosen = parser.parse_args()
    found: list[Installation] = []
    for name in installations.NAMES:
        try:
            found.append(installations.find(name))
        except NotToBeHadError as error:
            click.echo(f"{name} can't be had: {error}")
    done: list[Cell] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells(found, Path(folder), tool_every=chosen.tool_every):
            done.append(cell)
            way = f"{cell.source}, dumped by {cell.entry}, fed by {cell.client} to {cell.destination}"
            click.echo(f"{len(done)}: {way}: {cell.fault or 'ok'}")
    days = race_days(found, chosen.ticks)
    minutes = (time.monotonic() - began) / 60
    faults = sum(bool(cell.fault) for cell in done) + sum(bool(day.fault) for day in days.values())
    click.echo(f"{len(done)} ways, {faults} with a fault, {minutes:.1f} minutes")
    text = table(done, [item.name for item in found]) + days_told(days)
    before, _, rest = _DOCUMENT.read_text("utf-8").partition(_MARK)
    _, _, after = rest.partition(_MARK)
    _DOCUMENT.write_text(before + _MARK + text + _MARK + after, "utf-8")
    return 1 if faults else 0


def race_days(found: Sequence[Installation], ticks: int) -> dict[str, RaceDay]:
    """Have the daemon work against each server, with its own dump program."""
    days = {}
    for item in found:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = portable_files(folder)
            wanted = {RACE_LIST: files[RACE_LIST], RELAY: files[RELAY]}
            with hosts([item], folder, files=wanted) as [host]:
                (folder / "day").mkdir()
                days[item.name] = race_day.run(host.server, item, folder / "day", ticks)
        click.echo(f"{item.name}: {days[item.name]}")
    return days


def days_told(days: Mapping[str, RaceDay]) -> str:
    """Return what came of the race days, a line each."""
    lines = [
        f"- {name}: {day.ticks} ticks, {day.batches} batches, {day.fault or 'no trouble, all verified'}"
        for name, day in days.items()
    ]
    return "\n".join(["The daemon at an interval of a second, while a laptop changes a race:", "", *lines, "", ""])


def table(done: Sequence[Cell], names: Sequence[str]) -> str:
    """Return the table: a row for each source and dump program, a column for each client program."""
    lines = [
        "\n| source, dumped by | " + " | ".join(f"fed by {name} to all" for name in names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    for source in names:
        for dump in names:
            row = [f"{source}, {dump}"]
            for client in names:
                of = [cell for cell in done if (cell.source, cell.entry, cell.client) == (source, dump, client)]
                wrong = [cell.destination for cell in of if cell.fault]
                row.append(f"not to {', '.join(wrong)}" if wrong else f"{len(of)} of {len(of)}")
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main())
