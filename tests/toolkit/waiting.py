"""The one way to wait, and limits of time that a slow machine keeps too."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 100.0
"""Seconds after which a test gives up waiting for what should come at once; generous, for a slow and busy machine."""

_USUAL = 0.03
"""Seconds that a Python takes to start and to end on a usual computer with nothing else to do."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Look again and again, until the condition gives something true, and return that. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.02)
    return found


def limit(seconds: float) -> float:
    """Return a limit of time: so many seconds, and more if this machine is slow or busy just now."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", ""], check=True)
    return seconds * max(1.0, (time.monotonic() - began) / _USUAL)
