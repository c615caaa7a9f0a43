"""One database dumped, made portable, and checked for what a good dump must have."""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from meosbackup import notices
from meosbackup.batch.model import Freshness, Race
from meosbackup.dump import mysqldump, permitted, portable, together
from meosbackup.dump.contents import Contents, Inspection
from meosbackup.dump.former import Former
from meosbackup.dump.mysqldump import DumpProgram, TookTooLongError
from meosbackup.dump.reader import Sink
from meosbackup.dump.rows import RowMemory
from meosbackup.dump.together import Raw
from meosbackup.errors import DumpFailedError, PrivilegeMissingError
from meosbackup.meos import changes, relisting
from meosbackup.meos.changes import DatabaseState
from meosbackup.mysql import identifiers
from meosbackup.mysql.server_errors import grant_line
from meosbackup.settings.model import Settings
from meosbackup.system import files

log = logging.getLogger(__name__)

_LARGEST_STATEMENT = 1 << 24
"""The bytes that MariaDB accepts by default (max_allowed_packet); MySQL 5.7 accepts a quarter of it."""


@dataclass(frozen=True)
class GoodDump:
    """A dump that is good: a file in the work folder, its size and checksum, and when its making began.

    Two of the same `identity` differ in oMonitor at most. `kept` are the tables whose text is that of the dump before:
    the dump is good only if they are unchanged after it, too. `sinks` are those of the caller that shared the pass.
    """

    path: Path
    bytes: int
    sha256: str
    identity: str
    taken: datetime
    contents: Contents
    longest: int
    kept: frozenset[str]
    sinks: Sequence[Sink] = ()

    @property
    def freshness(self) -> Freshness | None:
        """The race's freshness, its time being local; None for the race list."""
        found = self.contents.freshness
        if found is None or found.last_change is None:
            return found
        return replace(found, last_change=found.last_change.astimezone())


class EmptyShellError(DumpFailedError):
    """A database that MeOS made by opening a lost race: tables without rows."""


def dump_race_list(program: DumpProgram, state: DatabaseState, stop: threading.Event) -> GoodDump:
    """Dump the race list. Raises as `mysqldump.dump` does."""
    return _dump(program, state, [], stop)


def dump_race_tables(
    program: DumpProgram,
    state: DatabaseState,
    race: Race,
    stop: threading.Event,
    sinks: Sequence[Sink] = (),
    memory: RowMemory | None = None,
    raw: Raw | None = None,
) -> GoodDump:
    """Dump the race tables of a race, with statements at the end that put the race on the race list.

    The dump is read once, by the checks and these `sinks` together. The `memory` is as in `reader.read_through`. With
    `raw`, one of `dump_together`, the dump program has run already.

    Raises EmptyShellError, PrivilegeMissingError, and as `mysqldump.dump` does.
    """
    own_event = identifiers.spelled("oEvent", [table.name for table in state.tables])
    if own_event is None:
        raise PrivilegeMissingError(
            f"The database {state.database} has no table oEvent that the user may read.",
            "It is not backed up.",
            f"If it is a race's, the user is missing a privilege: {grant_line(program.account)}",
        )
    ending = relisting.statements(race, state.database, own_event)
    good = _dump(program, state, _not_of_race(state), stop, ending, sinks=sinks, memory=memory, raw=raw)
    if not good.contents.rows.get("oevent"):
        files.discard(good.path)
        raise EmptyShellError(
            f"The database {state.database} is an empty shell, such as MeOS makes when it opens a lost race.",
            "It holds no race, so it doesn't replace the dump of one.",
            "If the race should be there, restore it from an earlier batch.",
        )
    return good


def dump_together(
    program: DumpProgram, states: Sequence[DatabaseState], formers: Mapping[str, Former], stop: threading.Event
) -> dict[str, Raw]:
    """Run the dump program once for the race tables of several races; return what it wrote of each, by database.

    It is nothing if that didn't work. All must be of one kind, InnoDB or not. What is unchanged since one of the
    `formers` is taken from that. Raises as `together.dumped` does.
    """
    left_out = {state.database: [*_not_of_race(state), *_not_tables(state)] for state in states}
    return together.dumped(program, left_out, formers, one_transaction=changes.transactional(states[0]), stop=stop)


def dump_reference_tables(program: DumpProgram, state: DatabaseState, stop: threading.Event) -> GoodDump | None:
    """Dump the reference tables of a race; None if they hold no rows. Raises as `mysqldump.dump` does."""
    left_out = [table.name for table in state.tables if not changes.is_reference(table.name)]
    if len(left_out) == len(state.tables):
        return None
    try:
        good = _dump(program, state, left_out, stop, is_waited_for=False)
    except DumpFailedError as error:
        means = "The race itself is backed up; its register of runners and clubs and its images are not."
        raise DumpFailedError(error.what, means, error.do) from error
    if good.contents.has_rows:
        return good
    files.discard(good.path)
    return None


