"""What a restore is going to do: which dumps of which batch, and what the server has of those races now."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from meosbackup.batch import choosing, picking
from meosbackup.batch.choosing import Chosen
from meosbackup.batch.model import RACE_LIST, Entry, Freshness, Race, StoredBatch
from meosbackup.batch.picking import Picked
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

_LISTED = 8
"""How many races that only earlier batches have are named before the rest is counted."""


@dataclass(frozen=True)
class PlannedDump:
    """An entry that is going to be restored, and the batch that it is of.

    `status` is the race's on the server; None for the race list, and if the server doesn't have the race.
    """

    entry: Entry
    stored: StoredBatch
    status: RaceStatus | None


@dataclass(frozen=True)
class MissingRace:
    """A race that should be restored and is not: why, and what to do, in words."""

    race: Race
    why: str
    advice: str


@dataclass(frozen=True)
class Plan:
    """What is going to be restored of a batch, and of earlier ones if it has no dump of a race that was named.

    `note` says how the batch was chosen; `lost` are races that only earlier batches have, in words; `has_list` is of
    the server.
    """

    stored: StoredBatch
    note: str
    dumps: tuple[PlannedDump, ...]
    missing: tuple[MissingRace, ...]
    lost: tuple[str, ...]
    has_list: bool

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that are going to be restored."""
        return tuple(dump.entry for dump in self.dumps)

    @property
    def sources(self) -> dict[str, StoredBatch]:
        """The batches that the entries are of, by the entries' keys."""
        return {dump.entry.key: dump.stored for dump in self.dumps}

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
    named = picking.pick(batches, chosen.stored, options.races)
    picked = [one for one in named if one.entry.dump is not None]
    missing = tuple(
        _missing(job, one.entry, one.entry.race) for one in named if one.entry.dump is None and one.entry.race
    )
    lost = () if options.races else tuple(_lost(job, picking.lost(batches, chosen.stored)))
    if not picked:
        others = (*(race.advice for race in missing), *lost)
        raise WrongUsageError(
            "\n".join(["The batch has no good dump of what was asked for.", *others]),
            "Nothing was done.",
            "Choose another batch with --batch.",
        )
    race_list = chosen.stored.batch.race_list
    if options.whole_list and race_list is not None and race_list.dump is not None:
        picked = [Picked(race_list, chosen.stored), *picked]
    chosen = _chosen_for(picked, chosen)
    with going_on(job, chosen.stored, [one.entry for one in picked]):
        picked, refused = _one_a_database(job, picked)
        dumps, has_list = _compared_with_server(job.settings, picked)
        if not options.force:
            _refuse_open_races(dumps)
    return Plan(chosen.stored, chosen.note, dumps, (*missing, *refused), lost, has_list)


def _chosen_for(picked: Sequence[Picked], chosen: Chosen) -> Chosen:
    """Return the batch that all of it is of, if that is only one, and say so if it is not the chosen one."""
    others = {id(one.stored): one for one in picked if one.stored is not chosen.stored}
    if len(others) != 1 or any(one.stored is chosen.stored for one in picked):
        return chosen
    [other] = others.values()
    names = ", ".join(one.entry.display_name for one in picked)
    return Chosen(other.stored, f"the newest with {names}, which the batch from {chosen.stored.when} doesn't have")


def _missing(job: Job, entry: Entry, race: Race) -> MissingRace:
    """Return what to say of a race without a good dump."""
    name, other = race.display_name, choosing.newest_good(job.found.batches, race)
    advice = (
        f"No batch here has a good dump of {name}."
        if other is None else f"The newest good dump of {name}: {command_for(job, other, [entry])}"
    )  # fmt: skip
    return MissingRace(race, f"the batch has no good dump of it. {clean(entry.error or '', 80)}".rstrip(), advice)


def _one_a_database(job: Job, picked: Sequence[Picked]) -> tuple[list[Picked], list[MissingRace]]:
    """Refuse all but the first of the races that would be one database on this server."""
    first: dict[str, Picked] = {}
    refused = []
    for one in picked:
        race, other = one.entry.race, first.setdefault(one.entry.race.name_id.lower() if one.entry.race else "", one)
        if race and other is not one:
            why = f"to this server (lower_case_table_names), it is the same database as {other.entry.display_name}."
            export = command_line.command(job.settings, "export", "--race", clean(race.name_id, 64))
            refused.append(MissingRace(race, why, f"Restore it on another server, or write it to a file: {export}"))
    if refused:
        with sessions.session(job.settings) as session:
            if sessions.facts(session, job.settings).lower_case_table_names == 0:
                return [*picked], []
    return [*first.values()], refused


