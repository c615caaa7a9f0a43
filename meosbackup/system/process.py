"""The only place that runs other programs: an argument list, a time limit, and their output kept.

No shell is ever involved, and no password is ever an argument (see `mysqldump.logged_in`).
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from meosbackup.errors import StoppedError

log = logging.getLogger(__name__)

KEPT_BYTES = 1 << 16
"""How much of a program's output is kept, from its end."""

PATIENCE = 0.7
"""Seconds that a program gets to end after it was asked to, before it is killed."""

# What other programs must not know.
_SECRET_VARIABLES = ("MYSQL_PWD", "MEOSBACKUP_PASSWORD")
# MySQL's programs read the login that mysql_config_editor saved (.mylogin.cnf), whatever option file they are given,
# and it overrides that: they would log in to another server.
_NO_SAVED_LOGIN = {"MYSQL_TEST_LOGIN_FILE": os.devnull}
_LONGEST_PATH = 32_767

_has_low_priority: ContextVar[bool] = ContextVar("has_low_priority", default=False)


@dataclass(frozen=True)
class Result:
    """How a program ended: its exit code (negative: the signal that ended it), its output, and the seconds it took."""

    arguments: tuple[str, ...]
    code: int
    output: str
    errors: str
    seconds: float
    timed_out: bool

    @property
    def last_error(self) -> str:
        """The last line that the program wrote on its standard error, or an empty text."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def plain_path(folder: Path) -> Path:
    r"""Return the short name of a folder on Windows (`C:\Users\SAXX~1`) if its path has letters beyond ASCII.

    MySQL's programs, and older ones of MariaDB, know files by the letters of the system's code page alone. In a folder
    whose path has others they open nothing, by a relative name neither: they put the folder's path before it. Where a
    disk has no short names, the path itself is returned.
    """
    if sys.platform == "win32" and not str(folder).isascii():
        short = ctypes.create_unicode_buffer(_LONGEST_PATH)
        if ctypes.windll.kernel32.GetShortPathNameW(str(folder), short, _LONGEST_PATH):
            return Path(short.value)
    return folder


@contextmanager
def poured(pieces: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """Yield the end of a pipe from which a program can read these pieces while they are made.

    No more are made once the program stops reading. Raises what making the pieces raises, when the block ends.
    """
    reader, writer = os.pipe()
    with ThreadPoolExecutor(1) as other_thread:
        with os.fdopen(reader, "rb") as stdin:
            pouring = other_thread.submit(_pour, pieces, writer)
            yield stdin
        pouring.result()


def _pour(pieces: Iterable[bytes], writer: int) -> None:
    sink = os.fdopen(writer, "wb")
    try:
        for piece in pieces:
            try:
                sink.write(piece)
            except OSError:
                break
    finally:
        with suppress(OSError):
            sink.close()


@contextmanager
def low_priority() -> Iterator[None]:
    """Run the programs that the block starts at low priority."""
    token = _has_low_priority.set(True)
    try:
        yield
    finally:
        _has_low_priority.reset(token)


def start(
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program in a process group of its own, so that Ctrl-C reaches meosbackup alone.

    Raises OSError if the program doesn't exist or can't be executed.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES}
    log.debug("start: %s", " ".join(arguments))
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        if _has_low_priority.get():
            flags |= subprocess.BELOW_NORMAL_PRIORITY_CLASS
    process = subprocess.Popen(
        list(arguments),
        cwd=folder and plain_path(folder),
        env=kept | _NO_SAVED_LOGIN,
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout or subprocess.DEVNULL,
        stderr=stderr or subprocess.DEVNULL,
        creationflags=flags,
        start_new_session=sys.platform != "win32",
    )
    if _has_low_priority.get() and sys.platform != "win32":
        os.setpriority(os.PRIO_PGRP, process.pid, 10)
    return process


def end(process: "subprocess.Popen[bytes]", patience: float = PATIENCE) -> None:
    """End a program and all that it started: ask it to, and kill it after `patience` seconds; 0 kills it at once."""
    if patience and process.poll() is None:
        _signal(process, polite=True)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            log.warning("process %d didn't end within %.1f s and is killed", process.pid, patience)
    # The program's own children may outlive it: the group is ended in any case.
    _signal(process, polite=False)
    process.wait()


def run(
    arguments: Sequence[str],
    *,
    limit: float,
    stop: threading.Event | None = None,
    folder: Path | None = None,
    stdin: IO[bytes] | None = None,
    patience: float = PATIENCE,
    is_hopeless: Callable[[], bool] | None = None,
) -> Result:
    """Run a program until it ends, or for at most `limit` seconds, or until `is_hopeless`; then it is ended.

    `is_hopeless` is asked ten times a second; the result then is that of a time limit.

    Raises OSError if the program can't be started, StoppedError if `stop` is set before it ended.
    """
    if stop is not None and stop.is_set():
        raise StoppedError
    started = time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(arguments, folder=folder, stdin=stdin, stdout=output, stderr=errors)
        try:
            timed_out = not _wait(process, started + limit, stop, is_hopeless)
        finally:
            if process.poll() is None:
                end(process, patience)
        seconds = time.monotonic() - started
        result = Result(tuple(arguments), process.returncode, _tail(output), _tail(errors), seconds, timed_out)
    log.debug("ended: %s with %d after %.3f s%s", arguments[0], result.code, seconds, " (limit)" if timed_out else "")
    if result.errors:
        log.debug("stderr: %s", result.errors.rstrip())
    return result


def _wait(
    process: "subprocess.Popen[bytes]",
    deadline: float,
    stop: threading.Event | None,
    is_hopeless: Callable[[], bool] | None,
) -> bool:
    """Wait for a program to end; return whether it ended before the deadline."""
    # A thread waits: with a time limit of its own, Popen.wait sleeps up to 50 ms at a time, as long as a dump takes.
    ended = threading.Event()
    threading.Thread(target=_note_end, args=(process, ended), name="wait", daemon=True).start()
    while not ended.wait(max(0.0, min(deadline - time.monotonic(), 0.1))):
        if stop is not None and stop.is_set():
            raise StoppedError
        if time.monotonic() >= deadline or (is_hopeless is not None and is_hopeless()):
            return False
    return True


def _note_end(process: "subprocess.Popen[bytes]", ended: threading.Event) -> None:
    process.wait()
    ended.set()


def _signal(process: "subprocess.Popen[bytes]", *, polite: bool) -> None:
    try:
        if sys.platform == "win32":
            process.terminate() if polite else process.kill()
        else:
            os.killpg(process.pid, signal.SIGTERM if polite else signal.SIGKILL)
    except OSError:  # it is gone already
        log.debug("process %d is gone", process.pid)


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - KEPT_BYTES))
    return file.read().decode("utf-8", "replace")
