"""What a tick came to."""

from dataclasses import dataclass

from meosbackup.backup.deciding import Failure
from meosbackup.backup.survey import Survey
from meosbackup.batch.model import StoredBatch
from meosbackup.meos.race_list import LeftOutRace


@dataclass(frozen=True)
class Outcome:
    """What a tick came to. `stored` is the new batch, None if there was nothing new to keep."""

    seen: Survey
    stored: StoredBatch | None
    changed: int
    failures: tuple[Failure, ...]
    left_out: tuple[LeftOutRace, ...]
    seconds: float
    without_file: tuple[LeftOutRace, ...] = ()
    """The races that have a dump but no `.meosxml` file, and why."""
