"""What a restore is going to do: which dumps of which batch, and what the server has of those races now."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from meosbackup import batch, choice, races, server, standing
from meosbackup.batch import Dump, Race, Stored
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.settings import Settings
from meosbackup.standing import Standing


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
    other: Stored | None


@dataclass(frozen=True)
class Plan:
    """What is going to be done: the dumps of a batch, and how each race stands on the server now (None: not there)."""

    stored: Stored
    note: str
    dumps: tuple[Dump, ...]
    standings: tuple[Standing | None, ...]
    missing: tuple[Missing, ...]
    has_list: bool

    @property
    def takes_list(self) -> bool:
        """Whether the race list of the server is replaced as a whole."""
        return any(dump.race is None for dump in self.dumps)

    @property
    def loses_something(self) -> bool:
        """Whether the server has anything that would be gone."""
        return any(not found.is_shell for found in self.replaced) or (self.takes_list and self.has_list)

    @property
    def replaced(self) -> list[Standing]:
        """The races that are on the server, and make way."""
        return [found for found in self.standings if found is not None]


def make(settings: Settings, root: Path, wish: Wish) -> Plan:
    """Choose the batch and its races, and look at the server. Nothing is changed.

    Raises WrongUsageError and others of MeosBackupError; one where clients of MeOS have a race open.
    """
    batches = batch.find(root).batches
    chosen = choice.batch_at(batches, wish.when)
    stored = chosen.stored
    dumps = choice.dumps_named(stored.batch.databases, wish.names)
    usable = tuple(dump for dump in dumps if dump.file is not None)
    missing = tuple(
        Missing(dump.race, dump.error or "", choice.newest_good(batches, dump.race))
        for dump in dumps if dump.file is None and dump.race is not None
    )  # fmt: skip
    if not usable:
        raise WrongUsageError(
            " ".join(["The batch holds no good dump of what was asked for.", *(where(found) for found in missing)]),
            "Nothing was done.",
            "Take another batch by --batch.",
        )
    standings, has_list = _look(settings, usable)
    race_list = stored.batch.race_list
    if wish.whole_list and race_list is not None and race_list.file is not None:
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
    name = races.named(missing.race)
    if missing.other is None:
        return f"No batch on this drive has a good dump of {name}."
    return f"The newest good dump of {name}: {choice.options(missing.other, missing.race)}"


def _look(settings: Settings, dumps: Iterable[Dump]) -> tuple[tuple[Standing | None, ...], bool]:
    """Ask the server how races stand, and whether it has a race list."""
    try:
        with server.session(settings) as session:
            known = server.databases(session)
            standings = tuple(standing.find(session, dump.race.name_id, known) if dump.race else None for dump in dumps)
    except MeosBackupError as error:
        raise type(error)(error.what, "Nothing was done.", error.do) from error
    return standings, server.spelled(batch.RACE_LIST, known) is not None


def _refuse_if_open(standings: Iterable[tuple[Dump, Standing | None]]) -> None:
    """Refuse to replace a race that MeOS has open: what its clients hold would be written over the restored one."""
    for dump, now in standings:
        if now is not None and now.clients and dump.race is not None:
            raise MeosBackupError(
                f"MeOS has {races.named(dump.race)} open on: {standing.called(now.clients)}.",
                "Nothing was done. A MeOS that stays open writes its own copy over what is restored.",
                standing.HOW_TO_CLOSE,
            )
