"""Keeping the computer awake: most go to sleep while nobody types, and then nothing is backed up."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

log = logging.getLogger(__name__)

_PATIENCE = 4.0
"""Seconds that a system gets to answer; a desktop that is silent takes 2."""


@contextmanager
def kept() -> Iterator[bool]:
    """Keep the computer from going to sleep by itself until the block ends; yield whether that works.

    It doesn't keep anybody from sending it to sleep, as closing the lid does.
    """
    answers: SimpleQueue[bool] = SimpleQueue()
    ended = threading.Event()
    # In a thread of its own, since a desktop's answer may never come.
    thread = threading.Thread(target=_keep, args=(answers, ended), name="awake", daemon=True)
    thread.start()
    try:
        is_kept = answers.get(timeout=_PATIENCE)
    except Empty:
        is_kept = False
        log.warning("keeping awake: no answer within %s s", _PATIENCE)
    try:
        yield is_kept
    finally:
        ended.set()
        thread.join(_PATIENCE)


def _keep(answers: SimpleQueue[bool], ended: threading.Event) -> None:
    try:
        from wakepy import keep  # noqa: PLC0415 - 60 ms that only two commands need

        with keep.running(on_fail="pass") as mode:
            log.info("keeping awake: %s", mode.method or mode.result.get_failure_text(style="inline"))
            answers.put(mode.active)
            if mode.active:
                ended.wait()
    except Exception:  # whatever a system's way of doing it comes to, backups are not what it stops
        log.warning("keeping awake failed", exc_info=True)
        answers.put(False)
