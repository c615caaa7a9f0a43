"""Batches that are kept for a while, since something was lost after them: a mark in the batch's folder."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from meosbackup.batch import names
from meosbackup.system import durable, files
from meosbackup.text import clean

_LONGEST = timedelta(days=3)
"""How far ahead the end that a mark names may be; a mark that names a later one isn't ours."""

_LARGEST = 2000
"""Bytes that a mark may take."""

_WIDTH = 160


@dataclass(frozen=True)
class Keep:
    """Until when a batch is kept, and why, in words."""

    until: datetime
    why: str

    def __str__(self) -> str:
        return f"kept until {self.until:%Y-%m-%d} evening: {clean(self.why, _WIDTH)}"


def evening_after(now: datetime) -> datetime:
    """Return the end of the day after that of `now`, which is local time with its zone."""
    return datetime.combine(now.date() + timedelta(days=1), time(23, 59, 59), now.tzinfo)


def mark(folder: Path, keep: Keep) -> None:
    """Mark the batch of a folder as kept, durably. Raises OSError."""
    text = f"{keep.until.isoformat()}\n{clean(keep.why, _WIDTH)}\n"
    durable.write(folder / names.KEEP_FILE, text.encode())


def read(folder: Path, now: datetime) -> Keep | None:
    """Return until when the batch of a folder is kept; None if it isn't, or if its mark can't be one of ours."""
    path = folder / names.KEEP_FILE
    with suppress(OSError, ValueError):
        until, _, why = files.read_short(path, _LARGEST).decode().partition("\n")
        keep = Keep(datetime.fromisoformat(until), why)
        if keep.until.tzinfo is not None and now <= keep.until <= now + _LONGEST:
            return keep
    return None
