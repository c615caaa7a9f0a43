"""Rows that are known from the pass before: whatever is made of a dump, it is what would be made without them."""

from collections.abc import Collection, Sequence
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.dump import reader
from meosbackup.dump.contents import Contents, Inspection
from meosbackup.dump.fingerprint import Fingerprint, TableDigest
from meosbackup.dump.reader import BadDumpError, Sink, Table
from meosbackup.dump.rows import Literals, Row, RowMemory, Value, values
from meosbackup.meosxml.convert import Draft, Source
from tests.toolkit.dumps import COMPLETED, MARIADB, Style, contents, every_style, in_all_styles, statements, styles
from tests.toolkit.meosfiles import NEVER, VERSION, in_style
from tests.toolkit.servers import DATA

PLENTY = 1 << 20
TEXTS = ["Larsson, Anna", "),(", "1,2", "x', 'y", "a,", ", b", "');\n", "\\", "it''s", "NULL", "", "😀 Å", "\r\n", " "]
CELLS = st.none() | st.integers(-3, 3) | st.sampled_from(TEXTS) | st.sampled_from([b"\xff", b"),(", b"'"])
TABLES = [Table("oRunner", ("Id", "Name", "Removed"), "MyISAM"), Table("oClub", ("Id", "a,b"), "MyISAM")]


class Collector(Sink):
    """Collects rows, all columns or all but the first, and counts those that it was asked about."""

    def __init__(self, first: int) -> None:
        self.first, self.asked = first, 0
        self.rows: list[tuple[str, Row]] = []

    def take_table(self, table: Table) -> Collection[str] | None:
        self.table = table.name
        return table.columns[self.first :]

    def made_of(self, columns: Sequence[Literals]) -> Sequence[Any]:
        rows = [values(row) for row in zip(*columns, strict=True)]
        self.asked += len(rows)
        return rows

    def take_rows(self, made: Sequence[Any]) -> None:
        self.rows += [(self.table, row) for row in made]


Found = tuple[list[tuple[str, Row]], list[tuple[str, Row]], dict[str, TableDigest], Contents]


def found(dump: Path, memory: RowMemory | None = None) -> Found:
    collectors, digests, inspection = (Collector(0), Collector(1)), Fingerprint(), Inspection()
    reader.read_through(dump, [*collectors, digests, inspection], None, memory)
    return collectors[0].rows, collectors[1].rows, digests.digests(), inspection.contents()


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows") / "race.dump.sql"


FILLED = st.tuples(
    *(st.lists(st.tuples(*[CELLS] * len(table.columns)), max_size=6) for table in TABLES), st.booleans(), styles
)


@in_all_styles
@given(passes=st.lists(FILLED, min_size=2, max_size=4), limit=st.sampled_from([0, 40, PLENTY]))
def test_a_row_that_is_known_comes_to_the_same(
    dump: Path, passes: list[tuple[list[Row], list[Row], bool, Style]], limit: int
) -> None:
    memory = RowMemory(lambda: limit - memory.size)
    for runners, clubs, is_other, style in passes:
        tables = [(TABLES[0], runners), (Table("oClub", ("Id", "x"), "MyISAM") if is_other else TABLES[1], clubs)]
        dump.write_bytes(b"".join(statements(*table, style) for table in tables) + COMPLETED)
        assert found(dump, memory) == found(dump)
        assert memory.size <= limit


def test_only_rows_that_are_new_are_read(dump: Path) -> None:
    memory, rows = RowMemory(lambda: PLENTY), [(number, f"Larsson, Anna {number}", 0) for number in range(100)]
    for changed, asked in ((0, 100), (0, 0), (3, 3), (5, 5), (5, 0)):
        rows[:changed] = [(number, f"new {changed}", 0) for number in range(changed)]
        dump.write_bytes(statements(TABLES[0], rows, MARIADB) + COMPLETED)
        collector = Collector(0)
        reader.read_through(dump, [collector], None, memory)
        assert [row for _, row in collector.rows] == rows
        assert collector.asked == asked


def test_of_a_pass_that_failed_nothing_is_known(dump: Path) -> None:
    memory, text = RowMemory(lambda: PLENTY), statements(TABLES[1], [(1, "x")])
    dump.write_bytes(text + b"INSERT INTO `oClub` VALUES (1,2,3);\n" + COMPLETED)
    with pytest.raises(BadDumpError):
        reader.read_through(dump, [Collector(0)], None, memory)
    dump.write_bytes(text + COMPLETED)
    collector = Collector(0)
    reader.read_through(dump, [collector], None, memory)
    assert collector.asked == 1


@pytest.mark.parametrize("race", ["individual", "relay"])
@every_style
def test_a_file_of_meos_is_the_same_whatever_is_known(dump: Path, race: str, style: Style) -> None:
    memory, tables = RowMemory(lambda: PLENTY), contents(DATA / f"{race}.sql")
    for change, (version, zone) in enumerate(
        [(VERSION, UTC), (VERSION, UTC), (88, UTC), (88, timezone(timedelta(hours=1)))]
    ):
        changed = [(table, [_changed(table, row, change) for row in rows]) for table, rows in tables]
        dump.write_bytes(in_style(changed, style))
        made = []
        for known in (memory, None):
            target = dump.with_suffix(f".{known is None}")
            draft = Draft(target, version, zone)
            reader.read_through(dump, [draft], None, known)
            draft.finish(Source(dump, version, zone), target, NEVER)
            made.append(target.read_bytes())
        assert made[0] == made[1]


def _changed(table: Table, row: Row, change: int) -> Row:
    """Change every third row's name and times."""
    if not (isinstance(row[0], int) and row[0] % 3 == 0 and table.name.lower() in {"orunner", "oclub", "ocard"}):
        return row
    names: dict[str, Value] = {
        "Name": f"Ö, {change}",
        "StartTime": 36_000 + change,
        "Modified": f"2026-11-22 21:3{change}:00",
    }
    return tuple(names.get(column, value) for column, value in zip(table.columns, row, strict=True))
