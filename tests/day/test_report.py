"""What a day's lines say of races that come and go."""

import io
from datetime import UTC, datetime, timedelta

from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Batch, Race, Server
from meosbackup.console import Console
from meosbackup.day.report import Report
from meosbackup.day.trouble import Backups
from meosbackup.meos.race_list import ChosenRace, LeftOutRace, Selection
from meosbackup.meos.server_checks import ServerChecks

_NOW = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
_SERVER = Server("localhost", 3306, "MariaDB", "11.8.3", 1)


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
        "Newest good backup on the drive: 13:58:00, 5 minutes ago; on this computer: 14:00:00, 3 minutes ago."
    )
    unchanged_until = _NOW - timedelta(seconds=60)
    assert Backups(newer, newer, unchanged_until).told(_NOW) == (
        "Newest good backup on the drive: 14:00:00, current as of 60 seconds ago."
    )
    assert Backups(None, newer).told(_NOW) == (
        "The drive has no backup yet; on this computer: 14:00:00, 3 minutes ago."
    )
    assert Backups().told(_NOW) == "The drive has no backup yet."
