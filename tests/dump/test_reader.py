"""Dumps are read back as they were written, in whichever style, and never pass for whole when they are not."""

import hashlib
import io
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.model import Freshness
from meosbackup.dump import fingerprint, portable, scanner
from meosbackup.dump.contents import Contents, inspect
from meosbackup.dump.portable import Written
from meosbackup.dump.reader import BadDumpError, Table
from meosbackup.dump.rows import Row, Value
from meosbackup.dump.scanner import PIECE, Kind
from meosbackup.errors import DumpFailedError, StoppedError
from meosbackup.meos import relisting
from tests.toolkit.dumps import COMPLETED, Style, contents, every_style, in_all_styles, statements, styles

DATA = Path(__file__).parents[1] / "data"
SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"


def seen(value: Value, style: Style) -> Value:
    """Return what a value is when it is read back: MariaDB doesn't say of quoted bytes that they are no text."""
    if not isinstance(value, bytes) or style.binary_mark or (style.hex_blob and value):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for the examples of a test to be written to, one after the other."""
    return tmp_path_factory.mktemp("dumps") / "race.dump.sql"


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
nasty = st.sampled_from([
    "COLLATE=utf8mb4_0900_ai_ci", ") ENGINE=InnoDB COLLATE=utf8mb4_uca1400_ai_ci;", SANDBOX.decode(), "');\n", "\\",
    "\n-- Dump completed\n", "\n  `Id` int COLLATE utf8mb4_0900_ai_ci", "it''s", "NULL", "0x41", "%_\\%\\_",
    "\r\n\t\b\x1a\0", "INSERT INTO `oRunner` VALUES\n(1);\n", "😀 Åsa \u2028", "),(", "_binary 'x'",
])  # fmt: skip
values = st.none() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary() | nasty


@st.composite
def filled_tables(draw: st.DrawFn) -> tuple[Table, list[Row]]:
    columns = tuple(draw(st.lists(names, min_size=1, max_size=5, unique_by=str.lower)))
    rows = draw(st.lists(st.tuples(*[values] * len(columns)), max_size=5))
    return Table(draw(names), columns, draw(st.sampled_from(["MyISAM", "InnoDB", "Aria"]))), list(rows)


@in_all_styles
@given(style=styles, tables=st.lists(filled_tables(), max_size=3))
def test_what_was_written_is_read_back(file: Path, style: Style, tables: list[tuple[Table, list[Row]]]) -> None:
    file.write_bytes(b"".join(statements(*table, style) for table in tables) + COMPLETED)
    expected = [(table, [tuple(seen(value, style) for value in row) for row in rows]) for table, rows in tables]
    assert contents(file) == expected
    assert contents(file, lambda _: False) == [(table, []) for table, _ in tables]
    assert inspect(file).completed


@in_all_styles
@given(style=styles, table=filled_tables(), order=st.randoms(use_true_random=False))
def test_digests_depend_on_the_contents_alone(
    file: Path, style: Style, table: tuple[Table, list[Row]], order: random.Random
) -> None:
    file.write_bytes(statements(*table) + COMPLETED)
    digests = fingerprint.table_digests(file)
    rows = list(table[1])
    order.shuffle(rows)
    other = Table(table[0].name.lower(), tuple(column.lower() for column in table[0].columns), "Aria")
    file.write_bytes(statements(other, rows, style) + COMPLETED)
    assert fingerprint.table_digests(file) == digests
    assert [digest.rows for digest in digests.values()] == [len(rows)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(5, None)], [("5", None)]),
        ([("a", None)], [("a", "")]),
        ([("a", "b")], [("b", "a")]),
        ([("a,", "b")], [("a", ",b")]),
        ([("1:x", "")], [("1", ":x")]),
        ([(1, 2), (1, 2)], [(1, 2)]),
        ([(1, 2), (1, 2)], [(1, 3), (1, 3)]),
        ([("-1.5", 0)], [("-1.50", 0)]),
    ],
)
def test_digests_tell_other_contents_apart(tmp_path: Path, one: list[Row], other: list[Row]) -> None:
    digests = []
    for rows in (one, other):
        (tmp_path / "dump.sql").write_bytes(statements(Table("t", ("a", "b"), "MyISAM"), rows) + COMPLETED)
        digests.append(fingerprint.table_digests(tmp_path / "dump.sql")["t"])
    assert digests[0] != digests[1]


def test_a_table_that_two_dumps_have_is_in_neither_what_it_is_in_both(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(statements(Table("t", ("a", "b"), "MyISAM"), [(1, 2)]) + COMPLETED)
    both = fingerprint.table_digests(tmp_path / "a", tmp_path / "b")
    assert both["t"].rows == 2
    assert both["t"].digest != fingerprint.table_digests(tmp_path / "a")["t"].digest


def test_digests_tell_columns_apart_where_there_are_no_rows(tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_bytes(statements(Table("T", ("Id", "Name"), "MyISAM"), []) + statements(Table("u", ("Id",), "x"), []))
    digests = fingerprint.table_digests(dump)
    assert digests.keys() == {"t", "u"}
    assert digests["t"] != digests["u"]


STATEMENTS = st.sampled_from([
    b"-- x\n", SANDBOX, COMPLETED, b"\n", b"CREATE DATABASE `a\nb`;\n", b"USE `a``b`;\n", b"USE `a\n",
    b"DELIMITER ;;\n", b"DELIMITER ;\n", b"CREATE TABLE `t` (\n", b"  `a` int\n", b") ENGINE=x;\r\n",
    b"INSERT INTO `t` VALUES (1),", b"(2);\n", b"('x;", b"\r\n", relisting.MARK, b"UNLOCK TABLES;\n",
])  # fmt: skip


@given(
    content=st.lists(STATEMENTS | st.binary(max_size=40), max_size=30).map(b"".join),
    size=st.integers(1, 100) | st.just(PIECE),
)
def test_the_pieces_of_any_file_are_the_file(content: bytes, size: int) -> None:
    pieces = list(scanner.scan(io.BytesIO(content), size))
    assert b"".join(piece.data for piece in pieces) == content
    assert all(piece.data for piece in pieces)
    assert [piece.begins for piece in pieces[1:]] == [piece.ends for piece in pieces[:-1]]
    for one, other in pairwise(pieces):
        assert other.begins or one.kind is other.kind


@in_all_styles
@given(style=styles, tables=st.lists(filled_tables(), max_size=3), before=st.binary(max_size=200))
def test_a_statement_is_cut_alike_wherever_it_stands(
    style: Style, tables: list[tuple[Table, list[Row]]], before: bytes
) -> None:
    content = b"".join(statements(*table, style) for table in tables) + COMPLETED
    comment = b"-- " + before.replace(b"\n", b"") + b"\n"
    alone, after_comment = (
        [piece for piece in scanner.scan(io.BytesIO(text), 16) if piece.kind is not Kind.COMMENT]
        for text in (content, comment + content)
    )
    assert alone == after_comment


def test_each_statement_is_known_by_its_kind() -> None:
    content = (
        SANDBOX + b"-- a\n/*!40101 SET NAMES utf8mb4 */;\nCREATE DATABASE `x\n-- y`;\nUSE `x\n-- y`;\n" + MARIADB_DUMP
        + relisting.MARK + b"INSERT `x`\n-- Dump completed\n"
    )  # fmt: skip
    pieces = list(scanner.scan(io.BytesIO(content)))
    kinds = [kind for kind, _ in groupby(pieces, lambda piece: piece.kind)]
    assert kinds == [
        Kind.SANDBOX, Kind.COMMENT, Kind.OTHER, Kind.DATABASE, Kind.TABLE, Kind.OTHER, Kind.INSERT, Kind.OTHER,
        Kind.TABLE, Kind.TRIGGER, Kind.RACE_LIST, Kind.COMPLETED,
    ]  # fmt: skip
    assert next(scanner.character_set(piece) for piece in pieces if piece.kind is Kind.OTHER) == "utf8mb4"
    assert [scanner.name_in(piece) for piece in pieces if piece.kind is Kind.TABLE and piece.begins] == ["a`b", "e"]


# What MariaDB 10.11's mysqldump writes, without --hex-blob, of a table with a generated column, of one in partitions,
# and of a trigger.
MARIADB_DUMP = (
    rb"""CREATE TABLE `a``b` (
  `id` int(11) DEFAULT NULL,
  `t` text DEFAULT NULL,
  `b` longblob DEFAULT NULL,
  `f` double DEFAULT NULL,
  `d` decimal(10,3) DEFAULT NULL,
  `z` int(5) unsigned zerofill DEFAULT NULL,
  `g` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  `x``y` timestamp NULL DEFAULT NULL,
  KEY `id` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci;
LOCK TABLES `a``b` WRITE;
/*!40000 ALTER TABLE `a``b` DISABLE KEYS */;
INSERT INTO `a``b` VALUES
(1,'"""
    + "å".encode()
    + rb"""\nb\r	\Z\0\'\"\\ %_','\0"""
    + b"\xff"
    + rb"""\'\n\\\r\Z\"',1e25,-1.500,00005,2,NULL),
(-3,'',NULL,0.1,0.000,00000,-2,'2026-11-22 21:17:02');
/*!40000 ALTER TABLE `a``b` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `e`;
CREATE TABLE `e` (
  `"""
    + "ä".encode()
    + rb"""` int(11) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci
 PARTITION BY HASH (`"""
    + "ä".encode()
    + rb"""`);
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 trigger tr after insert on e for each row begin
INSERT INTO `zz` VALUES (1);
CREATE TABLE `zz` (
end
*/;;
DELIMITER ;
"""
)


def test_a_dump_by_mariadb(tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_bytes(MARIADB_DUMP + COMPLETED)
    assert contents(dump) == [
        (
            Table("a`b", ("id", "t", "b", "f", "d", "z", "g", "x`y"), "InnoDB"),
            [
                (1, "å\nb\r\t\x1a\0'\"\\ %_", b"\0\xff'\n\\\r\x1a\"", "1e25", "-1.500", 5, 2, None),
                (-3, "", None, "0.1", "0.000", 0, -2, "2026-11-22 21:17:02"),
            ],
        ),
        (Table("e", ("ä",), "MyISAM"), []),
    ]


def rows_of(tmp_path: Path, insert: bytes) -> list[Row]:
    dump = tmp_path / "dump.sql"
    dump.write_bytes(statements(Table("t", ("a", "b"), "MyISAM"), []) + insert + COMPLETED)
    return contents(dump)[0][1]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (rb"'\0\b\n\r\t\Z\"\'\\'", "\0\b\n\r\t\x1a\"'\\"),
        (rb"'\%\_\x''\''", "\\%\\_x''"),  # as MariaDB 10.11 and MySQL read them
        (rb"''''", "'"),
        (rb"'\\'", "\\"),
        (b"''", ""),
        (b"0x", b""),
        (b"0x00fF", b"\0\xff"),
        (b"x'00fF'", b"\0\xff"),
        (b"X''", b""),
        (b"0x123", b"\x01\x23"),
        (b"_binary ''", b""),
        (b"_binary 'abc\\0'", b"abc\0"),
        (b"'\xff'", b"\xff"),
        (b"-0", 0),
        (b"18446744073709551615", 2**64 - 1),
        (b"-1.7976931348623157e308", "-1.7976931348623157e308"),
        (b"9" * 5000, "9" * 5000),  # more digits than Python makes a number of
    ],
)
def test_each_way_to_write_a_value(tmp_path: Path, written: bytes, value: Value) -> None:
    assert rows_of(tmp_path, b"INSERT INTO `t` VALUES (1," + written + b"),(" + written + b",2);\n") == [
        (1, value), (value, 2),
    ]  # fmt: skip


