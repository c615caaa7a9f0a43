"""Files written so that each is there whole or not at all, whenever the drive is pulled out or the power fails."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from meosbackup.system import faults, files
from meosbackup.system.files import PARTIAL


def write(path: Path, content: bytes) -> None:
    """Write a file. Raises OSError."""
    write_all(path.parent, {path.name: content})


def write_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of a folder, by their names. Whatever can be written is; raises the first OSError after that."""
    partials = {folder / name: folder / f"{name}{PARTIAL}" for name in contents}
    failed = list[OSError]()

    def for_each(act: Callable[[Path, Path], None]) -> None:
        for path, partial in list(partials.items()):
            try:
                act(path, partial)
            except OSError as error:
                faults.winerror(error)
                failed.append(error)
                del partials[path]
                files.discard(partial)  # a full drive takes the removal, one that is gone can't

    def write_partial(path: Path, partial: Path) -> None:
        files.remove(partial)
        with files.open_new(partial) as file:
            file.write(contents[path.name])
            files.begin_writing(file)

    def rename(path: Path, partial: Path) -> None:
        if sys.platform == "linux":
            # Its FAT would let the name lead to where the former content was until the file is synced once more, though
            # that room is free on the medium before: a power cut then, and what gets the room next is lost when the
            # name is given to another file.
            files.clear(path)
        files.move(partial, path)

    for_each(write_partial)
    for_each(lambda _, partial: files.sync(partial))
    for_each(rename)
    if partials:
        files.sync(folder)  # before the files under their new names: see files.rename
    for_each(lambda path, _: files.sync(path))
    if failed:
        raise failed[0]
