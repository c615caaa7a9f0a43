"""The one way to wait, and limits of time that a slow machine keeps too."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 100.0
"""Seconds after which a test gives up waiting for what should come at once; generous, for a slow and busy machine."""

_USUAL = 0.015
"""Seconds that a Python takes to start and to end on a usual computer with nothing else to do."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1
"""Seconds from one look to the next; each look may cost a connection to a server, or a process."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Look again and again, until the condition gives something true, and return that. Raises AssertionError."""
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return found


def limit(seconds: float) -> float:
    """Return a limit of time: so many seconds, and more if this machine is slow or busy just now."""
    slowest = 0.0
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-I", "-c", ""], check=True)
        slowest = max(slowest, time.monotonic() - began)
    return seconds * max(1.0, slowest / _USUAL)