def test_columns_may_be_named_in_another_order_or_left_out(tmp_path: Path) -> None:
    assert rows_of(tmp_path, b"INSERT INTO `t` (`b`, `a`) VALUES (1,2);\n") == [(2, 1)]
    assert rows_of(tmp_path, b"INSERT INTO `t` (`b`) VALUES\n(1),\n(2);\n") == [(None, 1), (None, 2)]


@pytest.mark.parametrize(
    "insert",
    [
        b"INSERT INTO `other` VALUES (1,2);\n",
        b"INSERT IGNORE INTO `t` VALUES (1,2);\n",
        b"INSERT INTO `t` VALUES (1);\n",
        b"INSERT INTO `t` VALUES (1,2),(1,2,3);\n",
        b"INSERT INTO `t` (`a`, `c`) VALUES (1,2);\n",
        b"INSERT INTO `t` (`a`) VALUES (1,2);\n",
        b"INSERT INTO `t` VALUES (1,'2);\n",
        b"INSERT INTO `t` VALUES (1,2;\n",
        b"INSERT INTO `t` VALUES (1,NOW());\n",
        b"INSERT INTO `t` VALUES (1,0x12G4);\n",
        b"INSERT INTO `t` VALUES (1,1-2);\n",
        b"INSERT INTO `t` VALUES (1,'a'b');\n",
        b"INSERT INTO `t` VALUES (1,2)\n",
        b"INSERT INTO `t` VALUES\n(1,2),\n",
        b"INSERT INTO `t` VALUES\n(1,2),\nUNLOCK TABLES;\n",
        b"CREATE TABLE u (\n  `a` int\n);\n",
        b"CREATE TABLE `u` (\n  PRIMARY KEY (`a`)\n);\n",
        b"CREATE TABLE `u` (\n  `a` int\n",
    ],
)
def test_what_no_dump_program_writes_is_refused(tmp_path: Path, insert: bytes) -> None:
    with pytest.raises(BadDumpError) as raised:
        rows_of(tmp_path, insert)
    assert isinstance(raised.value, DumpFailedError)
    assert "dump.sql" in raised.value.what


