"""Ctrl-C, SIGTERM and a closed window as an event, which work looks at when it can stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

if sys.platform == "win32":
    import _thread
    import ctypes
    import time

    from meosbackup.system import login_file, session_end

Result = TypeVar("Result")

_GLANCE = 0.2

asked = threading.Event()
"""Set once the program was asked to end."""

_stops: list[threading.Event] = []
"""What `stopping` is to set; empty while nothing has to be finished."""


def take_closed_window_as_ctrl_c() -> None:
    """Have a closed window do what Ctrl-C does, and Ctrl-Break as well; with `nohup`, SIGHUP stays ignored."""
    if sys.platform == "win32":
        signal.signal(signal.SIGBREAK, signal.default_int_handler)
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_handler, True)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hung_up)


def _hung_up(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # it may come twice
    asked.set()
    raise KeyboardInterrupt


if sys.platform == "win32":
    _BREAK, _CLOSED = 1, frozenset({2, 5, 6})
    """CTRL_BREAK_EVENT; CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT."""

    _LAST_SECONDS = 4.0
    """How long Windows waits: it ends the program when it is told so, or after 5 s."""

    def _told(event: int) -> bool:
        """Handle a console's event, in a thread of Windows's; return whether that was done."""
        if event == _BREAK:
            _thread.interrupt_main(signal.SIGBREAK)
        elif event in _CLOSED:
            _end_in_order()
        return event == _BREAK or event in _CLOSED

    _handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_ulong)(_told)

    def _end_in_order() -> None:
        """Have the main thread end the program, and wait for that."""
        asked.set()
        for stop in _stops:
            stop.set()
        if not _stops:
            _thread.interrupt_main()
        time.sleep(_LAST_SECONDS)  # most ends come before it is over
        login_file.remove_own()


def result_of(future: "Future[Result]") -> Result:
    """Wait for a future, and return its result; what asks to stop meanwhile is heard at once.

    A wait without a time limit is not interrupted by a signal that comes just before it; on Windows, by none at all.
    """
    while wait([future], timeout=_GLANCE).not_done:
        pass
    return future.result()


@contextmanager
def stopping(stop: threading.Event, *, is_patient: bool = False) -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a closed window set `stop`; a second Ctrl-C ends the program as usual.

    With `is_patient`, a second one does no more than the first: what the block does must be finished. On Windows,
    logging off and shutting down count as closing the window.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)
        session_end.listen(_end_in_order)
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
    _stops.append(stop)
    try:
        yield
    finally:
        _stops.remove(stop)
        put_back()
