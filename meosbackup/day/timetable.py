"""When the next tick is due: by schedule's wall clock, checked against the monotonic clock."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import schedule

_JUMP_SECONDS = 5.0
"""Seconds by which the two clocks may differ from one look to the next before that counts as a jump."""

_LONGEST_NAP = 0.5
_SHORTEST_NAP = 0.01


class Timetable:
    """Calls `job` at once and then every `interval` seconds, whatever happens to the clock.

    `schedule` counts in local time: it would wait for an hour if the clock is set back by one, as it is each autumn.
    `jumped` is called with the seconds of a jump; one ahead, such as a laptop's sleep, makes the job due at once.
    """

    def __init__(self, interval: int, job: Callable[[], None], jumped: Callable[[float], None]) -> None:
        self._interval = interval
        self._job = job
        self._jumped = jumped
        self._scheduler = schedule.Scheduler()
        self._entry = self._scheduler.every(interval).seconds.do(self._run)
        self._due = time.monotonic()
        self._entry.next_run = datetime.now()  # noqa: DTZ005 - schedule's own clock has no zone
        self._wall, self._steady = self._look()

    def run_pending(self) -> float:
        """Run the job if it is due; return the seconds after which to call this again."""
        wall, steady = self._look()
        jump = (wall - self._wall).total_seconds() - (steady - self._steady)
        self._wall, self._steady = wall, steady
        if abs(jump) > _JUMP_SECONDS:
            self._jumped(jump)
        if jump < 0:
            self._entry.next_run = wall + timedelta(seconds=self._due - steady)
        self._scheduler.run_pending()
        return min(_LONGEST_NAP, max(_SHORTEST_NAP, self.due_in))

    @property
    def due_in(self) -> float:
        """The seconds until the job is due; 0 if it is."""
        return max(0.0, self._due - time.monotonic())

    def _run(self) -> None:
        self._due = time.monotonic() + self._interval
        self._job()

    @staticmethod
    def _look() -> tuple[datetime, float]:
        return datetime.now(), time.monotonic()  # noqa: DTZ005 - schedule's own clock has no zone
