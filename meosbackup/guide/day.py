"""The picture of the day: its batches, how each race was in them, and what happened. All of it is immutable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meosbackup.batch import names
from meosbackup.batch.model import Batch, Entry, Race

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
class Day:
    """The last 24 hours: batches and happenings, oldest first, and all races of these batches.

    `interval` is the time from one backup to the next, in seconds.
    """

    interval: int = 60
    races: tuple[DayRace, ...] = ()
    batches: tuple[DayBatch, ...] = ()
    happenings: tuple[Happening, ...] = ()

    @property
    def standing(self) -> tuple[Happening, ...]:
        """What is wrong now."""
        return tuple(one for one in self.happenings if one.ended is None)

    def with_batch(self, batch: Batch, name: str) -> "Day":
        """Return the day with a batch whose folder has this name."""
        added = _day_batch(batch, name, self.batches[-1] if self.batches else None)
        batches = sorted((*self.batches, added), key=lambda one: one.taken)[-MOST_BATCHES:]
        kept = tuple(one for one in batches if batches[-1].taken - one.taken <= _LONGEST)
        return replace(self, races=self._known(batch, kept), batches=kept, happenings=_recent(self.happenings, kept))

    def held(self, moment: datetime) -> "Day":
        """Return the day after it was seen that nothing had changed since its newest backup."""
        for place in reversed(range(len(self.batches))):
            if self.batches[place].is_backup:
                held = replace(self.batches[place], held=moment)
                return replace(self, batches=(*self.batches[:place], held, *self.batches[place + 1 :]))
        return self

    def during(self, now: datetime, kind: str, present: Iterable[Happening]) -> "Day":
        """Return the day when `present` is all that stands of a kind: what else stood has ended by now."""
        found = {one.key: one for one in present}
        standing = {one.key for one in self.standing if one.kind == kind}
        ended = tuple(
            replace(one, ended=now) if one.ended is None and one.kind == kind and one.key not in found else one
            for one in self.happenings
        )
        new = tuple(one for key, one in found.items() if key not in standing)
        return replace(self, happenings=(*ended, *new)[-_MOST_HAPPENINGS:])

    def started(self, now: datetime) -> "Day":
        """Return the day when meosbackup starts: nothing stands any more."""
        ended = tuple(replace(one, ended=now) if one.ended is None else one for one in self.happenings)
        return replace(self, happenings=(*ended, Happening(START, "", "", "", "", now, now))[-_MOST_HAPPENINGS:])

    def _known(self, batch: Batch, kept: tuple[DayBatch, ...]) -> tuple[DayRace, ...]:
        """Return the races that these batches have, with those of the new batch as that describes them."""
        described = {entry.race.key: _day_race(entry, entry.race) for entry in batch.races if entry.race}
        known = {race.key: race for race in self.races}
        for key, race in described.items():
            stem = race.stem or (known[key].stem if key in known else "")
            known[key] = replace(race, stem=stem)
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


def _day_race(entry: Entry, race: Race) -> DayRace:
    return DayRace(race.key, race.name, race.date, names.stem_of(entry.dump.file) if entry.dump else "")


def _recent(happenings: tuple[Happening, ...], batches: tuple[DayBatch, ...]) -> tuple[Happening, ...]:
    since = batches[-1].taken - _LONGEST
    return tuple(one for one in happenings if one.ended is None or one.ended >= since)
