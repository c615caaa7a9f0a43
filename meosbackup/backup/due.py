"""Which databases a tick dumps: those that may have changed and, if the server's times can't be trusted, more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from meosbackup.meos.changes import DatabaseState
from meosbackup.settings.model import Settings


@dataclass
class Due:
    """What is remembered of one kind of tables, race tables or reference tables, since each database was dumped.

    `changed` compares two states of a database. At first nothing is remembered, since anything may have happened while
    nobody looked.
    """

    settings: Settings
    changed: Callable[[DatabaseState | None, DatabaseState], bool]
    _dumped: dict[str, tuple[DatabaseState, str]] = field(default_factory=dict, init=False)
    """What each database looked like when its newest good dump began, and the identity of that dump."""
    _fooled_on: date | None = field(default=None, init=False)

    def is_due(self, state: DatabaseState, today: date) -> bool:
        """Return whether a database in this state must be dumped."""
        before = self._before(state.database)
        if not self.settings.skip_unchanged or before is None or self.changed(before, state):
            return True
        return self._fooled_on == today or (not state.is_timed and self._is_overdue(before, state))

    def identity(self, database: str) -> str | None:
        """Return the identity of a database's newest good dump, None if there is none."""
        return self._dumped[database][1] if database in self._dumped else None

    def hid_a_change(self, after: DatabaseState | None, identity: str) -> bool:
        """Return whether a new dump differs from the one before, though the state `after` it is that of then."""
        before = after and self._before(after.database)
        return bool(after and before and self.identity(after.database) != identity and not self.changed(before, after))

    def distrust(self, today: date) -> bool:
        """Have everything dumped each time for the rest of the day; return whether it isn't already."""
        is_new, self._fooled_on = self._fooled_on != today, today
        return is_new

    def remember(self, state: DatabaseState, identity: str) -> None:
        """Remember a good dump, now that a batch holds it: the database is dumped again only if it changes."""
        self._dumped[state.database] = state, identity

    def forget(self, database: str) -> None:
        """Forget a database's dump, so that it is due."""
        self._dumped.pop(database, None)

    def _before(self, database: str) -> DatabaseState | None:
        return self._dumped[database][0] if database in self._dumped else None

    def _is_overdue(self, before: DatabaseState, now: DatabaseState) -> bool:
        """Return whether the next tick would be too late for a dump every `distrust_minutes`."""
        seconds = (now.asked - before.asked).total_seconds()
        return seconds + self.settings.interval > 60 * self.settings.distrust_minutes
