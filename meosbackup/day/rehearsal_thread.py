"""The thread that rehearses the newest batch now and then, while nobody has to wait for it."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from meosbackup import errors
from meosbackup.batch.model import Proof, Stored
from meosbackup.errors import MeosBackupError, StoppedError
from meosbackup.mysql.programs import Program
from meosbackup.restore import rehearsal
from meosbackup.system import process

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What a rehearsal came to: a proof, or what went wrong."""

    batch: Stored
    proof: Proof | None
    error: MeosBackupError | None


class Rehearser:
    """Rehearses a batch in a thread of its own, at low priority, one at a time."""

    def __init__(self, program: Program, stop: threading.Event) -> None:
        self._program = program
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._verdict: Verdict | None = None

    def begin(self, stored: Stored) -> bool:
        """Start to rehearse a batch, unless the one before still goes on; tell whether it was started."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=self._run, args=(stored,), name="rehearse", daemon=True)
        self._thread.start()
        return True

    def verdict(self) -> Verdict | None:
        """Return what the last rehearsal came to, once."""
        verdict, self._verdict = self._verdict, None
        return verdict

    def leave(self, seconds: float) -> None:
        """Wait for the rehearsal to give up, for so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, stored: Stored) -> None:
        try:
            with process.low_priority():
                faulty = [done for done in rehearsal.rehearse(stored, self._program, self._stop) if done.differing]
        except StoppedError:
            return
        except MeosBackupError as error:
            log.warning("the rehearsal failed", exc_info=True)
            self._verdict = Verdict(stored, None, error)
        except Exception as error:
            log.exception("the rehearsal hit an unexpected error")
            means = "Backups continue; whether they restore is not known."
            self._verdict = Verdict(stored, None, errors.unexpected(error, "The rehearsal of the newest batch", means))
        else:
            if faulty:
                where = "; ".join(f"{done.entry.database}: {', '.join(done.differing)}" for done in faulty)
                self._verdict = Verdict(stored, None, _failed(f"differences in {where}"))
            else:
                proof = Proof(stored.batch.taken, datetime.now().astimezone().replace(microsecond=0))
                self._verdict = Verdict(stored, proof, None)


def _failed(why: str) -> MeosBackupError:
    return MeosBackupError(
        f"The newest batch was not proven by its rehearsal ({why}).",
        "Backups go on; whether they restore is not known.",
        "Try `meosbackup rehearse`, and report it with the log file if that fails as well.",
    )
