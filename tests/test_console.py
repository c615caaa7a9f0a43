"""What a person sees, on a narrow screen."""

import io

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
