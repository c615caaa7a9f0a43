"""When ticks are due, whatever the computer's clock does; the clocks here are made of numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
import schedule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meosbackup.day import timetable
from meosbackup.day.timetable import Timetable

MORNING = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC).replace(tzinfo=None)
LOOK = 0.001
"""Seconds that one look at the clocks takes."""


class Clocks:
    """A computer's two clocks: the wall's, which somebody may set, and the steady one."""

    def __init__(self) -> None:
        self.steady = 5_000.0
        self.ahead = 0.0

    @property
    def wall(self) -> datetime:
        return MORNING + timedelta(seconds=self.steady + self.ahead)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()

    class Watch(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # nobody here asks for a zone
            assert tz is None
            return made.wall

    monkeypatch.setattr(timetable, "datetime", Watch)
    monkeypatch.setattr(timetable, "time", SimpleNamespace(monotonic=lambda: made.steady))
    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(datetime=Watch, timedelta=timedelta))
    return made


class Run:
    """What became of a run: when its ticks were (by the steady clock, from the start), and what was told."""

    def __init__(self, clocks: Clocks, interval: int) -> None:
        self.ticks: list[float] = []
        self.jumps: list[float] = []
        self.looks = 0
        self._clocks = clocks
        self._start = clocks.steady
        self._timetable = Timetable(interval, lambda: self.ticks.append(clocks.steady - self._start), self.jumps.append)

    def until(self, second: float) -> None:
        """Look at the timetable as often as it wants, until this second from the start."""
        while self._clocks.steady - self._start < second:
            nap = self._timetable.run_pending()
            assert 0 <= nap <= 1
            self._clocks.steady += nap + LOOK
            self.looks += 1

    @property
    def gaps(self) -> list[float]:
        return [after - before for before, after in pairwise(self.ticks)]


def near(*moments: float) -> list[object]:
    return [pytest.approx(moment, abs=0.6) for moment in moments]


def test_a_tick_comes_at_once_and_then_every_interval(clocks: Clocks) -> None:
    run = Run(clocks, 60)
    run.until(250)
    assert run.ticks == near(0, 60, 120, 180, 240)
    assert run.jumps == []


@pytest.mark.parametrize("seconds", [10, 3600, 86_400 * 400])
def test_setting_the_clock_back_delays_no_tick(clocks: Clocks, seconds: int) -> None:
    run = Run(clocks, 60)
    run.until(90)
    clocks.ahead -= seconds
    run.until(250)
    assert run.ticks == near(0, 60, 120, 180, 240)
    assert run.jumps == [pytest.approx(-seconds, abs=0.1)]


@pytest.mark.parametrize("seconds", [3600, 86_400 * 400])
def test_setting_the_clock_ahead_makes_one_tick_come_early(clocks: Clocks, seconds: int) -> None:
    run = Run(clocks, 60)
    run.until(90)
    clocks.ahead += seconds
    run.until(250)
    assert run.ticks == near(0, 60, 90, 150, 210)
    assert run.jumps == [pytest.approx(seconds, abs=0.1)]


def test_a_laptop_that_wakes_up_ticks_at_once(clocks: Clocks) -> None:
    """Its steady clock stands still while it sleeps on Linux, and goes on on Windows."""
    for goes_on in (False, True):
        run = Run(clocks, 60)
        run.until(90)
        clocks.steady += 7200 if goes_on else 0
        clocks.ahead += 0 if goes_on else 7200
        run.until(7200 + 100 if goes_on else 100)
        assert run.ticks == near(0, 60, 7290 if goes_on else 90)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    interval=st.integers(1, 120),
    changes=st.lists(st.tuples(st.floats(0.1, 100), st.floats(-10_000, 10_000)), max_size=6),
)
def test_no_setting_of_the_clock_keeps_a_tick_from_coming(
    clocks: Clocks, interval: int, changes: Sequence[tuple[float, float]]
) -> None:
    run, second = Run(clocks, interval), 0.0
    for after, seconds in changes:
        second += after
        run.until(second)
        clocks.ahead += seconds
    run.until(second + 2 * interval + 10)
    assert run.ticks[0] == 0
    assert max(run.gaps) <= interval + 6 * len(changes) + 0.6  # a clock that is corrected by some seconds is waited for
    early = sum(gap < interval - 0.6 for gap in run.gaps)
    assert early <= sum(seconds > 0 for _, seconds in changes) + len(changes)


@pytest.mark.parametrize("seconds", [-4.5, -1.0, -0.3, 0.3, 4.5])
def test_a_clock_that_is_corrected_a_little_is_no_reason_to_be_busy(clocks: Clocks, seconds: float) -> None:
    run = Run(clocks, 60)
    run.until(30)
    clocks.ahead += seconds
    before = run.looks
    run.until(200)
    assert run.jumps == []
    assert run.looks - before < 3 * 170
    assert all(gap == pytest.approx(60, abs=5) for gap in run.gaps)


def test_a_clock_that_runs_slow_is_no_reason_to_be_busy(clocks: Clocks) -> None:
    """The time service slews a clock by up to 500 ppm."""
    run = Run(clocks, 60)
    for second in range(1, 600):
        run.until(second)
        clocks.ahead -= 0.0005
    assert run.looks < 3 * 600
    assert all(gap == pytest.approx(60, abs=0.6) for gap in run.gaps)
