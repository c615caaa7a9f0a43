"""The log file, for finding out what went wrong."""

import logging
import logging.handlers
import os
import platform
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from meosbackup import __version__
from meosbackup.errors import MeosBackupError

log = logging.getLogger(__name__)

_LOG_BYTES = 5_000_000
_HEARD = frozenset({"meosbackup", "mysql", "wakepy", "schedule", "filelock"})
"""Whose records are written; other libraries may tell what they were given, such as an URL with a password in it."""
_OLDER = 2
"""How many older log files are kept."""


class _PrivateLog(logging.handlers.RotatingFileHandler):
    """A log that only the user can read, even if an earlier version made it."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=_opened)


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    if sys.platform != "win32" and stat.S_ISREG(os.fstat(handle).st_mode):
        with suppress(OSError):  # another user's file, which he lets this one write
            os.fchmod(handle, 0o600)
    return handle


def begin(path: Path, *, verbose: bool) -> None:
    """Write to this log file from now on. Raises MeosBackupError if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _PrivateLog(path, maxBytes=_LOG_BYTES, backupCount=_OLDER, encoding="utf-8")
        for number in range(1, _OLDER + 1):
            with suppress(OSError):  # there is none, or it is another user's
                path.with_name(f"{path.name}.{number}").chmod(0o600)
    except OSError as error:
        raise MeosBackupError(
            f"The log file {path} can't be written ({error.strerror or error}).",
            "Nothing is backed up.",
            "Choose another one with --log-file.",
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(lambda record: record.name.partition(".")[0] in _HEARD)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for library in ("mysql.connector", "wakepy"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # A log that can't be written any more, on a full disk, must not be what fills the screen.
    logging.raiseExceptions = False
    computer = platform.uname()
    system = f"{computer.system} {computer.release}, {computer.version}"
    log.info("meosbackup %s, Python %s on %s", __version__, platform.python_version(), system)
