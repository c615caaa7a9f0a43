"""How a race day stands, as of its latest tick: for the live page, `meosbackup status` and messages to people."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from meosbackup.guide.picture import Happening
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store.spool import STATUS_FILE
from meosbackup.system import files

_LARGEST = 200_000


@dataclass(frozen=True)
class DayStatus:
    """How things were when the tick of this `moment` ended; `interval` is the seconds from one tick to the next.

    `on_drive` and `on_computer` are the times of the newest good backups, and nothing had changed on the server until
    `unchanged_until`. `waiting` batches are only on this computer. `free` are the drive's free bytes, and `hours` how
    long they last; both are None if that isn't known. `wrong` is the trouble and the alarms that stand. `spare` is the
    spare server, if there is one.
    """

    moment: datetime
    interval: int
    wrong: tuple[Happening, ...] = ()
    on_drive: datetime | None = None
    on_computer: datetime | None = None
    unchanged_until: datetime | None = None
    waiting: int = 0
    free: int | None = None
    hours: int | None = None
    spare: SpareServer | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def document(self) -> dict[str, Any]:
        """Return what JSON says of it; times as in `batch.json`."""
        return json.loads(json.dumps(asdict(self), default=datetime.isoformat))  # type: ignore[no-any-return]


def write(spool: Path, status: DayStatus) -> None:
    """Write the status for `read`; a power cut may leave none. Raises OSError."""
    path = spool / STATUS_FILE
    partial = path.with_name(path.name + files.PARTIAL)
    partial.write_text(json.dumps(status.document(), ensure_ascii=False), "utf-8")
    files.make_private(partial)
    files.move(partial, path)


def read(spool: Path) -> DayStatus | None:
    """Return the status that a race day left in its spool; None if there is none that can be read."""
    try:
        found = json.loads(files.read_short(spool / STATUS_FILE, _LARGEST))
        return DayStatus(
            moment=datetime.fromisoformat(found["moment"]), interval=int(found["interval"]),
            wrong=tuple(map(_happening, found["wrong"])),
            **{key: _moment(found[key]) for key in ("on_drive", "on_computer", "unchanged_until")},
            waiting=int(found["waiting"]), free=found["free"], hours=found["hours"],
            spare=_spare(found.get("spare")),
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _happening(found: Mapping[str, Any]) -> Happening:
    kind, key, what, means, do = (str(found[key]) for key in ("kind", "key", "what", "means", "do"))
    return Happening(kind, key, what, means, do, datetime.fromisoformat(found["began"]))


def _spare(found: Mapping[str, Any] | None) -> SpareServer | None:
    if found is None:
        return None
    as_of, names = _moment(found["as_of"]), [tuple(map(str, found[key])) for key in ("without", "deleted")]
    return SpareServer(str(found["host"]), int(found["port"]), str(found["user"]), as_of, *names)


def _moment(found: str | None) -> datetime | None:
    return None if found is None else datetime.fromisoformat(found)
