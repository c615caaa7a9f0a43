"""What a restore is going to do: which dumps of which batch, and what the server has of those races now."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch import choosing
from meosbackup.batch.model import RACE_LIST, Entry, Freshness, Race, StoredBatch
from meosbackup.console import Console
from meosbackup.errors import MeosBackupError, WrongUsageError
from meosbackup.meos import race_status
from meosbackup.meos.race_status import RaceStatus
from meosbackup.mysql import identifiers, sessions
from meosbackup.restore.job import Job
from meosbackup.settings import command_line
from meosbackup.settings.model import Settings
from meosbackup.text import clean
from meosbackup.wording import number, span, when


@dataclass(frozen=True)
class PlannedDump:
    """An entry of the batch that is going to be restored.

    `status` is the race's on the server; None for the race list, and if the server doesn't have the race.
    """

    entry: Entry
    status: RaceStatus | None


@dataclass(frozen=True)
class MissingRace:
    """A race without a good dump in the batch, and the newest batch that has one; None if there is none."""

    race: Race
    error: str
    newest_good: StoredBatch | None

    @property
    def advice(self) -> str:
        """Which batch has a good dump of the race, in words."""
        name = self.race.display_name
        if self.newest_good is None:
            return f"No batch on this drive has a good dump of {name}."
        return f"The newest good dump of {name}: {choosing.options(self.newest_good, self.race)}"


@dataclass(frozen=True)
class Plan:
    """What is going to be restored of a batch. `note` says how the batch was chosen; `has_list` is of the server."""

    stored: StoredBatch
    note: str
    dumps: tuple[PlannedDump, ...]
    missing: tuple[MissingRace, ...]
    has_list: bool

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The batch's entries that are going to be restored."""
        return tuple(dump.entry for dump in self.dumps)

    @property
    def replaced(self) -> list[RaceStatus]:
        """The races that the server has and that are going to be replaced."""
        return [dump.status for dump in self.dumps if dump.status is not None]

    @property
    def replaces_something(self) -> bool:
        """Whether anything that the server has would be lost."""
        replaces_list = self.has_list and any(entry.race is None for entry in self.entries)
        return replaces_list or any(not status.is_shell for status in self.replaced)


def make(job: Job) -> Plan:
    """Choose the batch and its races, and look at the server. Nothing is changed.

    Raises WrongUsageError; MeosBackupError if MeOS has a race open, or something else prevents a restore.
    """
    options = job.options
    batches = job.found.batches
    chosen = choosing.batch_at(batches, options.when)
    named = choosing.entries_named(chosen.stored.batch.databases, options.races)
    entries = tuple(entry for entry in named if entry.dump is not None)
    missing = tuple(
        MissingRace(entry.race, entry.error or "", choosing.newest_good(batches, entry.race))
        for entry in named if entry.dump is None and entry.race is not None
    )  # fmt: skip
    if not entries:
        raise WrongUsageError(
            " ".join(["The batch has no good dump of what was asked for.", *(race.advice for race in missing)]),
            "Nothing was done.",
            "Choose another batch with --batch.",
        )
    race_list = chosen.stored.batch.race_list
    if options.whole_list and race_list is not None and race_list.dump is not None:
        entries = (race_list, *entries)
    with going_on(job, chosen.stored, entries):
        dumps, has_list = _compared_with_server(job.settings, entries)
        if not options.force:
            _refuse_open_races(dumps)
    return Plan(chosen.stored, chosen.note, dumps, missing, has_list)


def command_for(job: Job, stored: StoredBatch, entries: Iterable[Entry]) -> str:
    """Return the command that restores these databases as this very batch has them, whatever is newer by then."""
    keys = {entry.key for entry in entries}
    races = [entry.race for entry in stored.batch.races if entry.race and entry.key in keys]
    named = [part for race in races for part in ("--race", clean(race.name_id, 64))]
    every = len(races) == len(stored.batch.races)
    whole_list = ["--whole-list"] if RACE_LIST in keys else []
    return command_line.command(job.settings, "restore", "--batch", stored.when, *([] if every else named), *whole_list)


