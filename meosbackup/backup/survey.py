"""What the server shows before anything is dumped: its version, its races, the state of their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meosbackup import notices
from meosbackup.batch.model import Race, Server
from meosbackup.meos import changes, other_objects, race_list, server_checks, signs
from meosbackup.meos.changes import DatabaseState
from meosbackup.meos.other_objects import OtherObject
from meosbackup.meos.race_list import Selection
from meosbackup.meos.server_checks import ServerChecks
from meosbackup.mysql import moment, sessions
from meosbackup.mysql.sessions import Session
from meosbackup.settings.model import Settings
from meosbackup.text import clean


@dataclass(frozen=True)
class Survey:
    """What the server showed, before anything is dumped."""

    server: Server
    race_list: str
    selection: Selection
    states: Mapping[str, DatabaseState]
    account: str | None
    sees_everything: bool
    server_checks: ServerChecks
    others: Mapping[str, Sequence[OtherObject]] | None = None
    """What the databases hold besides tables; None if nobody asked."""

    @property
    def races(self) -> dict[str, Race]:
        """The races that have a database, by that database as the server spells it."""
        return {chosen.database: chosen.race for chosen in self.selection.chosen if chosen.database is not None}

    @property
    def databases(self) -> list[str]:
        """The databases of the races that are backed up, as the server spells them."""
        return list(self.races)


def take(
    settings: Settings, now: datetime, former_dates: Mapping[str, str] | None = None, *, with_others: bool = False
) -> Survey:
    """Survey the server in a session of its own: see `look`. Raises MeosBackupError."""
    with sessions.session(settings) as session:
        return look(session, settings, now, former_dates, with_others=with_others)


def look(
    session: Session,
    settings: Settings,
    now: datetime,
    former_dates: Mapping[str, str] | None = None,
    *,
    with_others: bool = False,
) -> Survey:
    """Survey the server, with the races that a tick at this moment backs up: see `race_list.select`.

    With `with_others`, it is also asked for triggers and the like, which takes a third of the time, and they are told.
    In one session, what only a restart or new privileges change is asked for once.

    Raises MeosBackupError.
    """
    present = moment.ask(session)
    list_name = race_list.race_list_name(present.databases, session.account)
    selection = race_list.select(
        race_list.listed_races(session, list_name), present.databases,
        names=settings.races, days=None if settings.all_races else settings.days, today=now.date(),
        former_dates=former_dates,
    )  # fmt: skip
    untimed = signs.untimed(session)
    wanted = [list_name, *(chosen.database for chosen in selection.chosen if chosen.database is not None)]
    states = changes.states(session, wanted, present.clock, are_timed=untimed is None)
    listed = {name: state.not_tables for name, state in states.items()}
    seen = Survey(
        sessions.facts(session, settings), list_name, selection, states, session.account,
        sessions.sees_everything(session), server_checks.run(session, present, untimed, settings.distrust_minutes),
        other_objects.found(session, wanted, listed) if with_others else None,
    )  # fmt: skip
    for database, race in seen.races.items():
        if others := (seen.others or {}).get(database):
            notices.tell(
                f"{race.display_name} has {other_objects.in_words(others)}, which MeOS doesn't make:"
                f" not backed up: {clean(', '.join(map(str, others)), 200)}"
            )
    return seen
