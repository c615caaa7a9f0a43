"""What a server's error numbers mean: in words for a user, with the SQL that cures it if there is any."""

import errno
import re

from meosbackup.errors import (
    LoginRefusedError,
    MeosBackupError,
    PrivilegeMissingError,
    RaceListMissingError,
    ServerUnreachableError,
)
from meosbackup.settings.model import Settings
from meosbackup.system import addresses
from meosbackup.text import clean

UNREACHABLE = frozenset({-1, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 3024})
LOGIN_REFUSED = frozenset({1045, 1130, 1698, 2049, 2059, 2061})
PRIVILEGE_MISSING = frozenset({1044, 1142, 1143, 1227, 1370})
NOT_THERE = frozenset({1049, 1146})
DAMAGED = frozenset({29, 126, 127, 130, 134, 141, 144, 145, 1017, 1033, 1034, 1035, 1194, 1195})
TIMED_OUT = 3024
"""The connector's own error for a server that doesn't answer in time."""
TLS_REFUSED = frozenset({2026})
TLS_WANTED = frozenset({1045, 3159})
"""The errors of a server that accepts encrypted connections only; MariaDB reports a refused login instead."""

_THIS_COMPUTER = frozenset({"localhost", "127.0.0.1", "::1"})
_ALLOW_ENCRYPTION = "If the server or this account accepts encrypted connections only, use --ssl-mode PREFERRED."
# What the system told the connector or a program: of Linux and macOS, then of Windows (WSA…).
_UNKNOWN_HOST = frozenset({-2, -3, -5, 8, 11001, 11002, 11004})
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, 10051, 10065})
_REFUSED = frozenset({errno.ECONNREFUSED, 10061})
_TIMED_OUT = frozenset({errno.ETIMEDOUT, 10060})
_ITS_ADDRESS = "the address that ipconfig or hostname -I shows on the server"
_INNER = re.compile(r"\((?:Errno )?(-?\d+)(?:: ([^()]+))?\)")

_LOGIN_METHOD = "uthentication plugin"
_NO_BACKUP = "No race is backed up while this lasts."


def explained(number: int | None, message: str, settings: Settings, account: str | None = None) -> MeosBackupError:
    """Return a server's error, known by its number, in words for a user, with what the server said."""
    place = address(settings)
    if number in LOGIN_REFUSED or _LOGIN_METHOD in message:
        return _login_refused(message, settings, place, account)
    if number in UNREACHABLE or is_about_tls(number, message):
        return _unreachable(number, message, settings, place)
    if number in PRIVILEGE_MISSING:
        return PrivilegeMissingError(
            f"The user {settings.user} is missing a privilege on the server at {place} ({message}).",
            "Whatever this user may not read is not backed up.",
            f"In an administrator's mysql prompt: {grant_line(account)}",
        )
    if number in DAMAGED:
        table = damaged_table(message)
        return MeosBackupError(
            f"The table {table} is damaged ({message}).",
            _NO_BACKUP,
            f"In an administrator's mysql prompt: REPAIR TABLE {table};",
        )
    if number in NOT_THERE:
        return RaceListMissingError(
            f"Something that was on the server at {place} a moment ago is missing ({message}).",
            "It can't be backed up any more; earlier batches still have it.",
            "If nobody deleted it on purpose, restore it from an earlier batch.",
        )
    return MeosBackupError(
        f"The server at {place} reports an error ({message}).",
        "What was requested is not backed up.",
        "It will retry automatically; if that fails too, ask the administrator of the server.",
    )


def unencrypted(settings: Settings) -> ServerUnreachableError:
    """Return the error for a server without encryption, if encryption is required."""
    return ServerUnreachableError(
        f"The server at {address(settings)} offers no encryption, and ssl_mode is REQUIRED.",
        _NO_BACKUP,
        "Switch on TLS in the server's settings. Or allow an unencrypted connection with --ssl-mode PREFERRED: anyone"
        " on the network can read the data then.",
    )


def unencrypted_notice(settings: Settings, flaw: str) -> str:
    """Return the notice that the connection isn't encrypted, for a server that `flaw` ("offers no encryption")."""
    text = f"the server at {address(settings)} {flaw}; connecting without it"
    risk = ". Anyone on the network can read the data (--ssl-mode REQUIRED forbids that)"
    return text if is_on_this_computer(settings) else text + risk


def is_on_this_computer(settings: Settings) -> bool:
    """Return whether the address is this computer's own, so that nothing crosses the network."""
    return settings.socket is not None or settings.host.lower() in _THIS_COMPUTER


def host_for_others(settings: Settings) -> str:
    """Return the server's address for other computers: this computer's if the server is on it."""
    return addresses.own("")[0] if is_on_this_computer(settings) else settings.host


def is_about_tls(number: int | None, message: str) -> bool:
    """Return whether a connection failed because client and server don't agree on encryption."""
    # The connector reports a lost connection, with the words of Python's ssl.
    return number in TLS_REFUSED or number == 3159 or "[SSL" in message


