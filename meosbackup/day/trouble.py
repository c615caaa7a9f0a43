"""What is wrong in a tick, and how old the newest good backups are."""

from dataclasses import dataclass
from datetime import datetime

from meosbackup import wording
from meosbackup.batch.model import Batch
from meosbackup.errors import MeosBackupError
from meosbackup.text import clean


@dataclass(frozen=True)
class Backups:
    """The newest good backups that there are, on the drive and on this computer.

    `unchanged_until` is when nothing had changed yet since the one on this computer.
    """

    on_drive: Batch | None = None
    on_computer: Batch | None = None
    unchanged_until: datetime | None = None

    def told(self, now: datetime) -> str:
        """Return how old they are, as a sentence."""
        drive, computer = self.on_drive, self.on_computer
        told = f"Newest good backup on the drive: {self._age(drive, now)}" if drive else "The drive has no backup yet"
        if computer and (drive is None or computer.sequence > drive.sequence):
            told += f"; on this computer: {wording.when(computer.taken, now)}"
        return f"{told}."

    def _age(self, batch: Batch, now: datetime) -> str:
        time, until = wording.when(batch.taken, now), self.unchanged_until
        if batch == self.on_computer and until is not None and until > batch.taken:
            return f"{time}, still current" if until >= now else f"{time}, current as of {wording.ago(until, now)}"
        return f"{time}, {wording.ago(batch.taken, now)}"


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: `about` is what it concerns, `newest_good` the time of the newest good dump of that."""

    about: str
    error: MeosBackupError
    newest_good: datetime | None = None

    @property
    def kind(self) -> str:
        """What the same trouble has in common a minute later, even if the system words it differently then."""
        return f"{self.about}: {type(self.error).__name__}"

    def __str__(self) -> str:
        return clean(f"{self.about}: {self.error.what}" if self.about else self.error.what)

    def newest(self, backups: Backups, now: datetime) -> str:
        """Return how old the newest good backup is, of what this concerns or of everything, as a sentence."""
        if self.newest_good is None:
            return backups.told(now)
        age = f"{wording.when(self.newest_good, now)}, {wording.ago(self.newest_good, now)}"
        return f"Its newest good dump is from {age}."