def _dump(
    program: DumpProgram,
    state: DatabaseState,
    left_out: list[str],
    stop: threading.Event,
    ending: bytes = b"",
    *,
    sinks: Sequence[Sink] = (),
    memory: RowMemory | None = None,
    raw: Raw | None = None,
    is_waited_for: bool = True,
) -> GoodDump:
    """Dump a database, if there is no `raw` dump of it; `is_waited_for` if MeOS waits for these tables meanwhile."""
    finished = program.folder / f"{uuid.uuid4().hex}.sql"
    try:
        if raw is None:
            raw = together.new_raw(program.folder)
            run = partial(
                mysqldump.dump, program, state.database, left_out=[*left_out, *_not_tables(state)],
                one_transaction=changes.transactional(state), file=raw.path.name, stop=stop,
            )  # fmt: skip
            if is_waited_for:
                _lock_shortly(run, program.settings, stop)
            else:
                run()
        # From here on the server isn't involved: nothing below keeps a table locked.
        inspection, trial = Inspection(), permitted.Trial(state.database)
        written = portable.make_portable(
            raw.path, finished, stop, ending, changes.MONITOR_TABLE, [inspection, trial, *sinks], memory
        )
    except FileNotFoundError as error:
        raise DumpFailedError(
            "The dump program ended without an error, but wrote no dump.",
            "This race is not in the newest backup.",
            "Name another program with --mysqldump PROGRAM.",
        ) from error
    finally:
        if raw is not None:
            files.discard(raw.path)
    contents = inspection.contents()
    expected = {table.name.lower() for table in state.tables} - {name.lower() for name in left_out}
    _check(contents, expected)
    if trial.fault is not None:
        notices.tell(
            f"`meosbackup restore` will refuse this dump of {state.database}; RESTORE.txt can bring it back."
            f" {trial.fault.what}"
        )
    if written.longest > _LARGEST_STATEMENT:
        notices.tell(
            f"a row of {state.database} takes {written.longest / 1e6:.0f} MB in a dump, more than many servers accept."
            " Before you restore it on a spare server, at the mysql prompt there: SET GLOBAL"
            " max_allowed_packet=1073741824;"
        )
    return GoodDump(
        finished, written.bytes, written.sha256, written.identity, raw.taken, contents, written.longest, raw.kept,
        sinks,
    )  # fmt: skip


def _not_of_race(state: DatabaseState) -> list[str]:
    """Return the reference tables of a race, as the server spells them."""
    return [table.name for table in state.tables if changes.is_reference(table.name)]


def _not_tables(state: DatabaseState) -> list[str]:
    """Return the names of what looks like a table to the dump program and is none."""
    return [one.name for one in state.not_tables]


def _lock_shortly(run: Callable[..., None], settings: Settings, stop: threading.Event) -> None:
    """Run the dump program for `lock_limit` seconds at most, since MeOS waits as long; if need be, twice."""
    limit = min(settings.lock_limit, settings.dump_limit)
    try:
        run(limit=limit)
    except TookTooLongError:
        log.warning("the dump program had the tables locked for %d s and was ended; it gets another try", limit)
        stop.wait(mysqldump.PAUSE)
        try:
            run(limit=limit)
        except TookTooLongError as error:
            if limit < settings.lock_limit:
                raise
            raise TookTooLongError(
                f"The dump program was ended, twice, since it kept the tables locked for longer than {limit} s.",
                "This race is not in the newest backup. MeOS waited as long, and continues.",
                "Check whether the server or this computer's disk is busy, or a laptop is stuck. The setting lock_limit"
                " gives a dump more time.",
            ) from error


def _check(contents: Contents, expected: set[str]) -> None:
    if not contents.completed:
        raise DumpFailedError(
            "The dump program ended without an error, but its dump is cut short.",
            "This race is not in the newest backup.",
            "Check whether this computer's disk is full; if it isn't, name another program with --mysqldump PROGRAM.",
        )
    missing = expected - {name.lower() for name in contents.tables}
    if missing:
        raise DumpFailedError(
            f"The dump is missing tables that the server has: {', '.join(sorted(missing))}.",
            "This race is not in the newest backup.",
            "If this happens again, check that the user may read all tables, and name another program with --mysqldump"
            " PROGRAM.",
        )
