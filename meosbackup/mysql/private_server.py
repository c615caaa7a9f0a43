"""A private mysqld or mariadbd in a temporary folder."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

import mysql.connector
from mysql.connector.connection import MySQLConnection

from meosbackup.errors import MeosBackupError, ProgramMissingError
from meosbackup.mysql import programs
from meosbackup.system import files, process
from meosbackup.text import unbroken

HOST = "127.0.0.1"

# Seconds that a slow computer may need.
_LIMIT = 120.0
_LOAD_LIMIT = 3600.0
_PORTS = range(20_000, 32_000)

_NO_RISK = "No data is at risk: only the demo and rehearsals need it, backups don't."


@dataclass(frozen=True)
class ServerProgram:
    """A mysqld or mariadbd; `flavour` is "MySQL" or "MariaDB"."""

    path: Path
    flavour: str


@dataclass
class PrivateServer:
    """A server for this program alone, on 127.0.0.1; `socket` is None on Windows.

    It can be stopped and started any number of times: its port and its data stay the same.
    """

    program: ServerProgram
    folder: Path
    port: int
    socket: Path | None
    options: tuple[str, ...]
    host: str = HOST
    user: str = "root"
    password: str = ""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def log_file(self) -> Path:
        """The server's own log since it was last started."""
        return self.folder / "server.log"

    @property
    def process_id(self) -> int | None:
        """The number of the server's process; None if it isn't running."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start the server if it isn't running, and wait until it answers. Raises ProgramMissingError."""
        if self.process_id is not None:
            return
        _undisturbed(self._launch)
        deadline = time.monotonic() + _LIMIT
        while not _answers(self):
            if self.process_id is None or time.monotonic() > deadline:
                self.kill()
                raise _does_not_run(self.program, _complaint(self.log_file.read_text("utf-8", "replace")))
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut the server down as its administrator would: in SQL, so that it isn't a crash on Windows either."""
        if self._process is not None:
            with suppress(mysql.connector.Error, OSError), closing(connect(self)) as connection:
                connection.cmd_query("SHUTDOWN")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LIMIT)
        self.kill()

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self._process is not None:
            self._process.kill()
            process.end(self._process)
            self._process = None

    def _launch(self) -> None:
        arguments = [str(self.program.path), *self.options, f"--port={self.port}", f"--bind-address={self.host}",
                     f"--log-error={self.log_file}"]  # fmt: skip
        if self.socket is not None:
            arguments.append(f"--socket={self.socket}")
        if self.program.flavour == "MySQL":
            arguments += ["--loose-mysqlx=OFF", "--secure-file-priv=NULL"]
            if sys.platform == "win32":
                # Otherwise it runs as two processes, and the one started here is not the server.
                arguments.append("--no-monitor")
        elif sys.platform == "win32":
            # Logins by Windows accounts: where they don't work, that would be the first complaint in its log.
            arguments.append("--loose-gssapi=OFF")
        self.log_file.write_text("", "utf-8")
        try:
            self._process = process.start(arguments, folder=self.folder)
        except OSError as error:
            raise _does_not_run(self.program, error.strerror or str(error)) from error


def find_server_program() -> ServerProgram:
    """Find a mariadbd or mysqld that runs: on PATH, then in the folders where installers put it.

    Raises ProgramMissingError.
    """
    for path in _found(("mariadbd", "mysqld"), os.get_exec_path()):
        with suppress(OSError):
            result = process.run([str(path), "--version"], limit=_LIMIT)
            if result.code == 0:
                return ServerProgram(path, "MariaDB" if "MariaDB" in result.output else "MySQL")
    what = "No MySQL or MariaDB server program (mariadbd or mysqld) was found on this computer."
    raise ProgramMissingError(what, _NO_RISK, f"{programs.how_to_install('mariadb-server')}.")


@contextmanager
def private_server(
    folder: Path | None = None,
    *,
    lower_case_table_names: int = 1,
    program: ServerProgram | None = None,
    options: Sequence[str] = (),
) -> Iterator[PrivateServer]:
    """Run a new, empty server; however the block ends, the server is ended and its data are removed.

    Its files are in a new folder below `folder`, or below the system's temporary one. `options` go to the server
    program, also when it creates its data folder. The server has one user: root, without a password, from this
    computer alone. Raises ProgramMissingError if there is no server program, or it doesn't run.
    """
    program = program or find_server_program()
    # The socket is elsewhere, since the path of `folder` may be too long for one (108 letters on Linux, 104 on macOS).
    with _temporary_folder(folder) as home, _temporary_folder(None) as short:
        server = PrivateServer(
            program=program, folder=home, port=free_port(), options=_options(home, lower_case_table_names, options),
            socket=None if sys.platform == "win32" else short / "socket",
        )  # fmt: skip
        _make_data_folder(server)
        try:
            server.start()
            yield server
        finally:
            _undisturbed(server.kill)


def connect(server: PrivateServer, database: str | None = None) -> MySQLConnection:
    """Connect to a private server as its root; each statement takes effect at once. The caller closes it."""
    # By the socket if there is one: on a port, another server might answer.
    return MySQLConnection(
        host=server.host, port=server.port, unix_socket=server.socket and str(server.socket), user=server.user,
        password=server.password, database=database, charset="utf8mb4", collation="utf8mb4_general_ci",
        connection_timeout=5, autocommit=True,
    )  # fmt: skip


