"""What is said of a day: the block at the start, a line for each tick, the alarm and its end, the last line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup import wording
from meosbackup.backup.backup import Outcome
from meosbackup.backup.survey import Look
from meosbackup.batch.model import Proof, Race, Stored
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.settings.model import Settings
from meosbackup.text import clean

_LISTED = 12
"""How many races a list at the start names, before it counts the rest."""


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong; `about` is what it concerns, `newest_good` when there was a good dump of that."""

    about: str
    error: MeosBackupError
    newest_good: datetime | None = None

    @property
    def kind(self) -> str:
        """What makes it the same trouble a minute later, in whatever words the system tells it then."""
        return f"{self.about}: {type(self.error).__name__}"

    def __str__(self) -> str:
        return clean(f"{self.about}: {self.error.what}" if self.about else self.error.what)


@dataclass(frozen=True)
class Space:
    """What room there is: free bytes of the drive (None where it doesn't tell), and what the spool may still take.

    `waiting` are the batches that wait for the drive, `is_shipped` tells whether shipping is over for now.
    """

    free: int | None
    waiting: int
    spool_left: int
    is_shipped: bool


class Report:
    """Tells a day tick by tick, and remembers what was told, so that nothing is told each minute but trouble."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failing_since: datetime | None = None
        self._known: frozenset[str] = frozenset()
        self._races: dict[str, Race] | None = None
        self._left_out: set[tuple[str, str]] = set()
        self._unmatched: set[str] = set()
        self._without_file: set[str] = set()
        self._newest: datetime | None = None

    def started(self, settings: Settings, target: Path, spool: Path, free: int | None) -> None:
        """Tell what is about to be done."""
        where = settings.socket or f"{settings.host}, port {settings.port}"
        self._console.block([
            ("Server", f"{where}, as user {clean(settings.user)}"),
            ("Drive", str(target) if free is None else f"{target}, {wording.size(free)} free"),
            ("Spool", str(spool)),
            ("Interval", f"{wording.number(settings.interval, 'second')}; stop with Ctrl-C"),
        ])  # fmt: skip

    def seen(self, now: datetime, look: Look, left_out: Sequence[LeftOutRace]) -> None:
        """Tell which races there are: all of them the first time, and what came and went after that."""
        listed = {chosen.race.name_id: chosen.race for chosen in look.selection.chosen}
        present = {chosen.race.name_id: chosen.race for chosen in look.selection.chosen if chosen.database}
        if self._races is None:
            facts = look.server
            self._console.block([
                ("Answers", f"{facts.flavour} {facts.version}, lower_case_table_names {facts.lower_case_table_names}"),
                *_race_rows(present.values(), left_out),
            ])  # fmt: skip
            self._console.say()
            for remark in look.remarks.of:
                if remark.bites:
                    self._console.line(now, "NOTE", f"{remark.name}: {remark.text}")
        else:
            for name_id in present.keys() - self._races.keys():
                self._console.line(
                    now, "NOTE", f"new race: {present[name_id].display_name}; it is backed up from now on"
                )
            for name_id in self._races.keys() - listed.keys():
                self._console.line(
                    now, "NOTE", f"{self._races[name_id].display_name} is gone; earlier batches on the drive hold it"
                )
            for race in left_out:
                if (race.race.name_id, race.reason) not in self._left_out and race.race.name_id not in self._races:
                    self._console.line(now, "NOTE", f"{race.race.display_name} is not backed up: {clean(race.reason)}")
        for name in set(look.selection.unmatched) - self._unmatched:
            self._console.line(now, "NOTE", f"no race is called {clean(name)} yet; it is backed up as soon as one is")
        self._unmatched = set(look.selection.unmatched)
        self._left_out |= {(race.race.name_id, race.reason) for race in left_out}
        still = {name_id: race for name_id, race in (self._races or {}).items() if name_id in listed}
        self._races = {**still, **present}

    def without_file(self, now: datetime, stored: Stored | None, races: Sequence[LeftOutRace]) -> None:
        """Tell of each race that has no `.meosxml` file in a new batch, and why; once, until it has one again."""
        if stored is None:
            return
        for race in races:
            if race.race.name_id not in self._without_file:
                reason = f"{clean(race.reason)} Its dump is good, and is backed up."
                self._console.line(now, "NOTE", f"no .meosxml file of {race.race.display_name}: {reason}")
        self._without_file = {race.race.name_id for race in races}

    def ticked(
        self,
        now: datetime,
        outcome: Outcome | None,
        space: Space | None,
        troubles: Sequence[Trouble],
        proof: Proof | None = None,
    ) -> None:
        """Tell what a tick came to: one line, or a banner where there is new trouble.

        `outcome` is None where nothing could be backed up, `space` where the tick didn't come so far.
        """
        summary = self._summary(now, outcome) if outcome else ""
        if outcome is not None and outcome.stored is not None:
            self._newest = outcome.stored.batch.taken
        if troubles:
            self._failed(now, troubles, summary if outcome and outcome.stored else "", space)
            return
        self._relieved(now)
        if proof is not None:
            summary += f"; the batch of {wording.when(proof.batch, now)} was restored and compared"
        if space is not None and not space.is_shipped:
            summary += f"; the drive is slow: {_waiting(space)} in the spool"
        elif space is not None and space.free is not None:
            summary += f"; {wording.size(space.free)} free"
        self._console.line(now, "OK", summary)

    def note(self, now: datetime, text: str) -> None:
        """Tell something that is no trouble."""
        self._console.line(now, "NOTE", text)

    def overdue(self, now: datetime, began: datetime) -> None:
        """Tell that a tick isn't over when the next one is due."""
        self._console.line(now, "WAIT", f"the backup of {began:%H:%M:%S} is still under way; the next one waits for it")

    def clock_jumped(self, now: datetime, seconds: float) -> None:
        """Tell that this computer's clock jumped, or that it slept."""
        how = "ahead (or this computer slept)" if seconds > 0 else "back"
        self._console.line(now, "NOTE", f"the clock went {how} by {wording.span(abs(seconds))}; backups go on")

    def _failed(self, now: datetime, troubles: Sequence[Trouble], done: str, space: Space | None) -> None:
        """Tell trouble: what is new in a banner, what goes on in a line, each with the bell."""
        waits = f" In the spool: {_waiting(space)}." if space and space.waiting else ""
        saved = f" Saved all the same: {done}." if done else ""
        for trouble in troubles:
            good = (
                f" Its newest good dump is of {wording.when(trouble.newest_good, now)}." if trouble.newest_good else ""
            )
            if trouble.kind in self._known:
                self._console.fail(now, f"{trouble}{good}{waits} {trouble.error.do}{saved}")
            else:
                self._console.alarm(now, f"{trouble}{good}{waits}{saved}", trouble.error)
        self._known = frozenset(trouble.kind for trouble in troubles)
        self._failing_since = self._failing_since or now

    def _relieved(self, now: datetime) -> None:
        """Tell that trouble is over, where there was any."""
        if self._failing_since is not None:
            since = wording.when(self._failing_since, now)
            self._console.line(now, "OK", f"all is well again; there was trouble since {since}")
        self._failing_since, self._known = None, frozenset()

    def closed(self, now: datetime, batches: int, newest: Stored | None, guide_path: Path) -> None:
        """Tell what the day came to."""
        made = wording.number(batches, "batch", "batches")
        last = f"the newest is of {wording.when(newest.batch.taken, now)}" if newest else "none is there to restore"
        self._console.say()
        self._console.line(now, "OK", f"stopped; {made} made, {last}")
        if newest is not None:
            self._console.say(f"To bring the races back, open {guide_path}")

    def _summary(self, now: datetime, outcome: Outcome) -> str:
        if outcome.stored is None:
            since = f" since {wording.when(self._newest, now)}" if self._newest else ""
            return f"nothing changed{since}"
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


def _waiting(space: Space) -> str:
    waiting = wording.number(space.waiting, "batch waits", "batches wait")
    return f"{waiting}, room for {wording.size(space.spool_left)} more"


def _race_rows(present: Iterable[Race], left_out: Sequence[LeftOutRace]) -> list[tuple[str, str]]:
    """Return the block of races: those that are backed up, and those that are not, the latest first."""
    backed = _folded([race.display_name for race in present])
    others = sorted(left_out, key=lambda item: item.race.id, reverse=True)
    rest = _folded([f"{item.race.display_name}: {clean(item.reason)}" for item in others])
    return [
        *_headed("Races", backed or ["none yet; a new one is backed up as soon as it is there"]),
        *_headed("Not backed up", rest),
    ]


def _headed(name: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    return [(name if place == 0 else "", line) for place, line in enumerate(lines)]


def _folded(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _LISTED:
        return list(lines)
    return [*lines[: _LISTED - 1], f"and {len(lines) - _LISTED + 1} more"]