@every_style
def test_long_lines_are_passed_over_wherever_they_end(tmp_path: Path, style: Style) -> None:
    """The end of a statement may stand across the border between two pieces of a line."""
    dump, copy = tmp_path / "dump.sql", tmp_path / "copy.sql"
    long, after = Table("long", ("a",), "MyISAM"), (Table("after", ("b",), "MyISAM"), [(1,)])
    before = statements(long, [("",)], style).partition(b"(''")[0].rpartition(b"\n")[2] + b"('"
    for length in range(PIECE - len(before) - 8, PIECE - len(before) + 2):
        row = ("x" * length,)
        dump.write_bytes(statements(long, [row], style) + statements(*after, style) + COMPLETED)
        assert contents(dump, lambda name: name == "after") == [(long, []), after]
        assert contents(dump) == [(long, [row]), after]
        portable.make_portable(dump, copy)
        assert copy.read_bytes() == dump.read_bytes()


# Figures by SELECT on a MariaDB 10.11 server that the same files were loaded into.
RACE_FIGURES = {
    "big": ("21:32:22", 1503, 59, 60, 300, {"ocard": 60, "oclass": 3, "oclub": 16, "ocontrol": 25, "ocourse": 3,
            "oevent": 1, "opunch": 300, "orunner": 1503, "oteam": 0}),
    "empty": ("21:17:20", 0, 0, 0, 0, {"ocard": 0, "oclass": 0, "oclub": 0, "ocontrol": 0, "ocourse": 0,
              "oevent": 1, "opunch": 0, "orunner": 0, "oteam": 0}),
    "individual": ("21:17:12", 70, 43, 45, 12, {"ocard": 45, "oclass": 3, "oclub": 16, "ocontrol": 30, "ocourse": 3,
                   "oevent": 1, "opunch": 12, "orunner": 71, "oteam": 0}),
    "innodb": ("21:17:31", 83, 49, 50, 12, {"ocard": 50, "oclass": 3, "oclub": 16, "ocontrol": 31, "ocourse": 3,
               "oevent": 1, "opunch": 12, "orunner": 83, "oteam": 0}),
    "relay": ("21:17:19", 42, 30, 30, 5, {"ocard": 30, "oclass": 2, "oclub": 15, "ocontrol": 30, "ocourse": 3,
              "oevent": 1, "opunch": 5, "orunner": 42, "oteam": 14}),
    # The race list and a race in one file: the rows of both tables oEvent are counted.
    "lctn0": ("21:28:21", 43, 30, 30, 5, {"oevent": 2, "ocard": 30, "oclass": 2, "oclub": 15, "ocontrol": 30,
              "ocourse": 3, "opunch": 5, "orunner": 43, "oteam": 14}),
}  # fmt: skip
RACE_TABLES = "dbClub dbRunner oCard oClass oClub oControl oCounter oCourse oEvent oImage oMonitor oPunch oRunner oTeam"


