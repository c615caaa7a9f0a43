"""A race's file is the one that MeOS itself makes of it, whatever wrote the dump and whatever the rows hold."""

import gc
import re
import shutil
import subprocess
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meosbackup.dump import portable, reader
from meosbackup.dump.contents import Inspection, inspect
from meosbackup.dump.reader import BadDumpError, Table
from meosbackup.dump.rows import Row, Value
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.meosxml import convert
from meosbackup.meosxml.convert import Draft, Source, UnconvertibleError
from meosbackup.meosxml.extras import encoded
from meosbackup.meosxml.tags import Writer
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.dumps import COMPLETED, MYSQL, STYLES, Style, contents, every_style
from tests.toolkit.meosfiles import LISTS, MAPS, VERSION, converted, decoded, in_style, made_by_meos, race_of, tree
from tests.toolkit.programs import needed
from tests.toolkit.servers import DATA, RELAY

PAIRS = ("empty", "individual", "relay", "innodb", "big", "lists")

every_pair = pytest.mark.parametrize("race", PAIRS)

Tree = tuple[str, tuple[tuple[str, str], ...], str, tuple[Any, ...]]


def canonical(element: ET.Element) -> Tree:
    """Return a tree that equals another whatever the order of its parts."""
    children = tuple(sorted(canonical(child) for child in element))
    return element.tag, tuple(sorted(element.items())), (element.text or "").strip(), children


def of(tmp_path: Path, race: str) -> Path:
    """Bring a race's dump to where its file can stand beside it."""
    dump = tmp_path / f"{race}.sql"
    dump.write_bytes((DATA / f"{race}.sql").read_bytes())
    return dump


# MeOS names its default font where the database has none.
UNNAMED_FONT = re.compile(rb'(<(SubHeadFont|ListFont|SubListFont) scale="0" above="0")>Arial</\2>')

# As MeOS makes it


@every_pair
def test_the_file_is_the_one_that_meos_makes(tmp_path: Path, race: str) -> None:
    made, by_meos = converted(of(tmp_path, race)), UNNAMED_FONT.sub(rb"\1/>", made_by_meos(race))
    assert Counter(made.splitlines()) == Counter(by_meos.splitlines())
    assert canonical(tree(made)) == canonical(tree(by_meos))
    assert len(made) == len(by_meos)


@every_style
@pytest.mark.parametrize("race", ["individual", "relay"])
def test_whatever_program_wrote_the_dump(tmp_path: Path, race: str, style: Style) -> None:
    dump = tmp_path / "race.sql"
    dump.write_bytes(in_style(contents(DATA / f"{race}.sql"), style))
    assert Counter(converted(dump).splitlines()) == Counter(made_by_meos(race).splitlines())


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--skip-extended-insert"], ""),
        (["--complete-insert", "--skip-opt", "--skip-tz-utc"], ""),
        (["--hex-blob", "--single-transaction", "--net-buffer-length=4096"], ""),
        (["--compact"], "cut short"),
        (["--skip-comments"], "cut short"),
        (["--skip-quote-names"], "can't be understood"),
        (["--default-character-set=latin1"], "character set latin1"),
    ],
)
def test_a_dump_that_somebody_made_by_hand_is_read_right_or_refused(
    server: PrivateServer, tmp_path: Path, options: list[str], refused: str
) -> None:
    dump = tmp_path / "race.sql"
    with dump.open("wb") as file:
        login = ["--no-defaults", f"--socket={server.socket}", "--user=root"]
        program = shutil.which("mysqldump") or needed("mariadb-dump")
        subprocess.run([program, *login, *options, RELAY], stdout=file, check=True)
    if refused:
        with pytest.raises(MeosBackupError, match=refused):
            converted(dump)
        assert list(tmp_path.iterdir()) == [dump]
    else:
        assert Counter(converted(dump).splitlines()) == Counter(made_by_meos("relay").splitlines())


