"""What a day's lines say of races that come and go."""

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Batch, Race, Server
from meosbackup.console import Console
from meosbackup.day import closing
from meosbackup.day.closing import Closing
from meosbackup.day.report import Report, Space
from meosbackup.day.trouble import Backups, Trouble
from meosbackup.errors import DumpFailedError, LoginRefusedError
from meosbackup.meos.race_list import ChosenRace, LeftOutRace, Selection
from meosbackup.meos.server_checks import ServerChecks
from meosbackup.store import drive

_NOW = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
_SERVER = Server("localhost", 3306, "MariaDB", "11.8.3", 1)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def _race(name: str) -> Race:
    return Race(name, "", "2026-11-22", name.lower(), 1, 101)


def _survey(*names: str) -> Survey:
    chosen = tuple(ChosenRace(_race(name), name.lower()) for name in names)
    return Survey(_SERVER, "meosmain", Selection(chosen, (), ()), {}, None, True, ServerChecks((), 1 << 24))


def test_a_race_that_leaves_was_deleted_or_is_left_out_for_a_reason_and_batches_still_have_it() -> None:
    screen = io.StringIO()
    report = Report(Console(stream=screen))
    report.surveyed(_NOW, _survey("Relay", "Sprint", "Night"), [])
    left_out = [LeftOutRace(_race("Sprint"), "older than 3 days")]
    report.surveyed(_NOW, _survey("Night", "Long"), left_out)
    report.surveyed(_NOW, _survey("Night", "Long"), left_out)
    said = screen.getvalue()
    assert "Server version  MariaDB 11.8.3, lower_case_table_names 1\nRaces           Relay (2026-11-22)\n" in said
    assert sorted(line[16:] for line in said.splitlines() if "NOTE" in line) == [
        "Relay (2026-11-22) was deleted; earlier batches still have it",
        "Sprint (2026-11-22) is no longer backed up: older than 3 days; earlier batches still have it",
        "new race: Long (2026-11-22); it is backed up from now on",
    ]


def _batch(sequence: int, minutes: int) -> Batch:
    return Batch(sequence, _NOW - timedelta(minutes=minutes), True, _SERVER, "mysqldump", "1.0.0", ())


def test_how_old_the_newest_good_backup_is() -> None:
    older, newer = _batch(1, 5), _batch(2, 3)
    assert Backups(older, older).told(_NOW) == "Newest good backup on the drive: 13:58:00, 5 minutes ago."
    assert Backups(older, newer).told(_NOW) == (
        "Newest good backup on the drive: 13:58:00, 5 minutes ago; on this computer: 14:00:00."
    )
    unchanged_until = _NOW - timedelta(seconds=60)
    for now, current in ((unchanged_until, "still current"), (_NOW, "current as of 60 seconds ago")):
        told = Trouble("", drive.gone(_USB)).newest(Backups(newer, newer, unchanged_until), now)
        assert told == f"Newest good backup on the drive: 14:00:00, {current}."
    assert Backups(newer, newer).told(newer.taken) == "Newest good backup on the drive: 14:00:00, just now."
    assert Backups(None, newer).told(_NOW) == ("The drive has no backup yet; on this computer: 14:00:00.")
    assert Backups().told(_NOW) == "The drive has no backup yet."


_USB = Path("/media/usb")
_LOGIN = LoginRefusedError(
    "The server at 192.168.1.20, port 3306 refuses the user meos with this password (1045).",
    "No race is backed up while this lasts.",
    "Check the user and the password, and use --ask-password to type it in.",
)
_DAMAGED = DumpFailedError(
    "The table orunner of this race is damaged, says the server (1194: Table 'orunner' is marked as crashed and should"
    " be repaired).",
    "The other races are backed up.",
    "In MeOS, on the page Competition, choose Repair Selected Competition.",
)


@pytest.mark.parametrize("trouble", [
    Trouble("", drive.gone(_USB)), Trouble("", drive.full(_USB)), Trouble("", _LOGIN),
    Trouble("", drive.explained(_USB, OSError(5, "Input/output error"))),
    Trouble("Långdistans (2026-11-22)", _DAMAGED, _NOW - timedelta(minutes=4)),
], ids=["away", "full", "login", "broken", "damaged"])  # fmt: skip
def test_trouble_keeps_three_sentences_in_its_banner_and_then_takes_two_lines(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    report = Report(Console(stream=screen))
    on_drive, on_computer = _batch(1, 4), _batch(2, 0)
    age = "Its newest good dump is from 13:59:00, 4 minutes ago." if trouble.about else (
        "Newest good backup on the drive: 13:59:00, 4 minutes ago; on this computer: 14:03:00."
    )  # fmt: skip
    space = Space(None, 3, 2_000_000_000, is_shipped=True)
    for _ in range(2):
        report.ticked(_NOW, None, space, [trouble], Backups(on_drive, on_computer))
    _, banner, after = re.split("=+\n", click.unstyle(screen.getvalue()).replace("\a", ""))
    words = " ".join(banner.split())
    assert words.startswith(f"14:03:00 FAIL {trouble} {age} 3 batches are waiting")
    assert words.endswith(f"{trouble.error.means} {trouble.error.do}")
    lines = after.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) < 80
    assert age in " ".join(after.split())


def test_the_end_tells_that_the_drive_is_away_though_nothing_waits() -> None:
    screen = io.StringIO()
    gone = drive.gone(Path("/media/usb"))
    closing.show(Console(stream=screen), _NOW, Closing(
        1, 1, 1, _batch(1, 5), (), Path("/spool"), gone, None, "meosbackup --once", "meosbackup restore",
    ))  # fmt: skip
    last, *more = screen.getvalue().splitlines()[1:]
    assert last.startswith(
        "14:03:00  FAIL  stopped; 1 batch made, the newest is from 13:58:00, on the drive. The drive"
    )
    assert last.endswith(f" is missing from {Path('/media/usb')}. The newest batch is on this computer as well.")
    assert more == ["To restore from this computer, without a drive:", "  meosbackup restore"]