def grant_line(account: str | None) -> str:
    """Return the SQL that gives an account (`meos@%`) the privileges that a backup needs."""
    return f"GRANT SELECT, LOCK TABLES ON *.* TO {quoted_account(account or 'meos@%')};"


def quoted_account(account: str) -> str:
    """Return an account as SQL has it: `'meos'@'%'`."""
    user, _, host = account.rpartition("@")
    return f"'{user}'@'{host}'"


def damaged_table(message: str) -> str:
    """Return the table that a server's message about damage names, with its database if it says so."""
    found = re.search(r"(?<!\w)'(?:\./|\.\\)?([^']+)'", message)
    return re.sub(r"[/\\]", ".", re.sub(r"\.MY[ID]$", "", found.group(1))) if found else "(see the log)"


def address(settings: Settings) -> str:
    """Return the server's address, in words."""
    return str(settings.socket) if settings.socket else f"{settings.host}, port {settings.port}"


def _login_refused(message: str, settings: Settings, place: str, account: str | None) -> LoginRefusedError:
    if _LOGIN_METHOD in message:
        account = quoted_account(account or f"{settings.user}@%")
        return LoginRefusedError(
            f"The server at {place} requires a kind of login for the user {settings.user} that meosbackup doesn't know"
            f" ({message}).",
            _NO_BACKUP,
            "MeOS can't use such an account either. In an administrator's mysql prompt, MariaDB:"
            f" ALTER USER {account} IDENTIFIED VIA mysql_native_password USING PASSWORD('PASSWORD');"
            f" MySQL: ALTER USER {account} IDENTIFIED WITH caching_sha2_password BY 'PASSWORD';",
        )
    what = f"The server at {place} refuses the user {settings.user}"
    if "is not allowed to connect" in message:
        new = quoted_account(f"{settings.user}@%")
        return LoginRefusedError(
            f"{what} from this computer ({message}).",
            _NO_BACKUP,
            f"In an administrator's mysql prompt: CREATE USER {new} IDENTIFIED BY 'PASSWORD';"
            f" GRANT ALL ON *.* TO {new};",
        )
    encryption = f" {_ALLOW_ENCRYPTION}" if settings.ssl_mode == "DISABLED" else ""
    if not settings.password:
        return LoginRefusedError(
            f"{what}: no password was given ({message}).",
            _NO_BACKUP,
            f"Enter the password that MeOS uses, with --ask-password or --defaults-file.{encryption}",
        )
    return LoginRefusedError(
        f"{what}: the password is wrong, or the user is ({message}).",
        _NO_BACKUP,
        "Enter the user and password that MeOS uses: --user, and --ask-password or --defaults-file." + encryption,
    )


def _unreachable(number: int | None, message: str, settings: Settings, place: str) -> ServerUnreachableError:
    if is_about_tls(number, message):
        return ServerUnreachableError(
            f"The server at {place} and this computer can't agree on an encrypted connection ({message}).",
            _NO_BACKUP,
            {
                "DISABLED": _ALLOW_ENCRYPTION,
                "REQUIRED": "Remove tls_version from the server's settings and restart it. Or allow an unencrypted"
                " connection with --ssl-mode PREFERRED: anyone on the network can read the data then.",
            }.get(
                settings.ssl_mode,
                "Remove require_secure_transport and tls_version from the server's settings, and restart it.",
            ),
        )
    inner = _INNER.search(message)
    code, reason = (int(inner[1]), inner[2] or message) if inner else (None, message)
    if number == TIMED_OUT:
        reason = "timed out"
    what, do = _why_unreachable(number, code, settings)
    return ServerUnreachableError(f"The server at {place} {what} ({clean(reason)}).", _NO_BACKUP, do)


def _why_unreachable(number: int | None, code: int | None, settings: Settings) -> tuple[str, str]:
    """Return why a server can't be reached, and what to do, from the server's error number and the system's."""
    if number == 2005 or code in _UNKNOWN_HOST:
        what = "can't be found: no computer with that name is known here"
        do = f"Check the spelling of --host, or enter {_ITS_ADDRESS}, such as 192.168.1.10."
    elif code in _NO_WAY:
        what = "can't be reached: it is switched off, or not on the same network as this computer"
        do = f"Check the network cables or the Wi-Fi of both computers, and that --host is {_ITS_ADDRESS}."
    elif code in _REFUSED and settings.socket is None:
        others = "" if is_on_this_computer(settings) else "; its settings must let other computers in: bind-address"
        what = "doesn't answer: that computer is there, but no server listens on this port"
        do = f"Check that MySQL or MariaDB is running there, and that --port is its port{others}."
    elif number == TIMED_OUT or code in _TIMED_OUT:
        what = "doesn't answer in time"
        do = f"Check that it is switched on, the network cable, and that --host is {_ITS_ADDRESS}; then its firewall."
    else:
        what = "doesn't answer"
        do = "Check that MySQL or MariaDB is running there and that the network cable is plugged in."
    return what, do
