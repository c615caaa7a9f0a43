"""The picture of the day as JSON, for the page that draws it and for the next run, which reads it back.

A day of 600 batches and 30 races must be small, so points are texts of differences: `1,2,3;,,1`. Points are separated
by `;`, the numbers of one by `,`; a number that is left out is 0, or 1 where that is said.

- `batches`: for each the seconds since the batch before (the first one: since 1970), the seconds that it held, its
  flags (1: a safety batch, 2: not complete), and its folder if that isn't named after its time.
- `track` of a race: for each batch in which it differs from the batch before, how many batches after the last such one
  that is (left out: 1; counted from before the first batch), by how much its entries, finished and cards differ, and
  its flags if they differ (1: it has a dump, 2: a .meosxml, 4: its dump is older); 0 if the batch lacks it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from meosbackup.batch import names
from meosbackup.guide.day import KINDS, Day, DayBatch, DayRace, Happening, RaceState

_SAFETY, _INCOMPLETE = 1, 2
_DUMP, _MEOSXML, _OLDER = 1, 2, 4
_MOST = 5_000
_LONGEST_TEXT = 2_000
_COUNTS = range(-(2**53), 2**53)


def document(day: Day, zone: timezone) -> dict[str, Any]:
    """Return what JSON says of a day, with all times in seconds since 1970; `zone` is that of the folders' names."""
    return {
        "interval": day.interval,
        "batches": _joined(_batch_points(day.batches, zone)),
        "races": [
            {"key": race.key, "name": race.name, "date": race.date, "stem": race.stem,
             "track": _joined(_track(race.key, day.batches))}
            for race in day.races
        ],
        "happenings": [
            {"kind": one.kind, "key": one.key, "what": one.what, "means": one.means, "do": one.do,
             "from": _seconds(one.began), "to": _seconds(one.ended) if one.ended else None}
            for one in day.happenings
        ],
    }  # fmt: skip


def read(document: Mapping[str, Any], zone: timezone) -> Day:
    """Return the day of a document that anybody may have written.

    Raises ValueError, TypeError, KeyError, OverflowError for whatever `document` would not return.
    """
    races = tuple(_race(found) for found in _listed(document["races"]))
    tracks = [dict(_states(_split(found["track"]))) for found in document["races"]]
    batches, taken, before = list[DayBatch](), 0, dict[str, RaceState]()
    for place, point in enumerate(_split(document["batches"])):
        taken += _at(point, 0)
        flags, moment = _at(point, 2), _moment(taken, zone)
        changed = {race.key: track[place] for race, track in zip(races, tracks, strict=True) if place in track}
        before = {key: state for key, state in {**before, **changed}.items() if state is not None}
        name = point[3] if len(point) > 3 else names.folder_name(moment)
        if not names.is_folder_name(name):
            raise ValueError(f"{name!r:.40} is not a batch's folder")
        batches.append(DayBatch(
            moment, _moment(taken + _at(point, 1), zone), name,
            not flags & _SAFETY, not flags & _INCOMPLETE, before,
        ))  # fmt: skip
    happenings = tuple(_happening(found, zone) for found in _listed(document["happenings"]))
    interval = document["interval"]
    if not isinstance(interval, int) or not 0 < interval <= 86_400:
        raise ValueError("no interval")
    return Day(interval, races, tuple(batches), happenings)


def _batch_points(batches: Sequence[DayBatch], zone: timezone) -> Iterator[list[int | str]]:
    before = 0
    for batch in batches:
        taken, held = _seconds(batch.taken), _seconds(batch.held)
        flags = _SAFETY * (not batch.is_backup) + _INCOMPLETE * (not batch.is_complete)
        name = "" if batch.name == names.folder_name(batch.taken.astimezone(zone)) else batch.name
        yield [taken - before, held - taken, flags, name]
        before = taken


def _track(key: str, batches: Iterable[DayBatch]) -> Iterator[list[int | str]]:
    last, before, known = -1, None, (0, 0, 0, 0)
    for place, batch in enumerate(batches):
        state = batch.states.get(key)
        if state is before:
            continue
        numbers = _numbers(state)
        if numbers != known:
            steps, flags = place - last, "" if numbers[3] == known[3] else str(numbers[3])
            yield [
                "" if steps == 1 else steps,
                *(now - was for now, was in zip(numbers[:3], known, strict=False)),
                flags,
            ]
            last, known = place, numbers
        before = state


def _numbers(state: RaceState | None) -> tuple[int, int, int, int]:
    if state is None:
        return 0, 0, 0, 0
    flags = _DUMP + _MEOSXML * state.has_meosxml + _OLDER * state.is_older
    return state.entries, state.finished, state.cards, flags


def _states(track: Sequence[Sequence[str]]) -> Iterator[tuple[int, RaceState | None]]:
    """Yield where a race differs from the batch before, and how it is there; None where it isn't there any more."""
    place, entries, finished, cards, flags = -1, 0, 0, 0, 0
    for point in track:
        place += _at(point, 0) or 1
        entries, finished, cards = entries + _at(point, 1), finished + _at(point, 2), cards + _at(point, 3)
        flags = int(point[4]) if len(point) > 4 else flags
        there = RaceState(entries, finished, cards, bool(flags & _MEOSXML), bool(flags & _OLDER))
        yield place, there if flags & _DUMP else None


def _joined(points: Iterable[Sequence[int | str]]) -> str:
    return ";".join(",".join("" if item == 0 else str(item) for item in point).rstrip(",") for point in points)


def _split(text: object) -> list[list[str]]:
    if not isinstance(text, str):
        raise TypeError("not a text")
    points = [point.split(",") for point in text.split(";")] if text else []
    if len(points) > _MOST:
        raise ValueError("too long")
    return points


def _at(point: Sequence[str], place: int) -> int:
    number = int(point[place]) if len(point) > place and point[place] else 0
    if number not in _COUNTS:
        raise ValueError("not a number of ours")
    return number


def _race(found: Mapping[str, Any]) -> DayRace:
    return DayRace(*(_text(found[key]) for key in ("key", "name", "date", "stem")))


def _happening(found: Mapping[str, Any], zone: timezone) -> Happening:
    if found["kind"] not in KINDS:
        raise ValueError("not a kind of ours")
    kind, key, what, means, do = (_text(found[key]) for key in ("kind", "key", "what", "means", "do"))
    ended = None if found["to"] is None else _moment(found["to"], zone)
    return Happening(kind, key, what, means, do, _moment(found["from"], zone), ended)


def _listed(found: object) -> list[Any]:
    if not isinstance(found, list) or len(found) > _MOST:
        raise TypeError("not a list of ours")
    return found


def _text(found: object) -> str:
    if not isinstance(found, str) or len(found) > _LONGEST_TEXT:
        raise TypeError("not a text of ours")
    return found


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: Any, zone: timezone) -> datetime:
    return datetime.fromtimestamp(0, zone) + timedelta(seconds=int(seconds))
