"""What is wrong with the guides at the top of a drive, RESTORE.txt and RESTORE.html."""

import re
from collections.abc import Iterator, Mapping, Sequence

from meosbackup.batch import names
from meosbackup.batch.model import StoredBatch
from meosbackup.guide import page, restore_txt
from meosbackup.store import copying, inventory

Contents = Mapping[str, bytes | OSError]
"""The contents of each guide, or why it can't be read."""


def faults(contents: Contents, backups: Sequence[StoredBatch]) -> Iterator[tuple[str, str, bool]]:
    """Yield what is noteworthy of the guides to the newest of these backups: the file, what, and whether it is wrong.

    A backup that was interrupted between a batch and its guides leaves those to the batch before, which is fine.
    """
    *before, newest = backups
    for name, found in contents.items():
        if isinstance(found, OSError):
            if name == names.GUIDE_FILE or all(_has_page(stored) for stored in backups[-2:]):
                yield name, inventory.told(found), bool(before) or not isinstance(found, FileNotFoundError)
        elif _is_damaged(name, found, backups[-2:]):
            yield name, copying.DAMAGED, True
        elif not _leads_to(name, found, newest):
            if before and _leads_to(name, found, before[-1]):
                yield name, "describes the batch before the newest one", False
            else:
                yield name, "does not match the newest batch", True


def names_dumps(text: bytes, stored: StoredBatch) -> bool:
    """Return whether a guide names every dump of a batch."""
    shown = text.decode(restore_txt.ENCODING, "replace")
    return all(entry.dump.file in shown for entry in stored.batch.databases if entry.dump)


def _has_page(stored: StoredBatch) -> bool:
    return names.PAGE_FILE in dict(stored.batch.guides)


def _is_damaged(name: str, found: bytes, newest: Sequence[StoredBatch]) -> bool:
    if name == names.PAGE_FILE:
        return page.is_damaged(found.decode("utf-8", "replace"))
    return restore_txt.is_damaged(found, has_check_line=all(stored.batch.guides for stored in newest))


def _leads_to(name: str, found: bytes, stored: StoredBatch) -> bool:
    """Return whether a guide at the top of a drive describes a batch."""
    if name == names.PAGE_FILE:
        return page.folder_in(found.decode("utf-8", "replace")) == stored.name and names_dumps(found, stored)
    names_folder = re.search(rf"{re.escape(stored.name)}(?![_\d])", found.decode(restore_txt.ENCODING, "replace"))
    return names_folder is not None and names_dumps(found, stored)
