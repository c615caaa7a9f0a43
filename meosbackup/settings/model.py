"""What the user set, as everything else gets it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SPOOL = Path("spool")
"""The target of a command that reads batches if it is to read this computer's spool, and no drive."""


class Address(NamedTuple):
    """A server's address."""

    host: str
    port: int = 3306

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == Address._field_defaults["port"] else f"{host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """What the user set, or the defaults; `interval` and the limits are in seconds; all paths but SPOOL are absolute.

    A setting is a line here (its type and default), one in `options` (its option, variable and key), and one in
    config.example.toml.
    """

    config: Path | None = field(default=None, compare=False)
    target: Path | None = None
    host: str = "localhost"
    port: int = 3306
    socket: Path | None = None
    user: str = "meos"
    password: str | None = field(default=None, repr=False)
    ask_password: bool = False
    defaults_file: Path | None = None
    ssl_mode: str = "PREFERRED"
    interval: int = 60
    days: int = 3
    races: tuple[str, ...] = ()
    all_races: bool = False
    any_disk: bool = False
    spool: Path | None = None
    spool_mb: int = 2048
    reserve_mb: int | None = None
    mysqldump: str | None = None
    mysql: str | None = None
    jobs: int = 2
    lock_limit: int = 5
    dump_limit: int = 600
    skip_unchanged: bool = True
    distrust_minutes: int = 5
    meosxml: bool = True
    alarm: bool = True
    stay_awake: bool = True
    rehearse_every: int | None = None
    page_port: int | None = None
    standby: Address | None = None
    standby_user: str | None = None
    standby_password: str | None = field(default=None, repr=False)
    standby_defaults_file: Path | None = None
    adopt_standby: bool = False
    log_file: Path | None = None
    notify: tuple[str, ...] = field(default=(), repr=False)
    quiet: bool = False
    verbose: bool = False
