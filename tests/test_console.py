"""What a person sees, on a narrow screen or on one that stands still, and what counts as a yes."""

import io
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from meosbackup.console import Console, Printer, begin
from meosbackup.errors import MeosBackupError
from meosbackup.settings.command_line import command
from meosbackup.settings.model import Settings
from tests.toolkit.waiting import PATIENCE


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [200, 80, 40])
def test_what_is_copied_from_the_screen_is_never_broken(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    target, name_id = Path("/media/usb stick of the club/my races"), "meos_20261122_211702_1E5"
    again = command(Settings(target=target), "restore", "--race", name_id)
    sql = "GRANT SELECT, LOCK TABLES ON *.* TO 'meos'@'%';"
    text = (
        f"The target {target} has no folder {target}/meosbackup, and {name_id} is not in it. For all the others, run"
        f" `meosbackup check` or {again} on the other computer. In an administrator's mysql prompt: {sql} Then go on."
    )
    screen, now = Screen(), datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
    console = Console(stream=screen, whole=[str(target)])
    console.line(now, "NOTE", text)
    console.result("FAIL", "drive", text)
    console.block([("Drive", text)])
    console.say(text)
    console.banner(now, "FAIL", text, text, text)
    monkeypatch.setattr("sys.stderr", screen)
    console.error(MeosBackupError(text, text, text))
    lines = click.unstyle(screen.getvalue()).replace("\a", "").splitlines()
    copied = again.replace("\xa0", " ")
    for whole in (copied, sql, f"{target}/meosbackup", "`meosbackup check`"):
        assert sum(line.count(whole) for line in lines) == 10, whole
    assert [line.strip() for line in lines].count(sql) == 10
    assert all(line.startswith("meosbackup") for line in lines if copied in line and len(line) >= columns)
    too_long = [line.strip() for line in lines if len(line) >= columns and "====" not in line]
    assert [line for line in too_long if len(line) > len(copied) + 10] == []


@pytest.mark.parametrize(("columns", "margin"), [(80, ""), (200, " " * 16)])
def test_a_command_in_a_banner_begins_at_the_left_edge_if_it_is_longer_than_a_line(
    columns: int, margin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    again, screen = command(Settings(target=Path("/media/usb")), "restore", "--race", "x" * 64), Screen()
    Console(stream=screen).banner(datetime(2026, 11, 22, 14, 3, tzinfo=UTC), "ALARM", "It is gone.", again)
    assert f"\n{margin}{again}\n".replace("\xa0", " ") in screen.getvalue()


def test_without_escape_codes_there_are_no_colours_and_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now = Screen(), datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("meosbackup.console._printer", Printer(at_once=True))
    for has_escapes in (True, False):
        screen.truncate(0)
        begin(has_escapes=has_escapes)
        console = Console()
        with console.progress("Reading", 10) as advance:
            advance(5)
            console.line(now, "FAIL", "what happened")
            console.error(MeosBackupError("what happened", "means", "do"))
        said = screen.getvalue()
        assert "14:03:00  FAIL  what happened\n" in click.unstyle(said)
        assert "meosbackup: what happened\n" in click.unstyle(said)
        assert ("\x1b" in said, "Reading" in said) == (has_escapes, has_escapes)


def test_a_status_stays_in_one_line_below_all_others_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, errors, now = Screen(), io.StringIO(), datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stderr", errors)
    monkeypatch.setattr("meosbackup.console._printer", Printer(at_once=True))
    parts = ["next backup in 23 s", "newest good backup 14:03:00 (37 s old)", "room for about 9 hours"]
    one, two, three = (", ".join(parts[:count]) for count in (1, 2, 3))
    with Console().status_line() as show:
        for columns in (len(three) + 1, len(three), len(two) + 1, len(two), len(one) + 1, len(one)):
            monkeypatch.setenv("COLUMNS", str(columns))
            show(parts)
        monkeypatch.setenv("COLUMNS", "40")
        show(["Höst\x1b[2J", "日本" * 20])
        Console().line(now, "OK", "what happened")
        Console().error(MeosBackupError("what", "means", "do"))
    Console().say("after")
    assert "\x1b[K" not in errors.getvalue()
    written = [click.unstyle(text) for text in screen.getvalue().split("\r\x1b[K")]
    above = ["14:03:00  OK    what happened\n", "Höst\ufffd[2J"]
    assert written == ["", three, two, one, "", "Höst\ufffd[2J", *above, "", "Höst\ufffd[2J", "after\n"]


def test_what_is_no_terminal_has_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meosbackup.console._printer", Printer(at_once=True))
    for stream, quiet in ((io.StringIO(), False), (Screen(), True)):
        monkeypatch.setattr("sys.stdout", stream)
        with Console(quiet=quiet).status_line() as show:
            show(["next backup in 23 s"])
        assert stream.getvalue() == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_trouble_rings_unless_quiet(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now, heard = Screen(), datetime(2026, 11, 22, 14, 3, tzinfo=UTC), list[int]()
    if sys.platform == "win32":  # in the place of the sound card
        monkeypatch.setattr("winsound.MessageBeep", heard.append)
    console = Console(stream=screen, quiet=quiet)
    console.banner(now, "FAIL", "what happened")
    console.repeat(now, "FAIL", "what happened")
    console.line(now, "FAIL", "what happened")
    for thread in threading.enumerate():
        if thread.name == "sound":
            thread.join(PATIENCE)
    assert len(heard) + screen.getvalue().count("\a") == (0 if quiet else 2)
    assert bool(heard) == (sys.platform == "win32" and not quiet)


class Stuck(io.StringIO):
    """A screen on which nothing can be written until it goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        assert self.goes_on.wait(PATIENCE)
        return super().write(text)


def test_printing_never_waits_for_a_screen_and_what_is_dropped_is_counted() -> None:
    screen, printer = Stuck(), Printer(most=3)
    for number in range(10):
        printer.put(screen, f"line {number}\n")
        if number == 0:
            assert not printer.finish(0.3)  # the thread has it, and stands still
    assert not printer.finish(0)
    screen.goes_on.set()
    assert printer.finish(PATIENCE)
    said = ["line 0", "… 6 lines were not shown; they are in the log", "line 7", "line 8", "line 9"]
    assert screen.getvalue().splitlines() == said


def test_a_screen_that_is_gone_takes_everything_in_silence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    printer = Printer()
    with os.fdopen(writer, "w") as gone:
        for number in range(3):
            printer.put(gone, f"line {number}\n")
        assert printer.finish(PATIENCE)
    printer.put(gone, "closed")
    printer.put(None, "never open")
    assert printer.finish(PATIENCE)


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
    Console(stream=screen).repeat(datetime(2026, 11, 22, 14, 5), "FAIL", what, _AGE, *others)  # noqa: DTZ001
    lines = click.unstyle(screen.getvalue()).removeprefix("\a").splitlines()
    assert lines[0].startswith("14:05:00  FAIL  ")
    assert len(lines) == 2
    assert max(map(len, lines)) < 80
    words = " ".join(" ".join(lines).split()[2:])
    assert words == (said or f"{words.partition('…')[0]}… {_AGE}")
