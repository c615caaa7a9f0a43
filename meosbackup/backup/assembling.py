"""A batch put together in a folder of its own, and published in the spool as a whole."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from meosbackup.batch import batch_file, names
from meosbackup.batch.model import RACE_LIST, Batch, Entry, StoredBatch, StoredFile
from meosbackup.dump.dumping import GoodDump
from meosbackup.guide import restore_sql, restore_txt
from meosbackup.guide.page import page_html
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import Picture
from meosbackup.meosxml.batch_files import MeosFiles
from meosbackup.store import spool
from meosbackup.system import files


@dataclass(frozen=True)
class BatchFolder:
    """The folder where a batch is put together. `before` is the batch before, `day` the day until `now`, its time."""

    path: Path
    spool: Path
    before: StoredBatch | None
    now: datetime
    day: Picture

    def fill(
        self,
        entries: Sequence[Entry],
        changed: Mapping[str, GoodDump],
        references: Mapping[str, GoodDump | None],
        meosfiles: MeosFiles,
        stop: threading.Event,
    ) -> tuple[Entry, ...]:
        """Bring each entry's files into the folder, and return the entries with them. Raises OSError, StoppedError.

        Race tables that changed and all new reference dumps are moved; everything else comes from the batch before.
        """
        stems = names.stems([entry.race for entry in entries if entry.race is not None])
        return tuple(
            self._with_files(entry, stems[entry.race.name_id] if entry.race else RACE_LIST,
                             changed, references, meosfiles, stop)
            for entry in entries
        )  # fmt: skip

    def publish(self, batch: Batch) -> StoredBatch:
        """Add the batch's guides and batch.json, and put the folder in its place in the spool. Raises OSError."""
        whole = self._with_guide(batch, names.RESTORE_FILE, restore_sql.restore_sql(batch).encode("ascii"))
        text = restore_txt.restore_text(whole, None)  # which sends to restore.sql
        whole = self._with_guide(whole, names.GUIDE_FILE, text.encode(restore_txt.ENCODING))
        name = names.first_free(names.folder_name(self.now), lambda name: not (self.spool / name).exists())
        page = page_html(PageFacts(whole, self.day.with_batch(whole, name), None, self.now))
        whole = self._with_guide(whole, names.PAGE_FILE, page.encode())
        batch_file.write(self.path, whole)
        return StoredBatch(spool.publish(self.spool, self.path, name), whole)

    def _with_guide(self, batch: Batch, name: str, text: bytes) -> Batch:
        """Write a guide, and return the batch that names it."""
        (self.path / name).write_bytes(text)
        return replace(batch, guides=(*batch.guides, (name, hashlib.sha256(text).hexdigest())))

    def _with_files(
        self,
        decided: Entry,
        stem: str,
        changed: Mapping[str, GoodDump],
        references: Mapping[str, GoodDump | None],
        meosfiles: MeosFiles,
        stop: threading.Event,
    ) -> Entry:
        good = changed.get(decided.database)
        entry = self._with_dump(decided, stem, good)
        if entry.database in references:
            entry = replace(entry, reference=self._keep_reference(stem, references[entry.database]))
        if entry.reference != decided.reference:  # a race's `.meosxml` has its images from there
            entry = replace(entry, meosxml=None)
        before = self.before.folder if self.before else None
        return meosfiles.bring(entry, self.path, before, self.now, stop, good.sinks if good else ())

    def _with_dump(self, entry: Entry, stem: str, good: GoodDump | None) -> Entry:
        """Bring a dump into the folder, named by the time for which it is good."""
        if entry.dump is None:
            return entry
        moment = entry.taken if entry.error is not None and entry.taken is not None else self.now
        name = names.dump_name(stem, moment)
        if good is not None:
            files.move(good.path, self.path / name)
        elif self.before is not None:
            files.link_or_copy(self.before.path(entry.dump), self.path / name)
        return replace(entry, dump=replace(entry.dump, file=name))

    def _keep_reference(self, stem: str, good: GoodDump | None) -> StoredFile | None:
        if good is None:
            return None
        name = names.reference_name(stem, good.sha256)
        folder = self.spool / names.REFERENCE_FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        files.make_private(good.path)
        files.sync(good.path)
        files.move(good.path, folder / name)
        return StoredFile(f"../../{names.REFERENCE_FOLDER}/{name}", good.bytes, good.sha256)