@pytest.mark.parametrize("race", RACE_FIGURES)
def test_the_figures_of_real_races(race: str) -> None:
    change, entries, finished, cards, punches, rows = RACE_FIGURES[race]
    contents = inspect(DATA / f"{race}.sql")
    last_change = datetime.fromisoformat(f"2026-11-22T{change}").replace(tzinfo=UTC)
    assert contents.freshness == Freshness(last_change, entries, finished, cards, punches)
    assert contents.rows == rows
    assert contents.completed
    if race == "lctn0":
        assert contents.tables == ("oEvent", *RACE_TABLES.split())
    else:
        assert contents.tables == tuple(RACE_TABLES.lower().split())


def test_the_race_list_has_no_freshness() -> None:
    assert inspect(DATA / "meosmain.sql") == Contents(("oevent",), True, {"oevent": 4}, None)
    ((table, rows),) = contents(DATA / "meosmain.sql")
    assert table.columns[:5] == ("Id", "Name", "Annotation", "Date", "ZeroTime")
    assert table.engine == "MyISAM"
    assert rows[0][:3] == (1, "Höstmedeln «Осень» O'Cup", "Anteckning: åäö \\ ' \" ; -- /* ЖЩ */")


def test_freshness_does_with_the_columns_there_are(tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_bytes(
        statements(Table("ORUNNER", ("Id", "FINISHTIME"), "MyISAM"), [(1, 5), (2, 0), (3, -1), (4, None)])
        + statements(Table("oCard", ("Removed", "modified"), "MyISAM"), [
            (0, None), (1, "2026-11-22 10:00:01"), (0, "2026-11-22 10:00:00"), (0, "0000-00-00 00:00:00"), (0, "9"),
        ])
        + statements(Table("oMonitor", ("Modified",), "MyISAM"), [("2026-11-22 12:00:00",)])
        + COMPLETED
    )  # fmt: skip
    inspected = inspect(dump)
    assert inspected.freshness == Freshness(datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC), 4, 1, 4, 0)
    assert inspected.rows == {"orunner": 4, "ocard": 5}
    assert inspected.tables == ("ORUNNER", "oCard", "oMonitor")