@contextmanager
def going_on(job: Job, stored: StoredBatch, entries: Sequence[Entry]) -> Iterator[None]:
    """Have an error say by which command this restore goes on."""
    try:
        yield
    except MeosBackupError as error:
        do = f"{error.do} To go on with the same batch: {command_for(job, stored, entries)}"
        raise type(error)(error.what, error.means, do) from error


def refuse_if_opened_meanwhile(settings: Settings, plan: Plan) -> None:
    """Check again that MeOS has none of the races open: the question may have waited long for its answer.

    Raises MeosBackupError.
    """
    _refuse_open_races(_compared_with_server(settings, plan.entries)[0])


def show(plan: Plan, console: Console, now: datetime) -> None:
    """Print what is going to be done, race by race: what the batch has, what the server has, what would be lost."""
    age = span((now - plan.stored.batch.taken).total_seconds())
    notes = [plan.note, "only on this computer" if plan.stored.is_only_here else ""]
    note = ", ".join(filter(None, notes))
    console.say(f"Batch from {plan.stored.when}, {age} old" + (f" ({note})" if note else ""))
    for dump in plan.dumps:
        console.say()
        console.block([(dump.entry.display_name, ""), *(("", line) for line in _lines(dump, now))])
    for missing in plan.missing:
        console.say()
        console.block([
            (missing.race.display_name, ""),
            ("", f"NOT RESTORED: the batch has no good dump of it. {clean(missing.error, 80)}".rstrip()),
            ("", missing.advice),
        ])  # fmt: skip
    console.say()


def _compared_with_server(settings: Settings, entries: Iterable[Entry]) -> tuple[tuple[PlannedDump, ...], bool]:
    """Return the entries with what the server has of them, and whether it has a race list."""
    try:
        with sessions.session(settings) as session:
            databases = sessions.databases(session)
            dumps = tuple(
                PlannedDump(entry, race_status.of_race(session, entry.race.name_id, databases) if entry.race else None)
                for entry in entries
            )
    except MeosBackupError as error:
        raise type(error)(error.what, "Nothing was done.", error.do) from error
    return dumps, identifiers.spelled(RACE_LIST, databases) is not None


def _refuse_open_races(dumps: Sequence[PlannedDump]) -> None:
    """Refuse to replace a race that MeOS has open: what its clients hold would overwrite the restored one."""
    for dump in dumps:
        if dump.status is not None and dump.status.clients:
            raise MeosBackupError(
                f"MeOS has {dump.entry.display_name} open on: {race_status.in_words(dump.status.clients)}.",
                "Nothing was done. If MeOS stays open, it overwrites what is restored with its own copy.",
                race_status.HOW_TO_CLOSE,
            )


def _lines(dump: PlannedDump, now: datetime) -> list[str]:
    entry, status = dump.entry, dump.status
    if entry.race is None:
        return ["replaces the server's whole race list"]
    lines = [f"in the batch:   {_counts(entry.freshness, now)}"]
    if status is None:
        lines.append("on the server:  not there; it will be created")
    else:
        lines.append(f"on the server:  {clean(status.damage, 100) or _counts(status.freshness, now)}")
        lines.append(_loss(entry.freshness, status.freshness))
    if entry.error:
        lines.append(f"OLDER than the batch: {clean(entry.error, 80)}")
    return lines


def _counts(freshness: Freshness | None, now: datetime) -> str:
    if freshness is None:
        return "not known"
    changed = f"last change {when(freshness.last_change, now)}" if freshness.last_change else "no change known"
    entries, cards = number(freshness.entries, "entry", "entries"), number(freshness.cards, "card")
    return f"{entries}, {freshness.finished} finished, {cards}, {changed}"


def _loss(then: Freshness | None, now: Freshness | None) -> str:
    """Return what the server has and the batch doesn't, in words."""
    if then is None or now is None or then.last_change is None or now.last_change is None:
        return "WILL BE LOST: what is on the server now"
    newer = (now.last_change - then.last_change).total_seconds()
    if newer <= 0:
        return "the server has nothing newer"
    return f"WILL BE LOST: the last {span(newer)} of changes on the server ({now.finished - then.finished:+d} finished)"
