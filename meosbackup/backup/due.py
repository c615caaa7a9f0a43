"""Which databases a tick dumps: those that may have changed and, if the server's times can't be trusted, more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from meosbackup.meos.changes import DatabaseState
from meosbackup.settings.model import Settings


@dataclass(frozen=True)
class _Dumped:
    """A good dump: the database's state when it began, its identity, and when all tables were last read for one."""

    state: DatabaseState
    identity: str
    whole: datetime


@dataclass
class Due:
    """What is remembered of one kind of tables, race tables or reference tables, since each database was dumped.

    `changed` compares two states of a database. At first nothing is remembered, since anything may have happened while
    nobody looked.
    """

    settings: Settings
    changed: Callable[[DatabaseState | None, DatabaseState], bool]
    _dumped: dict[str, _Dumped] = field(default_factory=dict, init=False)
    _fooled_on: date | None = field(default=None, init=False)

    def is_due(self, state: DatabaseState, today: date) -> bool:
        """Return whether a database in this state must be dumped."""
        dumped = self._dumped.get(state.database)
        if not self.settings.skip_unchanged or dumped is None or self.changed(dumped.state, state):
            return True
        return self._fooled_on == today or (not state.is_timed and self._is_overdue(dumped, state))

    def trusted(self, state: DatabaseState, today: date) -> DatabaseState | None:
        """Return the state of a database's newest good dump; None if it is time to dump all of it, whatever changed."""
        dumped = self._dumped.get(state.database)
        if dumped is None or not self.settings.skip_unchanged or self._fooled_on == today:
            return None
        return None if self._is_overdue(dumped, state) else dumped.state

    def identity(self, database: str) -> str | None:
        """Return the identity of a database's newest good dump, None if there is none."""
        return self._dumped[database].identity if database in self._dumped else None

    def hid_a_change(self, after: DatabaseState | None, identity: str) -> bool:
        """Return whether a new dump differs from the one before, though the state `after` it is that of then."""
        before = after and self._dumped.get(after.database)
        return bool(after and before and before.identity != identity and not self.changed(before.state, after))

    def distrust(self, today: date) -> bool:
        """Have everything dumped each time for the rest of the day; return whether it isn't already."""
        is_new, self._fooled_on = self._fooled_on != today, today
        return is_new

    def remember(self, state: DatabaseState, identity: str, *, is_whole: bool = True) -> None:
        """Remember a good dump, now that a batch holds it: the database is dumped again only if it changes.

        It `is_whole` unless the text of some of its tables was kept from the dump before.
        """
        before = self._dumped.get(state.database)
        self._dumped[state.database] = _Dumped(state, identity, state.asked if is_whole or not before else before.whole)

    def forget(self, database: str) -> None:
        """Forget a database's dump, so that it is due."""
        self._dumped.pop(database, None)

    def _is_overdue(self, before: _Dumped, now: DatabaseState) -> bool:
        """Return whether the next tick would be too late for a dump of all tables every `distrust_minutes`."""
        seconds = (now.asked - before.whole).total_seconds()
        return seconds + self.settings.interval > 60 * self.settings.distrust_minutes