@pytest.mark.parametrize(
    ("end", "completed"),
    [
        (b"\n-- Dump completed\n", True),
        (b"\n-- Dump completed on 2026-11-22 21:18:16\n", True),
        (b"\r\n-- Dump completed\r\n\r\n", True),
        (b"\n-- Dump completed", True),
        (b"\n-- Dump complete", False),
        (b"\n-- Dump completed\nUNLOCK TABLES;\n", False),
        (b"\n-- Dump completed\n" + b"\0" * 512, False),  # what a disk may hold after a power cut
        (b"x-- Dump completed\n", False),
        (b"", False),
    ],
)
def test_a_whole_dump_ends_with_the_line_that_says_so(tmp_path: Path, end: bytes, completed: bool) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_bytes(b"/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n" + end)
    assert inspect(dump).completed is completed
    dump.write_bytes(end.lstrip())
    inspect(dump)


def never_passes(dump: Path, content: bytes) -> None:
    dump.write_bytes(content)
    with suppress(BadDumpError):
        assert not inspect(dump).completed


@given(race=st.sampled_from(["big", "individual", "meosmain"]), share=st.floats(0, 1))
def test_a_dump_cut_short_anywhere_never_passes(file: Path, race: str, share: float) -> None:
    content = (DATA / f"{race}.sql").read_bytes()
    never_passes(file, content[: int(content.index(b"-- Dump completed") * share)])


def test_a_dump_cut_short_after_a_line_never_passes(tmp_path: Path) -> None:
    content = (DATA / "individual.sql").read_bytes()
    lines = content.splitlines(keepends=True)
    cut = 0
    for line in lines[:-1]:
        cut += len(line)
        never_passes(tmp_path / "dump.sql", content[:cut])


