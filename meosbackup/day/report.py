"""What is printed during a day: the block at the start, a line for each tick, alarms and their end, the last line."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup import wording
from meosbackup.backup.outcome import Outcome
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Batch, Proof, Race, StoredBatch
from meosbackup.console import Console
from meosbackup.day import closing, qr_code, start_block
from meosbackup.day.alarms import Alarm, Kind
from meosbackup.day.closing import Closing
from meosbackup.day.trouble import Backups, Trouble
from meosbackup.errors import NoRaceError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.settings.model import Settings
from meosbackup.store.space import NOTED_BELOW, Outlook
from meosbackup.text import clean

_ON_PURPOSE = "On purpose? Ctrl-C and a new start end this alarm."


@dataclass(frozen=True)
class Space:
    """How much room there is: the drive's free bytes (None if unknown), and the bytes that the spool may still take.

    `waiting` is how many batches wait for the drive, `is_shipped` whether shipping is over for now, and `arrived` how
    many that waited in an earlier tick are on the drive now that none waits any more.
    """

    free: int | None
    waiting: int
    spool_left: int
    is_shipped: bool
    arrived: int = 0


class Report:
    """Reports a day tick by tick; what was said is remembered, so that only trouble is repeated each minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failing_since: datetime | None = None
        self._known: frozenset[str] = frozenset()
        self._races: dict[str, Race] | None = None
        self._left_out: set[tuple[str, str]] = set()
        self._unmatched: set[str] = set()
        self._without_file: set[str] = set()
        self._newest: Batch | None = None
        self._arrived = 0
        self._hours_told: int | None = None

    def started(
        self, settings: Settings, target: Path, spool: Path, free: int | None, addresses: Sequence[str] = (),
        told: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Print the block at the start; at the `addresses` is the live page, and those who are `told` get messages."""
        self._console.block(start_block.settings_rows(settings, target, spool, free, addresses, told))
        if addresses:
            self._console.drawing(qr_code.rows(addresses[0]))

    def surveyed(
        self, now: datetime, seen: Survey, left_out: Sequence[LeftOutRace], told: Collection[str] = ()
    ) -> None:
        """Report which races there are: all of them the first time, and what changed after that.

        Of the races with these keys, alarms tell it.
        """
        listed = {chosen.race.name_id for chosen in seen.selection.chosen}
        present = {chosen.race.name_id: chosen.race for chosen in seen.selection.chosen if chosen.database}
        if self._races is None:
            self._introduce(now, seen, present.values(), left_out)
        else:
            for race, text in self._race_news(now, self._races, present, listed, left_out):
                if race.key not in told:
                    self._console.line(now, "NOTE", text)
        for name in set(seen.selection.unmatched) - self._unmatched:
            text = f"no race is called {clean(name)} yet; it will be backed up as soon as it appears"
            self._console.line(now, "NOTE", text)
        self._unmatched = set(seen.selection.unmatched)
        self._left_out |= {(race.race.name_id, race.reason) for race in left_out}
        still = {name_id: race for name_id, race in (self._races or {}).items() if name_id in listed}
        self._races = {**still, **present}

    def _introduce(self, now: datetime, seen: Survey, present: Iterable[Race], left_out: Sequence[LeftOutRace]) -> None:
        """Print the block that the server's first answer gives, and what is wrong with its settings."""
        self._console.block(start_block.server_rows(seen.server, present, left_out))
        self._console.say()
        for warning in seen.server_checks.warnings:
            self._console.line(now, "NOTE", f"{warning.name}: {warning.text}")

    def _race_news(
        self,
        now: datetime,
        before: Mapping[str, Race],
        present: Mapping[str, Race],
        listed: Collection[str],
        left_out: Sequence[LeftOutRace],
    ) -> Iterator[tuple[Race, str]]:
        """Yield each race that came, went, or is newly left out, with a sentence that says so."""
        for name_id, race in present.items():
            if name_id not in before:
                yield race, f"new race: {race.display_name}; it is backed up from now on"
        reasons = {left.race.name_id: left.reason for left in left_out}
        for name_id, race in before.items():
            if name_id not in listed:
                reason = reasons.get(name_id)
                how = f"is no longer backed up: {clean(reason)}" if reason else "was deleted"
                yield race, f"{race.display_name} {how}; {self._still_has(name_id, now)}"
        for left in left_out:
            if (left.race.name_id, left.reason) not in self._left_out and left.race.name_id not in before:
                yield left.race, f"{left.race.display_name} is not backed up: {clean(left.reason)}"

    def alarmed(self, now: datetime, alarms: Sequence[Alarm], until: datetime, command: str) -> None:
        """Sound alarms in one banner: `until` is when the batch before ceases to be kept, `command` brings it back."""
        first = "correct the date in MeOS; or " if all(alarm.kind is Kind.MOVED for alarm in alarms) else ""
        self._console.banner(
            now, "ALARM", *(f"{alarm.what} {alarm.more}" for alarm in alarms),
            f"Backups continue. {_before(alarms, now)}, and is kept until {until:%Y-%m-%d} evening.",
            f"If this was a mistake: {first}stop meosbackup with Ctrl-C, and bring back what was there with:",
            command,
            _ON_PURPOSE,
        )  # fmt: skip

    def alarms_stand(self, now: datetime, alarms: Sequence[Alarm]) -> None:
        """Report that alarms still stand."""
        what = f"{'; '.join(alarm.brief for alarm in alarms)}." if len(alarms) > 1 else alarms[0].what
        self._console.repeat(now, "ALARM", what, _ON_PURPOSE, f"{_before(alarms, now)}.", alarms[0].more)

    def alarm_over(self, now: datetime, told: str) -> None:
        """Report that what was lost is back."""
        self._console.line(now, "OK", told)

    def in_use(self, now: datetime, what: str, means: str, *do: str) -> None:
        """Sound the alarm that somebody works on the spare server."""
        self._console.banner(now, "ALARM", what, means, *do)

    def still_in_use(self, now: datetime, what: str, means: str) -> None:
        """Report that somebody still works on the spare server, or did."""
        self._console.repeat(now, "ALARM", what, means)

    def _still_has(self, name_id: str, now: datetime) -> str:
        """Return the words for which batch still has a race."""
        newest = self._newest
        if newest and any(entry.dump and entry.race and entry.race.name_id == name_id for entry in newest.databases):
            return f"the batch from {wording.when(newest.taken, now)} still has it"
        return "earlier batches still have it"

    def without_file(self, now: datetime, stored: StoredBatch | None, races: Sequence[LeftOutRace]) -> None:
        """Report each race without a `.meosxml` file in a new batch, and why; once, until it has one again."""
        if stored is None:
            return
        for race in races:
            if race.race.name_id not in self._without_file:
                reason = f"{clean(race.reason)} Its dump is good and is backed up."
                self._console.line(now, "NOTE", f"no .meosxml file for {race.race.display_name}: {reason}")
        self._without_file = {race.race.name_id for race in races}

    def ticked(
        self,
        now: datetime,
        outcome: Outcome | None,
        space: Space | None,
        troubles: Sequence[Trouble],
        backups: Backups,
        proof: Proof | None = None,
        *,
        is_alarmed: bool = False,
        spare: str = "",
    ) -> None:
        """Report what a tick came to: in one line, or in a banner if there is new trouble.

        `outcome` is None if nothing could be backed up, `space` if the tick didn't get that far; `is_alarmed` tells
        whether an alarm stands, and `spare` how the spare server is, if there is one.
        """
        summary = self._summary(now, outcome) if outcome else ""
        if outcome is not None and outcome.stored is not None:
            self._newest = outcome.stored.batch
        self._arrived += space.arrived if space else 0
        if troubles:
            self._failed(now, troubles, backups, summary if outcome and outcome.stored else "", space)
            return
        if not self._relieved(now, is_alarmed=is_alarmed):
            summary += self._told_arrived()
        if proof is not None:
            summary += f"; the batch from {wording.when(proof.batch, now)} was restored and compared"
        if space is not None and not space.is_shipped:
            summary += f"; the drive is slow: {_waiting(space)}" if space.waiting else "; the drive is slow"
        elif space is not None and space.free is not None:
            summary += f"; {wording.size(space.free)} free"
        self._console.line(now, "OK", f"{summary}; {spare}" if spare else summary)

    def lasts(self, now: datetime, free: int, outlook: Outlook) -> None:
        """Report that the room on the drive may not last for the day; once, and again when half of that is left."""
        if outlook.is_noted and (self._hours_told is None or outlook.hours <= self._hours_told / 2):
            self._hours_told = outlook.hours
            text = f"{wording.size(free)} free on the drive, {outlook}. Delete other files (photos …) from it"
            self._console.line(now, "NOTE", f"{text}, or have another drive ready")
        elif outlook.hours > 2 * NOTED_BELOW:
            self._hours_told = None

    def note(self, now: datetime, text: str) -> None:
        """Print something that is not trouble."""
        self._console.line(now, "NOTE", text)

    def overdue(self, now: datetime, began: datetime) -> None:
        """Report that a tick is still running when the next one is due."""
        self._console.line(now, "WAIT", f"the backup from {began:%H:%M:%S} is still running; the next one waits for it")

    def clock_jumped(self, now: datetime, seconds: float) -> None:
        """Report that this computer's clock jumped by `seconds`, or that the computer slept."""
        how = "ahead (or this computer slept)" if seconds > 0 else "back"
        self._console.line(now, "NOTE", f"the clock jumped {wording.span(abs(seconds))} {how}; backups continue")

    def _failed(
        self, now: datetime, troubles: Sequence[Trouble], backups: Backups, done: str, space: Space | None
    ) -> None:
        """Report trouble: what is new in a banner, what continues in at most two lines, each with the bell."""
        waits = [f"{_waiting(space)}."] if space and space.waiting else []
        where = "on the drive" if space and space.is_shipped and not space.waiting else "on this computer"
        saved = [f"Still saved, {where}: {done}."] if done else []
        for trouble in troubles:
            what, error = str(trouble), trouble.error
            # Nobody waits for a batch without a race.
            facts = [] if isinstance(error, NoRaceError) else [trouble.newest(backups, now), *waits, *saved]
            if trouble.kind in self._known:
                self._console.repeat(now, "FAIL", what, *(facts[:1] or [error.means]), error.do, *facts[1:])
            else:
                self._console.banner(now, "FAIL", " ".join([what, *facts]), error.means, error.do)
        self._known = frozenset(trouble.kind for trouble in troubles)
        self._failing_since = self._failing_since or now

    def _relieved(self, now: datetime, *, is_alarmed: bool) -> bool:
        """Report that trouble is over, and return whether there was any."""
        if self._failing_since is None:
            return False
        trouble = f"trouble from {wording.when(self._failing_since, now)} to {now:%H:%M:%S}"
        but = ", except for the ALARM" if is_alarmed else ""
        self._console.line(now, "OK", f"all is well again{but}; {trouble}{self._told_arrived()}")
        self._failing_since, self._known = None, frozenset()
        return True

    def _told_arrived(self) -> str:
        """Return the words for the batches that waited and are on the drive now, once."""
        count, self._arrived = self._arrived, 0
        words = "batch that waited is" if count == 1 else f"{count} batches that waited are"
        return f"; the {words} on the drive now" if count else ""

    def closed(self, now: datetime, day: Closing) -> None:
        """Print the last lines."""
        closing.show(self._console, now, day)

    def _summary(self, now: datetime, outcome: Outcome) -> str:
        if outcome.stored is None:
            return f"no changes since {wording.when(self._newest.taken, now)}" if self._newest else "no changes"
        batch = outcome.stored.batch
        good = [entry for entry in batch.races if entry.error is None]
        of = "" if len(good) == len(batch.races) else f" of {len(batch.races)}"
        total = sum(
            (entry.dump.bytes if entry.dump else 0) + (entry.reference.bytes if entry.reference else 0)
            for entry in batch.databases
        )
        newest = batch.newest_change
        race_list = "race list + " if batch.race_list and not batch.race_list.error else ""
        return (
            f"{race_list}{len(good)}{of} {'race' if len(batch.races) == 1 else 'races'}, {wording.size(total)}"
            f" in {outcome.seconds:.1f} s, {outcome.changed} changed"
            + (f", newest change {wording.when(newest, now)}" if newest else "")
        )


def _before(alarms: Sequence[Alarm], now: datetime) -> str:
    races = "the race" if len(alarms) == 1 else "all of it"
    return f"The batch from {wording.when(alarms[0].before.batch.batch.taken, now)} has {races} as it was before that"


def _waiting(space: Space) -> str:
    waiting = wording.number(space.waiting, "batch is", "batches are")
    return f"{waiting} waiting on this computer, with room for {wording.size(space.spool_left)} more"
