"""The folders of a test's runs, and the options that keep a run within them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import drive
from tests.toolkit.runs import Completed, run_meosbackup, server_options, told, with_password
from tests.toolkit.waiting import PATIENCE


@dataclass(frozen=True)
class Place:
    """A folder for all that the tool writes; the target is a folder in it, unless a drive is `mounted` elsewhere."""

    folder: Path
    mounted: Path | None = None
    spool_name: str = "spool"

    @property
    def target(self) -> Path:
        return self.mounted or self.folder / "drive"

    @property
    def root(self) -> Path:
        return drive.root(self.target)

    @property
    def spool(self) -> Path:
        return self.folder / self.spool_name

    @property
    def log(self) -> Path:
        return self.folder / "meosbackup.log"

    @property
    def folders(self) -> list[str]:
        """The options that each run needs so that it touches nothing else."""
        disk = [] if self.mounted else ["--any-disk"]
        return ["--target", str(self.target), *disk, "--spool", str(self.spool), "--log-file", str(self.log)]

    @property
    def options(self) -> list[str]:
        """The options of a run that backs up; all races take part, since test data grow old."""
        return [*self.folders, "--days", "36500"]

    @property
    def batch_folders(self) -> list[Path]:
        """The folders on the target that pass for a batch, oldest first."""
        return sorted(path for path in self.target.glob("meosbackup/????-??-??/*") if ".partial" not in path.name)


def new_place(folder: Path) -> Place:
    """Make an empty target, and choose a spool that doesn't exist yet."""
    place = Place(folder)
    place.target.mkdir()
    return place


def once(
    place: Place,
    server: PrivateServer,
    *more: str | Path,
    env: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> Completed:
    """Make one batch of the server. What stands in `more` comes last, and goes before the usual options."""
    return run_meosbackup(
        *place.options, "--once", *server_options(server), *more, env={**with_password(), **(env or {})},
        timeout=timeout,
    )  # fmt: skip


def checked(place: Place, server: PrivateServer, code: int, *words: str) -> str:
    """Run check, see that it ends with this code and says these words, and return all that it says."""
    result = run_meosbackup("check", *place.options, *server_options(server), env=with_password())
    return told(result, code, *words)
