"""The picture of the day as JSON, for the page that draws it and for the next run, which reads it back.

A day of 600 batches and 30 races must be small, so `batches` and the `track` of a race are texts of numbers: base64
VLQ, as in source maps, with `-_` as the last two letters.

- `batches`: for each the seconds since the batch before (the first one: since 1970), the seconds that it held, and its
  flags (1: a safety batch, 2: not complete). `names` has the folders of those that aren't named after their time, by
  their places.
- `track` of a race: four numbers for each batch in which it differs from the batch before. The first is eight times the
  number of batches since the last such one, plus what changes of its flags (1: the batch has a dump of it, 2: a
  .meosxml, 4: the dump is older than the batch). The others are the differences of its entries, finished and cards. A
  batch without a dump of it has 0 of all. Where the first is 0 and the others are small, as nearly always, all four are
  one letter from U+0100 to U+02FF: of its nine bits, the lowest two are the entries' difference plus 1, the next three
  that of finished, and the others by how much that of cards is greater, plus 8.
"""

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise
from typing import Any

from meosbackup.batch import names
from meosbackup.guide.picture import KINDS, MOST_BATCHES, MOST_STATES, DayBatch, DayRace, Happening, Picture, RaceState
from meosbackup.text import clean

_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_VALUES = {letter: value for value, letter in enumerate(_LETTERS)}
_BITS, _MORE = 5, 32
_MOST_BITS = 60
_SHORT = 0x100

_SAFETY, _INCOMPLETE = 1, 2
_DUMP, _MEOSXML, _OLDER = 1, 2, 4

_COUNTS = range(2**53)
_INTERVALS = range(1, 86_401)
_LONGEST_NAME = 60
_LONGEST_TEXT = 1_000


def document(day: Picture, zone: timezone) -> dict[str, Any]:
    """Return what JSON says of a day, with all times in seconds since 1970; `zone` is that of the folders' names."""
    return {
        "interval": day.interval,
        "until": maybe_seconds(day.until),
        "batches": _written(_batch_numbers(day.batches)),
        "names": {
            str(place): batch.name
            for place, batch in enumerate(day.batches)
            if batch.name != names.folder_name(batch.taken.astimezone(zone))
        },
        "races": [
            {"key": race.key, "name": clean(race.name, _LONGEST_NAME), "date": clean(race.date, _LONGEST_NAME),
             "stem": race.stem, "track": "".join(_track(race.key, day.batches))}
            for race in day.races
        ],
        "happenings": [
            {**happening(_cleaned(one)), "to": maybe_seconds(one.ended)} for one in day.happenings
        ],
    }  # fmt: skip


def happening(one: Happening) -> dict[str, Any]:
    """Return what JSON says to a page of something that happened, but for its end."""
    return {
        "kind": one.kind, "key": one.key, "what": one.what, "means": one.means, "do": one.do,
        "from": seconds(one.began),
    }  # fmt: skip


def seconds(moment: datetime) -> int:
    """Return a moment as JSON says it to a page: in whole seconds since 1970."""
    return int(moment.timestamp())


def maybe_seconds(moment: datetime | None) -> int | None:
    """Return the same of a moment that may be unknown."""
    return None if moment is None else seconds(moment)


def _cleaned(one: Happening) -> Happening:
    what, means, do = (clean(text, _LONGEST_TEXT) for text in (one.what, one.means, one.do))
    return replace(one, key=clean(one.key), what=what, means=means, do=do)


def read(document: Mapping[str, Any], zone: timezone) -> Picture:
    """Return the day of a document that anybody may have written.

    Raises ValueError, TypeError, KeyError, OverflowError for whatever `document` would not return.
    """
    times = list(islice(_times(_read(_text(document["batches"])), zone), MOST_BATCHES))
    states: list[dict[str, RaceState]] = [{} for _ in times]
    races, room = list[DayRace](), MOST_STATES
    for found in document["races"]:
        races.append(DayRace(*(_text(found[key]) for key in ("key", "name", "date", "stem"))))
        changes = islice(_changes(_points(_text(found["track"]))), len(times))
        for (first, state), (end, _) in pairwise([*changes, (len(times), None)]):
            if not 0 <= first < end <= len(times):
                raise ValueError("not a track of ours")
            if state is None:
                continue
            room -= end - first
            if room < 0:
                raise ValueError("more than a day of ours has")
            for known in states[first:end]:
                known[races[-1].key] = state
    if document["interval"] not in _INTERVALS:
        raise ValueError("not an interval of ours")
    folders = {**document["names"]}
    batches = tuple(
        DayBatch(
            taken, held, _folder(folders.get(str(place)), taken),
            not flags & _SAFETY, not flags & _INCOMPLETE, states[place],
        )
        for place, (taken, held, flags) in enumerate(times)
    )  # fmt: skip
    happenings = tuple(_happening(found, zone) for found in document["happenings"])
    return Picture(
        int(document["interval"]), tuple(races), batches, happenings, _moment_or_none(document["until"], zone)
    )