def test_whatever_the_order_and_the_case_of_tables_and_however_many_others(tmp_path: Path) -> None:
    dump = tmp_path / "race.sql"
    maps: list[Row] = [(1, b"\0\xff" * 1000), (2, "');\n")]
    tables = [
        (Table(table.name.upper(), table.columns, "InnoDB"), list(reversed(rows)))
        for table, rows in reversed(contents(DATA / "relay.sql"))
    ]
    dump.write_bytes(in_style([(Table("Oxygen map", ("Id", "Data"), "Aria"), maps), *tables], MYSQL))
    assert Counter(converted(dump).splitlines()) == Counter(made_by_meos("relay").splitlines())


def test_the_race_of_a_server_with_names_in_both_cases(tmp_path: Path) -> None:
    dump = tmp_path / "race.sql"
    race = (DATA / "lctn0.sql").read_bytes().split(b"\nCREATE DATABASE ")[-1]
    dump.write_bytes(race)
    found = inspect(dump).freshness
    assert found is not None
    assert len(tree(converted(dump)).findall("RunnerList/Runner")) == found.entries > 0


# Not as it should be


@every_pair
def test_a_dump_that_is_cut_short_is_refused(tmp_path: Path, race: str) -> None:
    whole, dump = (DATA / f"{race}.sql").read_bytes(), tmp_path / "race.sql"
    for length in range(0, len(whole) - 40, max(1, len(whole) // 20)):
        dump.write_bytes(whole[:length])
        with pytest.raises(UnconvertibleError, match="cut short"):
            converted(dump)
    assert list(tmp_path.iterdir()) == [dump]


def test_a_dump_that_breaks_off_amid_a_row_leaves_no_file(tmp_path: Path) -> None:
    whole, dump = (DATA / "relay.sql").read_bytes(), tmp_path / "race.sql"
    dump.write_bytes(whole[: whole.index(b"INSERT INTO `oteam`") + 100] + COMPLETED)
    with pytest.raises(BadDumpError):
        converted(dump)
    assert list(tmp_path.iterdir()) == [dump]


@pytest.mark.parametrize(
    ("dump", "word"),
    [("meosmain", "rows of a race"), ("lctn0", "several databases")],
)
def test_what_is_no_race_is_refused(tmp_path: Path, dump: str, word: str) -> None:
    with pytest.raises(UnconvertibleError, match=word):
        converted(of(tmp_path, dump))


def test_a_race_without_a_row_of_its_own_is_refused(tmp_path: Path) -> None:
    dump = tmp_path / "race.sql"
    dump.write_bytes(in_style([(table, []) for table, _ in contents(DATA / "empty.sql")], MYSQL))
    with pytest.raises(UnconvertibleError, match="0 rows"):
        converted(dump)


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        convert.convert(Source(DATA / "big.sql", VERSION), tmp_path / "race.meosxml", stop)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_fails_costs_the_dump_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "written", lambda *_: 1 / 0)
    dump, copy = DATA / "relay.sql", tmp_path / "copy.sql"
    inspection, draft = Inspection(), Draft(tmp_path / "draft.meosxml", VERSION)
    portable.make_portable(dump, copy, threading.Event(), sinks=[draft, inspection])
    assert copy.read_bytes() == dump.read_bytes().partition(b"\n")[2]  # all but the sandbox line
    assert inspection.contents() == inspect(dump)
    with pytest.raises(ZeroDivisionError):
        draft.finish(Source(copy, VERSION), tmp_path / "race.meosxml", threading.Event())
    assert list(tmp_path.iterdir()) == [copy]


# Value by value


def only(tmp_path: Path, table: str, row: Mapping[str, Value], where: str, version: int = VERSION) -> str | None:
    return tree(converted(race_of(tmp_path, {table: row}), version)).findtext(where)


@pytest.mark.parametrize(
    ("tenths", "seconds"),
    [
        (54321, "5432.1"), (54320, "5432"), (5, "0.5"), (10, "1"), (-1, "-1"), (-10, "-1.0"), (-11, "-1.1"),
        (-20, "-2"), (-5, "-0.5"), (0, None), (None, None), ("54321", "5432.1"),
        (b"54321", "5432.1"), ("-1", "-1"), (b"-1", "-1"), (2**31 - 1, "214748364.7"),
    ],
)  # fmt: skip
def test_times(tmp_path: Path, tenths: Value, seconds: str | None) -> None:
    assert only(tmp_path, "oRunner", {"Id": 1, "FinishTime": tenths}, ".//Finish") == seconds
    assert only(tmp_path, "oRunner", {"Id": 1, "DrawnTime": tenths}, ".//oData/DrawnTime") == seconds


def test_times_of_an_older_meos_are_seconds(tmp_path: Path) -> None:
    assert only(tmp_path, "oRunner", {"Id": 1, "FinishTime": 5432}, ".//Finish", 88) == "5432"
    assert only(tmp_path, "oRunner", {"Id": 1, "FinishTime": 5432}, ".//Finish", 89) == "543.2"


@pytest.mark.parametrize(
    ("table", "column", "value", "where", "expected"),
    [
        ("oRunner", "BirthYear", 19910523, ".//BirthYear", "1991-05-23"),
        ("oRunner", "BirthYear", 1991, ".//BirthYear", "1991"),
        ("oRunner", "InputStatus", 0, ".//InputStatus", "0"),
        ("oRunner", "InputStatus", 1, ".//InputStatus", None),
        ("oRunner", "InputPoints", 7, ".//InputPoint", "7"),
        ("oRunner", "Modified", "2026-11-22 21:17:02", ".//Runner/Updated", "20261122211702"),
        ("oRunner", "Modified", "0000-00-00 00:00:00", ".//Runner/Updated", "00000000000000"),
        ("oRunner", "Modified", None, ".//Runner/Updated", None),
        ("oRunner", "Counter", 7, ".//Counter", None),
        ("oCard", "ReadId", 3134214734, ".//CardList/Card/ReadId", "-1160752562"),
        ("oCard", "ReadId", 1605668274, ".//CardList/Card/ReadId", "1605668274"),
        ("oCard", "BDate", 20260101, ".//BatteryDate", "20260101"),
        ("oEvent", "BuildVersion", 1807, ".//BuildVersion", None),
        ("oEvent", "FromMeOS6", "new", "oData/FromMeOS6", "new"),
        ("oRunner", "FromMeOS6", 7, ".//Runner/oData/FromMeOS6", "7"),
        ("oCard", "FromMeOS6", 7, ".//Card/oData/FromMeOS6", "7"),
        ("oRunner", "no <tag>", 7, ".//Runner/oData/*", None),
    ],
)
def test_values(tmp_path: Path, table: str, column: str, value: Value, where: str, expected: str | None) -> None:
    assert only(tmp_path, table, {"Id": 1, column: value}, where) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [(12, "12."), ("57.712345", "57.712345"), ("-0.5", "-0.5"), ("1e-7", "1.e-7"), (-3, "-3."), (0, None)],
)
def test_numbers_with_decimals_have_a_point(tmp_path: Path, written: Value, expected: str | None) -> None:
    """MeOS takes a coordinate without one for so many tenths, or millionths of a degree."""
    dump = race_of(tmp_path, {"oControl": {"Id": 1, "latcrd": written}}, "double")
    if not isinstance(written, int):
        assert isinstance(written, str)
        dump.write_bytes(dump.read_bytes().replace(b"'" + written.encode() + b"'", written.encode()))
    assert tree(converted(dump)).findtext(".//latcrd") == expected


