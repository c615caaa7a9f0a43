"""`meosbackup status`: all is well, or it isn't, and what to do; beside a real race day."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meosbackup.commands import status, status_look
from meosbackup.commands.status_look import Look
from meosbackup.day import day_status
from meosbackup.day.day_status import DayStatus
from meosbackup.errors import DriveFailedError, DriveGoneError, NoBackupsError
from meosbackup.guide.picture import ALARM, TROUBLE, Happening
from meosbackup.guide.spare_server import SpareServer
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.settings.model import Settings
from meosbackup.system import lock
from meosbackup.system.lock import Holder
from tests.toolkit.drives import EXFAT, make_drive, slot
from tests.toolkit.links import link
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.programs import dump_program
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, told
from tests.toolkit.servers import INDIVIDUAL, MEOS_USER, query
from tests.toolkit.waiting import wait_until

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
linux = pytest.mark.skipif(sys.platform == "win32", reason="its locks are put elsewhere here by XDG_STATE_HOME")
TIME, AGE, ADDRESS = r"\d\d:\d\d:\d\d", r"(?:\d+ seconds? ago|just now)", r"[\d.]+"
KEYS = {
    "well", "running", "process", "since", "interval", "moment", "newest_on_drive", "newest_on_computer",
    "unchanged_until", "waiting", "free", "hours", "spare", "wrong",
}  # fmt: skip


def asked(place: Place, code: int, *more: str | Path, words: tuple[str, ...] = ()) -> str:
    """Ask on the computer of this place; see the exit code and these words, and return all that is said."""
    result = run_meosbackup("status", *place.folders, *more, env={"XDG_STATE_HOME": str(place.folder)})
    return told(result, code, *words)


def as_json(place: Place, code: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(asked(place, code, "--json"))
    assert document.keys() == KEYS
    assert document["well"] == (code == 0)
    return document


def change(server: PrivateServer) -> None:
    query(server, f"UPDATE {INDIVIDUAL}.orunner SET StartTime = StartTime + 10 WHERE Id = 1")


@linux
def test_a_day_is_well_until_it_stands_still_or_is_killed(
    server: PrivateServer, spare: PrivateServer, tmp_path: Path
) -> None:
    place, standby = new_place(tmp_path), f"{spare.host}:{spare.port}"
    told(once(place, server, env={"XDG_STATE_HOME": str(tmp_path)}), 0)
    with running(place, server, "--interval", "1", "--standby", standby) as tool:
        tool.expect("spare server ready")
        tool.expect("no changes")
        said = asked(place, 0)
        assert re.fullmatch(
            rf"OK meosbackup: running since {TIME}, every 1 second; last sign of life at {TIME}"
            rf" OK newest good backup on the drive: {TIME}, current as of {TIME}, {AGE}; \S+ GB free"
            rf" OK newest good backup on this computer: {TIME}, current as of {TIME}, {AGE}"
            rf" OK waiting for the drive: nothing OK spare server: {ADDRESS} has all races as of {TIME}, {AGE}"
            r" All is well\.",
            said,
        ), said
        assert asked(place, 0, "--quiet") == ""
        assert "the drive:" not in asked(place, 0, "--target", "spool").replace("waiting for the drive:", "")
        found = as_json(place, 0)
        assert (found["running"], found["process"], found["interval"]) == (True, tool.process.pid, 1)
        assert found["newest_on_drive"] == found["newest_on_computer"] <= found["moment"] >= found["since"]
        assert (found["waiting"], found["wrong"]) == (0, [])
        assert found["spare"].keys() == {"host", "port", "user", "as_of", "without", "deleted"}
        assert (found["spare"]["port"], found["spare"]["user"]) == (spare.port, MEOS_USER)
        assert found["since"] <= found["spare"]["as_of"]

        with tool.paused():
            before = day_status.read(place.spool)
            assert before
            day_status.write(place.spool, replace(before, moment=before.moment - timedelta(minutes=2)))
            said = asked(place, 1, words=("Not all is well: 1 thing to look into.",))
            assert re.search(rf"FAIL meosbackup: running since {TIME}, but its .* is from {TIME}, 2 minutes ago", said)
        tool.kill()
    said = asked(place, 1, words=("not running. Nothing is backed up. Start it with: meosbackup --target",))
    assert re.search(rf"newest good backup on the drive: {TIME}, {AGE} newest good", said), said
    assert asked(place, 1, "--quiet").startswith("FAIL meosbackup: not running.")
    found = as_json(place, 1)
    assert (found["running"], found["process"], found["since"], found["moment"]) == (False, None, None, None)
    [wrong] = found["wrong"]
    assert wrong["name"] == "meosbackup"
    assert f"meosbackup --target {place.target} " in wrong["do"]


@linux
def test_trouble_is_told_while_it_lasts_and_what_waits(server: PrivateServer, tmp_path: Path) -> None:
    place, away = new_place(tmp_path), tmp_path / "away"
    with running(place, server, "--interval", "1") as tool:
        tool.expect("OK +race list|no changes")
        server.stop()
        tool.expect("FAIL +The server")
        tool.expect("FAIL +The server")
        said = asked(place, 1, words=("No race is backed up while this lasts. Check that MySQL or MariaDB is running",))
        assert re.search(rf"FAIL trouble since {TIME}: The server at .* 1 thing to look into", said), said
        server.start()
        tool.expect("all is well again")
        asked(place, 0)

        place.target.rename(away)
        change(server)
        tool.expect("FAIL +The drive is missing")
        said = asked(place, 1, words=("OK waiting for the drive: 1 batch, the oldest from", "Plug it in again. Not"))
        assert re.search(rf"newest good backup on the drive: {TIME}, .* newest good backup on this", said), said
        found = as_json(place, 1)
        assert found["newest_on_drive"] < found["newest_on_computer"]
        assert found["waiting"] == 1
        assert found["wrong"][0]["what"] == f"The drive is missing from {place.target}."
        assert found["wrong"][0]["since"]
        away.rename(place.target)
        tool.expect("the batch that waited is on the drive now")
        asked(place, 0)

        place.target.rename(away)
        tool.expect("FAIL +The drive is missing")
        change(server)
        tool.expect("Still saved, on this computer|1 batch is waiting on this computer")
        tool.kill()
    words = ("Start it with: meosbackup", "FAIL waiting for the drive: 1 batch", "FAIL drive: There is no folder")
    asked(place, 1, words=(*words, "They are only on this computer. To copy them to the drive, run: meosbackup --once"))
    away.rename(place.target)
    asked(place, 1, words=("only on this computer. To copy them to the drive, run", "2 things to look into"))


@linux
def test_it_says_what_it_cannot_tell_from_here(server: PrivateServer, tmp_path: Path) -> None:
    place, begun = new_place(tmp_path), tmp_path / "begun"
    slow = dump_program(tmp_path, before=f"touch '{begun}'; sleep 60")
    with running(place, server, "--interval", "1", "--mysqldump", slow):
        wait_until(begun.exists, "the first backup")
        words = ("WAIT meosbackup: started at", "its first backup is not finished yet", "run this again in a minute.")
        asked(place, 1, words=("newest good backup on the drive: none yet", *words))

    told(once(place, server, env={"XDG_STATE_HOME": str(tmp_path)}), 0)
    with lock.held(tmp_path / "meosbackup" / "locks", [place.target, place.spool], "restore"):
        asked(place, 1, words=("FAIL meosbackup: `meosbackup restore` has been using the drive since",))
    link(tmp_path / "link", place.target)
    linked = replace(place, mounted=tmp_path / "link")
    with lock.held(tmp_path / "meosbackup" / "locks", [linked.target, place.spool]):
        linked.target.unlink()  # as where drives are mounted under names of their own
        asked(linked, 1, "--any-disk", words=("OK meosbackup: running since", "FAIL drive: The drive is missing from"))
    (tmp_path / "other").mkdir()
    other_drive = replace(place, mounted=tmp_path / "other")
    with running(place, server, "--interval", "1") as tool:
        tool.expect("no changes")
        asked(other_drive, 1, "--any-disk", words=(
            f"running, but not on {other_drive.target}: it backs up to {place.target}.", "drive: There is no folder",
        ))  # fmt: skip
        asked(replace(place, spool_name="other spool"), 1, words=(f"Run this with --spool {place.spool} ",))

    elsewhere = Place(tmp_path / "elsewhere", mounted=place.target)
    elsewhere.folder.mkdir()
    words = ("not running on this computer, which made none of these backups.", "Run this there.", "on the drive: ")
    asked(elsewhere, 1, "--any-disk", words=words)
    assert as_json(elsewhere, 1)["running"] is None
    asked(elsewhere, 2, "--target", tmp_path / "none", words=("There is no folder meosbackup in",))
    assert "No target is set." in told(run_meosbackup("status", "--log-file", elsewhere.log), 2)
    assert not elsewhere.spool.exists()


def test_a_drive_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_look, "_PATIENCE", 1.0)
    with slot(tmp_path) as stick:
        stick.plug(make_drive(EXFAT, tmp_path / "image"))
        settings = Settings(target=stick.place, spool=tmp_path / "spool")
        with pytest.raises(NoBackupsError):
            status_look.take_in_time(settings)
        with stick.paused(), pytest.raises(DriveFailedError, match="doesn't answer"):
            status_look.take_in_time(settings)


@linux
@pytest.mark.parametrize("command", ["list", "status"])
def test_what_is_noted_is_not_among_the_json(command: str, tmp_path: Path) -> None:
    place = new_place(tmp_path)
    place.root.mkdir()
    (tmp_path / ".my.cnf").write_text("[client]\nuser=club\nport=many\n", "utf-8")
    result = run_meosbackup(
        command, "--json", *place.folders, env={"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    )
    assert json.loads(result.stdout) is not None
    assert "meosbackup continues without it" in result.stderr
    assert result.returncode == 1


# What counts as well

_NOW = datetime(2026, 11, 22, 14, 9, 12, tzinfo=UTC)
_TAKEN = _NOW.replace(hour=13, minute=0, second=0)
_TICK = _NOW.replace(second=0)
_STATUS = DayStatus(_TICK, 60, on_drive=_TAKEN, on_computer=_TAKEN, unchanged_until=_TICK, free=27_400_000_000, hours=9)
_SPARE = SpareServer("tent-2", 3306, "meos", _TICK)
_HOLDER = Holder(12, _TAKEN, places=("/media/usb", "/spool"))
_SETTINGS = Settings(target=Path("/media/usb"), spool=Path("/spool"))
_WELL = Look(_SETTINGS, _NOW, _HOLDER, None, _STATUS, None, True, _TAKEN, _TAKEN, ())


def lines(look: Look) -> list[str]:
    return [f"{one.word} {one.name}: {one.text}" for one in status.findings(look)]


def with_status(**changes: Any) -> Look:
    return replace(_WELL, status=replace(_STATUS, **changes))


def test_a_quiet_hour_is_well() -> None:
    assert status.is_well(list(status.findings(_WELL)))
    current = "13:00:00, current as of 14:09:00, 12 seconds ago"
    assert lines(_WELL) == [
        "OK meosbackup: running since 13:00:00, every 60 seconds; last sign of life at 14:09:00",
        f"OK newest good backup on the drive: {current}; 27.4 GB free, enough for about 9 hours",
        f"OK newest good backup on this computer: {current}",
        "OK waiting for the drive: nothing",
    ]


def _happening(kind: str, key: str = "key") -> Happening:
    return Happening(kind, key, "What.", "Means.", "Do.", _TICK)


@pytest.mark.parametrize(("look", "is_told"), [
    (with_status(moment=_NOW - timedelta(seconds=164)), lambda line: line.startswith("OK meosbackup")),
    (with_status(moment=_NOW - timedelta(seconds=166)),
     lambda line: line.endswith("but its last sign of life is from 14:06:26, 3 minutes ago.")),
    (with_status(moment=_NOW + timedelta(hours=1)), lambda line: line.startswith("FAIL meosbackup")),
    (with_status(unchanged_until=None), lambda line: line.startswith("FAIL newest good backup on the drive")),
    (with_status(on_computer=_TICK), lambda line: line.startswith("FAIL newest good backup on the drive")),
    (with_status(wrong=(_happening(ALARM),)), lambda line: line == "FAIL alarm since 14:09:00: What."),
    (replace(_WELL, on_drive=None), lambda line: line == "FAIL newest good backup on the drive: none"),
    (replace(_WELL, waiting=(_TAKEN, _TICK)),
     lambda line: line == "FAIL waiting for the drive: 2 batches, the oldest from 13:00:00."),
    (replace(_WELL, waiting=(_TICK,)),
     lambda line: line == "OK waiting for the drive: 1 batch, the oldest from 14:09:00"),
    (replace(_WELL, error=DriveGoneError("Gone.", "", "")), lambda line: line == "FAIL drive: Gone."),
    (with_status(spare=replace(_SPARE, deleted=("Relay",))),
     lambda line: line == "OK spare server: tent-2 has all races as of 14:09:00, 12 seconds ago; deleted on the race"
                          " server, but still there: Relay"),
    (with_status(spare=replace(_SPARE, without=("Relay (it was changed there)",))),
     lambda line: line.startswith("FAIL spare server") and "except Relay (it was changed there)." in line),
    (with_status(spare=replace(_SPARE, as_of=_TAKEN)), lambda line: line.startswith("FAIL spare server: tent-2")),
    (with_status(spare=replace(_SPARE, as_of=None)), lambda line: line.startswith("FAIL spare server: tent-2 doesn't")),
])  # fmt: skip
def test_what_counts_as_well(look: Look, is_told: Callable[[str], bool]) -> None:
    told = lines(look)
    assert any(map(is_told, told)), told
    found = list(status.findings(look))
    assert status.is_well(found) == (not any(line.startswith("FAIL") for line in told))


def test_the_same_trouble_is_told_once() -> None:
    error = DriveGoneError("Gone.", "", "")
    look = replace(with_status(wrong=(_happening(TROUBLE, ": DriveGoneError"),)), error=error)
    assert [line for line in lines(look) if line.startswith("FAIL")] == ["FAIL trouble since 14:09:00: What."]


def test_readme_names_the_keys_of_the_json() -> None:
    document = status.document(_WELL, list(status.findings(_WELL)))
    assert document.keys() == KEYS
    [told] = re.findall(r"`meosbackup status --json`.*?\n\n", README, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", told)) == KEYS
