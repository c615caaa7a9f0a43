"""What a batch holds of each database: a new dump, the one from the batch before, or none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from meosbackup.backup.dumps import NewDumps
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import RACE_LIST, Entry, Race, StoredBatch, StoredFile
from meosbackup.dump.dumping import EmptyShellError, GoodDump
from meosbackup.errors import MeosBackupError, PrivilegeMissingError, RaceGoneError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.mysql.server_errors import grant_line


@dataclass(frozen=True)
class Failure:
    """What went wrong with a race, or with the race list (`race` is None), and the time of its newest good dump."""

    race: Race | None
    error: MeosBackupError
    newest_good: datetime | None


@dataclass(frozen=True)
class Decision:
    """The entries of a batch in the making, the failures among them, and the races that it leaves out."""

    entries: list[Entry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left_out: list[LeftOutRace] = field(default_factory=list)


def earlier_entries(newest: StoredBatch | None, seen: Survey) -> dict[str, Entry]:
    """Return the entries with good dumps of the newest batch by their key, if that batch comes from this server.

    An entry of another database counts for none, though its race's key be the same.
    """
    server = seen.server
    if newest is None or (newest.batch.server.host, newest.batch.server.port) != (server.host, server.port):
        return {}
    databases = {RACE_LIST: seen.race_list, **{one.race.key: one.database for one in seen.selection.chosen}}
    return {
        entry.key: entry.carried(newest.batch.sequence)
        for entry in newest.batch.databases
        if entry.dump is not None and newest.path(entry.dump).is_file()
        and entry.key in databases and databases[entry.key] in {None, entry.database}
    }  # fmt: skip


def decide(seen: Survey, earlier: Mapping[str, Entry], changed: Mapping[str, GoodDump], new: NewDumps) -> Decision:
    """Decide for each database on a new dump (if it `changed`), the one from the batch before, or none."""
    decision = Decision()
    everything = [(None, seen.race_list), *((chosen.race, chosen.database) for chosen in seen.selection.chosen)]
    for race, database in everything:
        before = earlier.get(race.key if race else RACE_LIST)
        error = _no_database(race, seen) if database is None else new.errors.get(database)
        others = before.not_backed_up if before else ()
        if seen.others is not None:
            others = tuple(map(str, seen.others.get(database or "", ())))
        if database is not None and database in changed:
            entry = _new_entry(database, race, changed[database], before)
            decision.entries.append(replace(entry, not_backed_up=others))
        elif error is None and before is not None:
            decision.entries.append(replace(before, race=race, error=None, not_backed_up=others))
        elif error is not None and race is not None and before is None and _is_merely_absent(database, error):
            decision.left_out.append(LeftOutRace(race, error.what))
        elif error is not None:
            nothing = Entry(database=database or race.name_id if race else seen.race_list)
            decision.entries.append(
                replace(before or nothing, race=race, unchanged_since=None, error=f"{error.what} {error.means}")
            )
            decision.failures.append(Failure(race, error, before.taken if before else None))
    races = seen.races
    decision.failures.extend(Failure(races[name], error, None) for name, error in new.reference_errors.items())
    return decision


def may_be_cured(seen: Survey, decision: Decision) -> bool:
    """Return whether there is trouble that an administrator may end in a way that a session shows only if it is new.

    To a user who sees everything, no new privilege shows the database of a race that has none. What is warned of is
    asked for in each tick, or changes by a restart alone.
    """
    hides = not seen.sees_everything and any(chosen.database is None for chosen in seen.selection.chosen)
    return hides or bool(decision.failures)


def differs(entries: Sequence[Entry], references: Mapping[str, GoodDump | None], newest: StoredBatch) -> bool:
    """Return whether a batch would differ from the newest one, no race tables having changed.

    It does if new reference dumps differ from those of the newest batch, or if other races are there or failed.
    """
    held = {entry.database: entry.reference.sha256 if entry.reference else None for entry in newest.batch.races}
    return any(held.get(name) != (good.sha256 if good else None) for name, good in references.items()) or _outline(
        entries
    ) != _outline(newest.batch.databases)


def _outline(entries: Sequence[Entry]) -> list[tuple[str, bool]]:
    return [(entry.key, entry.error is None) for entry in entries]


def _new_entry(database: str, race: Race | None, good: GoodDump, before: Entry | None) -> Entry:
    return Entry(
        database=database, race=race, freshness=good.freshness if race else None,
        dump=StoredFile(good.path.name, good.bytes, good.sha256),
        taken=good.taken, reference=before.reference if before else None,
    )  # fmt: skip


def _no_database(race: Race | None, seen: Survey) -> MeosBackupError:
    database = race.name_id if race else RACE_LIST
    if re.search(r"[A-Za-z0-9]", database) and not seen.sees_everything:
        return PrivilegeMissingError(
            f"The server shows the user no database {database}: it doesn't exist, or the user is missing a privilege.",
            "This race is not in the newest backup.",
            f"At the mysql prompt, as an administrator: {grant_line(seen.account)}",
        )
    return RaceGoneError(
        f"The server has no database {database}.",
        "This race is not in the newest backup.",
        "If the race should be there, restore it from an earlier batch.",
    )


def _is_merely_absent(database: str | None, error: MeosBackupError) -> bool:
    """Return whether a race that no batch holds is no loss: a separator, another server's race, an old shell."""
    return (database is None and not isinstance(error, PrivilegeMissingError)) or isinstance(error, EmptyShellError)
