"""The dump and client programs logged in to the server; encrypted as it wants it, or told that they are not."""

import logging
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from meosbackup import notices
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import TLS_REFUSED, TLS_WANTED
from meosbackup.system import process

log = logging.getLogger(__name__)

OPTION_FILE = "login.cnf"
"""The private option file with the login, in the folder that a program is run in."""

_LOGIN_LIMIT = 20.0
_NUMBERS = re.compile(r"^ERROR (\d+)|\b[Ee]rror:? (\d+)\b|\((\d{2,4})\)$")


def run(
    program: Program, arguments: Sequence[str], *, limit: float, stop: threading.Event, folder: Path, patience: float
) -> process.Result:
    """Run a program with the login of the folder's option file.

    Where it and the server can't agree on encryption, it is run once more, in the other way. Raises OSError where it
    can't be started, StoppedError.
    """
    return _agreed(program, arguments, limit=limit, stop=stop, folder=folder, patience=patience)[1]


def arguments_that_log_in(client: Program, folder: Path, stop: threading.Event) -> list[str]:
    """Return the program with the arguments that log it in; found by trying, since what it is fed comes only once.

    Raises OSError where it can't be started, StoppedError.
    """
    asked = ["--execute=SELECT 1"]
    return _agreed(client, asked, limit=_LOGIN_LIMIT, stop=stop, folder=folder, patience=process.PATIENCE)[0]


def _agreed(
    program: Program, arguments: Sequence[str], *, limit: float, stop: threading.Event, folder: Path, patience: float
) -> tuple[list[str], process.Result]:
    def tried(more: Sequence[str]) -> tuple[list[str], process.Result]:
        # A server's certificate is self-signed, as a rule.
        unchecked = ["--skip-ssl-verify-server-cert"] if "ssl-verify-server-cert" in program.options else []
        login = [program.path, f"--defaults-file={OPTION_FILE}", *unchecked, *more]
        result = process.run([*login, *arguments], limit=limit, stop=stop, folder=folder, patience=patience)
        return login, result

    first = tried(())
    number = error(first[1])[1]
    if first[1].code == 0 or first[1].timed_out or number not in TLS_REFUSED | TLS_WANTED:
        return first
    more = _unencrypted(program) if number in TLS_REFUSED else _encrypted(program)
    if not more:
        return first
    again = tried(more)
    if again[1].code != 0 and error(again[1])[1] in TLS_REFUSED | TLS_WANTED:
        return first
    if number in TLS_REFUSED:
        notices.tell(
            f"{Path(program.path).name} and the server can't agree on encryption, as is usual with an old server:"
            " it works without. Whoever listens on the network can read along"
        )
    return again


def error(result: process.Result) -> tuple[str, int | None]:
    """Return the last line with a server's error number, or the last line at all, since warnings stand there too."""
    for line in reversed(result.errors.splitlines()):
        found = _NUMBERS.search(line.strip())
        if found:
            return line.strip(), int(found[1] or found[2] or found[3])
    return result.last_error, None


def _unencrypted(program: Program) -> list[str]:
    # MySQL's newer programs know the one, MariaDB's the other.
    if "ssl-mode" in program.options:
        return ["--ssl-mode=DISABLED"]
    return ["--skip-ssl"] if "ssl" in program.options else []


def _encrypted(program: Program) -> list[str]:
    """Return what makes a program of MariaDB encrypt; before 2024 they did so only when told."""
    return [] if "ssl-mode" in program.options or "ssl" not in program.options else ["--ssl"]
