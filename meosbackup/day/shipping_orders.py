"""What the shipping thread is asked to do, and what it answers: all that passes through its queues."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.day.top_guide import Held
from meosbackup.errors import MeosBackupError
from meosbackup.guide.picture import Picture
from meosbackup.guide.spare_server import SpareServer
from meosbackup.store.keeping import Keep
from meosbackup.store.space import Outlook


@dataclass(frozen=True)
class Ship:
    """Ship every batch that waits, and have the page tell of this day. Each is answered by a Shipped."""

    day: Picture


@dataclass(frozen=True)
class NoteProof:
    """Note a proof on the drive at the next shipping that finds the drive there."""

    proof: Proof


@dataclass(frozen=True)
class KeepBatch:
    """Mark a batch as kept on the drive, at the next shipping that finds the drive there."""

    batch: StoredBatch
    keep: Keep


@dataclass(frozen=True)
class WantHeld:
    """Have the guides say until when nothing had changed, at the next shipping: from now on, data may have changed."""


@dataclass(frozen=True)
class Leave:
    """Ship what waits, have the guides say until when it held if the drive is there, and end the thread."""


Order = Ship | NoteProof | KeepBatch | Held | WantHeld | SpareServer | Leave


@dataclass(frozen=True)
class Shipped:
    """How things are after a shipping: what stands in the way, if anything does.

    `sequence_met` is the highest sequence on a drive that took the place of the first one, 0 if none did. `newest` is
    the newest backup on the drive. `free` is the drive's free bytes, and `outlook` how long they last, both None if
    unknown: nobody else asks the drive, which may hang. `brought` are the batches of the spool that were brought to a
    drive since the start, with the drive's id. `present` are the folders of the batches on the drive.
    """

    trouble: MeosBackupError | None = None
    sequence_met: int = 0
    newest: StoredBatch | None = None
    free: int | None = None
    brought: Mapping[str, str] = field(default_factory=dict)
    outlook: Outlook | None = None
    present: frozenset[str] = frozenset()
