"""The log file, for finding out what went wrong."""

import logging
import logging.handlers
import platform
from pathlib import Path

from meosbackup import __version__
from meosbackup.errors import MeosBackupError

log = logging.getLogger(__name__)

_LOG_BYTES = 5_000_000


def begin(path: Path, *, verbose: bool) -> None:
    """Write to this log file from now on. Raises MeosBackupError if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=2, encoding="utf-8")
    except OSError as error:
        raise MeosBackupError(
            f"The log file {path} can't be written ({error.strerror or error}).",
            "Nothing is backed up.",
            "Choose another one with --log-file.",
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    logging.getLogger("mysql.connector").setLevel(logging.WARNING)
    # A log that can't be written any more, on a full disk, must not be what fills the screen.
    logging.raiseExceptions = False
    log.info("meosbackup %s, Python %s on %s", __version__, platform.python_version(), platform.platform())
