"""What lies on a drive after a run: batches, their files, and what is left over."""

import hashlib
import os
import re
import stat
from collections import Counter
from contextlib import suppress
from pathlib import Path

from meosbackup.batch import names
from meosbackup.batch.model import Batch, Entry, StoredBatch, StoredFile
from meosbackup.store import inventory, spool
from tests.toolkit.place import Place


def dump_file(entry: Entry) -> StoredFile:
    """Return the dump of an entry that must have one."""
    assert entry.dump is not None, f"{entry.database} has no dump"
    return entry.dump


def rewrite_dump(stored: StoredBatch, entry: Entry, data: bytes) -> None:
    """Replace a dump of a batch, and have its `batch.json` say that it was made so."""
    dump = dump_file(entry)
    stored.path(dump).write_bytes(data)
    path = stored.folder / names.BATCH_FILE
    text = path.read_text("utf-8").replace(dump.sha256, hashlib.sha256(data).hexdigest())
    path.write_text(text.replace(f'"bytes": {dump.bytes}', f'"bytes": {len(data)}'), "utf-8")


def assert_no_backup(target: Path) -> None:
    """See that nothing on a target could be taken for a backup, and that nothing half done was left there."""
    left = [path for path in target.rglob("*") if path.is_file() or path.name[:2].isdigit()]
    assert [path for path in left if path != target / "meosbackup" / "drive.json"] == []


def assert_batches_are_whole(place: Place) -> None:
    """See that each folder that passes for a batch is one: with dumps, and each of them as it was made."""
    assert place.batch_folders == sorted(
        stored.folder for stored in inventory.find(place.target / "meosbackup").batches
    )
    for folder in place.batch_folders:
        dumps = [entry for entry in inventory.read(folder).databases if entry.dump is not None]
        assert dumps
        references = [entry.reference for entry in dumps if entry.reference is not None]
        for file in (*map(dump_file, dumps), *references):
            data = (folder / file.file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    if not place.batch_folders:
        assert_no_backup(place.target)


def dump_of(whole: Batch, database: str) -> Entry:
    """Return a batch's dump of a database."""
    [found] = [entry for entry in whole.databases if entry.database.lower() == database.lower()]
    return found


_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def faults(root: Path) -> list[str]:
    """Read back all that claims to be whole on a drive, and return what is wrong with it."""
    found = inventory.find(root)
    wrong = [f"{folder}: {error}" for folder, error in found.doubtful]
    times = Counter(stored.batch.sequence for stored in found.batches)
    wrong += [f"sequence {sequence} is there {count} times" for sequence, count in times.items() if count > 1]
    expected = {path: sha256 for stored in found.batches for path, sha256 in _files(stored).items()}
    for path, sha256 in expected.items():
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{path} is not what it was")
    for path in root.rglob("*"):
        if not _NAME.fullmatch(path.name):
            wrong.append(f"{path} has a name that not every file system can hold")
        if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_nlink != 1:
            wrong.append(f"{path} is a hard link")
    return wrong


def _files(stored: StoredBatch) -> dict[Path, str | None]:
    """Return the files that a batch must have, and their SHA-256 where it is known."""
    files: dict[Path, str | None] = {stored.folder / names.GUIDE_FILE: None}
    for entry in stored.batch.databases:
        for part in (entry.dump, entry.reference, entry.meosxml):
            if part is not None:
                files[Path(os.path.normpath(stored.folder / part.file))] = part.sha256
    return files


def leftovers(root: Path) -> list[Path]:
    """Return what lies half copied on a drive."""
    return [*root.glob("*/*.partial"), *root.glob("*.partial")]


def waiting(spool_root: Path) -> list[StoredBatch]:
    """Return the batches that wait in a spool, though somebody be at work there."""
    while True:
        with suppress(OSError):
            return spool.waiting(inventory.find(spool_root))


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
