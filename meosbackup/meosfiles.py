"""The `.meosxml` files of a batch in the making: carried with their dumps, or made of them."""

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from meosbackup import meosxml, names, spool
from meosbackup.batch import REFERENCE_FOLDER, Dump, MeosFile
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.meosxml import Source
from meosbackup.races import LeftOutRace

log = logging.getLogger(__name__)


class MeosFiles:
    """Brings each race's file into a batch, and remembers of which dumps none can be made."""

    def __init__(self, spool_root: Path, *, is_wanted: bool = True) -> None:
        """Serve the batches of a spool; without a file where none is wanted."""
        self._is_wanted = is_wanted
        self._references = spool_root / REFERENCE_FOLDER
        self._errors: dict[str, Exception] = {}

    def bring(self, dump: Dump, folder: Path, earlier: Path | None, taken: datetime, stop: threading.Event) -> Dump:
        """Return the entry of a race's dump that lies in `folder`, with its file beside it.

        The file is carried from `earlier`, the folder of the batch before, where the entry names one. Whatever goes
        wrong costs the race this file and nothing else. Raises StoppedError.
        """
        if dump.file is None or dump.sha256 is None or dump.race is None or not self._is_wanted:
            return replace(dump, meosxml=None)
        target = folder / names.meosxml_name(dump.file)
        before = earlier / dump.meosxml.file if earlier and dump.meosxml else None
        try:
            if before is not None and dump.meosxml is not None and before.is_file():
                spool.add_file(before, target)
                return replace(dump, meosxml=replace(dump.meosxml, file=target.name))
            if isinstance(self._errors.get(dump.sha256), MeosBackupError):
                return replace(dump, meosxml=None)
            reference = self._references / Path(dump.reference.file).name if dump.reference else None
            source = Source(folder / dump.file, dump.race.version, taken.tzinfo or UTC, reference)
            written = meosxml.convert(source, target, stop)
        except StoppedError:
            raise
        except Exception as error:  # whatever it is, the dump is good, and must reach the drive
            log.warning("%s: no .meosxml file", dump.database, exc_info=True)
            self._errors[dump.sha256] = error
            target.unlink(missing_ok=True)
            return replace(dump, meosxml=None)
        self._errors.pop(dump.sha256, None)
        return replace(dump, meosxml=MeosFile(target.name, written.bytes, written.sha256))

    def missing(self, dumps: tuple[Dump, ...]) -> tuple[LeftOutRace, ...]:
        """Return the races of a batch that have a dump and no file, and why."""
        errors = {dump.database: self._errors.get(dump.sha256 or "") for dump in dumps if dump.meosxml is None}
        return tuple(
            LeftOutRace(dump.race, error.what if isinstance(error, MeosBackupError) else str(error))
            for dump in dumps if dump.race is not None and (error := errors.get(dump.database)) is not None
        )  # fmt: skip
