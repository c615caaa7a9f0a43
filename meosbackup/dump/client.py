"""The client program, run: a dump fed into a database of another name."""

import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meosbackup.dump import connecting, scanner
from meosbackup.dump.progress import Progress
from meosbackup.dump.scanner import Kind, Piece
from meosbackup.errors import MeosBackupError, PrivilegeMissingError, ProgramMissingError, ServerUnreachableError
from meosbackup.mysql.identifiers import quoted
from meosbackup.mysql.programs import Program
from meosbackup.mysql.server_errors import PRIVILEGE_MISSING, UNREACHABLE, explained, is_about_tls, quoted_account
from meosbackup.settings.model import Settings
from meosbackup.system import process

UNTOUCHED = "The server is unchanged."
"""What a failed restore means for the data, whatever failed."""

_PIECE = 1 << 16
_READ_ONLY = frozenset({1290, 1792, 1836})
_TOO_LARGE = frozenset({1153, 2006, 2020})
PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, LOCK TABLES"
"""What a restore needs, on every database."""

_LEFT_OUT = frozenset({Kind.RACE_LIST, Kind.COMMENT, Kind.COMPLETED})
_NAME = re.compile(rb"`(?:[^`]|``)*`")


@dataclass(frozen=True)
class Client:
    """The client program with the arguments that log it in, run in the folder with the private option file.

    `account` is the account that the server takes the user for, if known.
    """

    program: Program
    login: tuple[str, ...]
    settings: Settings
    folder: Path
    account: str | None


def logged_in(
    program: Program, settings: Settings, folder: Path, account: str | None, stop: threading.Event
) -> Client:  # fmt: skip
    """Try the login in a folder in which `mysqldump.logged_in` put the option file, once for all dumps.

    Raises ProgramMissingError, UnfitProgramError, StoppedError.
    """
    try:
        login = connecting.arguments_that_log_in(program, settings, folder, stop)
    except OSError as error:
        raise _not_startable(program, error) from error
    return Client(program, tuple(login), settings, folder, account)


def redirected(source: Path, database: str) -> Iterator[Piece]:
    """Yield the pieces of a dump so that it goes into another database and puts nothing on the race list.

    Where it names a database that isn't its own, that name stays. Comments and blank lines are left out. A piece is a
    statement or a part of a long one, cut alike in every dump. Raises OSError.
    """
    name, own = quoted(database).encode(), None
    with source.open("rb") as dump:
        for number, piece in enumerate(scanner.scan(dump, _PIECE)):
            is_sandbox_line = number == 0 and scanner.SANDBOX_LINE.fullmatch(piece.data)
            found = _NAME.search(piece.data) if piece.kind is Kind.DATABASE and piece.begins else None
            own = own or found
            if found and own and found[0] == own[0]:
                yield piece._replace(data=_NAME.sub(lambda _: name, piece.data, count=1))
            elif piece.kind not in _LEFT_OUT and not is_sandbox_line:
                yield piece


def feed(client: Client, pieces: Iterable[bytes], stop: threading.Event, stalled: Callable[[], None]) -> None:
    """Feed SQL to the server, piece by piece. `stalled` is called when it has taken none for a while.

    Raises MeosBackupError if the server or the client program refuses it, ServerUnreachableError if the server takes
    nothing more for dump_limit; what making the pieces raises; StoppedError.
    """
    arguments = [*client.login, "--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"]
    limit = client.settings.dump_limit
    progress = Progress(stalled, limit)
    with (
        connecting.encrypted_if_required(client.program, client.settings),
        process.poured(progress.noted(pieces)) as statements,
    ):
        try:
            result = process.run(
                arguments, limit=math.inf, stop=stop, folder=client.folder, stdin=statements,
                is_hopeless=progress.is_over_limit,
            )  # fmt: skip
        except OSError as error:
            raise _not_startable(client.program, error) from error
    if result.timed_out:
        raise ServerUnreachableError(
            f"The server has taken nothing more for {limit} s. Its disk may be full.",
            UNTOUCHED,
            "Make room on the server's disk, or restore on another server.",
        )
    if result.code and not result.errors.strip():
        raise MeosBackupError(
            f"The client program ended with code {result.code} and said nothing. Something may have ended it.",
            UNTOUCHED,
            "Run the command again.",
        )
    if result.code:
        raise failure(client, *connecting.error(result))


def failure(client: Client, said: str, number: int | None) -> MeosBackupError:
    """Return the error for a server that refused part of a restore. Its races are unchanged, whatever it was."""
    if number in PRIVILEGE_MISSING:
        account = client.account or f"{client.settings.user}@%"
        return PrivilegeMissingError(
            f"The user {account.rpartition('@')[0]} may not restore on this server ({said}).",
            UNTOUCHED,
            f"In an administrator's mysql prompt: GRANT {PRIVILEGES} ON *.* TO {quoted_account(account)};",
        )
    if number in _READ_ONLY:
        return MeosBackupError(
            f"The server is read-only ({said}).",
            UNTOUCHED,
            "Restore on another server, or ask its administrator to switch off read_only.",
        )
    if number in _TOO_LARGE:
        return MeosBackupError(
            f"The server refuses a row as large as one of the dump's, or stopped ({said}).",
            UNTOUCHED,
            "In an administrator's mysql prompt: SET GLOBAL max_allowed_packet=1073741824; and run the command again.",
        )
    if number in UNREACHABLE or is_about_tls(number, said):
        error = explained(number, said, client.settings)
        return ServerUnreachableError(error.what, UNTOUCHED, error.do)
    return MeosBackupError(
        f"The server refused the dump ({said or 'the client program said nothing'}).",
        UNTOUCHED,
        "If its disk is full, make room; otherwise choose another batch, or another server.",
    )


def _not_startable(program: Program, error: OSError) -> ProgramMissingError:
    return ProgramMissingError(
        f"The client program {program.path} can't be started ({error.strerror or error}).",
        UNTOUCHED,
        "Reinstall MySQL's or MariaDB's programs, or name another one with --mysql PROGRAM.",
    )
