"""A look at the server before anything is dumped: its facts, its races, the state of their tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from meosbackup import races, remarks, server
from meosbackup.batch import Race, Server
from meosbackup.races import Selection
from meosbackup.remarks import Remarks
from meosbackup.server import DatabaseState
from meosbackup.settings import Settings


@dataclass(frozen=True)
class Look:
    """What a look at the server showed, before anything is dumped."""

    server: Server
    race_list: str
    selection: Selection
    states: Mapping[str, DatabaseState]
    account: str | None
    sees_everything: bool
    remarks: Remarks

    @property
    def races(self) -> dict[str, Race]:
        """The races that have a database, by that database as the server spells it."""
        return {chosen.database: chosen.race for chosen in self.selection.chosen if chosen.database is not None}

    @property
    def databases(self) -> list[str]:
        """The databases of the races that are backed up, as the server spells them."""
        return list(self.races)


def look(settings: Settings, now: datetime) -> Look:
    """Look at the server, as a tick of this moment does. Raises MeosBackupError."""
    with server.session(settings) as session:
        known = server.databases(session)
        race_list = server.race_list_name(known, session.account)
        selection = races.select(
            server.listed_races(session, race_list), known,
            names=settings.races, days=None if settings.all_races else settings.days, today=now.date(),
        )  # fmt: skip
        wanted = [race_list, *(chosen.database for chosen in selection.chosen if chosen.database is not None)]
        return Look(
            server.facts(session, settings), race_list, selection, server.states(session, wanted),
            session.account, server.sees_everything(session), remarks.look(session),
        )  # fmt: skip