def _lost(job: Job, lost: Sequence[Picked]) -> Iterator[str]:
    """Yield what to say of the races that only earlier batches have."""
    for one in lost[:_LISTED]:
        command = command_for(job, one.stored, [one.entry])
        yield f"{one.entry.display_name}: not in this batch; the batch from {one.stored.when} has it: {command}"
    if len(lost) > _LISTED:
        yield f"and {number(len(lost) - _LISTED, 'race')} in older batches, which `meosbackup list --json` names"


def command_for(job: Job, stored: StoredBatch, entries: Iterable[Entry]) -> str:
    """Return the command that restores these databases from this very batch, whatever is newer by then."""
    wanted = {entry.key: entry.race for entry in entries}
    named = [part for race in wanted.values() if race for part in ("--race", clean(race.name_id, 64))]
    every = wanted.keys() - {RACE_LIST} == {entry.key for entry in stored.batch.races}
    whole_list = ["--whole-list"] if RACE_LIST in wanted else []
    return command_line.command(job.settings, "restore", "--batch", stored.when, *([] if every else named), *whole_list)


@contextmanager
def going_on(job: Job, stored: StoredBatch, entries: Sequence[Entry]) -> Iterator[None]:
    """Have an error say by which command this restore goes on."""
    try:
        yield
    except MeosBackupError as error:
        do = f"{error.do} To continue with the same batch: {command_for(job, stored, entries)}"
        raise type(error)(error.what, error.means, do) from error


def refuse_if_opened_meanwhile(settings: Settings, plan: Plan) -> None:
    """Check again that MeOS has none of the races open: the question may have waited long for its answer.

    Raises MeosBackupError.
    """
    _refuse_open_races(_compared_with_server(settings, plan.dumps)[0])


def show(plan: Plan, console: Console, now: datetime) -> None:
    """Print what is going to be done, race by race: what the batch has, what the server has, what would be lost."""
    age = span((now - plan.stored.batch.taken).total_seconds())
    notes = [plan.note, "only on this computer" if plan.stored.is_only_here else ""]
    note = ", ".join(filter(None, notes))
    console.say(f"Batch from {plan.stored.when}, {age} old" + (f" ({note})" if note else ""))
    for dump in plan.dumps:
        console.say()
        console.block([(dump.entry.display_name, ""), *(("", line) for line in _lines(plan, dump, now))])
    for missing in plan.missing:
        console.say()
        console.block([
            (missing.race.display_name, ""),
            ("", f"NOT RESTORED: {missing.why}"),
            ("", missing.advice),
        ])  # fmt: skip
    console.say()
    for text in plan.lost:
        console.result("NOTE", "another race", text)
    if plan.lost:
        console.say()


def _compared_with_server(
    settings: Settings, picked: Iterable[Picked | PlannedDump]
) -> tuple[tuple[PlannedDump, ...], bool]:
    """Return what was picked with what the server has of them, and whether it has a race list."""
    try:
        with sessions.session(settings) as session:
            databases = sessions.databases(session)
            dumps = tuple(
                PlannedDump(
                    one.entry, one.stored,
                    race_status.of_race(session, one.entry.race.name_id, databases) if one.entry.race else None,
                )
                for one in picked
            )  # fmt: skip
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


def _lines(plan: Plan, dump: PlannedDump, now: datetime) -> list[str]:
    entry, status = dump.entry, dump.status
    if entry.race is None:
        return ["replaces the server's whole race list"]
    lines = [f"in the batch:   {counts(entry.freshness, now)}"]
    if status is None:
        lines.append("on the server:  not there; it will be created")
    else:
        lines.append(f"on the server:  {clean(status.damage, 100) or counts(status.freshness, now)}")
        lines.append(_loss(entry.freshness, status.freshness))
    if dump.stored is not plan.stored:
        lines.append(f"FROM AN EARLIER BATCH, {dump.stored.when}: this one has no dump of it")
    if entry.not_backed_up:
        lines.append(f"NOT BACKED UP, as MeOS makes no such thing: {clean(', '.join(entry.not_backed_up), 200)}")
    triggers = [str(one) for one in status.others if one.kind == "trigger"] if status else []
    if triggers:  # they go with the tables that are replaced; views and others stay
        lines.append(f"WILL BE LOST on the server: {clean(', '.join(triggers), 200)}")
    if entry.error:
        lines.append(f"OLDER than the batch: {clean(entry.error, 80)}")
    return lines


def counts(freshness: Freshness | None, now: datetime) -> str:
    """Return a race's counts and its last change, in words."""
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