def load(server: PrivateServer, path: Path, statements: Iterable[bytes] | None = None) -> None:
    """Feed an SQL file to a private server through the `mariadb` or `mysql` program, the server's own if possible.

    With `statements`, these are fed instead of all that the file holds; what making them raises is raised.
    Raises ProgramMissingError if there is none, MeosBackupError if it fails, OSError if `path` can't be read.
    """
    client = _found_beside(server.program, ("mariadb", "mysql"))
    address = [f"--socket={server.socket}"] if server.socket else [f"--host={server.host}", f"--port={server.port}"]
    # In binary mode a dump can't give commands to the client itself, and a MySQL client takes MariaDB's dumps.
    arguments = [str(client), "--no-defaults", *address, f"--user={server.user}", "--binary-mode",
                 "--default-character-set=utf8mb4"]  # fmt: skip
    with files.open_regular(path) if statements is None else process.poured(statements) as stdin:
        result = process.run(arguments, limit=_LOAD_LIMIT, stdin=stdin)
    if result.code != 0:
        raise MeosBackupError(
            f"{path.name} can't be loaded into a private server ({_why(result)}).",
            "Races and backups are unchanged: the private server has copies.",
            "Check whether the file is complete.",
        )


def _make_data_folder(server: PrivateServer) -> None:
    if server.program.flavour == "MySQL":
        arguments = [str(server.program.path), *server.options, "--initialize-insecure"]
    else:
        arguments = [str(_found_beside(server.program, ("mariadb-install-db", "mysql_install_db")))]
        if sys.platform == "win32":  # another program of the same name, with options of its own
            arguments.append(f"--datadir={server.folder / 'data'}")
        else:
            # A shell script, which breaks if a path has a space: it gets paths relative to the folder that it runs in.
            arguments += [option.replace(str(server.folder), ".") for option in server.options]
            arguments += ["--skip-test-db", "--auth-root-authentication-method=normal"]
    try:
        result = process.run(arguments, limit=_LIMIT, folder=server.folder)
    except OSError as error:
        raise _does_not_run(server.program, error.strerror or str(error)) from error
    if result.code != 0:
        raise _does_not_run(server.program, _why(result))


def _options(home: Path, lower_case_table_names: int, more: Sequence[str]) -> tuple[str, ...]:
    """Return the server program's options; one with `loose-` is ignored by programs that don't know it."""
    # Its folder for temporary files is its own: in a shared one, a server that starts removes those of all others.
    options = [
        "--no-defaults", f"--datadir={home / 'data'}", f"--tmpdir={home}",
        f"--lower-case-table-names={lower_case_table_names}", "--skip-log-bin", "--performance-schema=OFF",
        "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=2", "--loose-innodb-log-file-size=8M",
        "--loose-innodb-redo-log-capacity=8M",
    ]  # fmt: skip
    as_root = sys.platform != "win32" and os.geteuid() == 0
    return (*options, *(["--user=root"] if as_root else []), *more)


@contextmanager
def _temporary_folder(below: Path | None) -> Iterator[Path]:
    folder = process.plain_path(Path(tempfile.mkdtemp(prefix="meosbackup-", dir=below)).resolve())
    try:
        yield folder
    finally:
        # Windows keeps files of a killed server open for a moment: what can't be removed then is left for the system.
        _undisturbed(lambda: shutil.rmtree(folder, ignore_errors=sys.platform == "win32"))


def _undisturbed(action: Callable[[], None]) -> None:
    """Finish what Ctrl-C must not interrupt: it interrupts the main thread alone."""
    with ThreadPoolExecutor(1) as other_thread:
        other_thread.submit(copy_context().run, action).result()


def free_port() -> int:
    """Choose a port below those that the system hands out, so that nobody takes it while the server is stopped."""
    while True:
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


def _answers(server: PrivateServer) -> bool:
    try:
        with closing(connect(server)) as connection:
            return sys.platform != "win32" or _is_at(connection, server.folder / "data")
    except (mysql.connector.Error, OSError):
        return False


def _is_at(connection: MySQLConnection, folder: Path) -> bool:
    """Return whether a server has its data there; on a port, another one might answer. Raises OSError."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT @@datadir")
        [(place,)] = cursor.fetchall()
    return Path(str(place)).samefile(folder)


def _found(names: Sequence[str], folders: Sequence[str]) -> Iterator[Path]:
    """Find programs by name: in these folders, then where installers put them, the newest first."""
    for place in [*folders, *map(str, programs.installer_folders())]:
        for name in names:
            path = shutil.which(name, path=place)
            if path is not None:
                yield Path(path).resolve()


def _found_beside(program: ServerProgram, names: Sequence[str]) -> Path:
    """Find a program of the same installation as the server program, or else any of that name."""
    home = program.path.parent
    beside = [str(folder) for folder in (home, home.parent / "bin", home.parent / "scripts")]
    path = next(_found(names, [*beside, *os.get_exec_path()]), None)
    if path is None:
        what = f"{unbroken(str(program.path))} is here, but its companion {names[0]} was not found."
        raise ProgramMissingError(what, _NO_RISK, f"{programs.how_to_install('mariadb-server')}.")
    return path


def _does_not_run(program: ServerProgram, why: str) -> ProgramMissingError:
    return ProgramMissingError(
        f"A private server can't be started with {unbroken(str(program.path))} ({why}).",
        _NO_RISK,
        "Check that there is room in the folder for temporary files; if there is, reinstall the server program.",
    )


def _why(result: process.Result) -> str:
    return f"no end after {result.seconds:.0f} s" if result.timed_out else _complaint(result.errors)


def _complaint(text: str) -> str:
    """Return the first error that a program wrote: those that follow are its consequences."""
    return next((line.strip() for line in text.splitlines() if "ERROR" in line), "it gives no reason")
