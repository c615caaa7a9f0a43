"""RESTORE.html as a helper opens it: by a double click, from the drive of a real day, in a real browser."""

from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.browser import Reader
from tests.toolkit.day import Day
from tests.toolkit.drives import EXFAT, make_drive, slot
from tests.toolkit.runs import run_meosbackup
from tests.toolkit.servers import RELAY, enter_runner, query

_HOSTILE = "<img src=x onerror=alert(1)></script><script>\N{RIGHT-TO-LEFT OVERRIDE}&amp;"


def test_the_page_of_a_real_drive(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path, reader: Reader
) -> None:  # fmt: skip
    query(server, "UPDATE meosmain.oevent SET Name = %s WHERE LOWER(NameId) = %s", _HOSTILE, RELAY)
    with slot(tmp_path) as stick:
        stick.plug(make_drive(EXFAT, tmp_path / "stick.img"))
        day = Day(tmp_path, mounted=stick.place, server=server)
        standby = ("--standby", f"{spare.host}:{spare.port}")
        day.once(*standby)
        enter_runner(server, RELAY)
        day.once(*standby)
        first, newest = day.stored()
        for page, stored in ((day.root / "RESTORE.html", newest), (first.folder / "RESTORE.html", first)):
            tab = reader.open(page)
            shown = tab.locator("body").inner_text()
            assert f"{stored.batch.taken:%H:%M:%S}" in shown
            assert _HOSTILE.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{REPLACEMENT CHARACTER}") in shown
            assert tab.title() == "How to get the races of MeOS back"
            for entry in stored.batch.races:
                assert entry.meosxml
                assert entry.meosxml.file in shown
            assert tab.locator("#spare").is_visible() == (stored is newest)
        assert "THE SPARE SERVER" in (day.root / "RESTORE.txt").read_text("utf-8-sig")
        verified = run_meosbackup("verify", *day.folders)
        assert verified.returncode == 0, verified.stdout
        reader.close()
