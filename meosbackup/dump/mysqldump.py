"""The dump program, run: one database, or its reference tables, into a file on the local disk."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from meosbackup import notices
from meosbackup.dump import connecting
from meosbackup.errors import DumpFailedError, MeosBackupError, UnfitProgramError, WrongUsageError
from meosbackup.mysql import programs
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import (
    DAMAGED,
    LOGIN_REFUSED,
    NOT_THERE,
    PRIVILEGE_MISSING,
    UNREACHABLE,
    damaged_table,
    explained,
    is_about_tls,
)
from meosbackup.settings import option_file
from meosbackup.settings.model import Settings
from meosbackup.system import login_file, process
from meosbackup.text import clean, unbroken

log = logging.getLogger(__name__)

# MariaDB's dump programs since 10.6 need a column that the information_schema of MySQL before 5.7 doesn't have.
_NO_SUCH_COLUMN = 1054
# If an option file's path has more than 511 bytes, MariaDB's programs silently continue without it.
_LONGEST_PATH = 490


PAUSE = 1.0
"""Seconds between a dump that was ended and the next try, in which anyone who waited for the tables continues."""


class TookTooLongError(DumpFailedError):
    """The dump program was stopped at its time limit."""


@dataclass(frozen=True)
class DumpProgram:
    """The dump program with what it needs for each run; `folder` holds the private option file and the dumps."""

    program: Program
    settings: Settings
    folder: Path
    account: str | None = None


@contextmanager
def logged_in(program: Program, settings: Settings, folder: Path, account: str | None = None) -> Iterator[DumpProgram]:
    """Put the login into a private option file in the folder, and remove it afterwards.

    `account` is the account that the server takes the user for, if known. Names are relative to the folder, so that no
    path, whatever letters it holds, is ever an argument. Raises WrongUsageError if the folder's path is too long.
    """
    if len(os.fsencode(folder.absolute())) > _LONGEST_PATH:
        raise WrongUsageError(
            f"The path of the spool is too long for the programs of MySQL and MariaDB ({clean(str(folder), 60)}).",
            "Nothing is backed up.",
            "Choose a folder with a shorter path with --spool.",
        )
    login = {"user": settings.user}
    if settings.password is not None:
        login["password"] = settings.password
    if settings.socket is not None:
        login["socket"] = str(settings.socket)
    else:
        # Without the protocol, clients would connect to "localhost" through the socket, not the port.
        login |= {"host": settings.host, "port": str(settings.port), "protocol": "tcp"}
    with login_file.held(folder, option_file.text(login)):
        yield DumpProgram(program, settings, folder, account)


def dump(
    program: DumpProgram,
    database: str,
    *,
    left_out: Iterable[str],
    one_transaction: bool,
    file: str,
    stop: threading.Event,
    limit: int | None = None,
) -> None:
    """Dump a database without the tables that are left out into a file in the program's folder.

    A dump program that is still running after `limit` seconds (None: dump_limit) is stopped: the server then releases
    its locks. If the program doesn't fit the server, the others that were found are tried. Raises TookTooLongError,
    DumpFailedError, ServerUnreachableError and others of MeosBackupError; StoppedError. What the file holds then is
    not a dump.
    """
    dump_several(program, {database: left_out}, one_transaction=one_transaction, file=file, stop=stop, limit=limit)


def dump_several(
    program: DumpProgram,
    left_out: Mapping[str, Iterable[str]],
    *,
    one_transaction: bool,
    file: str,
    stop: threading.Event,
    limit: int | None = None,
) -> None:
    """Dump databases without the tables that are left out of each, one after the other; otherwise as `dump`."""
    database = ", ".join(left_out)
    ignored = [f"--ignore-table={name}.{table}" for name, tables in left_out.items() for table in tables]
    wanted = [f"--result-file={file}", "--skip-triggers", *ignored]
    if one_transaction:
        wanted.append("--single-transaction")
    wanted += ["--databases", "--", *left_out]
    limit = limit or program.settings.dump_limit
    try:
        _run(program, database, wanted, stop, limit)
    except UnfitProgramError as error:
        for other in programs.others(program.program):
            try:
                _run(replace(program, program=other), database, wanted, stop, limit)
            except UnfitProgramError:
                continue
            notices.tell(f"{error.what} {unbroken(other.path)} is used instead")
            return
        raise


def _run(program: DumpProgram, database: str, wanted: list[str], stop: threading.Event, limit: int) -> None:
    """Run the dump program with the options that it knows, and say why if it fails."""
    options = program.program.options
    arguments = ["--no-tablespaces", "--hex-blob", "--default-character-set=utf8mb4", "--skip-dump-date"]
    if "set-gtid-purged" in options:
        arguments.append("--set-gtid-purged=OFF")
    if "column-statistics" in options:
        arguments.append("--column-statistics=0")
    if "max-allowed-packet" in options:
        arguments.append("--max-allowed-packet=1G")  # else an image or a map of more than 12 MB is too large for some
    try:
        result = connecting.run(
            program.program,
            program.settings,
            [*arguments, *wanted],
            limit=limit,
            stop=stop,
            folder=program.folder,
        )
    except OSError as error:
        raise DumpFailedError(
            f"The dump program can't be started ({error.strerror or error}).",
            "This race is not in the newest backup.",
            "Run `meosbackup check`.",
        ) from error
    if result.timed_out:
        raise TookTooLongError(
            f"The dump program was stopped because it took longer than {limit} s.",
            "This race is not in the newest backup.",
            "Check whether the server still answers MeOS; the setting dump_limit gives it more time.",
        )
    if result.code:
        log.warning("the dump program ended with %d for %s and said: %s", result.code, database, result.errors)
        raise _failure(result, database, program)


def _failure(result: process.Result, database: str, program: DumpProgram) -> MeosBackupError:
    """Return why the dump program failed, by the server's error number in what it wrote on its standard error."""
    said, number = connecting.error(result)
    if number in UNREACHABLE | LOGIN_REFUSED | PRIVILEGE_MISSING or is_about_tls(number, said):
        return explained(number, said, program.settings, program.account)
    if number in DAMAGED:
        return DumpFailedError(
            f"The table {damaged_table(said).split('.')[-1]} of this race is damaged ({said}).",
            "This race is not in the newest backup; other races are.",
            "In MeOS, page Competition, close the race and choose Repair Selected Competition (Reparera vald tävling)."
            " If that doesn't help, restore the race from an earlier batch.",
        )
    if number in NOT_THERE:
        return DumpFailedError(
            f"The database {database} is missing from the server, or one of its tables is ({said}).",
            "This race is not in the newest backup.",
            "If nobody deleted it on purpose, restore it from an earlier batch.",
        )
    if number == _NO_SUCH_COLUMN and "generation_expression" in said.lower():
        return UnfitProgramError(
            f"The dump program {unbroken(program.program.path)} can't dump a server as old as this one ({said}).",
            "This race is not in the newest backup.",
            "Install the dump program of MySQL 5.7 or newer (mysqldump), and name it with --mysqldump PROGRAM.",
        )
    is_full = "errno: 28" in said or "No space left" in said or result.code == 5
    disk = "the server's disk" if number else "this computer's disk, where the spool is"
    return DumpFailedError(
        f"The dump program ended with code {result.code} ({said or 'it said nothing'}).",
        "This race is not in the newest backup.",
        f"Make room on {disk}." if is_full else "The log file has all that it said.",
    )
