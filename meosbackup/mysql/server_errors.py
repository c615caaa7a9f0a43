"""What a server's error numbers mean: in words for a user, with the line that cures it where there is one."""

import re

from meosbackup.errors import (
    LoginRefusedError,
    MeosBackupError,
    PrivilegeMissingError,
    RaceListMissingError,
    ServerUnreachableError,
)
from meosbackup.settings.model import Settings

UNREACHABLE = frozenset({-1, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 3024})
LOGIN_REFUSED = frozenset({1045, 1698, 2049, 2059, 2061})
RIGHT_MISSING = frozenset({1044, 1142, 1143, 1227, 1370})
NOT_THERE = frozenset({1049, 1146})
TLS_REFUSED = frozenset({2026})
TLS_WANTED = frozenset({1045, 3159})
"""What servers say that take encrypted connections only; MariaDB tells it as a login that is refused."""

_LOGIN_METHOD = "uthentication plugin"
DAMAGED = frozenset({29, 126, 127, 130, 134, 141, 144, 145, 1017, 1033, 1034, 1035, 1194, 1195})


def explained(number: int | None, message: str, settings: Settings, account: str | None = None) -> MeosBackupError:
    """Return a server's error, known by its number, in words for a user. What the server said goes along."""
    place = where(settings)
    if number in LOGIN_REFUSED or _LOGIN_METHOD in message:
        return _login_refused(message, settings, place)
    if number in UNREACHABLE or is_about_tls(number, message):
        return _unreachable(number, message, place)
    if number in RIGHT_MISSING:
        return PrivilegeMissingError(
            f"The user {settings.user} lacks a right on the server at {place} ({message}).",
            "What it may not read is not backed up.",
            f"In a mysql prompt of an administrator: {grant_line(account)}",
        )
    if number in DAMAGED:
        table = damaged_table(message)
        return MeosBackupError(
            f"The table {table} is damaged ({message}).",
            "No race is backed up while this lasts.",
            f"In a mysql prompt of an administrator: REPAIR TABLE {table};",
        )
    if number in NOT_THERE:
        return RaceListMissingError(
            f"Something that was there a moment ago is gone from the server at {place} ({message}).",
            "What is gone can't be backed up any more; earlier batches hold it.",
            "If nobody deleted it on purpose, restore it from an earlier batch.",
        )
    return MeosBackupError(
        f"The server at {place} answers with an error ({message}).",
        "What was asked for is not backed up.",
        "The next try comes by itself; if it fails as well, ask whoever looks after the server.",
    )


def _login_refused(message: str, settings: Settings, place: str) -> LoginRefusedError:
    means = "No race is backed up while this lasts."
    if _LOGIN_METHOD in message:
        return LoginRefusedError(
            f"The server at {place} wants a login that isn't known here for the user {settings.user} ({message}).",
            means,
            "Take a user whose password is of the usual kind (mysql_native_password, caching_sha2_password, ed25519).",
        )
    return LoginRefusedError(
        f"The server at {place} refuses the user {settings.user} ({message}).",
        means,
        "Give the user and password that MeOS uses: --user, and --ask-password or --defaults-file.",
    )


def _unreachable(number: int | None, message: str, place: str) -> ServerUnreachableError:
    means = "No race is backed up while this lasts."
    if is_about_tls(number, message):
        return ServerUnreachableError(
            f"The server at {place} and this computer can't agree on an encrypted connection ({message}).",
            means,
            "Take require_secure_transport and tls_version out of the server's settings, and restart it.",
        )
    inner = re.search(r"\(Errno -?\d+: ([^()]+)\)", message)
    return ServerUnreachableError(
        f"The server at {place} doesn't answer ({inner.group(1) if inner else message}).",
        means,
        "See that MySQL or MariaDB runs there and that the network cable is in.",
    )


def is_about_tls(number: int | None, message: str) -> bool:
    """Tell whether a connection failed since client and server don't agree on encryption."""
    # The connector tells it as a lost connection, with the words of Python's ssl.
    return number in TLS_REFUSED or number == 3159 or "[SSL" in message


def grant_line(account: str | None) -> str:
    """Return the line that gives an account (`meos@%`) the rights that a backup needs."""
    user, _, host = (account or "meos@%").rpartition("@")
    return f"GRANT SELECT, LOCK TABLES ON *.* TO '{user}'@'{host}';"


def damaged_table(message: str) -> str:
    """Return the table that a server's message about damage names, with its database where it tells that."""
    found = re.search(r"'(?:\./|\.\\)?([^']+)'", message)
    return re.sub(r"[/\\]", ".", re.sub(r"\.MY[ID]$", "", found.group(1))) if found else "(see the log)"


def where(settings: Settings) -> str:
    """Return where the server is, in words."""
    return str(settings.socket) if settings.socket else f"{settings.host}, port {settings.port}"
