"""The modes of Windows's console: whether it understands escape codes, and whether a click can make it stand still."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import os

    _ESCAPES = 0x4
    """ENABLE_VIRTUAL_TERMINAL_PROCESSING, of an output."""
    _QUICK_EDIT, _EXTENDED = 0x40, 0x80
    """ENABLE_QUICK_EDIT_MODE and ENABLE_EXTENDED_FLAGS, of an input."""


@contextmanager
def escapes() -> Iterator[bool]:
    """Have the terminal understand escape codes, such as those for colours, until the block ends.

    Yields whether it does. Consoles before Windows 10 don't; other systems' terminals do.
    """
    if sys.platform == "win32":
        with _changed("CONOUT$", on=_ESCAPES, off=0) as is_changed:
            yield is_changed
    else:
        yield True


@contextmanager
def no_quick_edit() -> Iterator[None]:
    """Have no click stop the console's output until Enter is pressed, until the block ends."""
    if sys.platform == "win32":
        with _changed("CONIN$", on=_EXTENDED, off=_QUICK_EDIT):
            yield
    else:
        yield


def closes_at_once() -> bool:
    """Return whether the window was opened by a double click on `meosbackup.exe`, so that it closes with the program.

    The exe is two processes. If there is a third, such as a Command Prompt, the window stays open.
    """
    if sys.platform == "win32" and getattr(sys, "frozen", False) and len(sys.argv) == 1:
        processes = (ctypes.c_ulong * 3)()
        number: int = ctypes.windll.kernel32.GetConsoleProcessList(processes, len(processes))
        return 0 < number <= 2
    return False


if sys.platform == "win32":

    @contextmanager
    def _changed(name: str, *, on: int, off: int) -> Iterator[bool]:
        """Set and clear bits of a mode of the console, until the block ends; yield whether that worked."""
        try:
            descriptor = os.open(name, os.O_RDWR)
        except OSError:  # there is no console
            yield False
            return
        kernel32, before = ctypes.windll.kernel32, ctypes.c_ulong()
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        is_known = kernel32.GetConsoleMode(handle, ctypes.byref(before))
        try:
            yield bool(is_known and kernel32.SetConsoleMode(handle, (before.value & ~off) | on))
        finally:
            if is_known:
                # Without that bit, QuickEdit would stay off.
                kernel32.SetConsoleMode(handle, before.value | (on & _EXTENDED))
            os.close(descriptor)
