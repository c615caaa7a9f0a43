"""What a server tells of a race's tables, table by table."""

from dataclasses import replace
from datetime import datetime

from meosbackup.meos import changes
from meosbackup.meos.changes import DatabaseState, states
from meosbackup.mysql import moment
from meosbackup.mysql.sessions import session
from meosbackup.settings.model import Settings
from tests.toolkit.servers import INDIVIDUAL

NOON = datetime(2026, 11, 22, 12)  # noqa: DTZ001 - as the server tells it: UTC without a zone


def look(settings: Settings) -> dict[str, DatabaseState]:
    """Return the state of each table of a race, as if it was the only one."""
    with session(settings) as asked:
        whole = states(asked, [INDIVIDUAL], moment.ask(asked).clock)[INDIVIDUAL]
    return {table.name: replace(whole, tables=(table,)) for table in whole.tables}


def is_changed(before: DatabaseState, now: DatabaseState) -> bool:
    return changes.race_tables_changed(before, now) or changes.reference_tables_changed(before, now)
