"""The whole matrix, and its table written into CONTRIBUTING.md.

python -m tests.matrix [--tool-every N]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from tests.matrix import installations
from tests.matrix.grid import Cell, cells
from tests.matrix.installations import Installation, NotToBeHadError

_MARK = "<!-- the matrix -->\n"
_DOCUMENT = Path(__file__).parents[2] / "CONTRIBUTING.md"


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description="Every dump program, source, client program and destination.")
    parser.add_argument(
        "--tool-every", type=int, default=1, metavar="N", help="have the tool restore each Nth way only"
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
            way = f"{cell.source}, dumped by {cell.dump}, fed by {cell.client} to {cell.destination}"
            click.echo(f"{len(done)}: {way}: {cell.fault or 'ok'}")
    minutes = (time.monotonic() - began) / 60
    faults = sum(bool(cell.fault) for cell in done)
    click.echo(f"{len(done)} ways, {faults} with a fault, {minutes:.1f} minutes")
    before, _, rest = _DOCUMENT.read_text("utf-8").partition(_MARK)
    _, _, after = rest.partition(_MARK)
    _DOCUMENT.write_text(before + _MARK + table(done, [item.name for item in found]) + _MARK + after, "utf-8")
    return 1 if faults else 0


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
                of = [cell for cell in done if (cell.source, cell.dump, cell.client) == (source, dump, client)]
                wrong = [cell.destination for cell in of if cell.fault]
                row.append(f"not to {', '.join(wrong)}" if wrong else f"{len(of)} of {len(of)}")
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main())
