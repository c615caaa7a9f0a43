"""Which races of the race list are backed up, and why the others are not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from meosbackup.batch.choosing import matching
from meosbackup.batch.model import RACE_LIST, Race, numbered
from meosbackup.errors import NoRaceError, RaceListMissingError
from meosbackup.mysql.identifiers import is_system, quoted, spelled
from meosbackup.mysql.server_errors import grant_line
from meosbackup.mysql.sessions import Session, databases, tables
from meosbackup.wording import number

REMOVED = "marked as removed"
"""Why a race is left out that another program deleted."""

_ALL_RACES = "; --all-races backs it up too"


@dataclass(frozen=True)
class ListedRace:
    """A row of the race list. Other programs mark a race as deleted by `removed`."""

    race: Race
    removed: bool


@dataclass(frozen=True)
class ChosenRace:
    """A race that should be backed up; `database` is None if the server has none for it.

    If `former_date` is set, the race is chosen for that date, which it had before.
    """

    race: Race
    database: str | None
    former_date: str | None = None


@dataclass(frozen=True)
class LeftOutRace:
    """A race that is not backed up, and why, in words."""

    race: Race
    reason: str


@dataclass(frozen=True)
class Selection:
    """The race list's rows, sorted into those to back up and those to leave out.

    `unmatched` are the names that were asked for and that no race has.
    """

    chosen: tuple[ChosenRace, ...]
    left_out: tuple[LeftOutRace, ...]
    unmatched: tuple[str, ...]


def race_list_name(names: Iterable[str], account: str | None) -> str:
    """Return the race list's database as the server spells it; MeOS itself writes `MeOSMain`.

    Raises RaceListMissingError.
    """
    found = spelled("MeOSMain", names)
    if found is None:
        raise RaceListMissingError(
            f"This server has no race list (no database {RACE_LIST} that the user may see).",
            "No race is backed up while this lasts.",
            f"If MeOS uses another server, name that one with --host. Otherwise {_how_to_grant(account)}",
        )
    return found


def listed_races(session: Session, race_list: str) -> tuple[ListedRace, ...]:
    """Read the race list. Of rows for one database, the first counts. Raises RaceListMissingError."""
    table = spelled("oEvent", tables(session, race_list, once=True))
    if table is None:
        raise RaceListMissingError(
            f"The database {race_list} has no table oEvent that the user may read.",
            "The races can't be listed, so none is backed up.",
            "Open MeOS once with this server, which creates the table. If it is there,"
            f" {_how_to_grant(session.account)}",
        )
    rows = session.rows(f"SELECT * FROM {quoted(race_list)}.{quoted(table)}")
    if rows and not {"id", "name", "nameid"} <= rows[0].keys():
        raise RaceListMissingError(
            f"The table oEvent of the database {race_list} is not MeOS's race list: columns are missing.",
            "The races can't be listed, so none is backed up.",
            "If another program changed the table, open MeOS with this server, which repairs it.",
        )
    races: dict[str, ListedRace] = {}
    for row in rows:
        race = _race(row)
        races.setdefault(race.name_id, ListedRace(race, bool(row.get("removed"))))
    return _one_a_database(session, tuple(races.values()))


def _one_a_database(session: Session, listed: tuple[ListedRace, ...]) -> tuple[ListedRace, ...]:
    """Return one row for each database: a server may tell apart NameIds that differ in case only, or may not."""
    alike: dict[str, list[ListedRace]] = {}
    for item in listed:
        alike.setdefault(item.race.name_id.lower(), []).append(item)
    if len(alike) == len(listed):
        return listed
    there = set(databases(session)) if session.lower_case_table_names == 0 else set()
    kept: list[ListedRace] = []
    for items in alike.values():
        own = [item for item in items if item.race.name_id in there]
        kept += own or items[:1]
    twins = {race.name_id: race for race in numbered(item.race for item in kept)}
    return tuple(replace(item, race=twins[item.race.name_id]) for item in listed if item in kept)


def select(
    listed: Sequence[ListedRace],
    databases: Sequence[str],
    *,
    names: Sequence[str],
    days: int | None,
    today: date,
    former_dates: Mapping[str, str] | None = None,
) -> Selection:
    """Sort the race list's rows into those to back up and those to leave out.

    If there are `names`, they choose races by name, NameId or a part of either, whatever their dates. Otherwise races
    are chosen that are dated within the last `days` days or later, or whose date can't be read; all if `days` is None.
    A race whose date moved stays chosen for its date before, which is in `former_dates` by the race's key.
    """
    present = [item.race for item in listed if not item.removed]
    matches = {name: matching(name, present) for name in names}
    asked_for = {race.name_id for races in matches.values() for race in races}
    earliest = None if days is None or names else _days_before(today, days)
    chosen, left_out = [], []
    for item in listed:
        reason, former = _reason(item, asked_for if names else None), None
        if reason is None and _is_before(item.race.date, earliest):
            former = (former_dates or {}).get(item.race.key)
            if former is None or _is_before(former, earliest):
                reason = (f"older than {number(days, 'day')}" if days else "dated before today") + _ALL_RACES
        if reason is None:
            chosen.append(ChosenRace(item.race, spelled(item.race.name_id, databases), former))
        else:
            left_out.append(LeftOutRace(item.race, reason))
    return Selection(tuple(chosen), tuple(left_out), tuple(name for name in names if not matches[name]))


def no_race(selection: Selection) -> NoRaceError:
    """Return the error for a selection without any race that has a database."""
    count = len(selection.chosen) + len(selection.left_out)
    return NoRaceError(
        f"No race is backed up: the race list has {number(count, 'race') if count else 'none'}"
        f"{', but none that is chosen and has a database' if count else ''}.",
        "A race will be backed up as soon as it appears.",
        "If it is on this server already, check its date in MeOS, and --days, --race and --all-races.",
    )


def parsed_date(text: str) -> date | None:
    """Return a race's date; None if the text isn't one."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _how_to_grant(account: str | None) -> str:
    return f"the user is missing a privilege. In an administrator's mysql prompt: {grant_line(account)}"


def _race(row: Mapping[str, Any]) -> Race:
    """Return the race of a row; columns that a version of MeOS doesn't have count as empty."""
    return Race(
        name=_text(row.get("name")), annotation=_text(row.get("annotation")), date=_text(row.get("date")),
        name_id=_text(row.get("nameid")), id=int(row["id"]), version=int(row.get("version") or 0),
    )  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _reason(item: ListedRace, asked_for: set[str] | None) -> str | None:
    """Return why a race is left out whatever its date; None if it isn't."""
    if item.removed:
        return REMOVED
    if item.race.key == RACE_LIST:
        return "its database is the race list itself"
    if is_system(item.race.name_id):
        return "its database is the server's own"
    return None if asked_for is None or item.race.name_id in asked_for else "not among the races asked for"


def _is_before(text: str, earliest: date | None) -> bool:
    """Return whether a race's date is before the earliest day, if there is one; a date that can't be read isn't."""
    day = parsed_date(text)
    return earliest is not None and day is not None and day < earliest


def _days_before(today: date, days: int) -> date:
    try:
        return today - timedelta(days=days)
    except OverflowError:
        return date.min
