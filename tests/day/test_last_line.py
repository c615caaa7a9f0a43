"""The terminal's last line: what it says, and in which order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meosbackup.day import last_line
from meosbackup.day.day_status import DayStatus
from meosbackup.guide.picture import ALARM, TROUBLE, Happening

_NOW = datetime(2026, 11, 22, 14, 3, 37, tzinfo=UTC)
_TAKEN = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)
_WELL = DayStatus(_TAKEN, 60, on_drive=_TAKEN, on_computer=_TAKEN, hours=9)


def line(status: DayStatus | None, *, due_in: float = 23.4, began: datetime | None = None, now: datetime = _NOW) -> str:
    return ", ".join(last_line.parts(now, due_in, began, status))


def trouble(kind: str, minutes: int) -> Happening:
    return Happening(kind, "key", "what", "means", "do", _NOW - timedelta(minutes=minutes))


@pytest.mark.parametrize(("status", "said"), [
    (_WELL, "next backup in 23 s, newest good backup 14:03:00 (37 s old), room for about 9 hours"),
    (None, "next backup in 23 s"),
    (replace(_WELL, hours=24), "next backup in 23 s, newest good backup 14:03:00 (37 s old), room for more than a day"),
    (replace(_WELL, on_drive=None, hours=None), "next backup in 23 s, no backup on the drive yet"),
    (replace(_WELL, on_drive=_TAKEN - timedelta(minutes=9), waiting=1200, hours=None),
     "next backup in 23 s, newest good backup 13:54:00 (10 min old), 1,200 waiting on this computer"),
    (replace(_WELL, on_drive=_TAKEN - timedelta(hours=5), on_computer=_TAKEN, unchanged_until=_NOW, hours=None),
     "next backup in 23 s, newest good backup 09:03:00 (5 h old)"),
    (replace(_WELL, wrong=(trouble(ALARM, 3), trouble(TROUBLE, 1), trouble(TROUBLE, 2)), hours=None),
     "FAIL since 14:01:37, ALARM since 14:00:37, next backup in 23 s, newest good backup 14:03:00 (37 s old)"),
])  # fmt: skip
def test_what_it_says(status: DayStatus | None, said: str) -> None:
    assert line(status) == said


def test_an_old_backup_alarms_nobody_while_nothing_changes() -> None:
    unchanged = replace(_WELL, unchanged_until=_TAKEN + timedelta(hours=2), hours=None)
    now, said = _NOW + timedelta(hours=2), "next backup in 23 s, newest good backup 14:03:00"
    assert line(unchanged, now=now) == f"{said} (current as of 16:03:00)"
    assert line(replace(unchanged, on_computer=now), now=now) == f"{said} (2 h old)"
    assert line(replace(unchanged, unchanged_until=_TAKEN - timedelta(1))).endswith("(37 s old)")


def test_a_backup_that_is_running_says_so_and_for_how_long() -> None:
    assert line(None, began=_NOW) == "backing up …"
    assert line(_WELL, began=_NOW - timedelta(seconds=12)).startswith("backing up for 12 s, newest good backup")
    assert line(None, due_in=0) == "next backup in 0 s"
    assert line(None, due_in=3599) == "next backup in 60 min"
