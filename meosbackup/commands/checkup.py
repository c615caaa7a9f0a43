"""What `check` knows so far, for the checks that follow, and how a check that fails is told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meosbackup.backup.survey import Survey
from meosbackup.batch.model import Server
from meosbackup.commands.findings import Finding
from meosbackup.errors import MeosBackupError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.mysql.programs import Program
from meosbackup.settings.model import Settings
from meosbackup.text import clean

AS_ADMINISTRATOR = "In an administrator's mysql prompt:"
MORE_PACKET = "SET GLOBAL max_allowed_packet=1073741824;"


@dataclass
class Checkup:
    """What is checked, and what was found so far: later checks need it, and are left out without it."""

    settings: Settings
    spool: Path
    sends_messages: bool = False
    place: Path | None = None
    has_spool: bool = False
    server: Server | None = None
    program: Program | None = None
    client_program: Program | None = None
    seen: Survey | None = None
    left_out: list[LeftOutRace] = field(default_factory=list)
    dumps: list[int] = field(default_factory=list)
    """The sizes of the trial dumps."""

    longest: dict[str, int] = field(default_factory=dict)
    """The longest row of each trial dump, by the name of its race."""


def tried(
    checks: Sequence[tuple[str, Callable[[Checkup], Iterator[Finding]]]], work: Checkup
) -> Iterator[Finding]:  # fmt: skip
    """Yield what these checks find; one that raises MeosBackupError has failed, and the next is made."""
    for name, look in checks:
        try:
            yield from look(work)
        except MeosBackupError as error:
            yield Finding("FAIL", name, clean(error.what), clean(error.do))
