"""Ctrl-C and SIGTERM as an event, which work looks at when it can stop."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping(stop: threading.Event, *, is_patient: bool = False) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM set `stop`; a second one ends the program as usual.

    With `is_patient`, a second one does no more than the first: what the block does must be finished.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)
    before = {number: signal.getsignal(number) for number in signals}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def asked(_number: int, _frame: FrameType | None) -> None:
        if not is_patient:
            put_back()
        stop.set()

    for number in signals:
        signal.signal(number, asked)
    try:
        yield
    finally:
        put_back()
