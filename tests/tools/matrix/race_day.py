"""The daemon itself on a race day that is pressed together: a change and a tick each second, then Ctrl-C."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from meosbackup.commands.simulation import Laptop
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.place import new_place
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, told
from tests.toolkit.servers import RELAY
from tests.tools.matrix.installations import Installation


@dataclass(frozen=True)
class RaceDay:
    """What came of it: ticks that were told, batches on the drive, and what was wrong."""

    ticks: int
    batches: int
    fault: str


def run(server: PrivateServer, installation: Installation, folder: Path, ticks: int) -> RaceDay:
    """Back up once a second, so many times, while a laptop changes a race; then verify all that is on the drive.

    The server has the race RELAY, and `installation` gives the dump program.
    """
    place = new_place(folder)
    laptop = Laptop(server, RELAY, seed=ticks)
    changes = (laptop.enter_late, laptop.read_card, laptop.add_punch, laptop.change_status)
    with running(place, server, "--interval", "1", "--mysqldump", installation.dump) as tool:
        tool.waits_for("OK")
        limit = time.monotonic() + 30 + 10 * ticks
        count = 0
        while _ticks(tool.said) < ticks and time.monotonic() < limit:
            changes[count % len(changes)]()
            count += 1
            time.sleep(0.5)
        said = told(tool.press_ctrl_c(), 0, "stopped;")
    laptop.close()
    faults = re.findall(r"FAIL [^.]+", said)
    verified = run_meosbackup("verify", "--target", place.target, "--log-file", place.folder / "verify.log")
    if verified.returncode:
        faults.append(verified.stdout[-300:])
    return RaceDay(_ticks(said), len(inventory.find(place.target / "meosbackup").batches), "; ".join(faults))


def _ticks(said: str) -> int:
    return len(re.findall(r"\d\d:\d\d:\d\d OK ", said))
