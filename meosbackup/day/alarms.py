"""Which races lost something from one look at them to the next, and whether it is back. Nothing here prints."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from meosbackup import wording
from meosbackup.batch.model import Entry, Freshness, Race, StoredBatch
from meosbackup.meos.race_list import REMOVED, Selection
from meosbackup.text import clean

_LEAST = 5
_LEAST_SHARE = 0.02
"""By how many, and by what share, a count must fall."""

_AGAIN = timedelta(minutes=10)
"""How long an alarm stands before it is repeated; what is lost of the race until then belongs to the same accident."""

_NOUNS = {"entries": "entries", "finished": "finished runners", "cards": "cards", "punches": "punches"}
_STILL = "It is still backed up; after a new start, only with --all-races."
_NAME_WIDTH = 40


class Kind(Enum):
    """What an alarm is about. A race has one alarm of each kind at most."""

    GONE = "the race or its database is gone"
    FELL = "a count fell"
    MOVED = "the race would be left out for its new date"


@dataclass(frozen=True)
class Seen:
    """A race when it was last seen in good order: the newest batch then, and what it holds of the race."""

    batch: StoredBatch
    entry: Entry
    moment: datetime


@dataclass(frozen=True)
class Alarm:
    """Something that a race lost after it was seen `before`. `what` and `more` are sentences, `brief` a few words.

    `fallen` are the counts that fell, by their names in Freshness.
    """

    kind: Kind
    race: Race
    before: Seen
    began: datetime
    what: str
    more: str
    brief: str
    fallen: tuple[str, ...] = ()


@dataclass(frozen=True)
class News:
    """What a look at the races found: new alarms, and those that are over, with a sentence that says so."""

    raised: tuple[Alarm, ...] = ()
    over: tuple[tuple[Alarm, str], ...] = ()

    @property
    def keys(self) -> set[str]:
        """The keys of the races that it is about."""
        return {alarm.race.key for alarm in (*self.raised, *(alarm for alarm, _ in self.over))}


@dataclass
class Alarms:
    """The alarms of a run, and what they are decided by: how each race was when it was last seen in good order."""

    standing: dict[tuple[str, Kind], Alarm] = field(default_factory=dict)
    _last: dict[str, Seen] = field(default_factory=dict)
    _told: dict[tuple[str, Kind], datetime] = field(default_factory=dict)

    def look(self, now: datetime, selection: Selection, newest: StoredBatch) -> News:
        """Compare the race list's present rows, and the newest batch, with what was seen before."""
        good = {entry.key: entry for entry in newest.batch.races if entry.dump and entry.error is None}
        over = [(alarm, told) for alarm in self.standing.values() if (told := _back(alarm, good, selection))]
        for alarm, _ in over:
            del self.standing[alarm.race.key, alarm.kind]
        raised = [*self._gone(now, selection), *self._fallen(now, good), *self._moved(now, selection)]
        for alarm in raised:
            self.standing[alarm.race.key, alarm.kind] = alarm
            self._told[alarm.race.key, alarm.kind] = now
            if alarm.kind is Kind.GONE:  # that says it all
                for kind in (Kind.FELL, Kind.MOVED):
                    self.standing.pop((alarm.race.key, kind), None)
        self._last |= {key: Seen(newest, entry, now) for key, entry in good.items()}
        for left in selection.left_out:  # on purpose, or for a date that passed: nothing was lost
            if left.reason != REMOVED:
                self._last.pop(left.race.key, None)
                for kind in Kind:
                    self.standing.pop((left.race.key, kind), None)
        return News(tuple(raised), tuple(over))

    def due(self, now: datetime) -> list[Alarm]:
        """Return the alarms to repeat now."""
        due = [key for key in self.standing if now - self._told[key] >= _AGAIN]
        self._told |= dict.fromkeys(due, now)
        return [self.standing[key] for key in due]

    def _gone(self, now: datetime, selection: Selection) -> list[Alarm]:
        found = []
        for key, before in self._last.items():
            how = _how_gone(key, selection)
            if how is None or before.entry.race is None or (key, Kind.GONE) in self.standing:
                continue
            name, counts = called(before.entry.race), before.entry.freshness
            what = f"{how.format(name)} between {_span(before, now)}."
            more = f"It had {_counted(counts)}." if counts else ""
            found.append(Alarm(Kind.GONE, before.entry.race, before, now, what, more, how.format(name)))
        return found

    def _fallen(self, now: datetime, good: Mapping[str, Entry]) -> list[Alarm]:
        found = []
        for key, entry in good.items():
            last, standing = self._last.get(key), self.standing.get((key, Kind.FELL))
            if last is None or not falls(last.entry.freshness, entry.freshness) or entry.race is None:
                continue
            before = standing.before if standing and now - standing.began < _AGAIN else last
            was, is_now = before.entry.freshness, entry.freshness
            fallen = falls(was, is_now)
            if not fallen:  # it rose after the accident, and fell to no less than it was before that
                continue
            lost = " and ".join(_each(fallen, was, is_now, "{lost:,} of its {was:,} {noun}"))
            left = ", ".join(_each(fallen, was, is_now, "{left:,} {noun}"))
            brief = ", ".join(_each(fallen, was, is_now, "{lost:,} {noun}"))
            name, began = called(entry.race), standing.began if standing and before is standing.before else now
            what, more = f"{name} lost {lost} between {_span(before, now)}.", f"Left: {left}."
            found.append(Alarm(Kind.FELL, entry.race, before, began, what, more, f"{name} lost {brief}", fallen))
        return found

    def _moved(self, now: datetime, selection: Selection) -> list[Alarm]:
        found = []
        for chosen in selection.chosen:
            race, before = chosen.race, self._last.get(chosen.race.key)
            if chosen.former_date is None or before is None or (race.key, Kind.MOVED) in self.standing:
                continue
            name, was, is_now = called(race), clean(chosen.former_date, 10), clean(race.date, 10)
            what = f"{name} was dated {was}, and is now dated {is_now}."
            found.append(Alarm(Kind.MOVED, race, before, now, what, _STILL, f"{name} moved from {was} to {is_now}"))
        return found


