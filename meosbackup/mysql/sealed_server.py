"""A private server for what may come from anyone: SQL that runs there reaches nothing outside its own databases."""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from meosbackup.errors import BadBatchError
from meosbackup.mysql import private_server
from meosbackup.mysql.identifiers import is_system, quoted
from meosbackup.mysql.private_server import PrivateServer

_USER = "rehearsal"


@contextmanager
def sealed_server(databases: Iterable[str], *, lower_case_table_names: int) -> Iterator[PrivateServer]:
    """Run a new private server whose user may do as it likes in these databases, and has no privilege elsewhere.

    The server can't read or write files for SQL, load libraries, run events, or be reached through the network; where
    there are no sockets (Windows), it listens on 127.0.0.1. Nobody has the privilege FILE.
    Raises BadBatchError if one of the databases is the server's own, ProgramMissingError as `private_server` does.
    """
    names = sorted(set(databases))
    if own := [name for name in names if is_system(name)]:
        raise BadBatchError(
            f"The batch has a race in the database {own[0]}, which is the server's own.",
            "It is not restored anywhere.",
            "Choose another batch.",
        )
    with (
        tempfile.TemporaryDirectory(prefix="meosbackup-", ignore_cleanup_errors=True) as empty,
        private_server.private_server(
            lower_case_table_names=lower_case_table_names, options=_options(Path(empty))
        ) as server,
    ):
        _seal(server, names)
        yield server


def _options(empty: Path) -> list[str]:
    """Return the options that close a server up; `empty` is the one folder where it may look for files."""
    offline = [] if sys.platform == "win32" else ["--skip-networking"]
    return [
        f"--secure-file-priv={empty}", f"--plugin-dir={empty}", "--local-infile=OFF", "--symbolic-links=OFF",
        "--event-scheduler=DISABLED", *offline,
    ]  # fmt: skip


def _seal(server: PrivateServer, databases: Iterable[str]) -> None:
    """Give the server a user for these databases, and have everything else go through that one."""
    host = "127.0.0.1" if sys.platform == "win32" else "localhost"
    account = f"'{_USER}'@'{host}'"
    with closing(private_server.connect(server)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE USER {account}")
        for name in databases:  # in a name that privileges are given on, `_` and `%` stand for any letters
            pattern = quoted(name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))
            cursor.execute(f"GRANT ALL PRIVILEGES ON {pattern}.* TO {account}")
        cursor.execute("REVOKE FILE ON *.* FROM CURRENT_USER()")
    server.user = _USER