def test_times_of_change_are_those_of_the_servers_clock(tmp_path: Path) -> None:
    dump = race_of(tmp_path, {"oRunner": {"Id": 1, "Modified": "2026-11-22 23:30:00"}})
    made = converted(dump, zone=timezone(timedelta(hours=1)))
    assert tree(made).findtext(".//Runner/Updated") == "20261123003000"


def test_what_is_removed_is_left_out_but_never_the_race_itself(tmp_path: Path) -> None:
    removed: dict[str, Value] = {"Id": 1, "Name": "x", "Removed": 1}
    made = tree(converted(race_of(tmp_path, dict.fromkeys(("oEvent", "oRunner", "oCard", "oTeam"), removed))))
    assert made.findtext("Name") == "x"
    assert [made.find(f".//{tag}") for tag in ("Runner", "Card", "Team")] == [None, None, None]


def test_a_card_stands_in_its_runner(tmp_path: Path) -> None:
    tables: list[tuple[Table, list[Row]]] = [
        (Table("oEvent", ("Id",), "MyISAM"), [(1,)]),
        (Table("oRunner", ("Id", "Card"), "MyISAM"), [(1, 5), (2, 0), (3, 99)]),
        (Table("oCard", ("Id", "CardNo"), "MyISAM"), [(5, 500), (6, 600)]),
    ]
    dump = tmp_path / "race.sql"
    dump.write_bytes(in_style(tables, MYSQL))
    made = tree(converted(dump))
    assert [runner.findtext("Card/CardNo") for runner in made.iterfind("RunnerList/Runner")] == ["500", None, None]
    assert [card.findtext("CardNo") for card in made.iterfind("CardList/Card")] == ["600"]


