"""What tests fetch once and keep in the user's cache folder."""

import time
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

_LIMIT = 300.0
_HOUR = 3600.0


class NotToBeHadError(Exception):
    """An installation that can't be fetched here: why."""


def folder() -> Path:
    """Return the folder in the user's cache where all of it is."""
    return platformdirs.user_cache_path("meosbackup-tests", appauthor=False)


def have(home: Path, make: Callable[[], None]) -> None:
    """Have `home` made where it isn't there; what failed within the hour is not tried again.

    Raises NotToBeHadError, and filelock.Timeout if another process takes too long to make it.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    failed = home.with_suffix(".failed")
    with FileLock(f"{home}.lock", timeout=_LIMIT):
        if home.exists():
            return
        if failed.exists() and time.time() - failed.stat().st_mtime < _HOUR:
            raise NotToBeHadError(failed.read_text("utf-8"))
        try:
            make()
        except NotToBeHadError as error:
            failed.write_text(str(error), "utf-8")
            raise
