"""What a person should know once, and is found out deep in the work: told by whoever has the screen, and in the log."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_lock = threading.Lock()
_known: set[str] = set()
_untold: list[str] = []
_listeners: list[Callable[[str], None]] = []


def tell(text: str) -> None:
    """Tell a sentence, unless it was told before."""
    with _lock:
        if text in _known:
            return
        _known.add(text)
        _untold.append(text)
    log.warning("notice: %s", text)
    _tell_untold()


def listen(listener: Callable[[str], None]) -> None:
    """Have notices told to this listener alone from now on; first those that nobody was told yet."""
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
