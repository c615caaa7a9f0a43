"""A race day for tests: the folders of its runs, a terminal for the tool, dump programs that dawdle, pasted lines."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from meosbackup.batch import names
from meosbackup.batch.model import Batch, StoredBatch
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.place import Place
from tests.toolkit.runs import run_meosbackup, server_options, tool_environment, with_password
from tests.toolkit.terminals import COLUMNS, Screen, tmux


@dataclass(frozen=True, kw_only=True)
class Day(Place):
    """A place, and the server that is backed up there on a day."""

    server: PrivateServer

    def arguments(self, *more: str | Path) -> list[str]:
        """Return the command line of a day; all races take part unless `more` says which, since test data grow old."""
        self.target.mkdir(exist_ok=True)
        races = [] if {"--days", "--race", "--all-races"} & {str(argument) for argument in more} else ["--all-races"]
        return [*self.folders, *server_options(self.server), *races, *map(str, more)]

    def once(
        self, *more: str | Path, env: Mapping[str, str] | None = None, expected: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Make one batch, and see that it ends with the exit code that is expected."""
        result = run_meosbackup(*self.arguments("--once", *more), env={**with_password(), **(env or {})})
        assert result.returncode == expected, result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        assert "unexpected error" not in result.stdout + result.stderr
        return result

    @contextmanager
    def terminal(
        self,
        *more: str | Path,
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        columns: int = COLUMNS,
    ) -> Iterator[Screen]:
        """Run the tool in a terminal until it leaves or the block ends."""
        command = [*prefix, sys.executable, "-m", "meosbackup", *self.arguments(*more)]
        environment = {name: value for name, value in tool_environment().items() if name not in {"TMUX", "COLUMNS"}}
        environment |= {"LC_ALL": "C.UTF-8", **with_password(), **(env or {})}
        with tmux(command, environment, columns=columns) as screen:
            yield screen

    def batches(self) -> list[Batch]:
        """Return the batches on the target, oldest first."""
        return [stored.batch for stored in self.stored()]

    def stored(self) -> list[StoredBatch]:
        """Return the batches on the target with their folders, oldest first; nothing there is doubtful."""
        found = inventory.find(self.root)
        assert found.doubtful == ()
        return list(found.batches)

    def reference_files(self) -> set[str]:
        """Return the names of the dumps of reference tables on the target."""
        return {path.name for path in (self.root / names.REFERENCE_FOLDER).iterdir()}

    def leftovers(self) -> list[str]:
        """Return what is half done on the target or in the spool, and the processes that are still at work there."""
        partial = [*self.target.rglob("*.partial*"), *self.spool.glob("work-*"), *self.spool.rglob("*.partial*")]
        return [*map(str, partial), *_processes_within(self.folder)]


def _processes_within(folder: Path) -> list[str]:
    """Return the processes that work in a folder, as dump programs do in their batch's; their folder may be gone."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            place = str((process / "cwd").readlink())
            if place.startswith(f"{folder}{os.sep}"):
                found.append(shlex.join((process / "cmdline").read_text("utf-8", "replace").split("\0")))
    return found
