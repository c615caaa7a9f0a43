"""Notices: what deep layers find out and the user should read once; whatever has the screen listens for them."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_lock = threading.Lock()
_known: set[str] = set()
_untold: list[str] = []
_listeners: list[Callable[[str], None]] = []


def tell(text: str) -> None:
    """Pass a sentence to the listener and the log, unless it was passed on before; kept until somebody listens."""
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
