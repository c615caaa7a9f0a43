"""Which dump stands for each database in a batch: a new one, the one from before, or none."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from meosbackup.backup.survey import Look
from meosbackup.batch import names
from meosbackup.batch.model import Entry, Race, StoredFile
from meosbackup.dump.dumping import EmptyShellError, GoodDump
from meosbackup.errors import MeosBackupError, RightMissingError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.mysql.server_errors import grant_line

Value = TypeVar("Value")


@dataclass(frozen=True)
class Failure:
    """What went wrong with one race, or with the race list (`race` is None), and when its newest good dump is of."""

    race: Race | None
    error: MeosBackupError
    newest_good: datetime | None


@dataclass(frozen=True)
class Made:
    """What the dump program made of the databases that may have changed, by database; in `dumps` what did change."""

    dumps: Mapping[str, GoodDump]
    dumped: Mapping[str, GoodDump]
    references: Mapping[str, GoodDump | None]
    errors: Mapping[str, MeosBackupError]
    reference_errors: Mapping[str, MeosBackupError]


@dataclass(frozen=True)
class Entries:
    """The databases of a batch in the making, with what must be told of them."""

    dumps: list[Entry]
    failures: list[Failure]
    left_out: list[LeftOutRace]


def joined(first: Made, later: Made, databases: Collection[str]) -> Made:
    """Return what was made of these databases; what was made later counts."""

    def both(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in {**before, **after}.items() if name in databases}

    return Made(
        both(first.dumps, later.dumps), both(first.dumped, later.dumped),
        both(first.references, later.references), both(first.errors, later.errors),
        both(first.reference_errors, later.reference_errors),
    )  # fmt: skip


def decide(seen: Look, earlier: Mapping[str, Entry], made: Made) -> Entries:
    """Say for each database which dump stands for it: a new one, the one from before, or none."""
    entries = Entries([], [], [])
    everything = [(None, seen.race_list), *((chosen.race, chosen.database) for chosen in seen.selection.chosen)]
    for race, database in everything:
        before = earlier.get(key(race))
        error = _no_database(race, seen) if database is None else made.errors.get(database)
        if database is not None and database in made.dumps:
            entries.dumps.append(_entry(database, race, made.dumps[database], before))
        elif error is None and before is not None:
            entries.dumps.append(replace(before, race=race, error=None))
        elif error is not None and race is not None and before is None and _is_no_loss(database, error):
            entries.left_out.append(LeftOutRace(race, error.what))
        elif error is not None:
            nothing = Entry(database=database or race.name_id if race else seen.race_list)
            entries.dumps.append(
                replace(before or nothing, race=race, unchanged_since=None, error=f"{error.what} {error.means}")
            )
            entries.failures.append(Failure(race, error, before.taken if before else None))
    named = seen.races
    entries.failures.extend(Failure(named[name], error, None) for name, error in made.reference_errors.items())
    return entries


def key(race: Race | None) -> str:
    """Return what a race is known by from batch to batch."""
    return race.name_id.lower() if race else names.RACE_LIST


def outline(dumps: Sequence[Entry]) -> list[tuple[str, bool]]:
    """Return which databases a batch holds, and which of them failed."""
    return [(key(entry.race), entry.error is None) for entry in dumps]


def _entry(database: str, race: Race | None, good: GoodDump, before: Entry | None) -> Entry:
    return Entry(
        database=database, race=race, freshness=good.freshness if race else None,
        dump=StoredFile(good.path.name, good.bytes, good.sha256),
        taken=good.taken, reference=before.reference if before else None,
    )  # fmt: skip


def _no_database(race: Race | None, seen: Look) -> MeosBackupError:
    database = race.name_id if race else names.RACE_LIST
    if re.search(r"[A-Za-z0-9]", database) and not seen.sees_everything:
        return RightMissingError(
            f"The server shows the user no database {database}: there is none, or the user lacks a right.",
            "This race is not in the newest backup.",
            f"In a mysql prompt of an administrator: {grant_line(seen.account)}",
        )
    return MeosBackupError(
        f"The server has no database {database}.",
        "This race is not in the newest backup.",
        "If the race should be there, restore it from an earlier batch.",
    )


def _is_no_loss(database: str | None, error: MeosBackupError) -> bool:
    """Tell whether a race that no batch holds is merely absent: a separator, another server's, an old shell."""
    return (database is None and not isinstance(error, RightMissingError)) or isinstance(error, EmptyShellError)
