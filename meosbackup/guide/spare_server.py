"""What is told of the spare server: which races it has, as of when, and how to go on there."""

import re
from dataclasses import dataclass
from datetime import datetime

from meosbackup.settings.model import Address, Settings
from meosbackup.text import clean

_LISTED = 6
_PLAIN = re.compile(r"\w[\w.:-]*", re.ASCII)
"""What means nothing to any shell."""


@dataclass(frozen=True)
class SpareServer:
    """The spare server, as it was last seen, with what MeOS needs to go on there.

    It has all races as they were at `as_of`, None if it doesn't have them yet; but not those in `without`, each a
    race's name with the reason. `deleted` are the names of races that only it still has.
    """

    host: str
    port: int
    user: str
    as_of: datetime | None = None
    without: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def held(self) -> str:
        """What it has, as a sentence; `as_of` must be set."""
        but = f", except {listed(self.without)}" if self.without else ""
        return f"The spare server {clean(self.host, 80)} has all races as of {self.as_of:%Y-%m-%d %H:%M:%S}{but}."

    @property
    def how_to_go_on(self) -> str:
        """How to go on with it in MeOS, as a sentence."""
        return (
            "To go on there: in MeOS, page Competition, Database Connection (Databasanslutning), MySQL Server /"
            f" IP-address {clean(self.host, 80)}, port {self.port}, user {clean(self.user, 80)}."
        )

    @property
    def as_race_server(self) -> str:
        """The options with which meosbackup backs it up, to be pasted into any shell."""
        port = f" --port {self.port}" if self.port != Settings.port else ""
        user = f" --user {_plain(self.user, 'USER')}" if self.user != Settings.user else ""
        return f"--host {_plain(self.host, 'SPARE')}{port}{user}"

    @property
    def as_spare_server(self) -> str:
        """The option with which meosbackup keeps it ready, to be pasted into any shell."""
        return f"--standby {Address(_plain(self.host, 'SPARE'), self.port)}"


def _plain(word: str, instead: str) -> str:
    """Return a word that can stand in a command, or another one for the reader to replace."""
    return word if _PLAIN.fullmatch(word) else instead


def listed(names: tuple[str, ...]) -> str:
    """Return names in one text, of which many are counted."""
    shown = [clean(name, 120) for name in names[:_LISTED]]
    return ", ".join(shown) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
