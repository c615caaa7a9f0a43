"""Which races of the race list are backed up, and why the others are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from meosbackup.batch import RACE_LIST, Race
from meosbackup.server import ListedRace, spelled
from meosbackup.text import clean

_NAME_WIDTH = 40


@dataclass(frozen=True)
class ChosenRace:
    """A race that should be backed up; `database` is None where the server has none for it."""

    race: Race
    database: str | None


@dataclass(frozen=True)
class LeftOutRace:
    """A race that is not backed up, and the reason in words."""

    race: Race
    reason: str


@dataclass(frozen=True)
class Selection:
    """What becomes of the race list's rows; `unmatched` are the names that were asked for and that no race has."""

    chosen: tuple[ChosenRace, ...]
    left_out: tuple[LeftOutRace, ...]
    unmatched: tuple[str, ...]


def select(
    listed: Sequence[ListedRace],
    databases: Sequence[str],
    *,
    names: Sequence[str],
    days: int | None,
    today: date,
) -> Selection:
    """Sort the race list's rows into those to back up and those to leave out.

    `names` (where there are any) choose by name, NameId or a part of either, and then the date plays no part.
    Otherwise races dated within the last `days` days or later are chosen, or whose date can't be read; `days` None
    chooses all.
    """
    present = [item for item in listed if not item.removed]
    named = {race.name_id for name in names for race in matching(name, [item.race for item in present])}
    chosen, left_out = [], []
    for item in listed:
        reason = _reason(item, named if names else None, days, today)
        if reason is None:
            chosen.append(ChosenRace(item.race, spelled(item.race.name_id, databases)))
        else:
            left_out.append(LeftOutRace(item.race, reason))
    unmatched = tuple(name for name in names if not matching(name, [item.race for item in present]))
    return Selection(tuple(chosen), tuple(left_out), unmatched)


def matching(name: str, races: Sequence[Race]) -> list[Race]:
    """Return the races that a name means: those called so, or else those of that NameId, or else with that part."""
    wanted = name.casefold()
    return (
        [race for race in races if race.name.casefold() == wanted]
        or [race for race in races if race.name_id.casefold() == wanted]
        or [race for race in races if wanted in race.name.casefold() or wanted in race.name_id.casefold()]
    )


def named(race: Race) -> str:
    """Return what a person knows a race by."""
    name, day = clean(race.name, _NAME_WIDTH), clean(race.date, 10)
    return f"{name or clean(race.name_id, _NAME_WIDTH)} ({day or 'no date'})"


def parsed_date(text: str) -> date | None:
    """Read a race's date; None where it isn't one."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _reason(item: ListedRace, named: set[str] | None, days: int | None, today: date) -> str | None:
    if item.removed:
        return "marked as removed"
    if item.race.name_id.lower() == RACE_LIST:
        return "its database is the race list itself"
    if named is not None:
        return None if item.race.name_id in named else "not among the races asked for"
    day = parsed_date(item.race.date)
    if days is None or day is None or day >= _days_before(today, days):
        return None
    return f"older than {days} days; --all-races takes it too"


def _days_before(today: date, days: int) -> date:
    try:
        return today - timedelta(days=days)
    except OverflowError:
        return date.min
