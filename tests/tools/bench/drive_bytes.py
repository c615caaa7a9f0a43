"""How many bytes a race day writes to a drive, beside full plain dumps of the same race.

python -m tests.tools.bench.drive_bytes --ticks 20

One runner changes before each tick; the race has 200,000 runners in its reference tables. Counted is what the drive's
device was given to write, with all that the file system needs, and what the files on it hold in the end.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from meosbackup.commands.simulation import Laptop
from meosbackup.mysql.private_server import PrivateServer, private_server
from tests.toolkit.batches import waiting
from tests.toolkit.drives import EXFAT, EXT4, Slot, make_drive, slot, written_bytes
from tests.toolkit.place import Place
from tests.toolkit.running import running
from tests.toolkit.servers import DATA, INDIVIDUAL, fill_reference_tables, make_pristine, query
from tests.toolkit.waiting import wait_until

_ROWS = 200_000


@dataclass(frozen=True)
class Written:
    """The bytes that a device was given to write, and those of the files that were there in the end."""

    device: int
    files: int


@click.command()
@click.option("--ticks", default=20, show_default=True)
@click.option("--kind", default=EXFAT, show_default=True, type=click.Choice([EXFAT, EXT4]))
def main(ticks: int, kind: str) -> None:
    """Print how many bytes meosbackup writes to a drive, and how many full plain dumps do."""
    with tempfile.TemporaryDirectory(prefix="meosbackup-bench-") as name, private_server() as server:
        folder = Path(name)
        make_pristine(server, {"meosmain": DATA / "meosmain.sql", INDIVIDUAL: DATA / "individual.sql"}, {})
        query(server, "DELETE FROM meosmain.oevent WHERE LOWER(NameId) <> %s", INDIVIDUAL)
        fill_reference_tables(server, INDIVIDUAL, _ROWS)
        laptop = Laptop(server, INDIVIDUAL)
        with slot(folder) as place:
            plain = _measured(place, kind, folder / "plain", lambda: _plain_dumps(server, place.place, ticks, laptop))
            ours = _measured(
                place, kind, folder / "ours", lambda: _race_day(server, place.place, folder, ticks, laptop)
            )
        laptop.close()
    click.echo(f"{ticks} ticks, one change before each, {kind}")
    click.echo(f"{'':<24} {'plain dumps':>14} {'meosbackup':>14} {'ratio':>8}")
    for what, before, now in (
        ("written to the device", plain.device, ours.device), ("in files in the end", plain.files, ours.files)
    ):  # fmt: skip
        click.echo(f"{what:<24} {before:>14,} {now:>14,} {before / now:>7.1f}x")


def _measured(place: Slot, kind: str, image: Path, day: Callable[[], None]) -> Written:
    """Plug a new drive in, let a day go by, and tell what was written."""
    place.plug(make_drive(kind, image, 1024))
    before = written_bytes(place)
    day()
    files = sum(path.stat().st_size for path in place.place.rglob("*") if path.is_file())
    written = Written(written_bytes(place) - before, files)
    place.leave()
    image.unlink()
    return written


def _plain_dumps(server: PrivateServer, target: Path, ticks: int, laptop: Laptop) -> None:
    """Dump both databases whole at each tick, as a script would that knows nothing of MeOS."""
    program = shutil.which("mysqldump") or "mariadb-dump"
    for tick in range(ticks):
        laptop.change_status()
        path = target / f"{tick}.sql"
        subprocess.run(
            [program, "--no-defaults", f"--socket={server.socket}", "--user=root", f"--result-file={path}",
             "--databases", "meosmain", INDIVIDUAL], check=True,
        )  # fmt: skip
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _race_day(server: PrivateServer, target: Path, folder: Path, ticks: int, laptop: Laptop) -> None:
    with running(Place(folder, target), server, "--interval", "2", terminal=True) as day:
        for _ in range(ticks):
            laptop.change_status()
            day.expect("  OK    race list ")
        wait_until(lambda: not waiting(folder / "spool"), "an empty spool")
        day.stop()


if __name__ == "__main__":
    main()
