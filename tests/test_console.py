"""What a person sees, on a narrow screen."""

import io
from datetime import datetime

import click
import pytest

from meosbackup.console import Console


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_result_is_broken_between_words_and_a_path_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    screen, path = Screen(), "/media/usb/" + "långt namn".replace(" ", "_") * 8 + ".meosxml"
    Console(stream=screen).result(
        "OK", "table names", f"lower_case_table_names is 1, and that is so everywhere. {path}"
    )
    first, *rest = click.unstyle(screen.getvalue()).splitlines()
    assert first.startswith("OK    table names: lower_case_table_names is 1")
    assert len(first) < 60
    assert all(line.startswith(" " * 6) for line in rest)
    assert rest[-1].strip() == path


@pytest.mark.parametrize(("typed", "is_yes"), [
    *((yes, True) for yes in ("y", "YES", " ja. ", "jo", "oui", "sí", "sì", "Sim", "áno", "tak", "da", "да", "так",
                              "kyllä", "igen", "jā", "o", "s", "a", "t", "k", "i")),
    *((no, False) for no in ("", "n", "No", "nej", "nei", "nein", "nie", "ne", "non", "não", "ei", "nem", "нет", "ні")),
    *((unclear, False) for unclear in ("maybe", "yn", "1", "yes no", "\x1b[A")),
    ("what?\nyes", True),
    ("what?\nnej\nyes", False),
])  # fmt: skip
def test_yes_counts_in_the_languages_of_meos(typed: str, is_yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    assert Console(stream=io.StringIO()).ask("Restore this?") is is_yes


_AGE = "Newest good backup on the drive: 14:03:00, 2 minutes ago; on this computer: 14:05:00, 1 second ago."


@pytest.mark.parametrize(("what", "others", "said"), [
    ("The drive is missing from /media/usb.", ["Plug it in again."], None),
    ("It is gone.", ["A sentence that has no room in these lines.", "Look."], f"It is gone. {_AGE} Look."),
    ("The table is damaged, as the server says in very many words. " * 4, ["Repair it."], None),
])  # fmt: skip
def test_trouble_that_continues_takes_two_lines_and_keeps_its_age(
    what: str, others: list[str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    Console(stream=screen).fail(datetime(2026, 11, 22, 14, 5), what, _AGE, *others)  # noqa: DTZ001
    lines = click.unstyle(screen.getvalue()).removeprefix("\a").splitlines()
    assert lines[0].startswith("14:05:00  FAIL  ")
    assert len(lines) == 2
    assert max(map(len, lines)) < 80
    words = " ".join(" ".join(lines).split()[2:])
    assert words == (said or f"{words.partition('…')[0]}… {_AGE}")
