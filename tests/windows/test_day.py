"""A race day on Windows, on sticks that are real file systems and a removable drive there."""

from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.batches import assert_batches_are_whole, waiting
from tests.toolkit.drives import EXFAT, FAT32, Slot, make_drive
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import RELAY
from tests.toolkit.tent import work_on
from tests.toolkit.waiting import wait_until
from tests.toolkit.windows import Windows, WindowsPlace
from tests.toolkit.windows_day import EVERY_FEW_SECONDS, have_a_day


def test_a_day_in_a_console(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    have_a_day(EXFAT, machine, server, stick, tmp_path, pull=stick.pull)


def test_a_day_on_fat32(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> None:
    # Linux writes FAT32's folders late unless it is asked to, as no program for Windows can; Windows doesn't.
    have_a_day(FAT32, machine, server, stick, tmp_path, pull=stick.leave)


def test_two_at_once_and_a_stick_that_is_write_protected(
    machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path
) -> None:
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    options = [*place.options, *server_options(server), *EVERY_FEW_SECONDS]
    with machine.running(*options) as day:
        day.expect(r"OK    race list \+ 4 races")
        told(
            machine.meosbackup(*options, "--once"), 1, "Another meosbackup is still running, and is already using",
            "(process ", "That one keeps running; this one did nothing.", "or stop it with Ctrl-C in its window",
        )  # fmt: skip
        wait_until(lambda: not waiting(place.spool), "the first batch on the drive")
        told(machine.meosbackup("status", *place.folders), 0, "OK meosbackup: running since ", "All is well.")
        stick.protect()
        work_on(server, RELAY)
        # Windows says that a volume is write-protected; wine says "access denied".
        day.expect(r"FAIL  The drive at E:\\ ")
        day.waits_for("waiting on this computer")
        stick.protect(protect=False)
        day.expect("OK    all is well again")
        wait_until(lambda: not waiting(place.spool), "all batches on the drive")
    told(machine.meosbackup("status", *place.folders), 1, "meosbackup: not running.", r"--target E:\ ")
    assert_batches_are_whole(place)
    assert len(place.batch_folders) >= 2


def test_a_stick_that_another_computer_used(
    machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path
) -> None:
    """That one ran Linux."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    theirs = run_meosbackup(
        "--once", "--target", stick.place, "--spool", tmp_path / "theirs", "--log-file", tmp_path / "their.log",
        *server_options(server), "--all-races", env=with_password(),
    )  # fmt: skip
    assert theirs.returncode == 0, theirs.stderr
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    work_on(server, RELAY)
    told(
        machine.meosbackup(*place.options, *server_options(server), "--once"), 0, "race list + 4 races", "on the drive"
    )
    told(machine.meosbackup("verify", *place.folders), 0, "2 batches, ", "all good")
    batches = [stored.batch for stored in inventory.find(place.root).batches]
    assert [batch.sequence for batch in batches] == [1, 2]
