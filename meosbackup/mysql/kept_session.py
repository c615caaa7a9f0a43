"""A session with the server that is kept for the next tick, as long as nothing speaks against it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from meosbackup.mysql import sessions
from meosbackup.mysql.server_errors import TIMED_OUT
from meosbackup.mysql.sessions import Session
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

KEPT_SECONDS = 600.0
"""For how long a day keeps a session: what is asked once in it is asked again that often."""

_Found = TypeVar("_Found")


class KeptSession:
    """A session that is used again and again, by one thread. It is renewed when it was kept for some seconds.

    It never does worse than a new one each time: if it was lost, or anything fails in it, a new one takes its place at
    once. Between its uses, it holds no lock and has no current database, which would count as a client of a race.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        """Prepare for a session that is kept for so long; for 0 seconds, each use has its own."""
        self._settings = settings
        self._seconds = seconds
        self._session: Session | None = None
        self._renewed_at = 0.0

    def use(self, look: Callable[[Session], _Found]) -> _Found:
        """Return what a look at the server finds, which may be taken twice.

        Whoever waited in vain in a session that was kept doesn't wait again. Raises MeosBackupError, as `look` does.
        """
        try:
            if self._session is not None and self._session.is_alive():
                return self._looked(self._session, look)
        except Exception as error:
            if getattr(error.__cause__, "errno", None) == TIMED_OUT:
                raise
            log.info("once more in a new session: %s", error)
        self.close()
        session = self._session = sessions.opened(self._settings)
        self._renewed_at = time.monotonic() + self._seconds
        return self._looked(session, look)

    def close(self) -> None:
        """Log out, so that the next use has a new session, to which new privileges apply."""
        if self._session is not None:
            self._session.close()
            self._session = None

    @contextmanager
    def ended_by_trouble(self) -> Iterator[None]:
        """Log out if the block fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _looked(self, session: Session, look: Callable[[Session], _Found]) -> _Found:
        with self.ended_by_trouble():
            found = look(session)
        if time.monotonic() >= self._renewed_at:
            self.close()
        return found
