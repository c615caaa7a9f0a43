"""The `.meosxml` files of a batch in the making: carried with their dumps, or made from them."""

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from meosbackup import errors
from meosbackup.batch import names
from meosbackup.batch.model import Entry, Race, StoredFile
from meosbackup.batch.names import REFERENCE_FOLDER
from meosbackup.dump.reader import Sink
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.meos.race_list import LeftOutRace
from meosbackup.meosxml import convert
from meosbackup.meosxml.convert import Draft, Source
from meosbackup.system import files

log = logging.getLogger(__name__)


class MeosFiles:
    """Brings each race's file into a batch, and remembers from which dumps none can be made."""

    def __init__(self, spool_root: Path, *, is_wanted: bool = True) -> None:
        """Serve the batches of a spool; without any file if none is wanted."""
        self._is_wanted = is_wanted
        self._references = spool_root / REFERENCE_FOLDER
        self._errors: dict[str, Exception] = {}

    def sinks(self, race: Race, folder: Path, taken: datetime) -> Sequence[Sink]:
        """Return what drafts the race's file in `folder` while its new dump is read."""
        if not self._is_wanted:
            return ()
        return (Draft(folder / f"{uuid.uuid4().hex}{names.MEOSXML}", race.version, taken.tzinfo or UTC),)

    def bring(
        self,
        entry: Entry,
        folder: Path,
        earlier: Path | None,
        taken: datetime,
        stop: threading.Event,
        sinks: Sequence[Sink] = (),
    ) -> Entry:
        """Return the entry of a race's dump that lies in `folder`, with its file beside it.

        The file is carried from `earlier`, the folder of the batch before, if the entry names one; else a draft among
        the dump's `sinks` is finished, or the dump is read again. Whatever goes wrong costs the race this file and
        nothing else. Raises StoppedError.
        """
        if entry.dump is None or entry.race is None or not self._is_wanted:
            return replace(entry, meosxml=None)
        target = folder / names.meosxml_name(entry.dump.file)
        before = earlier / entry.meosxml.file if earlier and entry.meosxml else None
        try:
            if before is not None and entry.meosxml is not None and before.is_file():
                files.link_or_copy(before, target)
                return replace(entry, meosxml=replace(entry.meosxml, file=target.name))
            if isinstance(self._errors.get(entry.dump.sha256), MeosBackupError):
                return replace(entry, meosxml=None)
            reference = self._references / entry.reference.name if entry.reference else None
            source = Source(folder / entry.dump.file, entry.race.version, taken.tzinfo or UTC, reference)
            draft = next((one for one in sinks if isinstance(one, Draft) and one.fits(source)), None)
            written = draft.finish(source, target, stop) if draft else convert.convert(source, target, stop)
        except StoppedError:
            raise
        except Exception as error:  # whatever it is, the dump is good, and must reach the drive
            log.warning("%s: no .meosxml file", entry.database, exc_info=True)
            self._errors[entry.dump.sha256] = error
            files.discard(target)
            return replace(entry, meosxml=None)
        self._errors.pop(entry.dump.sha256, None)
        return replace(entry, meosxml=StoredFile(target.name, written.bytes, written.sha256))

    def missing(self, dumps: tuple[Entry, ...]) -> tuple[LeftOutRace, ...]:
        """Return the races of a batch that have a dump but no file, and why."""
        found = {
            entry.database: self._errors.get(entry.dump.sha256) for entry in dumps if entry.dump and not entry.meosxml
        }
        return tuple(
            LeftOutRace(entry.race, _in_words(error).what)
            for entry in dumps if entry.race is not None and (error := found.get(entry.database)) is not None
        )  # fmt: skip


def _in_words(error: Exception) -> MeosBackupError:
    if isinstance(error, MeosBackupError):
        return error
    return errors.unexpected(error, "The conversion", "The race has no .meosxml file in this batch.")
