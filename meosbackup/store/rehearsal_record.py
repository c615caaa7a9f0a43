"""Which batch was proven last: restored into a private server and compared; noted at the top of the drive."""

import json
from datetime import datetime
from pathlib import Path

from meosbackup.batch.model import Proof
from meosbackup.system import files

PROOF_FILE = "proof.json"
FORMAT = 1


def read(root: Path) -> Proof | None:
    """Read the newest proof below a root; None where there is none that can be read."""
    try:
        document = json.loads((root / PROOF_FILE).read_bytes()[:10_000])
        return Proof(datetime.fromisoformat(document["batch"]), datetime.fromisoformat(document["proven"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(root: Path, proof: Proof) -> None:
    """Note a proof below a root. Raises OSError."""
    document = {"format": FORMAT, "batch": proof.batch.isoformat(), "proven": proof.proven.isoformat()}
    files.write_durably(root / PROOF_FILE, (json.dumps(document) + "\n").encode())
