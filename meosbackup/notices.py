"""Notices: what the user should be told once, found out deep in the work, and printed by whoever has the screen."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_lock = threading.Lock()
_known: set[str] = set()
_untold: list[str] = []
_listeners: list[Callable[[str], None]] = []


def tell(text: str) -> None:
    """Give the user a sentence to read, unless it was told before; the log has it, too."""
    with _lock:
        if text in _known:
            return
        _known.add(text)
        _untold.append(text)
    log.warning("notice: %s", text)
    _tell_untold()


def listen(listener: Callable[[str], None]) -> None:
    """Send notices to this listener alone from now on, beginning with those that nobody has got yet."""
    with _lock:
        _listeners[:] = [listener]
    _tell_untold()


def _tell_untold() -> None:
    with _lock:
        if not _listeners:
            return
        listener, texts = _listeners[0], list(_untold)
        _untold.clear()
    for text in texts:
        listener(text)
