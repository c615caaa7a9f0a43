"""The tool run as its users run it, and what it said."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.servers import MEOS_PASSWORD, MEOS_USER
from tests.toolkit.waiting import PATIENCE

EXAMPLE_DRIVE = "E:" if sys.platform == "win32" else "/media/usb"
"""The drive in the examples of --help."""


def run_meosbackup(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
    prefix: Sequence[str] = (),
) -> "subprocess.CompletedProcess[str]":
    """Run the tool in a process of its own, perhaps by another program, the `prefix`.

    Of the environment's MEOSBACKUP_* it sees those in `env` alone, and stay_awake = false.
    """
    return subprocess.run(
        [*prefix, sys.executable, "-m", "meosbackup", *map(str, arguments)],
        env={**tool_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def server_options(server: PrivateServer) -> list[str]:
    """Return the options that lead the tool to a server, as the user meos."""
    return ["--host", server.host, "--port", str(server.port), "--user", MEOS_USER]


def with_password(password: str = MEOS_PASSWORD) -> dict[str, str]:
    """Return the environment that gives the tool a password."""
    return {"MEOSBACKUP_PASSWORD": password}


STOPS_WITHIN = 3.0
"""Seconds from Ctrl-C to the end of the tool."""
Completed = subprocess.CompletedProcess[str]


def told(result: Completed, code: int, *words: str) -> str:
    """See that a run ended with this code, and said these things in words; return all that it said, in one line."""
    said = in_one_line(result.stdout + result.stderr)
    assert "Traceback" not in said
    assert "unexpected error" not in said, said
    missing = [word for word in words if word not in said]
    assert not missing, f"it didn't say {missing}, but: {said}"
    assert result.returncode == code, said
    return said


def in_one_line(text: str) -> str:
    """Undo the breaking of lines."""
    return " ".join(text.split())


def tool_environment() -> dict[str, str]:
    """Return this process's environment without what the tool would take for its settings.

    The computers that run tests can rarely be kept awake, which would be noted.
    """
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEOSBACKUP_")}
    return {**kept, "PYTHONUTF8": "1", "MEOSBACKUP_STAY_AWAKE": "false"}
