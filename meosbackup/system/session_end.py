"""Windows's logging off and shutting down, of which only a window is told.

A console's programs get events for them, but not one that has loaded user32.dll, as Python's ctypes does: Windows then
tells its windows by messages (Microsoft's page on SetConsoleCtrlHandler).
"""

import sys
import threading
from collections.abc import Callable
from functools import cache

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _ASKED, _ENDS = 0x11, 0x16
    """WM_QUERYENDSESSION, WM_ENDSESSION."""

    _Procedure = ctypes.WINFUNCTYPE(
        ctypes.c_ssize_t, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM
    )  # fmt: skip

    class _WindowClass(ctypes.Structure):
        """WNDCLASSW."""

        _fields_ = (
            ("style", wintypes.UINT), ("procedure", _Procedure), ("class_bytes", ctypes.c_int),
            ("window_bytes", ctypes.c_int), ("instance", wintypes.HINSTANCE), ("icon", wintypes.HICON),
            ("cursor", wintypes.HANDLE), ("brush", wintypes.HBRUSH), ("menu", wintypes.LPCWSTR),
            ("name", wintypes.LPCWSTR),
        )  # fmt: skip

    @cache
    def listen(ending: Callable[[], None]) -> None:
        """Have `ending` called when the user logs off or the computer shuts down, which waits until it returns."""
        threading.Thread(target=_run, args=(ending,), name="session end", daemon=True).start()

    def _run(ending: Callable[[], None]) -> None:
        """Have a window that nobody sees, and handle its messages."""
        user32 = ctypes.WinDLL("user32")
        user32.DefWindowProcW.argtypes = (wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
        user32.DefWindowProcW.restype = ctypes.c_ssize_t

        def told(window: int, message: int, word: int, long: int) -> int:
            if message == _ENDS and word:
                ending()
            return 1 if message == _ASKED else int(user32.DefWindowProcW(window, message, word, long))

        procedure, name = _Procedure(told), "meosbackup"
        user32.RegisterClassW(ctypes.byref(_WindowClass(procedure=procedure, name=name)))
        user32.CreateWindowExW(0, name, name, 0, 0, 0, 0, 0, None, None, None, None)
        message = wintypes.MSG()
        while user32.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
            user32.DispatchMessageW(ctypes.byref(message))
