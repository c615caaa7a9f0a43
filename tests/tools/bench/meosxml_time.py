"""Measure how long it takes to make MeOS's own file of a race from its dump, and the memory that it needs.

Run it from the repository: python -m tests.tools.bench.meosxml_time [ROUNDS]

The races are tests/data/big.sql with more runners, each with a card of 21 punches; the last one has a map of 5 MB.
Times are seconds; the memory is the most that was allocated at a time, in a run of its own, and the table is what the
largest table takes in the dump. What the tick waits for is the time.
"""

import statistics
import sys
import tempfile
import threading
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from meosbackup.dump import reader
from meosbackup.dump.reader import Table
from meosbackup.dump.rows import Row, Value
from meosbackup.meosxml import convert
from meosbackup.meosxml.convert import Source
from tests.toolkit.dumps import COMPLETED, MARIADB, statements
from tests.toolkit.servers import DATA

_PUNCHES = "3-54000.0#66328779;" + "".join(f"{31 + count}-{5400 + 90 * count}.0#1240266600;" for count in range(20))
_MAP = '<?xml version="1.0" encoding="UTF-8"?>\n\n\n<Maps>\n<Map>\n<mapid>4711</mapid>\n</Map>\n</Maps>\n'


@dataclass(frozen=True)
class _Case:
    runners: int
    limit: float
    image: int = 0


_CASES = (_Case(1_500, 0.5), _Case(5_000, 1.5), _Case(20_000, 6.0), _Case(1_500, 5.0, 5_000_000))


def main() -> None:
    """Measure, and print a table."""
    rounds = int(next((argument for argument in sys.argv[1:] if argument.isdecimal()), 5))
    print("runners   map MB   dump MB   table MB   file MB   seconds    at most   memory MB")  # noqa: T201
    with tempfile.TemporaryDirectory() as name:
        for case in _CASES:
            dump, target = Path(name, "race.sql"), Path(name, "race.meosxml")
            largest = _write(case, dump)
            source = Source(dump, 101)
            times = [_timed(source, target) for _ in range(rounds)]
            tracemalloc.start()
            _timed(source, target)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            sizes = (case.image, dump.stat().st_size, largest, target.stat().st_size)
            shown = "  ".join(f"{size / 1e6:8.1f}" for size in sizes)
            middle = statistics.median(times)
            print(f"{case.runners:7,}  {shown}  {middle:8.2f}   {case.limit:8.1f}   {peak / 1e6:9.1f}")  # noqa: T201


def _write(case: _Case, dump: Path) -> int:
    """Write the dump of a race, and return the bytes of its largest table."""
    tables: list[tuple[Table, list[Row]]] = []
    for table, row in reader.read(DATA / "big.sql"):
        if row is None:
            tables.append((table, []))
        else:
            tables[-1][1].append(row)
    with dump.open("wb") as file:
        sizes = [file.write(statements(table, _rows(case, table, rows), MARIADB)) for table, rows in tables]
        file.write(COMPLETED)
    return max(sizes)


def _rows(case: _Case, table: Table, rows: list[Row]) -> list[Row]:
    match table.name:
        case "orunner":
            return [
                _with(table, rows[number % len(rows)], Id=number, Card=number) for number in range(1, case.runners + 1)
            ]
        case "ocard":
            card = _with(table, rows[0], Punches=_PUNCHES)
            return [_with(table, card, Id=number) for number in range(1, case.runners + 1)]
        case "oevent" if case.image:
            return [_with(table, rows[0], Maps=_MAP)]
        case "oimage" if case.image:
            return [(4711, "karta.png", 0, bytes(range(256)) * (case.image // 256))]
    return rows


def _with(table: Table, row: Row, **values: Value) -> Row:
    return tuple(values.get(column, value) for column, value in zip(table.columns, row, strict=True))


def _timed(source: Source, target: Path) -> float:
    began = time.perf_counter()
    convert.convert(source, target, threading.Event())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