NASTY = st.text() | st.sampled_from(
    ["]]>", "<!--", "&#0;", "&amp;", "</Name>", "\r\n\t\x01\x0b", "\ufffe", "%", "0", " "]
)
VALUES = st.none() | st.integers(-(2**63), 2**64 - 1) | NASTY | st.binary()
COLUMNS = st.dictionaries(
    st.sampled_from(["Name", "Status", "CardNo", "Bib", "Annotation", "StartTime", "DrawnTime", "Ünknown", "Newer_1"])
    | st.text(st.sampled_from("abcXYZ_-. 1å<"), min_size=1, max_size=5).map("x".__add__),
    VALUES, max_size=8,
).filter(lambda row: len({column.lower() for column in row}) == len(row))  # fmt: skip


PLACES = {
    "oControl": "ControlList/Control", "oCourse": "CourseList/Course", "oClass": "ClassList/Class",
    "oClub": "ClubList/Club", "oRunner": "RunnerList/Runner", "oTeam": "TeamList/Team", "oPunch": "PunchList/Punch",
    "oCard": "CardList/Card",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("file")


def held(value: Value, *, is_time: bool) -> str | None:
    """Return what a tag must hold for a value, in words of the facts, not of the code."""
    if value is None or not value:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if is_time and text != "-1" and (isinstance(value, int) or re.fullmatch(r"-?[0-9]{1,18}", text)):
        return "-1.0" if int(text) == -10 else format((Decimal(int(text)) / 10), "f").removesuffix(".0")
    return re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", " ", text)


@settings(max_examples=150)
@given(row=COLUMNS, style=st.sampled_from(list(STYLES.values())), place=st.sampled_from(list(PLACES.items())))
@example(row={"StartTime": b"1"}, style=MYSQL, place=("oControl", PLACES["oControl"]))
@example(row={"StartTime": b"-1"}, style=STYLES["mariadb raw"], place=("oControl", PLACES["oControl"]))
def test_any_row_gives_well_formed_xml_that_holds_it(
    folder: Path, row: dict[str, Value], style: Style, place: tuple[str, str]
) -> None:
    name, where = place
    dump = folder / "race.sql"
    cells = {"Id": 1, **row}
    tables: list[tuple[Table, list[Row]]] = [
        (Table("oEvent", tuple(cells), "MyISAM"), [tuple(cells.values())]),
        (Table("oRunner", ("Id",), "MyISAM"), []),
    ]
    tables = [table for table in tables if table[0].name != name]
    tables.append((Table(name, tuple(cells), "MyISAM"), [tuple(cells.values())]))
    dump.write_bytes(in_style(tables, style))
    item = tree(converted(dump)).find(where)
    assert item is not None
    [read] = [row for _, row in reader.read(dump, lambda table: table == name) if row is not None]
    found = {element.tag: element.text for element in [*item, *item.iterfind("oData/*")] if element.tag != "oData"}
    tags = {"StartTime": "Start"} if name in {"oRunner", "oTeam"} else {}
    expected = {
        tags.get(column, column): text
        for column, value in zip(cells, read, strict=True)
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", column)
        and (text := held(value, is_time=column in {"StartTime", "DrawnTime"})) is not None
    }
    assert found == expected


# Lists, tasks, maps and images

MACHINES = "onlineresults$Nätet %1 %2 %3$interval|15|url|http://x?a=%1&b=%2|empty||zero|0$splitmaker$$$prewarning$Två$"


def test_custom_lists_tasks_maps_and_images(tmp_path: Path) -> None:
    event: dict[str, Value] = {"Id": 1, "Lists": LISTS, "Maps": MAPS, "Machine": MACHINES}
    race = race_of(tmp_path, {"oEvent": event})
    reference = tmp_path / "reference.sql"
    whole = bytes(range(256)) * 3
    images: list[Row] = [
        (2**64 - 1, 'Karta "1".png', 1, whole[100:]), (17, "logo.png", 0, b"\x89PNG"),
        (2**64 - 1, 'Karta "1".png', 0, whole[:100]), (18, "of a list that is gone.png", 0, b"gone"),
    ]  # fmt: skip
    runners = (Table("dbRunner", ("Name",), "MyISAM"), [("x" * 100,)] * 100)
    reference.write_bytes(
        in_style([runners, (Table("oImage", ("Id", "Filename", "Part", "Image"), "MyISAM"), images)], MYSQL)
    )
    made = tree(converted(race, reference=reference))
    assert made.findtext("Lists/MeOSListDefinition/ListName") == "Start&Ziel «Список»"
    assert made.findtext("Maps/Map/top") == "12.5"
    found = [(image.get("id"), image.get("filename"), decoded(image.text or "")) for image in made.iterfind("Images/*")]
    assert found == [
        ("17", "logo.png", b"\x89PNG"), ("18446744073709551615", 'Karta "1".png', whole),
    ]  # fmt: skip
    assert [(m.get("type"), m.get("name"), {e.tag: e.text for e in m}) for m in made.iterfind("Machines/Machine")] == [
        ("onlineresults", "Nätet | $ %", {"interval": "15", "url": "http://x?a=|&b=$", "zero": "0"}),
        ("splitmaker", "", {}), ("prewarning", "Två", {}),
    ]  # fmt: skip
    assert Counter(LISTS.splitlines()[3:]) <= Counter(converted(race).decode().splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "<Lists>", "no XML", "<Other></Other>", "<!DOCTYPE a [<!ENTITY b 'c'>]><Lists>&b;</Lists>", "<Lists>\x01",
    ],
)  # fmt: skip
def test_lists_that_are_no_lists_lose_nothing_else(tmp_path: Path, text: str) -> None:
    made = tree(converted(race_of(tmp_path, {"oEvent": {"Id": 1, "Name": "Race", "Lists": text, "Maps": text}})))
    assert made.findtext("Name") == "Race"
    assert made.find("Lists") is not None
    assert made.find("Maps") is None


@given(packed=st.text(st.sampled_from("$|%123aå<\n\"'&"), max_size=60), lists=NASTY)
def test_whatever_the_packed_columns_hold(folder: Path, packed: str, lists: str) -> None:
    event: dict[str, Value] = {"Id": 1, "Machine": packed, "Lists": lists, "Maps": f"<Maps>{lists}</Maps>"}
    assert tree(converted(race_of(folder, {"oEvent": event}))).find("Machines") is not None


@given(image=st.binary(max_size=100))
def test_meos_reads_an_image_back(image: bytes) -> None:
    assert decoded("".join(encoded(image))) == image


def test_meos_reads_a_large_image_back() -> None:
    image = bytes(range(256)) * 500
    pieces = list(encoded(image))
    assert len(pieces) > 2
    assert decoded("".join(pieces)) == image


def test_a_draft_whose_dump_fails_leaves_nothing_open(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        draft = convert.Draft(tmp_path / "draft", 101)
        del draft
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
