"""The thread that rehearses the newest batch now and then, while nobody has to wait for it."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue

from meosbackup import errors
from meosbackup.batch.model import Proof, StoredBatch
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.mysql.programs import Program
from meosbackup.restore import rehearsal
from meosbackup.system import process

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What a rehearsal came to: a proof, or what went wrong."""

    batch: StoredBatch
    proof: Proof | None
    error: MeosBackupError | None


class RehearsalThread:
    """Rehearses a batch in a thread of its own, at low priority, one at a time."""

    def __init__(self, program: Program, stop: threading.Event) -> None:
        self._program = program
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._verdicts: SimpleQueue[Verdict] = SimpleQueue()

    def begin(self, stored: StoredBatch) -> bool:
        """Start to rehearse a batch, unless a rehearsal is still running; return whether it was started."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(
            target=_run, args=(stored, self._program, self._stop, self._verdicts), name="rehearse", daemon=True
        )
        self._thread.start()
        return True

    def verdict(self) -> Verdict | None:
        """Return what a rehearsal came to, once; None if there is nothing new."""
        try:
            return self._verdicts.get_nowait()
        except Empty:
            return None

    def join(self, seconds: float) -> None:
        """Wait for the rehearsal to end, for `seconds` at most; it gives up when `stop` is set."""
        if self._thread is not None:
            self._thread.join(seconds)


def _run(stored: StoredBatch, program: Program, stop: threading.Event, verdicts: SimpleQueue[Verdict]) -> None:
    try:
        verdicts.put(_rehearse(stored, program, stop))
    except StoppedError:
        log.info("the rehearsal was given up, since the program was asked to stop")
    except MeosBackupError as error:
        log.warning("the rehearsal failed", exc_info=True)
        verdicts.put(Verdict(stored, None, error))
    except Exception as error:
        log.exception("the rehearsal hit an unexpected error")
        means = "Backups continue; whether they can be restored is not known."
        verdicts.put(Verdict(stored, None, errors.unexpected(error, "The rehearsal of the newest batch", means)))


def _rehearse(stored: StoredBatch, program: Program, stop: threading.Event) -> Verdict:
    with process.low_priority():
        differing = [done for done in rehearsal.rehearse(stored, program, stop) if done.differing]
    if not differing:
        return Verdict(stored, Proof(stored.batch.taken, datetime.now().astimezone().replace(microsecond=0)), None)
    where = "; ".join(f"{done.entry.database}: {', '.join(done.differing)}" for done in differing)
    return Verdict(stored, None, MeosBackupError(
        f"The rehearsal of the newest batch found differences in {where}.",
        "Backups continue; whether they can be restored is not known.",
        "Try `meosbackup rehearse`; if that fails as well, report it with the log file.",
    ))  # fmt: skip
