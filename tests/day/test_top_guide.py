"""The guides at the top of the drive over a day: they tell of the spare server, and don't wear the stick out."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.batch.model import StoredBatch
from meosbackup.day.top_guide import TopGuide
from meosbackup.guide import page
from meosbackup.store import top_of_drive
from meosbackup.store.drive import Place
from tests.toolkit.guides import BATCH, SPARE, TAKEN, TOP

MINUTE = timedelta(minutes=1)


class Guide:
    """The guides on a drive; `minute` has a minute of the day go by, and returns whether they were written."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder, may_be_system_disk=True)
        self.place.root.mkdir()
        self.top = TopGuide(self.place, {TOP})
        self._batches = 0

    def minute(self, *, as_of: datetime | None, without: tuple[str, ...] = (), is_busy: bool = False) -> bool:
        before = self._signs()
        self.top.spare = replace(SPARE, as_of=as_of, without=without)
        if is_busy:
            taken = TAKEN + self._batches * MINUTE
            self.top.arrived(StoredBatch(self.place.root / TOP, replace(BATCH, taken=taken, sequence=self._batches)))
            self._batches += 1
        written = self._signs()
        self.top.renew()
        assert not is_busy or self._signs() == written, "they were written twice"
        return self._signs() != before

    def _signs(self) -> list[int]:
        return [path.stat().st_ino for path in sorted(self.place.root.glob("RESTORE.*"))]

    @property
    def told(self) -> datetime | None:
        """Until when the spare server has the races, as the page says; RESTORE.txt tells of it as well, or neither."""
        spare = page.spare_in((self.place.root / "RESTORE.html").read_text("utf-8"))
        assert ("THE SPARE SERVER" in (self.place.root / "RESTORE.txt").read_text("utf-8-sig")) == (spare is not None)
        return spare.as_of if spare else None


@pytest.fixture
def guide(tmp_path: Path) -> Guide:
    return Guide(tmp_path)


def test_a_quiet_day_has_them_written_once_for_the_spare_server(guide: Guide) -> None:
    assert guide.minute(as_of=None, is_busy=True)
    assert guide.told is None
    assert guide.minute(as_of=TAKEN)
    assert guide.told == TAKEN
    assert not any(guide.minute(as_of=TAKEN + number * MINUTE) for number in range(30))
    assert guide.told == TAKEN


def test_in_a_busy_minute_they_are_written_once_with_what_is_known(guide: Guide) -> None:
    guide.minute(as_of=None, is_busy=True)
    for number in range(3):
        guide.minute(as_of=TAKEN + number * MINUTE, is_busy=True)
        assert guide.told == TAKEN + number * MINUTE
    assert not guide.minute(as_of=TAKEN + 2 * MINUTE), "it lacks the newest batch still"
    assert guide.minute(as_of=TAKEN + 4 * MINUTE)
    assert not guide.minute(as_of=TAKEN + 5 * MINUTE)


def test_a_race_that_is_not_fed_any_more_is_told_at_once(guide: Guide) -> None:
    guide.minute(as_of=TAKEN, is_busy=True)
    for without in (("Långdistans (it was changed there)",), ()):
        assert guide.minute(as_of=TAKEN + MINUTE, without=without)
        assert not guide.minute(as_of=TAKEN + 2 * MINUTE, without=without)


def test_whoever_else_writes_them_leaves_the_spare_server_in(guide: Guide) -> None:
    guide.minute(as_of=TAKEN, is_busy=True)
    newest = guide.top.newest
    assert newest is not None
    top_of_drive.write_guides(guide.place, newest)
    assert guide.told == TAKEN
    top_of_drive.write_guides(guide.place, newest, None, guide.top.day)
    assert guide.told is None
