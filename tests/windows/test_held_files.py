"""Files that another program has open: a virus scanner for a moment, an editor for as long as it likes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Server
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit import holder
from tests.toolkit.batches import faults, waiting
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.runs import in_one_line, server_options, told
from tests.toolkit.terminals import Screen
from tests.toolkit.windows import Windows, WindowsPlace, spelled

GUIDE = r"E:\meosbackup\RESTORE.txt"
ONE_RACE = ("--race", "Tom")
NOW = datetime(2026, 11, 22, 14, 7, tzinfo=UTC)


@pytest.fixture
def on_stick(machine: Windows, stick: Slot, tmp_path: Path) -> WindowsPlace:
    """The folders of runs, with an exFAT drive plugged in."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    return WindowsPlace(tmp_path, mounted=stick.place, letter="E")


@contextmanager
def another_program(machine: Windows, *arguments: str) -> Iterator[Screen]:
    """Have files open until the block ends, as `holder` does."""
    with machine.console(machine.parts.python / "python.exe", Path(holder.__file__), *arguments) as screen:
        screen.wait_for("has it open|scans")
        yield screen


def test_a_virus_scanner_costs_no_batch(machine: Windows, server: PrivateServer, on_stick: WindowsPlace) -> None:
    on_stick.spool.mkdir()
    with another_program(machine, "scan", "0.3", spelled(on_stick.spool), "E:\\") as scanner:
        done = machine.meosbackup(*on_stick.options, "--once", *server_options(server), *ONE_RACE)
        assert "FAIL" not in told(done, 0, "OK race list + 1 race", "1 batch made", "on the drive")
        scanner.wait_for("scanned 1[0-9]")
    assert not waiting(on_stick.spool)
    assert faults(on_stick.root) == []
    assert not list(on_stick.spool.glob("work-*"))


def test_a_guide_that_is_open_in_an_editor_holds_up_nothing_else(
    machine: Windows, server: PrivateServer, on_stick: WindowsPlace
) -> None:
    options = [*on_stick.options, *server_options(server), *ONE_RACE, "--interval", "20"]
    with machine.console(*machine.tool, *options, env={"MEOSBACKUP_SKIP_UNCHANGED": "false"}) as day:
        day.wait_for(r"OK race list \+ 1 race")
        with another_program(machine, "keep", GUIDE):
            day.wait_for("FAIL Another program has E:.meosbackup.RESTORE.txt open")
            day.wait_for("Batches still go to the drive; only this guide is out of date.")
            assert not waiting(on_stick.spool)
            assert "use another drive" not in day.words
        day.wait_for("OK all is well again")
        day.press("C-c")
        assert day.wait_for_end()[0] == 0
    newest = on_stick.batch_folders[-1].relative_to(on_stick.root).as_posix()
    assert newest in (on_stick.root / "RESTORE.txt").read_text("utf-8-sig")


def test_a_batch_that_is_held_open_is_passed_over_to_make_room(machine: Windows, on_stick: WindowsPlace) -> None:
    for number in range(1, 5):
        taken = NOW - timedelta(hours=5, minutes=5 - number)
        folder = on_stick.root / f"{taken:%Y-%m-%d/%H-%M-%S}"
        folder.mkdir(parents=True)
        server = Server("laptop-1", 3306, "MySQL", "8.0.45", 1)
        batch_file.write(folder, Batch(number, taken, True, server, "mysqldump", "1.0.0", ()))
    code = (
        "from datetime import datetime; from pathlib import Path; from meosbackup import notices;"
        "from meosbackup.store import retention; notices.listen(print);"
        rf"retention.make_room(Path(r'E:\meosbackup'), 1 << 40, datetime.fromisoformat('{NOW.isoformat()}'))"
    )
    with another_program(machine, "keep", r"E:\meosbackup\2026-11-22\09-03-00"):
        said = in_one_line(machine.python("-c", code).stdout)
    assert said == (
        "the batch from 2026-11-22 09:03:00 can't be deleted to make room: another program has"
        r" E:\meosbackup\2026-11-22\09-03-00 open"
    )
    assert [folder.name for folder in on_stick.batch_folders] == ["09-03-00", "09-06-00"]