@pytest.mark.parametrize("wanted", [True, False])
@every_style
def test_a_statement_that_breaks_off_is_refused_wherever_it_does(tmp_path: Path, style: Style, wanted: bool) -> None:
    dump = tmp_path / "dump.sql"
    content = statements(Table("oRunner", ("Id", "Name"), "MyISAM"), [(1, "a);"), (2, "b\n")], style)
    insert, unlock = content.index(b"INSERT INTO"), content.index(b"UNLOCK")
    if style.a_statement_each:
        insert = content.rindex(b"INSERT INTO")
    for cut in range(insert + len(b"INSERT "), unlock):
        dump.write_bytes(content[:cut])
        with pytest.raises(BadDumpError):
            contents(dump, lambda _: wanted)


MYSQL_DATABASE = (
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `x` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci */"
    b" /*!80016 DEFAULT ENCRYPTION='N' */;\n"
)
PORTABLE = [
    (SANDBOX, b""),
    (b"/*!999999\\- enable the sandbox mode */\n", b""),
    (b"-- x\n" + SANDBOX, b"-- x\n" + SANDBOX),
    (
        MYSQL_DATABASE,
        MYSQL_DATABASE.replace(b"utf8mb4_0900_ai_ci", b"utf8mb4_general_ci"),
    ),
    (
        b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;\n",
        b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;\n",
    ),
    (
        b") ENGINE=Aria CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_nopad_as_cs COMMENT='COLLATE utf8mb4_0900_bin'\n",
        b") ENGINE=Aria CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='COLLATE utf8mb4_bin'\n",
    ),
    (b") ENGINE=MyISAM COLLATE=utf8mb3_uca1400_ai_ci;\n", b") ENGINE=MyISAM COLLATE=utf8mb3_general_ci;\n"),
    (b") ENGINE=MyISAM COLLATE=utf8mb3_uca1400_swedish_as_cs;\n", b") ENGINE=MyISAM COLLATE=utf8mb3_bin;\n"),
    (b"  `a` text COLLATE utf8mb4_sv_0900_ai_ci,\n", b"  `a` text COLLATE utf8mb4_general_ci,\n"),
    (b"  `a` text COLLATE latin1_swedish_nopad_ci,\n", b"  `a` text COLLATE latin1_swedish_ci,\n"),
    (b"  `a` text COLLATE utf8mb4_nopad_bin,\n", b"  `a` text COLLATE utf8mb4_bin,\n"),
    (
        b"  `a` text CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci DEFAULT NULL,\n",
        b"  `a` text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci DEFAULT NULL,\n",
    ),
    (b") ENGINE=MyISAM COLLATE=utf8mb3_general_ci;\n", b") ENGINE=MyISAM COLLATE=utf8mb3_general_ci;\n"),
    (b"  `a` text COLLATE utf8mb4_swedish_ci,\n", b"  `a` text COLLATE utf8mb4_swedish_ci,\n"),
    (b" `a` COLLATE utf8mb4_0900_ai_ci\n", b" `a` COLLATE utf8mb4_0900_ai_ci\n"),
    (b"(1,'COLLATE=utf8mb4_0900_ai_ci');\n", b"(1,'COLLATE=utf8mb4_0900_ai_ci');\n"),
    (b"  KEY `a` (`a`) COLLATE=utf8mb4_0900_ai_ci\n", b"  KEY `a` (`a`) COLLATE=utf8mb4_0900_ai_ci\n"),
    (b"", b""),
]


