"""Lists that a server gives as one text, since the connector takes longer to read rows than the server to find them.

Names in such a text are in hexadecimal, and each entry ends with a dot, which a text that was cut short lacks.
"""

from meosbackup.errors import MeosBackupError
from meosbackup.mysql.sessions import Session

_LONGEST = 1 << 24
"""Bytes of such a text."""


def allow(session: Session) -> None:
    """Let this session's lists be long. Raises MeosBackupError."""
    session.once(f"SET SESSION group_concat_max_len = {_LONGEST}")


def listed(*columns: str, by: str) -> str:
    """Return the SQL for a list with these columns, sorted by another: `;` between entries, `,` between fields."""
    return f"GROUP_CONCAT(CONCAT_WS(',', {', '.join(columns)}, '.') ORDER BY {by} SEPARATOR ';')"


def entries(text: object, count: int, of: str) -> list[list[str]]:
    """Return the fields of the `count` entries of a list, which is one `of` something. Raises MeosBackupError."""
    found = [entry.split(",")[:-1] for entry in str(text or "").split(";")] if count else []
    if len(found) != count or (count and not str(text).endswith(".")):
        raise MeosBackupError(
            f"The server's list of {count:,} {of} is cut short.", "Nothing is backed up while this lasts.",
            f"In the server's settings, set max_allowed_packet to {_LONGEST} or more.",
        )  # fmt: skip
    return found


def unhexed(name: str) -> str:
    """Return a name of such a list."""
    return bytes.fromhex(name).decode()
