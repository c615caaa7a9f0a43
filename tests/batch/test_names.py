"""Names of files and folders: whatever a race is called, every file system takes them."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch.model import RACE_LIST, Race
from meosbackup.batch.names import dump_name, first_free, folder_name, reference_name, stems

TAKEN = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
SHA256 = "3f9a2c71" * 8
# Microsoft, "Naming Files, Paths, and Namespaces": reserved also where a dot and anything follows.
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}
LONGEST = 160
"""Letters of a file's name, so that a path stays below the 260 of Windows."""

NAMES = st.one_of(
    st.text(st.characters(), max_size=128),
    st.text("aA.-_ /\\:\0\n\x1b", max_size=8),
    st.sampled_from(
        ["", "Lång", "lang", "LANG", "Lang_2", "meosmain", "..", "con", "Aux", "nul.txt", "COM1.5 km", "LPT¹"]
    ),
    st.text("x", min_size=128, max_size=128),
)


def race(name: str, name_id: str = "meos_20261122_211702_1E5", number: int = 1) -> Race:
    return Race(name, "", "2026-11-22", name_id, number, 101)


def stem(name: str) -> str:
    return stems([race(name)])["meos_20261122_211702_1E5"]


@given(st.lists(st.tuples(NAMES, NAMES), max_size=12, unique_by=lambda item: item[1].lower()))
def test_any_races_get_names_that_differ_and_suit_every_file_system(given_names: list[tuple[str, str]]) -> None:
    races = [race(name, name_id, number) for number, (name, name_id) in enumerate(given_names)]
    found = stems(races)
    assert found.keys() == {item.name_id for item in races}
    assert len({text.lower() for text in [RACE_LIST, *found.values()]}) == len(races) + 1
    for text in found.values():
        assert re.fullmatch(r"[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?", text)
        for file in (dump_name(text, TAKEN), reference_name(text, SHA256)):
            assert re.fullmatch(r"[A-Za-z0-9._-]+\.dump\.sql", file)
            assert file.split(".")[0].upper() not in DEVICES
            assert len(file) <= LONGEST


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Långdistans", "Langdistans"),
        ("Stafettkväll – Relais d'Été", "Stafettkvall_Relais_d_Ete"),
        ("Þjóðhátíð í Øst-Łódź", "Thjodhatid_i_Ost-Lodz"),
        ("../../etc/passwd", "etc_passwd"),
        ("Осень", "meos_20261122_211702_1E5"),
        ("", "meos_20261122_211702_1E5"),
        ("  \n\x1b[31m ", "31m"),
        ("å" * 128, "a" * 60),
    ],
)
def test_a_name_in_ascii_can_be_recognised(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["CON", "aux.1", "Com1.5 km", "nul.dump", "LPT¹.x"])
def test_no_file_is_called_like_a_device_of_windows(name: str) -> None:
    assert dump_name(stem(name), TAKEN).split(".")[0].upper() not in DEVICES


def test_two_races_of_one_name_are_told_apart_by_their_name_id() -> None:
    found = stems([race("Vårcupen", "one", 1), race("VÅRCUPEN", "two", 2), race("Höstcupen", "three", 3)])
    assert found == {"one": "Varcupen_one", "two": "VARCUPEN_two", "three": "Hostcupen"}


def test_no_race_takes_the_name_of_the_race_list() -> None:
    assert stem("MeOSmain") == "MeOSmain_meos_20261122_211702_1E5"


def test_the_folder_of_a_time_that_comes_twice_is_numbered() -> None:
    there: set[str] = set()
    for expected in ("2026-11-22/14-03-00", "2026-11-22/14-03-00_2", "2026-11-22/14-03-00_3"):
        assert first_free(folder_name(TAKEN), lambda name: name not in there) == expected
        there.add(expected)
