"""The picture of the day: its batches, how each race was in them, and what happened. All of it is immutable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meosbackup.batch import names
from meosbackup.batch.model import Batch, Entry, StoredFile
from meosbackup.guide import restore_sql

START = "start"
TROUBLE = "trouble"
ALARM = "alarm"
KINDS = (START, TROUBLE, ALARM)
"""What can happen: meosbackup was started; something was wrong; a race lost something."""

_LONGEST = timedelta(hours=24)
MOST_BATCHES = 1500
MOST_STATES = 300_000
"""Of all races in all batches of a day together."""
_MOST_HAPPENINGS = 300


@dataclass(frozen=True)
class RaceState:
    """A race that a batch has a dump of: its counts, and whether the batch has its `.meosxml` as well.

    `is_older` if the dump is from before the batch, since a new one failed.
    """

    entries: int
    finished: int
    cards: int
    has_meosxml: bool
    is_older: bool


@dataclass(frozen=True)
class DayRace:
    """A race of the day. `stem` is what the names of its files begin with."""

    key: str
    name: str
    date: str
    stem: str


@dataclass(frozen=True)
class DayBatch:
    """A batch of the day, by its folder's `name`. Until `held`, nothing had changed since it was taken.

    `states` are the races that it has dumps of, by their keys.
    """

    taken: datetime
    held: datetime
    name: str
    is_backup: bool
    is_complete: bool
    states: Mapping[str, RaceState]


@dataclass(frozen=True)
class Happening:
    """Something that happened: its kind, what it is about, and the three things that a user is told of an error.

    `key` is the same as long as it is the same thing. `ended` is None while it stands.
    """

    kind: str
    key: str
    what: str
    means: str
    do: str
    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True)
class Picture:
    """The last 24 hours: batches and happenings, oldest first, and all races of these batches.

    `interval` is the time from one backup to the next, in seconds. `until` is the last moment that the day tells of.
    """

    interval: int = 60
    races: tuple[DayRace, ...] = ()
    batches: tuple[DayBatch, ...] = ()
    happenings: tuple[Happening, ...] = ()
    until: datetime | None = None

    @property
    def standing(self) -> tuple[Happening, ...]:
        """What is wrong now."""
        return tuple(one for one in self.happenings if one.ended is None)

    def with_batch(self, batch: Batch, name: str) -> "Picture":
        """Return the day with a new batch, whose folder has this name."""
        return self.with_batches([(batch, name)], batch.taken)

    def with_batches(self, found: Iterable[tuple[Batch, str]], now: datetime) -> "Picture":
        """Return the day with batches, each with its folder's name; one that the day has already stays as it is."""
        known = {one.name for one in self.batches}
        added = [(batch, name) for batch, name in found if name not in known]
        if not added:
            return self
        batches = list(self.batches)
        for batch, name in added:
            batches.append(_day_batch(batch, name, batches[-1] if batches else None))
        kept = _latest(batches, now)
        recent = tuple(one for one in self.happenings if one.ended is None or now - one.ended <= _LONGEST)
        until = max(batch.taken for batch, _ in added)
        return replace(
            self, races=self._known([batch for batch, _ in added], kept), batches=kept, happenings=recent,
            until=max(self.until, until) if self.until else until,
        )  # fmt: skip

    def held(self, moment: datetime) -> "Picture":
        """Return the day after it was seen that nothing had changed since its newest backup."""
        for place in reversed(range(len(self.batches))):
            batch = self.batches[place]
            if batch.is_backup and batch.taken <= moment:  # later ones are from before the clock was set back
                held = replace(batch, held=moment)
                return replace(self, batches=(*self.batches[:place], held, *self.batches[place + 1 :]), until=moment)
        return self

    def with_standing(self, present: Iterable[Happening]) -> "Picture":
        """Return the day when these stand, too; those that stand already have begun before."""
        standing = {(one.kind, one.key) for one in self.standing}
        new = {(one.kind, one.key): one for one in present if (one.kind, one.key) not in standing}
        return replace(self, happenings=(*self.happenings, *new.values())[-_MOST_HAPPENINGS:])

    def ended(self, now: datetime, present: Iterable[Happening] = ()) -> "Picture":
        """Return the day when all but these that stood has ended by now."""
        left = {(one.kind, one.key) for one in present}
        happenings = (
            replace(one, ended=max(one.began, now)) if one.ended is None and (one.kind, one.key) not in left else one
            for one in self.happenings
        )
        return replace(self, happenings=tuple(happenings), until=now)

    def started(self, now: datetime, interval: int) -> "Picture":
        """Return the day when meosbackup starts: what stood ended when the day was last told of."""
        before = self.ended(min(self.until or now, now)).happenings
        happenings = (*before, Happening(START, "", "", "", "", now, now))[-_MOST_HAPPENINGS:]
        return replace(self, interval=interval, happenings=happenings, until=now)

    def _known(self, added: Iterable[Batch], kept: tuple[DayBatch, ...]) -> tuple[DayRace, ...]:
        """Return the races that the kept batches have, as the latest of those that were added describes them."""
        known = {race.key: race for race in self.races}
        for batch in added:
            known |= {entry.key: _day_race(entry, entry.dump) for entry in batch.races if entry.dump}
        present = {key for one in kept for key in one.states}
        return tuple(race for key, race in known.items() if key in present)


def _day_batch(batch: Batch, name: str, before: DayBatch | None) -> DayBatch:
    earlier = before.states if before else {}
    states = {}
    for entry in batch.races:
        if entry.dump is not None:
            found, same = _state(entry), earlier.get(entry.key)
            states[entry.key] = same if same is not None and same == found else found  # one object for all alike
    return DayBatch(batch.taken, batch.taken, name, batch.is_backup, batch.complete, states)


def _state(entry: Entry) -> RaceState:
    counts = entry.freshness
    return RaceState(
        counts.entries if counts else 0, counts.finished if counts else 0, counts.cards if counts else 0,
        entry.meosxml is not None, entry.error is not None,
    )  # fmt: skip


def _day_race(entry: Entry, dump: StoredFile) -> DayRace:
    return DayRace(
        entry.key, restore_sql.race_name(entry), entry.race.date if entry.race else "", names.stem_of(dump.file)
    )


def _latest(batches: Iterable[DayBatch], now: datetime) -> tuple[DayBatch, ...]:
    """Return the batches to keep, in order; some are later than now if the clock was set back."""
    near = sorted((one for one in batches if abs(now - one.taken) <= _LONGEST), key=lambda one: one.taken)
    races = max((len(one.states) for one in near), default=0)
    return tuple(near[-min(MOST_BATCHES, MOST_STATES // max(races, 1)) :])
