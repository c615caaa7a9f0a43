"""Text from others, made fit to be shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.text import clean, columns

# Far more often than chance would have it: what must not reach a screen.
NASTY = st.sampled_from("\x00\x07\x1b\n\r\t\v\f\x85\u00a0\u00ad\u200b\u200d\u202e\u2028\u2029\u2066\ufeff\ue000\ufffe")
TEXT = st.text(st.one_of(st.characters(), NASTY, st.sampled_from("aÖ漢🏃 ")))


@given(TEXT)
def test_is_one_line_that_can_be_written_and_hides_nothing(text: str) -> None:
    shown = clean(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(letter)[0] == "C" for letter in shown)
    assert shown == shown.strip()
    assert "  " not in shown


@given(TEXT, st.integers(1, 80))
def test_fits_into_its_width(text: str, width: int) -> None:
    shown = clean(text, width)
    assert columns(shown) <= width
    assert clean(shown, width) == shown
    if shown != clean(text):
        assert shown.endswith("…")
        assert clean(text).startswith(shown.removesuffix("…"))


@given(st.text("abcÅÄÖåäöЖЩé'\"\\<>$`%", max_size=60))
def test_ordinary_letters_stay(text: str) -> None:
    assert clean(text, 60) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Höstmedeln «Осень» O'Cup", "Höstmedeln «Осень» O'Cup"),
        ("  two \r\n lines\u2028three ", "two lines three"),
        ("\x1b[2Jcleared", "\ufffd[2Jcleared"),
        ("abc\u202egpj.exe", "abc\ufffdgpj.exe"),
        ("half \ud83d", "half \ufffd"),
        (" \n\t", ""),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_wide_letter_takes_two_columns() -> None:
    assert clean("漢字漢字", 7) == "漢字漢…"
    assert clean("漢字漢字", 8) == "漢字漢字"
    assert clean("漢字漢字", 6) == "漢字…"
