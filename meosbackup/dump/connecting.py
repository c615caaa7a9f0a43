"""The dump and client programs logged in to the server, encrypted as `ssl_mode` says."""

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from meosbackup import notices
from meosbackup.errors import UnfitProgramError
from meosbackup.mysql import sessions
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import TLS_REFUSED, TLS_WANTED, unencrypted_notice
from meosbackup.settings.model import Settings
from meosbackup.system import login_file, process
from meosbackup.text import unbroken

log = logging.getLogger(__name__)

_LOGIN_LIMIT = 20.0
_NO_OPTION_FILE = "Fatal error in defaults handling"
_NUMBERS = re.compile(r"^ERROR (\d+)|\b[Ee]rror:? (\d+)\b|\((\d{2,4})\)$")


def run(
    program: Program,
    settings: Settings,
    arguments: Sequence[str],
    *,
    limit: float,
    stop: threading.Event,
    folder: Path,
) -> process.Result:
    """Run a program with the login of the folder's option file; if it is stopped, it is killed at once.

    With PREFERRED, if it and the server can't agree on encryption, it is run again without it. Raises OSError if it
    can't be started, StoppedError, UnfitProgramError, ServerUnreachableError.
    """
    with encrypted_if_required(program, settings):
        return _agreed(program, settings, arguments, limit=limit, stop=stop, folder=folder, patience=0)[1]


def arguments_that_log_in(client: Program, settings: Settings, folder: Path, stop: threading.Event) -> list[str]:
    """Return the program with the arguments that log it in. They are tried first, since it can be fed only once.

    Raises as `run` does.
    """
    asked = ["--execute=SELECT 1"]
    patience = process.PATIENCE
    with encrypted_if_required(client, settings):
        return _agreed(client, settings, asked, limit=_LOGIN_LIMIT, stop=stop, folder=folder, patience=patience)[0]


@contextmanager
def encrypted_if_required(program: Program, settings: Settings) -> Iterator[None]:
    """Check, if encryption is required, that the server offers it before and after a program's run.

    MySQL's programs insist on it themselves. MariaDB's encrypt if the server offers it, and otherwise silently continue
    unencrypted (seen: 10.11 and 11.8, with --ssl and --skip-ssl-verify-server-cert). Raises ServerUnreachableError.
    """
    is_unsure = sessions.requires_encryption(settings) and "ssl-mode" not in program.options
    if is_unsure:
        with sessions.session(settings):
            pass
    yield
    if is_unsure:
        with sessions.session(settings):
            pass


def _agreed(
    program: Program,
    settings: Settings,
    arguments: Sequence[str],
    *,
    limit: float,
    stop: threading.Event,
    folder: Path,
    patience: float,
) -> tuple[list[str], process.Result]:
    def tried(encryption: Sequence[str]) -> tuple[list[str], process.Result]:
        # A server's certificate is usually self-signed.
        unchecked = ["--skip-ssl-verify-server-cert"] if "ssl-verify-server-cert" in program.options else []
        login = [program.path, f"--defaults-file={login_file.NAME}", *unchecked, *encryption]
        result = process.run([*login, *arguments], limit=limit, stop=stop, folder=folder, patience=patience)
        if result.code and _NO_OPTION_FILE in result.errors:
            raise UnfitProgramError(
                f"{unbroken(program.path)} can't read its login in {unbroken(str(folder))} ({result.last_error}).",
                "Nothing was sent to the server.",
                "With --spool, choose a folder whose path has none but plain letters, such as C:\\meosbackup.",
            )
        return login, result

    if settings.ssl_mode == "DISABLED":
        return tried(_unencrypted(program))
    first = tried(_encrypted(program, settings))
    if (
        sessions.requires_encryption(settings)
        or first[1].code == 0
        or first[1].timed_out
        or error(first[1])[1] not in TLS_REFUSED
    ):
        return first
    again = tried(_unencrypted(program))
    if again[1].code != 0 and error(again[1])[1] in TLS_REFUSED | TLS_WANTED:
        return first
    if settings.socket is None:
        notices.tell(f"{Path(program.path).name}: {unencrypted_notice(settings, 'uses outdated encryption')}")
    return again


def error(result: process.Result) -> tuple[str, int | None]:
    """Return the last line that has a server's error number, and that; or the last line at all, and None."""
    for line in reversed(result.errors.splitlines()):
        found = _NUMBERS.search(line.strip())
        if found:
            return line.strip(), int(found[1] or found[2] or found[3])
    return result.last_error, None


def _unencrypted(program: Program) -> list[str]:
    """Return what keeps a program from encrypting: MySQL's programs know the one option, MariaDB's the other."""
    if "ssl-mode" in program.options:
        return ["--ssl-mode=DISABLED"]
    return ["--skip-ssl"] if _has_switch(program) else []


def _encrypted(program: Program, settings: Settings) -> list[str]:
    """Return what makes a program encrypt. MySQL's programs do by themselves; MariaDB's before 11.4 only if told."""
    if "ssl-mode" in program.options:
        return ["--ssl-mode=REQUIRED"] if sessions.requires_encryption(settings) else []
    if _has_switch(program):
        return ["--ssl"]
    if not sessions.requires_encryption(settings):
        return []
    raise UnfitProgramError(
        f"{unbroken(program.path)} can't encrypt its connection, and ssl_mode is REQUIRED.",
        "Nothing was sent to the server.",
        "Reinstall the programs of MySQL or MariaDB, or allow an unencrypted connection with --ssl-mode PREFERRED.",
    )


def _has_switch(program: Program) -> bool:
    return "ssl" in program.options and "ssl-mode" not in program.options
