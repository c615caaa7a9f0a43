"""The spare server over a day: fed after each tick, and what there is to tell of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meosbackup import wording
from meosbackup.batch.model import StoredBatch
from meosbackup.day.alarms import called
from meosbackup.day.report import Report
from meosbackup.day.spare_thread import SpareThread
from meosbackup.day.trouble import Trouble
from meosbackup.errors import MeosBackupError, ServerUnreachableError, SpareServerError
from meosbackup.guide.picture import ALARM, Happening
from meosbackup.guide.spare_server import SpareServer, listed
from meosbackup.mysql import server_errors
from meosbackup.restore.feeding import Kept
from meosbackup.restore.spare_look import Standing
from meosbackup.restore.spare_replacement import Spare
from meosbackup.settings import command_line, spare
from meosbackup.text import clean

_AGAIN = timedelta(minutes=10)
"""How long an alarm stands before it is repeated."""


_SLOW_LEAST = timedelta(seconds=15)
_SLOW_INTERVALS = 3
"""How long one feeding may take before that is told: both this time, and so many intervals."""


class SpareWatch:
    """Has the spare server fed, and tells of it; only the tick's thread touches it.

    `thread` is the one that feeds. What was told is remembered.
    """

    def __init__(self, to: Spare, report: Report) -> None:
        """Prepare to feed a spare server."""
        self.thread = SpareThread(to)
        self._to = to
        self._report = report
        self._newest: StoredBatch | None = None
        self._told: dict[str, datetime] = {}
        self._began: dict[str, datetime] = {}
        self._left_alone: set[tuple[str, str]] = set()
        own = to.own
        self._address = SpareServer(server_errors.host_for_others(own), own.port, own.user)

    def feed(self, now: datetime, newest: StoredBatch | None) -> None:
        """Have the spare server brought up to a batch that shows the races as they are now; None for the one before.

        Even if nothing is new, it is looked at.
        """
        self._newest = newest or self._newest
        if self._newest is not None:
            self.thread.feed(now, self._newest, now if newest else self._newest.batch.taken)

    def look(self, now: datetime) -> list[Trouble]:
        """Take in how the latest feeding ended, and report what is new; return what went wrong."""
        self.thread.settled(0)
        self._note_left_alone(now)
        self._sound(now, [kept for kept in self.thread.latest.races if kept.is_in_use])
        error = self.thread.latest.error or self._slow(now)
        return [Trouble("", self._with_age(now, error))] if error else []

    def _slow(self, now: datetime) -> SpareServerError | None:
        """Return the error for a feeding that takes long: MyISAM waits for room, for instance, rather than to fail."""
        since, interval = self.thread.busy_since, timedelta(seconds=self._to.settings.interval)
        if since is None or now - since <= max(_SLOW_LEAST, _SLOW_INTERVALS * interval):
            return None
        return SpareServerError(
            f"The spare server has not taken everything since {wording.when(since, now)}.",
            "Backups are not affected.",
            "It goes on. If that lasts: make room on the disk of the spare server, and check the network cable.",
        )

    @property
    def in_use(self) -> list[Happening]:
        """What is wrong because somebody works on the spare server."""
        found = [kept for kept in self.thread.latest.races if kept.is_in_use]
        return [
            Happening(
                ALARM, f"spare server {kept.race.name_id}", self._what([kept]), self._means([kept]),
                " ".join(self._do()), self._began[kept.race.name_id],
            )
            for kept in found if kept.race.name_id in self._began
        ]  # fmt: skip

    @property
    def server(self) -> SpareServer:
        """What guides tell of the spare server."""
        latest = self.thread.latest
        without = [f"{called(kept.race)} ({kept.stopped})" for kept in latest.races if kept.stopped]
        failed = [entry for entry in self._newest.batch.races if entry.error] if self._newest else []
        without += [f"{called(entry.race)} (its backup failed)" for entry in failed if entry.race]
        return replace(self._address, as_of=latest.as_of, without=tuple(without), deleted=latest.deleted)

    def in_words(self, now: datetime) -> str:
        """Return the words for a tick's line: whether it is ready."""
        latest, interval = self.thread.latest, timedelta(seconds=self._to.settings.interval)
        if latest.as_of is None:
            return f"spare server not ready{'' if latest.races else ' yet'}"
        without = tuple(called(kept.race) for kept in latest.races if kept.stopped)
        but = f", except {listed(without)}" if without else ""
        if now - latest.as_of > 2 * interval:
            return f"spare server as of {wording.when(latest.as_of, now)}{but}"
        return f"spare server ready{but}"

    def advised(self, now: datetime, error: MeosBackupError) -> MeosBackupError:
        """Return an error; if the race server is away, with how to go on with the spare one."""
        self.thread.settled(0)
        server = self.server
        if not isinstance(error, ServerUnreachableError) or server.as_of is None:
            return error
        has = f"The spare server {clean(server.host, 80)} has all races as of {wording.when(server.as_of, now)}."
        return ServerUnreachableError(error.what, error.means, f"{error.do} {has} {server.how_to_go_on}")

    def _note_left_alone(self, now: datetime) -> None:
        """Note which races are left alone from the start; once."""
        new: dict[str, list[str]] = {}
        for kept in self.thread.latest.races:
            left = (kept.race.name_id, kept.stopped)
            if kept.stopped and not kept.is_in_use and left not in self._left_alone:
                self._left_alone.add(left)
                new.setdefault(kept.stopped, []).append(called(kept.race))
        for reason, names in new.items():
            cure = f". To have it saved and replaced: {self._adopting}" if reason == Standing.FOREIGN.value else ""
            self._report.note(now, f"not put on the spare server: {listed(tuple(names))}: {reason}{cure}")

    def _sound(self, now: datetime, found: Sequence[Kept]) -> None:
        """Sound an alarm for each race that came into use on the spare server, and again later while it stands."""
        new = [kept for kept in found if kept.race.name_id not in self._told]
        due = [kept for kept in found if kept not in new and now - self._told[kept.race.name_id] >= _AGAIN]
        self._told |= {kept.race.name_id: now for kept in (*new, *due)}
        self._began = {kept.race.name_id: self._began.get(kept.race.name_id, now) for kept in found}
        if new:
            self._report.in_use(now, self._what(new), self._means(new), *self._do())
        elif due:
            self._report.still_in_use(now, self._what(due), self._means(due))

    @staticmethod
    def _what(found: Sequence[Kept]) -> str:
        names = ", ".join(f"{called(kept.race)} ({clean(kept.stopped, 120)})" for kept in found)
        return f"MeOS works on the spare server now: {names} {'is' if len(found) == 1 else 'are'} not fed any more."

    @staticmethod
    def _means(found: Sequence[Kept]) -> str:
        what = "It stays there as it is" if len(found) == 1 else "They stay there as they are"
        return f"{what}. Backups of the race server are not affected."

    def _do(self) -> tuple[str, str, str, str]:
        """Return what to do if it is meant, and if it isn't, each followed by the command."""
        meant = (
            "If this is meant, since the race server is lost: have every laptop work there, stop meosbackup with"
            " Ctrl-C, and run:"
        )
        not_meant = (
            "If not: close MeOS there (first save the race to a file, if it has anything new), stop meosbackup with"
            " Ctrl-C, and run this, which saves what is there and then replaces it:"
        )
        return meant, command_line.command(spare.swapped(self._to.settings)), not_meant, self._adopting

    @property
    def _adopting(self) -> str:
        return command_line.command(replace(self._to.settings, adopt_standby=True))

    def _with_age(self, now: datetime, error: MeosBackupError) -> MeosBackupError:
        """Return an error with what the spare server has all the same."""
        as_of = self.thread.latest.as_of
        has = f" It has the races as of {wording.when(as_of, now)}." if as_of else ""
        return type(error)(error.what, error.means + has, error.do)
