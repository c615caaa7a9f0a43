"""Ctrl-C, SIGTERM and a closed window as an event, which work looks at when it can stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

asked = threading.Event()
"""Set once the program was asked to end."""


def take_hangup_as_ctrl_c() -> None:
    """Have SIGHUP, which a closed terminal window sends, do what Ctrl-C does; unless `nohup` has it ignored."""
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


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
            # A closed window may send it twice, and nobody is there any more to be impatient.
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