def in_a_table(line: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and after a line, if it is one of a table's definition."""
    before = b"CREATE TABLE `t` (\n  `id` int,\n" if line.startswith((b" ", b")")) else b""
    return before, b"" if line.endswith(b";\n") or not before else b"/* more */;\n"


@pytest.mark.parametrize(("source", "expected"), PORTABLE)
def test_the_two_changes_that_make_a_dump_portable(tmp_path: Path, source: bytes, expected: bytes) -> None:
    dump, copy = tmp_path / "dump.sql", tmp_path / "copy.sql"
    before, end = in_a_table(source)
    source, expected = before + source + end, before + expected + end
    for after in (b"", b"-- Dump completed", b"\r\n" * 3):
        dump.write_bytes(source + after)
        written = portable.make_portable(dump, copy, threading.Event())
        assert copy.read_bytes() == expected + after
        assert written == Written(len(expected + after), hashlib.sha256(expected + after).hexdigest())


def test_a_collation_far_out_in_a_long_definition_is_changed(tmp_path: Path) -> None:
    dump, copy = tmp_path / "dump.sql", tmp_path / "copy.sql"
    old, new = b" COLLATE utf8mb4_0900_ai_ci,\n", b" COLLATE utf8mb4_general_ci,\n"
    for length in range(PIECE - 40, PIECE + 10):
        dump.write_bytes(b"CREATE TABLE `t` (\n  `" + b"a" * length + b"` text" + old + b") ENGINE=x;\n")
        portable.make_portable(dump, copy)
        assert copy.read_bytes().endswith(b"a` text" + new + b") ENGINE=x;\n")


def test_a_piece_amid_a_long_line_is_not_taken_for_a_line(tmp_path: Path) -> None:
    dump, copy = tmp_path / "dump.sql", tmp_path / "copy.sql"
    for tail in (b") ENGINE=InnoDB COLLATE=utf8mb4_0900_ai_ci", b"INSERT INTO `x` VALUES (1);", b"CREATE TABLE `x` ("):
        insert = b"INSERT INTO `t` VALUES ('"
        insert += b"x" * (PIECE - len(insert)) + tail + b"');\n"
        dump.write_bytes(statements(Table("t", ("a",), "MyISAM"), []) + insert + COMPLETED)
        portable.make_portable(dump, copy)
        assert copy.read_bytes() == dump.read_bytes()
        assert [table.name for table, _ in contents(dump, lambda _: False)] == ["t"]


@in_all_styles
@given(style=styles, tables=st.lists(filled_tables(), max_size=3))
def test_a_portable_dump_holds_the_same_rows(file: Path, style: Style, tables: list[tuple[Table, list[Row]]]) -> None:
    text = b"".join(statements(*table, style) for table in tables) + COMPLETED
    file.write_bytes(SANDBOX + text)
    copy = file.with_suffix(".copy")
    portable.make_portable(file, copy)
    assert contents(copy) == contents(file)
    data = [line for line in text.split(b"\n") if line.startswith((b"INSERT", b"("))]
    assert [line for line in copy.read_bytes().split(b"\n") if line.startswith((b"INSERT", b"("))] == data


def test_copying_stops_when_told_to(tmp_path: Path) -> None:
    class SetLater(threading.Event):
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 50

    with pytest.raises(StoppedError):
        portable.make_portable(DATA / "big.sql", tmp_path / "copy.sql", SetLater())
    assert (tmp_path / "copy.sql").stat().st_size < (DATA / "big.sql").stat().st_size


@pytest.fixture(scope="module")
def map_dump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A dump with a line of 60 MB."""
    dump = tmp_path_factory.mktemp("map") / "dump.sql"
    with dump.open("wb") as file:
        file.write(statements(Table("oImage", ("Id", "Image"), "MyISAM"), []) + b"INSERT INTO `oImage` VALUES (1,0x")
        for _ in range(60):
            file.write(b"4f" * 500_000)
        file.write(b");\n" + statements(Table("oEvent", ("Id",), "MyISAM"), [(7,)]) + COMPLETED)
    yield dump
    dump.unlink()


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_map_that_nobody_asks_for_takes_no_memory(map_dump: Path, tmp_path: Path) -> None:
    inspected: list[Contents] = []
    assert peak(lambda: inspected.append(inspect(map_dump))) < 5_000_000
    assert inspected == [Contents(("oImage", "oEvent"), True, {"oevent": 1}, None)]
    copy = tmp_path / "copy.sql"
    written: list[Written] = []
    assert peak(lambda: written.append(portable.make_portable(map_dump, copy))) < 5_000_000
    assert written == [Written(map_dump.stat().st_size, hashlib.sha256(map_dump.read_bytes()).hexdigest())]


def test_a_map_is_read_where_it_is_asked_for(map_dump: Path) -> None:
    assert contents(map_dump)[0][1] == [(1, b"O" * 30_000_000)]