def grouped(alarms: Iterable[Alarm]) -> list[tuple[Alarm, ...]]:
    """Return the alarms in groups, each of which one batch undoes."""
    groups: dict[int, list[Alarm]] = {}
    for alarm in alarms:
        groups.setdefault(alarm.before.batch.batch.sequence, []).append(alarm)
    return [tuple(group) for group in groups.values()]


def called(race: Race) -> str:
    """Return a race's name alone, cleaned; its NameId if it has none."""
    return clean(race.name, _NAME_WIDTH) or clean(race.name_id, _NAME_WIDTH)


def falls(before: Freshness | None, after: Freshness | None) -> tuple[str, ...]:
    """Return which counts fell by 5 or more and by 2 % or more, by their names in Freshness."""
    if before is None or after is None:
        return ()
    lost = {name: _count(before, name) - _count(after, name) for name in _NOUNS}
    return tuple(name for name in _NOUNS if lost[name] >= max(_LEAST, _count(before, name) * _LEAST_SHARE))


def _count(counts: Freshness | None, name: str) -> int:
    return int(getattr(counts, name, 0))


def _each(fallen: Iterable[str], was: Freshness | None, now: Freshness | None, form: str) -> Iterator[str]:
    """Yield words for each count that fell."""
    for name in fallen:
        before, left = _count(was, name), _count(now, name)
        yield form.format(was=before, left=left, lost=before - left, noun=_NOUNS[name])


def _how_gone(key: str, selection: Selection) -> str | None:
    """Return how a race vanished, with a place for its name; None if it didn't, or left for another reason."""
    for chosen in selection.chosen:
        if chosen.race.key == key:
            return None if chosen.database is not None else "The database of {} disappeared"
    for left in selection.left_out:
        if left.race.key == key:
            return "{} was marked as removed" if left.reason == REMOVED else None
    return "{} was deleted"


def _back(alarm: Alarm, good: Mapping[str, Entry], selection: Selection) -> str:
    """Return the sentence that says that an alarm is over; an empty text if it isn't."""
    entry = good.get(alarm.race.key)
    if entry is None or entry.race is None:
        return ""
    name, counts, before = called(entry.race), entry.freshness, alarm.before.entry.freshness
    match alarm.kind:
        case Kind.GONE:
            return f"{name} is back{f': {_counted(counts)}' if counts else ''}"
        case Kind.MOVED:
            is_moved = any(one.race.key == alarm.race.key and one.former_date is not None for one in selection.chosen)
            return "" if is_moved else f"{name} is dated {clean(entry.race.date, 10) or 'nothing'} now"
        case Kind.FELL:
            is_back = all(_count(counts, name) >= _count(before, name) for name in alarm.fallen)
            return f"what {name} lost is back: {_counted(counts)}" if is_back and counts else ""


def _counted(counts: Freshness) -> str:
    return (
        f"{wording.number(counts.entries, 'entry', 'entries')}, {counts.finished:,} finished,"
        f" {wording.number(counts.cards, 'card')}, {wording.number(counts.punches, 'punch', 'punches')}"
    )


def _span(before: Seen, now: datetime) -> str:
    return f"{wording.when(before.moment, now)} and {wording.when(now, now)}"
