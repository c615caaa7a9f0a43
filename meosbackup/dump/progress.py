"""Whether a program that is fed still takes anything: a server whose disk is full stalls for ever, without an error."""

import time
from collections.abc import Callable, Iterable, Iterator

STALLED_SECONDS = 30.0
"""After so many seconds without progress, a person is told."""


class Progress:
    """When a program last took a piece. `stalled` is called once each time that it takes none for long."""

    def __init__(self, stalled: Callable[[], None], limit: float) -> None:
        self._stalled = stalled
        self._limit = limit
        self._last = time.monotonic()
        self._told = 0.0

    def noted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces; the next one is asked for when the program has taken the one before."""
        for piece in pieces:
            self._last = time.monotonic()
            yield piece

    def is_over_limit(self) -> bool:
        """Return whether the program has taken nothing for `limit` seconds; to be asked now and then."""
        last = self._last  # written by the thread that makes the pieces
        silent = time.monotonic() - last
        if silent >= STALLED_SECONDS and self._told != last:
            self._told = last
            self._stalled()
        return silent >= self._limit
