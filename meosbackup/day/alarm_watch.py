"""The alarms of a day, sounded: what is told of each, which batch is kept for it, and which command undoes it."""

import logging
from collections.abc import Sequence
from datetime import datetime

from meosbackup import wording
from meosbackup.backup.survey import Survey
from meosbackup.batch import names
from meosbackup.batch.model import Race, StoredBatch
from meosbackup.day.alarms import Alarm, Alarms, Kind, News, grouped
from meosbackup.day.closing import Lost
from meosbackup.day.report import Report
from meosbackup.day.shipping_orders import KeepBatch
from meosbackup.day.shipping_thread import ShippingThread
from meosbackup.guide.picture import ALARM, Happening
from meosbackup.meos.race_list import Selection
from meosbackup.settings import command_line
from meosbackup.settings.model import Settings
from meosbackup.store import keeping
from meosbackup.store.keeping import Keep
from meosbackup.system import files
from meosbackup.text import clean

log = logging.getLogger(__name__)


class AlarmWatch:
    """Looks for alarms, and sounds them; only the tick's thread touches it."""

    def __init__(self, settings: Settings, report: Report, shipping: ShippingThread) -> None:
        """Begin without an alarm; `shipping` has the drive keep the batches from before the alarms."""
        self._settings = settings
        self._report = report
        self._shipping = shipping
        self._alarms = Alarms()

    @property
    def lost(self) -> tuple[Lost, ...]:
        """What the alarms that stand are about, with the commands that bring it back."""
        return tuple(map(self._lost, self._groups))

    def look(self, now: datetime, selection: Selection, newest: StoredBatch | None) -> News:
        """Compare the race list, and the newest batch, with what was seen before."""
        if not self._settings.alarm or newest is None:
            return News()
        return self._alarms.look(now, selection, newest)

    def sound(self, now: datetime, news: News) -> None:
        """Report what alarms there are, and keep the batches from before them."""
        until = keeping.evening_after(now)
        for _, told in news.over:
            self._report.alarm_over(now, told)
        for group in grouped(news.raised):
            lost = self._lost(group)
            log.warning("alarm: %s", lost.what)
            self._report.alarmed(now, group, until, lost.command)
            self._keep(group[0].before.batch, Keep(until, lost.what))

    def repeat(self, now: datetime) -> None:
        """Report the alarms that have stood for a while, again."""
        for group in grouped(self._alarms.due(now)):
            self._report.alarms_stand(now, group)

    def tell_that_gone(self, race: Race, seen: Survey) -> bool:
        """Return whether an alarm says already that a race's database is gone."""
        is_gone = (race.key, Kind.GONE) in self._alarms.standing
        return is_gone and seen.sees_everything and race not in seen.races.values()

    def happenings(self, now: datetime) -> list[Happening]:
        """Return the alarms that stand as what happened, each with the command that undoes it."""
        return [_happening(now, alarm, self._lost(group).command) for group in self._groups for alarm in group]

    @property
    def _groups(self) -> list[tuple[Alarm, ...]]:
        return grouped(self._alarms.standing.values())

    def _lost(self, group: Sequence[Alarm]) -> Lost:
        races = [part for alarm in group for part in ("--race", clean(alarm.race.name_id, 64))]
        command = command_line.command(self._settings, "restore", "--batch", group[0].before.batch.when, *races)
        return Lost("; ".join(alarm.brief for alarm in group), command)

    def _keep(self, stored: StoredBatch, keep: Keep) -> None:
        """Keep a batch in the spool, if it is still there, and on the drive."""
        try:
            keeping.mark(stored.folder, keep)
            files.make_private(stored.folder / names.KEEP_FILE)
        except OSError:
            log.warning("%s can't be marked in the spool", stored.folder, exc_info=True)
        self._shipping.send(KeepBatch(stored, keep))


def _happening(now: datetime, alarm: Alarm, command: str) -> Happening:
    before = wording.when(alarm.before.batch.batch.taken, now)
    means = f"The batch from {before} has it as it was before that."
    do = f"If this was a mistake, stop meosbackup with Ctrl-C, and run: {command}"
    return Happening(ALARM, alarm.what, f"{alarm.what} {alarm.more}", means, do, now)
