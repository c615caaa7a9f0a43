"""The one way to wait, and limits of time that a slow machine keeps too."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 100.0
"""Seconds after which a test gives up waiting for what should come at once; generous, for a slow and busy machine."""

_USUAL = 0.15 if sys.platform == "win32" else 0.015
"""Seconds that a Python takes to start and to end on a usual computer with nothing else to do."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = PATIENCE, *, pause: float = 0.02) -> Found:
    """Look again and again, until the condition gives something true, and return that. Raises AssertionError.

    A longer `pause` is for what lasts, where each look costs a process.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(pause)
    return found


def limit(seconds: float) -> float:
    """Return a limit of time: so many seconds, and more if this machine is slow or busy just now."""
    slowest = 0.0
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-I", "-c", ""], check=True)
        slowest = max(slowest, time.monotonic() - began)
    return seconds * max(1.0, slowest / _USUAL)
