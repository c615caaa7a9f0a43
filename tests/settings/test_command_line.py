"""Commands that the user is told to paste."""

import shlex
from pathlib import Path

import pytest

from meosbackup.settings import command_line
from meosbackup.settings.model import Settings
from meosbackup.text import NO_BREAK


@pytest.mark.skipif("sys.platform == 'win32'", reason="Windows quotes in its own way")
def test_a_command_repeats_what_leads_to_the_same_drive_and_server() -> None:
    settings = Settings(
        target=Path("/media/USB STICK"), any_disk=True, host="192.168.1.20", user="o'hara", password="secret",
        ask_password=True, interval=5, config=Path("/club.toml"),
    )  # fmt: skip
    line = command_line.command(settings, "restore", "--batch", "2026-11-22 14:03:00")
    assert " " not in line
    assert "secret" not in line
    assert shlex.split(line.replace(NO_BREAK, " ")) == [
        "meosbackup", "restore", "--batch", "2026-11-22 14:03:00", "--target", "/media/USB STICK", "--any-disk",
        "--host", "192.168.1.20", "--user", "o'hara", "--ask-password", "--config", "/club.toml",
    ]  # fmt: skip


def test_defaults_are_not_repeated() -> None:
    assert command_line.command(Settings(), "check").replace(NO_BREAK, " ") == "meosbackup check"


def test_with_a_socket_the_address_is_left_out() -> None:
    settings = Settings(socket=Path("socket"), host="127.0.0.1", port=3307)
    assert command_line.command(settings, "check").replace(NO_BREAK, " ") == "meosbackup check --socket socket"
