"""A tent: its drive, the computers that it is plugged into, and the laptops that work on races."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from meosbackup.batch.model import StoredBatch
from meosbackup.commands.simulation import Laptop
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.place import Place
from tests.toolkit.runs import run_meosbackup, server_options, tool_environment, with_password
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RACE_LIST, RELAY, databases, query, rows_of
from tests.toolkit.waiting import PATIENCE

RACES = (INDIVIDUAL, RELAY, EMPTY, INNODB)
NAMES = {INDIVIDUAL: "Höstmedeln", RELAY: "Stafettkväll", EMPTY: "Tom", INNODB: "InnoDB-tävlingen"}


@dataclass(frozen=True)
class Tent(Place):
    """The drive, which is plugged into one computer after another."""

    def at(self, server: PrivateServer) -> Place:
        """Return the drive plugged into the computer of a server, which has a spool of its own."""
        return Place(self.folder, spool_name=f"spool at {server.port}")

    def back_up(self, server: PrivateServer) -> StoredBatch:
        """Make a batch of all races, and return it as it lies on the drive."""
        self.target.mkdir(exist_ok=True)
        done = run_meosbackup(
            "--once", *self.at(server).folders, *server_options(server), "--all-races", env=with_password()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return self.batches()[-1]

    def command(self, server: PrivateServer, *more: str | Path) -> list[str]:
        """Return the command line of a restore."""
        return [sys.executable, "-m", "meosbackup", "restore", *self.at(server).folders,
                *server_options(server), *map(str, more)]  # fmt: skip

    def restore(self, server: PrivateServer, *more: str | Path, answer: str | None = None, expected: int = 0) -> str:
        """Restore, answering the question where there is an answer and by --yes else; return what was said."""
        done = subprocess.run(
            self.command(server, *([] if answer is not None else ["--yes"]), *more),
            env={**tool_environment(), **with_password()}, input=answer or "", capture_output=True, encoding="utf-8",
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        said = " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in said
        assert "unexpected error" not in said, said
        assert done.returncode == expected, said
        return said

    def batches(self) -> list[StoredBatch]:
        """Return the batches on the drive, oldest first."""
        return list(inventory.find(self.root).batches)

    def saved(self) -> list[StoredBatch]:
        """Return what restores saved, as it lies on the drive."""
        return [stored for stored in self.batches() if not stored.batch.is_backup]


def work_on(server: PrivateServer, *names: str, seed: int = 5) -> None:
    """Have a laptop change races, read a card in each, and leave."""
    for name in names:
        laptop = Laptop(server, name, seed=seed)
        for change in (laptop.enter_late, laptop.read_card, laptop.add_punch, laptop.change_status):
            change()
        laptop.close()


def add_large_image(server: PrivateServer, name: str) -> None:
    """Give a race reference tables so large that they come back after it, not with it."""
    query(server, f"INSERT INTO `{name}`.oimage (Filename, Image) VALUES ('large', REPEAT('x', 600000))")


def assert_tidy(server: PrivateServer) -> None:
    assert {name for name in databases(server) if name.startswith("meosbackup")} == set()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said = " ".join(process.communicate(timeout=PATIENCE)[0].split())
    assert "Traceback" not in said
    assert "unexpected error" not in said, said
    return process.returncode, said


def races(server: PrivateServer) -> dict[str, dict[str, list[tuple[object, ...]]]]:
    """Return all rows of all races, and of the race list."""
    return {name: rows_of(server, name) for name in (*RACES, RACE_LIST)}
