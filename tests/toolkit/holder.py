"""A program of Windows that has files open, as editors, virus scanners and indexers do.

`holder.py keep PATH` has one file or folder open until it is ended, without sharing it for deletion.
`holder.py scan SECONDS FOLDER…` opens each new file below these folders in the same way, for so many seconds.
"""

import ctypes
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_READ, _SHARED_FOR_READING, _EXISTING, _ALSO_FOLDERS = 0x80000000, 1, 3, 0x02000000


def opened(path: Path) -> int | None:
    """Open a file or folder, and return its handle; None if that isn't possible."""
    if sys.platform != "win32":
        return None
    library = ctypes.WinDLL("kernel32")
    library.CreateFileW.restype = ctypes.c_void_p
    handle = library.CreateFileW(str(path), _READ, _SHARED_FOR_READING, None, _EXISTING, _ALSO_FOLDERS, None)
    return None if handle in (None, ctypes.c_void_p(-1).value) else handle


def keep(path: Path) -> None:
    """Have a file or folder open until this process is ended."""
    while opened(path) is None:
        time.sleep(0.05)
    _say("has it open")
    while True:
        time.sleep(60)


def scan(seconds: float, folders: list[Path]) -> None:
    """Open each new file below these folders for a while, until this process is ended."""
    if sys.platform != "win32":
        return
    seen, held = set(_files(folders)), list[tuple[float, int]]()
    _say("scans")
    count = 0
    while True:
        for path in _files(folders):
            if path not in seen and (handle := opened(path)) is not None:
                seen.add(path)
                held.append((time.monotonic() + seconds, handle))
                count += 1
                _say(f"scanned {count}")
        for end, handle in [one for one in held if one[0] <= time.monotonic()]:
            ctypes.windll.kernel32.CloseHandle(ctypes.c_void_p(handle))
            held.remove((end, handle))
        time.sleep(0.01)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        try:
            yield from [path for path in folder.rglob("*") if path.is_file()]
        except OSError:  # it was deleted meanwhile
            continue


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(Path(sys.argv[2]))
    scan(float(sys.argv[2]), [Path(folder) for folder in sys.argv[3:]])
