"""Do to a program what Windows does when its console window is closed: NAME, and `together` or `one by one`.

Each process of that name gets a thread in which its handlers of CTRL_CLOSE_EVENT run, and is ended after 5 s. The one
that was started last has a minute, since the machine that tests run on may be slow.
"""

import ctypes
import sys
import threading
from ctypes import wintypes

_PATIENCE, _MORE_PATIENCE = 5_000, 60_000
_PROCESSES = 2


class _Entry(ctypes.Structure):
    """PROCESSENTRY32W."""

    _fields_ = (
        ("size", wintypes.DWORD), ("usage", wintypes.DWORD), ("process", wintypes.DWORD), ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD), ("threads", wintypes.DWORD), ("parent", wintypes.DWORD), ("base", wintypes.LONG),
        ("flags", wintypes.DWORD), ("name", wintypes.WCHAR * 260),
    )  # fmt: skip


if sys.platform == "win32":
    from tests.toolkit.windows_events import EVENTS, have_handled, kernel32, opened

    kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE

    def processes(name: str) -> list[int]:
        """Return the processes of a name, each after its parent."""
        snapshot = wintypes.HANDLE(kernel32.CreateToolhelp32Snapshot(_PROCESSES, 0))
        entry, parents = _Entry(size=ctypes.sizeof(_Entry)), {}
        is_there = kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
        while is_there:
            if entry.name.lower() == name.lower():
                parents[entry.process] = entry.parent
            is_there = kernel32.Process32NextW(snapshot, ctypes.byref(entry))
        return sorted(parents, key=lambda process: parents[process] in parents)

    def close(process: int, patience: int) -> None:
        """Tell a process, end it if it is still there after so many milliseconds."""
        handle = opened(process)
        have_handled(handle, EVENTS["close"])
        if kernel32.WaitForSingleObject(handle, patience):
            kernel32.TerminateProcess(handle, 1)
            kernel32.WaitForSingleObject(handle, patience)

    def main(name: str, order: str) -> None:
        """Close the window of these processes."""
        found = processes(name)
        threads = [
            threading.Thread(target=close, args=(process, _MORE_PATIENCE if process == found[-1] else _PATIENCE))
            for process in found
        ]
        for thread in threads:
            thread.start()
            if order == "one by one":
                thread.join()
        for thread in threads:
            thread.join()

    if __name__ == "__main__":
        main(*sys.argv[1:])
