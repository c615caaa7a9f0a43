"""What a restore is going to do: which dumps of which batch, and what the server has of those races now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meosbackup.batch import choosing, names
from meosbackup.batch.model import Entry, Freshness, Race, StoredBatch
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.meos import race_status
from meosbackup.meos.race_status import RaceStatus
from meosbackup.mysql import sessions
from meosbackup.settings.model import Settings
from meosbackup.store import inventory
from meosbackup.text import clean
from meosbackup.wording import span, when


@dataclass(frozen=True)
class Wish:
    """What the user asked for: a batch, races of it, the whole race list too; and which questions are answered."""

    when: str
    names: tuple[str, ...]
    whole_list: bool
    force: bool


@dataclass(frozen=True)
class Missing:
    """A race that the batch has no good dump of, and the newest batch that has one; None without any."""

    race: Race
    error: str
    other: StoredBatch | None


@dataclass(frozen=True)
class Plan:
    """What is going to be done: the dumps of a batch, and how each race stands on the server now (None: not there)."""

    stored: StoredBatch
    note: str
    dumps: tuple[Entry, ...]
    standings: tuple[RaceStatus | None, ...]
    missing: tuple[Missing, ...]
    has_list: bool

    @property
    def takes_list(self) -> bool:
        """Whether the race list of the server is replaced as a whole."""
        return any(entry.race is None for entry in self.dumps)

    @property
    def loses_something(self) -> bool:
        """Whether the server has anything that would be gone."""
        return any(not found.is_shell for found in self.replaced) or (self.takes_list and self.has_list)

    @property
    def replaced(self) -> list[RaceStatus]:
        """The races that are on the server, and make way."""
        return [found for found in self.standings if found is not None]


def make(settings: Settings, root: Path, wish: Wish) -> Plan:
    """Choose the batch and its races, and look at the server. Nothing is changed.

    Raises WrongUsageError and others of MeosBackupError; one where clients of MeOS have a race open.
    """
    batches = inventory.find(root).batches
    chosen = choosing.batch_at(batches, wish.when)
    stored = chosen.stored
    dumps = choosing.dumps_named(stored.batch.databases, wish.names)
    usable = tuple(entry for entry in dumps if entry.dump is not None)
    missing = tuple(
        Missing(entry.race, entry.error or "", choosing.newest_good(batches, entry.race))
        for entry in dumps if entry.dump is None and entry.race is not None
    )  # fmt: skip
    if not usable:
        raise WrongUsageError(
            " ".join(["The batch holds no good dump of what was asked for.", *(where(found) for found in missing)]),
            "Nothing was done.",
            "Take another batch by --batch.",
        )
    standings, has_list = _look(settings, usable)
    race_list = stored.batch.race_list
    if wish.whole_list and race_list is not None and race_list.dump is not None:
        usable, standings = (race_list, *usable), (None, *standings)
    found = Plan(stored, chosen.note, usable, standings, missing, has_list)
    if not wish.force:
        _refuse_if_open(zip(found.dumps, found.standings, strict=True))
    return found


def look_again(settings: Settings, plan: Plan) -> None:
    """Look for clients of MeOS once more: the question may have stood there for long. Raises MeosBackupError."""
    standings, _ = _look(settings, plan.dumps)
    _refuse_if_open(zip(plan.dumps, standings, strict=True))


def where(missing: Missing) -> str:
    """Tell which batch has a good dump of a race, where there is one."""
    name = missing.race.display_name
    if missing.other is None:
        return f"No batch on this drive has a good dump of {name}."
    return f"The newest good dump of {name}: {choosing.options(missing.other, missing.race)}"


def _look(settings: Settings, dumps: Iterable[Entry]) -> tuple[tuple[RaceStatus | None, ...], bool]:
    """Ask the server how races stand, and whether it has a race list."""
    try:
        with sessions.session(settings) as session:
            known = sessions.databases(session)
            standings = tuple(
                race_status.of_race(session, entry.race.name_id, known) if entry.race else None for entry in dumps
            )
    except MeosBackupError as error:
        raise type(error)(error.what, "Nothing was done.", error.do) from error
    return standings, sessions.spelled(names.RACE_LIST, known) is not None


def _refuse_if_open(standings: Iterable[tuple[Entry, RaceStatus | None]]) -> None:
    """Refuse to replace a race that MeOS has open: what its clients hold would be written over the restored one."""
    for entry, now in standings:
        if now is not None and now.clients and entry.race is not None:
            raise MeosBackupError(
                f"MeOS has {entry.race.display_name} open on: {race_status.in_words(now.clients)}.",
                "Nothing was done. A MeOS that stays open writes its own copy over what is restored.",
                race_status.HOW_TO_CLOSE,
            )


def show(found: Plan, console: Console, now: datetime) -> None:
    """Tell what is going to be done, race by race: how it is in the batch, how it is on the server, what would go."""
    age = span((now - found.stored.batch.taken).total_seconds())
    console.say(f"Batch of {found.stored.when}, {age} old" + (f" ({found.note})" if found.note else ""))
    for entry, standing in zip(found.dumps, found.standings, strict=True):
        console.say()
        console.block([(entry.race.display_name if entry.race else "race list", ""), *_rows(entry, standing, now)])
    for missing in found.missing:
        console.say()
        console.block([
            (missing.race.display_name, ""),
            ("", f"NOT RESTORED: the batch has no good dump of it. {clean(missing.error, 80)}".rstrip()),
            ("", where(missing)),
        ])  # fmt: skip
    console.say()


def _rows(entry: Entry, standing: RaceStatus | None, now: datetime) -> list[tuple[str, str]]:
    if entry.race is None:
        return [("", "takes the place of the server's race list, all rows of it")]
    rows = [("", f"in the batch:   {_counts(entry.freshness, now)}")]
    if standing is None:
        rows.append(("", "on the server:  not there; it is made anew"))
    else:
        rows.append(("", f"on the server:  {clean(standing.damage, 100) or _counts(standing.freshness, now)}"))
        rows.append(("", _loss(entry.freshness, standing.freshness)))
    if entry.error:
        rows.append(("", f"OLDER than the batch: {clean(entry.error, 80)}"))
    return rows


def _counts(freshness: Freshness | None, now: datetime) -> str:
    if freshness is None:
        return "not known"
    changed = f"last change {when(freshness.last_change, now)}" if freshness.last_change else "no change known"
    return f"{freshness.entries} entries, {freshness.finished} finished, {freshness.cards} cards, {changed}"


def _loss(then: Freshness | None, now: Freshness | None) -> str:
    """Tell what the server has that the batch hasn't."""
    if then is None or now is None or then.last_change is None or now.last_change is None:
        return "what is on the server now goes"
    newer = (now.last_change - then.last_change).total_seconds()
    if newer <= 0:
        return "the server has nothing newer"
    return f"LOST: what changed on the server in {span(newer)} after that ({now.finished - then.finished:+d} finished)"
