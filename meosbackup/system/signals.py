"""Ctrl-C, SIGTERM and a closed window as an event, which work looks at when it can stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

if sys.platform == "win32":
    import _thread
    import ctypes
    import time

asked = threading.Event()
"""Set once the program was asked to end."""


def take_closed_window_as_ctrl_c() -> None:
    """Have a closed window do what Ctrl-C does: SIGHUP, unless `nohup` has it ignored; Windows's console event."""
    if sys.platform == "win32":
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_handler, True)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hung_up)


def _hung_up(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # it may come twice
    asked.set()
    raise KeyboardInterrupt


if sys.platform == "win32":
    _CLOSED = frozenset({2, 5, 6})
    """CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT."""

    def _closed(event: int) -> bool:
        """Wait, in a thread of Windows's, for the end: it ends the program when this returns, or after 5 s."""
        if event in _CLOSED:
            _thread.interrupt_main()
            time.sleep(10)
        return event in _CLOSED

    _handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_ulong)(_closed)


@contextmanager
def stopping(stop: threading.Event, *, is_patient: bool = False) -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a closed window set `stop`; a second Ctrl-C ends the program as usual.

    With `is_patient`, a second one does no more than the first: what the block does must be finished.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in signals}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def told(number: int, _frame: FrameType | None) -> None:
        if sys.platform != "win32" and number == signal.SIGHUP:
            # It may come twice, and nobody is there any more to be impatient.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            before[signal.SIGHUP] = signal.SIG_IGN
        elif not is_patient:
            put_back()
        stop.set()
        asked.set()

    for number in signals:
        signal.signal(number, told)
    try:
        yield
    finally:
        put_back()
