"""The block that is printed when a day starts: rows of a name and a text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from meosbackup import wording
from meosbackup.batch.model import Race, Server
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.settings import spare
from meosbackup.settings.model import Settings
from meosbackup.text import clean

Rows: TypeAlias = list[tuple[str, str]]
"""A row without a name continues the one before."""

_LISTED = 12
"""How many races are listed before the rest is counted."""


def settings_rows(
    settings: Settings, target: Path, spool: Path, free: int | None, addresses: Sequence[str], told: Sequence[str]
) -> Rows:  # fmt: skip
    """Return the rows that are known before the server is asked; `told` are the names of those who get messages."""
    where = settings.socket or f"{settings.host}, port {settings.port}"
    rows = [
        ("Server", f"{where}, as user {clean(settings.user)}"),
        *_spare_rows(settings),
        ("Drive", str(target) if free is None else f"{target}, {wording.size(free)} free"),
        ("Waiting room", f"{spool} (on this computer)"),
        ("Interval", f"{wording.number(settings.interval, 'second')}; stop with Ctrl-C"),
    ]
    rows += [("Page", " or ".join(addresses))] if addresses else []
    rows += [("Messages", f"to {', '.join(told)}")] if told else []
    return rows


def _spare_rows(settings: Settings) -> Rows:
    if settings.standby is None:
        return []
    own = spare.server(settings, settings.standby)
    return [("Spare server", f"{clean(own.host)}, port {own.port}, as user {clean(own.user)}")]


def server_rows(server: Server, present: Iterable[Race], left_out: Sequence[LeftOutRace]) -> Rows:
    """Return the rows of the server and its races: those that are backed up, then those that are not."""
    version = f"{server.flavour} {server.version}, lower_case_table_names {server.lower_case_table_names}"
    backed = _folded([race.display_name for race in present])
    return [
        ("Server version", version),
        *_headed("Races", backed or ["none yet; a new one is backed up as soon as it appears"]),
        *left_out_rows(left_out),
    ]


def left_out_rows(left_out: Sequence[LeftOutRace]) -> Rows:
    """Return the rows of races that are not backed up, and why, the latest first; many are counted."""
    latest_first = sorted(left_out, key=lambda item: item.race.id, reverse=True)
    lines = [f"{item.race.display_name}: {clean(item.reason)}" for item in latest_first]
    return _headed("Not backed up", _folded(lines))


def _headed(name: str, lines: Sequence[str]) -> Rows:
    return [(name if place == 0 else "", line) for place, line in enumerate(lines)]


def _folded(lines: Sequence[str]) -> list[str]:
    if len(lines) <= _LISTED:
        return list(lines)
    return [*lines[: _LISTED - 1], f"and {len(lines) - _LISTED + 1} more"]