def _batch_numbers(batches: Sequence[DayBatch]) -> Iterator[int]:
    before = 0
    for batch in batches:
        taken, held = seconds(batch.taken), seconds(batch.held)
        flags = _SAFETY * (not batch.is_backup) + _INCOMPLETE * (not batch.is_complete)
        yield from (taken - before, held - taken, flags)
        before = taken


def _times(numbers: Iterator[int], zone: timezone) -> Iterator[tuple[datetime, datetime, int]]:
    """Yield when each batch was taken, until when it held, and its flags."""
    taken = 0
    for step, held, flags in zip(numbers, numbers, numbers, strict=True):
        taken += step
        yield _moment(taken, zone), _moment(taken + held, zone), flags


def _track(key: str, batches: Iterable[DayBatch]) -> Iterator[str]:
    last, before, known = -1, None, (0, 0, 0, 0)
    for place, batch in enumerate(batches):
        state = batch.states.get(key)
        if state is before:  # as most are
            continue
        before, numbers = state, _state_numbers(state)
        if numbers != known:
            yield _point(
                8 * (place - last - 1) + (numbers[0] ^ known[0]),
                numbers[1] - known[1], numbers[2] - known[2], numbers[3] - known[3],
            )  # fmt: skip
            last, known = place, numbers


def _state_numbers(state: RaceState | None) -> tuple[int, int, int, int]:
    if state is None:
        return 0, 0, 0, 0
    flags = _DUMP + _MEOSXML * state.has_meosxml + _OLDER * state.is_older
    return flags, state.entries, state.finished, state.cards


def _changes(points: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, RaceState | None]]:
    """Yield where a race differs from the batch before, and how it is there; None if that has no dump of it."""
    place, flags, counts = -1, 0, (0, 0, 0)
    for head, *steps in points:
        place, flags = place + 1 + head // 8, flags ^ head % 8
        counts = (counts[0] + steps[0], counts[1] + steps[1], counts[2] + steps[2])
        if any(count not in _COUNTS for count in counts):
            raise ValueError("not counts of ours")
        there = RaceState(*counts, has_meosxml=bool(flags & _MEOSXML), is_older=bool(flags & _OLDER))
        yield place, there if flags & _DUMP else None


def _point(head: int, entries: int, finished: int, cards: int) -> str:
    more = cards - finished
    if head == 0 and -1 <= entries <= 2 and 0 <= finished <= 7 and -8 <= more <= 7:
        return chr(_SHORT + (entries + 1) + (finished << 2) + (more + 8 << 5))
    return _written((head, entries, finished, cards))


def _points(text: str) -> Iterator[tuple[int, int, int, int]]:
    for letters in re.split(f"([{chr(_SHORT)}-{chr(_SHORT + 511)}])", text):
        if letters and _SHORT <= ord(letters[0]) < _SHORT + 512:
            bits = ord(letters) - _SHORT
            finished = bits >> 2 & 7
            yield 0, (bits & 3) - 1, finished, finished + (bits >> 5) - 8
        else:
            numbers = _read(letters)
            yield from zip(numbers, numbers, numbers, numbers, strict=True)


def _written(numbers: Iterable[int]) -> str:
    letters = []
    for number in numbers:
        rest = -number << 1 | 1 if number < 0 else number << 1
        while rest >= _MORE:
            letters.append(_LETTERS[rest % _MORE + _MORE])
            rest >>= _BITS
        letters.append(_LETTERS[rest])
    return "".join(letters)


def _read(text: str) -> Iterator[int]:
    """Yield the numbers of a text. Raises KeyError or ValueError if it has other letters or too long a number."""
    number = bits = 0
    for letter in text:
        value = _VALUES[letter]
        number |= value % _MORE << bits
        bits += _BITS
        if value < _MORE:
            yield -(number >> 1) if number & 1 else number >> 1
            number = bits = 0
        elif bits >= _MOST_BITS:
            raise ValueError("not a number of ours")


def _happening(found: Mapping[str, Any], zone: timezone) -> Happening:
    if found["kind"] not in KINDS:
        raise ValueError("not a kind of ours")
    kind, key, what, means, do = (_text(found[key]) for key in ("kind", "key", "what", "means", "do"))
    return Happening(kind, key, what, means, do, _moment(found["from"], zone), _moment_or_none(found["to"], zone))


def _folder(found: object, taken: datetime) -> str:
    name = names.folder_name(taken) if found is None else _text(found)
    if not names.is_folder_name(name):
        raise ValueError("not a batch's folder")
    return name


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError("not a text")
    found.encode()  # raises ValueError for what no file can hold
    return found


def _moment(since_1970: int, zone: timezone) -> datetime:
    return datetime.fromtimestamp(0, zone) + timedelta(seconds=since_1970)


def _moment_or_none(since_1970: int | None, zone: timezone) -> datetime | None:
    return None if since_1970 is None else _moment(since_1970, zone)
