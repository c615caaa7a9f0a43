"""What a receiver is to be told, and when: what goes wrong, what still is after ten minutes, what is over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from meosbackup.day.day_status import DayStatus
from meosbackup.guide.picture import Happening

_AGAIN = timedelta(minutes=10)
"""How long something stands before it is told again."""
_CALM = timedelta(minutes=10)
"""What comes again this soon comes and goes: its end is told only after so long without it."""

Key = tuple[str, str]
"""What a thing is recognised by: its kind and its key."""


@dataclass(frozen=True)
class Known:
    """Something that a receiver was told of, and when.

    `over` is when it was seen to have ended; it `comes_and_goes` if it came again soon after its end had been told.
    """

    thing: Happening
    told: datetime
    is_reminded: bool = False
    over: datetime | None = None
    is_end_told: bool = False
    comes_and_goes: bool = False


class Turn(Enum):
    """Why something is told."""

    BEGAN = "it is new"
    AGAIN = "it was over, and is back soon after"
    STANDS = "it has stood for a while"
    ENDED = "it is over"


@dataclass(frozen=True)
class Due:
    """Something to be told now; what is over may have ended a while ago."""

    turn: Turn
    thing: Happening
    over: datetime | None = None


def seen(known: Mapping[Key, Known], status: DayStatus) -> dict[Key, Known]:
    """Return what a receiver knows, with what was seen meanwhile: what is over, and what is not over after all."""
    standing, found = _standing(status), {}
    for key, one in known.items():
        if one.is_end_told and one.over is not None and status.moment - one.over >= _CALM:
            continue
        is_over = key not in standing
        if is_over and one.over is None:
            found[key] = replace(one, over=status.moment)
        else:
            found[key] = one if is_over or one.is_end_told else replace(one, over=None)
    return found


def due(known: Mapping[Key, Known], status: DayStatus) -> tuple[Due, ...]:
    """Return what a receiver is to be told now, if it knows this."""
    standing, found = _standing(status), []
    for key, thing in standing.items():
        one = known.get(key)
        if one is None or one.is_end_told:
            found.append(Due(Turn.BEGAN if one is None else Turn.AGAIN, thing))
        elif not one.is_reminded and status.moment - one.told >= _AGAIN:
            found.append(Due(Turn.STANDS, thing))
    ended = [one for one in known.values() if one.over is not None and not one.is_end_told]
    calm = [one for one in ended if not one.comes_and_goes or status.moment - (one.over or one.told) >= _CALM]
    # Where nothing is wrong any more and that is told, it is told of everything.
    found += [Due(Turn.ENDED, one.thing, one.over) for one in (ended if calm and not standing else calm)]
    return tuple(found)


def told(known: Mapping[Key, Known], dues: Iterable[Due], moment: datetime) -> dict[Key, Known]:
    """Return what a receiver knows once it was told all this."""
    found = dict(known)
    for one in dues:
        key = key_of(one.thing)
        match one.turn:
            case Turn.BEGAN | Turn.AGAIN:
                found[key] = Known(one.thing, moment, comes_and_goes=one.turn is Turn.AGAIN)
            case Turn.STANDS:
                found[key] = replace(known[key], is_reminded=True)
            case Turn.ENDED:
                found[key] = replace(known[key], is_end_told=True)
    return found


def key_of(thing: Happening) -> Key:
    """Return what a thing is recognised by."""
    return thing.kind, thing.key


def _standing(status: DayStatus) -> dict[Key, Happening]:
    return {key_of(one): one for one in status.wrong}
