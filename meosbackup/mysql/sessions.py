"""Sessions with the server, through mysql-connector-python."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract, MySQLCursorAbstract
from mysql.connector.constants import ClientFlag

from meosbackup import notices
from meosbackup.batch.model import Server
from meosbackup.errors import ServerUnreachableError
from meosbackup.mysql.server_errors import (
    address,
    explained,
    is_about_tls,
    is_on_this_computer,
    unencrypted,
    unencrypted_notice,
)
from meosbackup.settings.model import Settings

log = logging.getLogger(__name__)

CONNECT_LIMIT = 5
"""Seconds that a server has to take a login."""

ANSWER_LIMIT = 10
"""Seconds that a server has to answer a query; a laptop that keeps the race list locked counts as no answer."""

_SIGN_OF_LIFE_LIMIT = 1
"""Seconds that a server has to show that it still knows of a session."""


class Session:
    """A connection to the server; its errors become MeosBackupError."""

    def __init__(self, connection: MySQLConnectionAbstract, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._cursor: MySQLCursorAbstract | None = None
        self.announced = str(connection.server_info)
        """The version that the server tells its clients before they log in."""

        self.account: str | None = None
        """The account that the server takes the user for, `meos@%`: privileges belong to it."""

        row = self.rows(
            "SELECT CURRENT_USER() AS account, @@version AS version, @@version_comment AS comment,"
            " @@lower_case_table_names AS names"
        )[0]
        self.account = str(row["account"])
        self.version, self.comment = str(row["version"]), str(row["comment"])
        self.lower_case_table_names = int(row["names"])
        self._answers: dict[tuple[object, ...], list[dict[str, Any]]] = {}

    @property
    def flavour(self) -> str:
        """Whose server it is, "MySQL" or "MariaDB"."""
        return "MariaDB" if "mariadb" in f"{self.version} {self.comment}".lower() else "MySQL"

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Run one statement and return its rows, by column name in lower case."""
        try:
            if self._cursor is None:  # a new one takes a round trip: it asks whether the server is there
                self._cursor = self._connection.cursor()
            self._cursor.execute(statement, tuple(parameters))  # type: ignore[arg-type]  # any value is escaped
            names = [str(column[0]).lower() for column in self._cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()] if names else []
        except mysql.connector.Error as error:
            raise explained(error.errno, str(error), self._settings, self.account) from error

    def once(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Return what `rows` returns, for a statement that is run only once in this session."""
        key = (statement, parameters)
        if key not in self._answers:
            self._answers[key] = self.rows(statement, parameters)
        return self._answers[key]

    def is_alive(self) -> bool:
        """Return whether the server still answers in this session, and at once."""
        self._connection.read_timeout = _SIGN_OF_LIFE_LIMIT
        is_alive = self._connection.is_connected()
        self._connection.read_timeout = ANSWER_LIMIT
        return is_alive

    def close(self) -> None:
        """Log out."""
        _close(self._connection)


@contextmanager
def session(settings: Settings) -> Iterator[Session]:
    """Log in to the server until the block ends; errors as `opened`."""
    session = opened(settings)
    try:
        yield session
    finally:
        session.close()


def opened(settings: Settings) -> Session:
    """Log in to the server. Raises ServerUnreachableError, LoginRefusedError and others of MeosBackupError."""
    try:
        connection = _connected(settings)
    except mysql.connector.Error as error:
        raise explained(error.errno, str(error), settings) from error
    except UnicodeError as error:  # a host name that no computer can have
        raise explained(2005, str(error), settings) from error
    except Exception as error:
        # What is not MySQL at all makes the connector fail in any way.
        log.warning("the connector failed", exc_info=True)
        raise ServerUnreachableError(
            f"The server at {address(settings)} doesn't answer as MySQL and MariaDB do.",
            "No race is backed up while this lasts.",
            "Check that --host and --port are those of the server that MeOS uses.",
        ) from error
    try:
        _refuse_unencrypted(connection, settings)
        return Session(connection, settings)
    except BaseException:
        _close(connection)
        raise


def _refuse_unencrypted(connection: Any, settings: Settings) -> None:
    if requires_encryption(settings) and not connection.is_secure:
        raise unencrypted(settings)


def requires_encryption(settings: Settings) -> bool:
    """Return whether the connection must be encrypted. What goes through a socket file never leaves this computer."""
    return settings.ssl_mode == "REQUIRED" and settings.socket is None


def facts(session: Session, settings: Settings) -> Server:
    """Return what a batch records about the server."""
    version = ".".join(map(str, version_number(session.version)))
    return Server(settings.host, settings.port, session.flavour, version, session.lower_case_table_names)


def version_number(version: str) -> tuple[int, ...]:
    """Return a server's version as numbers, (10, 11, 6); MariaDB may put an old MySQL's before it."""
    return tuple(map(int, re.findall(r"\d+", version.removeprefix("5.5.5-").partition("-")[0])))


def databases(session: Session) -> tuple[str, ...]:
    """Return the names of the databases that the user may see, as the server spells them."""
    return tuple(str(next(iter(row.values()))) for row in session.rows("SHOW DATABASES"))


def tables(session: Session, database: str, *, once: bool = False) -> tuple[str, ...]:
    """Return the names of a database's tables and views that the user may see, as the server spells them.

    With `once`, as they were when this session asked for the first time.
    """
    statement = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
    rows = session.once(statement, database) if once else session.rows(statement, (database,))
    return tuple(str(row["table_name"]) for row in rows)


def sees_everything(session: Session) -> bool:
    """Return whether the user may read every database, so that one that isn't shown doesn't exist."""
    return has_everywhere(session, "SELECT")


def has_everywhere(session: Session, privilege: str) -> bool:
    """Return whether the user has a privilege for the whole server."""
    grants = [str(next(iter(row.values()))) for row in session.once("SHOW GRANTS")]
    return any(re.match(rf"GRANT (ALL PRIVILEGES|.*\b{privilege}\b.*) ON \*\.\*", grant) for grant in grants)


def _connected(settings: Settings) -> Any:
    """Connect as `ssl_mode` says: PREFERRED tries again without encryption if the server's is outdated."""
    where: dict[str, Any] = {"host": settings.host, "port": settings.port}
    if settings.socket is not None:
        where = {"unix_socket": str(settings.socket)}
    # The collation is named since the connector's own default is unknown to MariaDB 11.0 to 11.3. The attributes that
    # it would tell the server take it up to 20 ms to find out: on some systems, it starts a dozen programs for that.
    arguments = {
        **where, "user": settings.user, "password": settings.password or "", "use_pure": True, "charset": "utf8mb4",
        "collation": "utf8mb4_general_ci", "connection_timeout": CONNECT_LIMIT, "read_timeout": ANSWER_LIMIT,
        "write_timeout": ANSWER_LIMIT, "autocommit": True, "ssl_disabled": settings.ssl_mode == "DISABLED",
        "client_flags": [-ClientFlag.CONNECT_ARGS],
    }  # fmt: skip
    try:
        connection = mysql.connector.connect(**arguments)
    except mysql.connector.Error as error:
        is_decided = settings.ssl_mode == "DISABLED" or requires_encryption(settings)
        if is_decided or not is_about_tls(error.errno, str(error)):
            raise
        try:
            connection = mysql.connector.connect(**{**arguments, "ssl_disabled": True})
        except mysql.connector.Error as other:
            log.warning("not without encryption either: %s", other)
            raise error from other
        notices.tell(unencrypted_notice(settings, "uses outdated encryption"))
        return connection
    if settings.ssl_mode == "PREFERRED" and not connection.is_secure and not is_on_this_computer(settings):
        notices.tell(unencrypted_notice(settings, "offers no encryption"))
    return connection


def _close(connection: Any) -> None:
    try:
        connection.close()
    except (mysql.connector.Error, OSError) as error:
        log.debug("closing a dead connection: %s", error)
