"""`meosbackup list`: what a person sees of the batches on a drive, and what a program gets."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.batch import batch_file
from meosbackup.batch.model import Batch, Entry, Freshness, Race, Server, StoredBatch, StoredFile
from meosbackup.commands import list as listing
from meosbackup.errors import WrongUsageError
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.store import inventory
from tests.toolkit.runs import EXAMPLE_DRIVE, run_meosbackup, server_options, with_password
from tests.toolkit.servers import INDIVIDUAL, RELAY, query

ZONE = timezone(timedelta(hours=1))
START = datetime(2026, 11, 22, 8, tzinfo=ZONE)
MINUTE = timedelta(minutes=1)
MEDEL = Race("Höstmedeln", "", "2026-11-22", "meos_20261122_211702_1E5", 1, 101)
STAFETT = Race("Stafettkväll", "", "2026-11-23", "meos_20261122_211713_94", 2, 101)


def a_race(race: Race, changed: datetime | None, entries: int = 412, finished: int = 208, **more: Any) -> Entry:
    fresh = Freshness(changed and changed.astimezone(UTC), entries, finished, 187, 640)
    dump = StoredFile(f"{race.id}.dump.sql", 1, "00")
    return replace(Entry(race.name_id.lower(), race, fresh, dump, changed), **more)


def a_batch(sequence: int, taken: datetime, *races: Entry) -> Batch:
    dumps = races or (a_race(MEDEL, taken - timedelta(seconds=2), finished=sequence),)
    return Batch(
        sequence, taken, all(entry.error is None for entry in dumps), Server("laptop-1", 3306, "MySQL", "8.0.45", 1),
        "mysqldump", "0.1.0", (Entry("meosmain", dump=StoredFile("meosmain.dump.sql", 1, "00")), *dumps),
    )  # fmt: skip


def stored(found: Batch) -> StoredBatch:
    return StoredBatch(Path(f"{found.taken:%Y-%m-%d}", f"{found.taken:%H-%M-%S}"), found)


def every_minute(count: int, start: datetime = START) -> list[StoredBatch]:
    return [stored(a_batch(number + 1, start + number * MINUTE)) for number in range(count)]


def on_drive(target: Path, batches: Sequence[Batch]) -> Path:
    """Write batches as far as a list looks at them."""
    for found in batches:
        folder = target / "meosbackup" / stored(found).folder
        folder.mkdir(parents=True)
        batch_file.write(folder, found)
    return target


def listed(target: Path, *options: str, expected: int = 0, env: dict[str, str] | None = None) -> str:
    log = target.with_name("log")
    result = run_meosbackup("list", "--target", target, "--log-file", log, *options, env=env)
    assert result.returncode == expected, result.stdout + result.stderr
    assert "unexpected error" not in result.stderr
    return result.stdout + result.stderr


# A real drive


def test_a_drive_of_the_real_command(server: PrivateServer, tmp_path: Path) -> None:
    target = tmp_path / "drive"
    target.mkdir()
    backup: list[str | Path] = [
        "--once", "--target", target, "--any-disk", "--spool", tmp_path / "spool", "--log-file", tmp_path / "log",
        "--race", "Höst", "--race", "Stafett", *server_options(server),
    ]  # fmt: skip
    for _ in range(2):
        assert run_meosbackup(*backup, env=with_password()).returncode == 0
        query(server, f"DELETE FROM {INDIVIDUAL}.orunner WHERE Id = (SELECT MIN(Id) FROM {INDIVIDUAL}.orunner)")
    found = [one.batch for one in inventory.find(target / "meosbackup").batches]
    assert [len(one.races) for one in found] == [2, 2]

    first, second, blank, head, *races = listed(target).splitlines()
    for line, one in zip((first, second), found, strict=True):
        entries = sum(entry.freshness.entries for entry in one.races if entry.freshness)
        assert line.startswith(f"{one.taken:%Y-%m-%d %H:%M:%S}")
        assert f"  complete    {entries} entries" in line
    assert (blank, head.startswith("The newest is 2")) == ("", True)
    [(left,)] = query(server, f"SELECT COUNT(*) + 1 FROM {INDIVIDUAL}.orunner WHERE Removed = 0")
    [(relay,)] = query(server, f"SELECT COUNT(*) FROM {RELAY}.orunner WHERE Removed = 0")
    assert len(races) == 2
    assert "Höstmedeln «Осень» O'Cup (2026-11-22): " in races[0]
    assert f": {left} entries, " in races[0]
    assert f": {relay} entries, " in races[1]

    [one, another] = json.loads(listed(target, "--json"))
    folder = target / "meosbackup" / another.pop("folder")
    assert (one["sequence"], another.pop("pinned"), another.pop("kept")) == (1, False, None)
    assert not another.pop("only_on_this_computer")
    assert another == json.loads((folder / "batch.json").read_text("utf-8"))


# One race


@pytest.mark.parametrize("called", ["Höstmedeln", "höstMEDELN", "meos_20261122_211702_1e5", "medel", "1702"])
def test_a_race_is_found_by_its_name_its_name_id_or_a_part(called: str) -> None:
    both = a_batch(1, START, a_race(MEDEL, START), a_race(STAFETT, START, entries=7))
    batches = [stored(both), stored(a_batch(2, START + MINUTE, a_race(STAFETT, START)))]
    [only] = listing.of_race(batches, called)
    assert [entry.race for entry in only.batch.databases] == [MEDEL]
    [line] = listing.lines([only], 24)
    assert line == "2026-11-22 08:00:00    complete    412 entries, 208 finished, changed 08:00:00"


def test_a_race_that_was_renamed_is_one_race() -> None:
    renamed = replace(MEDEL, name="Vintermedeln")
    batches = [stored(a_batch(1, START)), stored(a_batch(2, START + MINUTE, a_race(renamed, START)))]
    assert len(listing.of_race(batches, "Höstmedeln")) == len(listing.of_race(batches, "Vinter")) == 2


@pytest.mark.parametrize(("called", "words"), [("e", "Several races match e"), ("Sprint", "No race on")])
def test_a_race_that_nobody_can_tell(tmp_path: Path, called: str, words: str) -> None:
    target = on_drive(tmp_path / "drive", [a_batch(1, START, a_race(MEDEL, START), a_race(STAFETT, START))])
    said = listed(target, "--race", called, expected=2)
    assert words in said
    assert "Höstmedeln (2026-11-22), meos_20261122_211702_1E5; Stafettkväll (2026-11-23), meos_2" in said


def test_what_a_program_gets_of_a_race(tmp_path: Path) -> None:
    batches = [a_batch(1, START, a_race(STAFETT, START)), a_batch(2, START + MINUTE)]
    target = on_drive(tmp_path / "drive", batches)
    (target / "meosbackup" / stored(batches[1]).folder / "PINNED").touch()
    [only] = json.loads(listed(target, "--race", "höst", "--json", "--quiet"))
    assert (only["folder"], only["pinned"], only["sequence"]) == ("2026-11-22/08-01-00", True, 2)
    assert [entry["race"]["name"] for entry in only["databases"]] == ["Höstmedeln"]


# What a line tells


def test_faults_and_pins_are_told(tmp_path: Path) -> None:
    older = a_race(MEDEL, START, error="The table is crashed.")
    missing = replace(Entry("meos_x", STAFETT), error="The table is crashed.")
    batches = [a_batch(1, START, older, missing), a_batch(2, START + MINUTE, a_race(MEDEL, START - timedelta(days=1)))]
    target = on_drive(tmp_path / "drive", batches)
    (target / "meosbackup" / stored(batches[0]).folder / "PINNED").touch()
    first, second, *_ = listed(target).splitlines()
    assert first.startswith("2026-11-22 08:00:00    INCOMPLETE  412 entries, 208 finished, changed 08:00:00; ")
    assert first.endswith("; Höstmedeln is older; Stafettkväll is missing; PINNED")
    assert second == "2026-11-22 08:01:00    complete    412 entries, 208 finished, changed 2026-11-21"
    [line] = listed(target, "--race", "Stafett").splitlines()
    assert line == "2026-11-22 08:00:00    INCOMPLETE  freshness unknown; Stafettkväll is missing; PINNED"


def test_a_run_tells_of_what_is_special_in_it(tmp_path: Path) -> None:
    batches = [one.batch for one in every_minute(200)]
    batches[5] = a_batch(6, batches[5].taken, a_race(MEDEL, START, error="It failed."))
    target = on_drive(tmp_path / "drive", batches)
    (target / "meosbackup" / stored(batches[7]).folder / "PINNED").touch()
    [line] = [line for line in listed(target).splitlines() if "INCOMPLETE" in line]
    assert line == "2026-11-22 08:00 - 08:59  60 batches  last: 412 entries, 60 finished; 1 INCOMPLETE; 1 PINNED"


def test_a_race_that_is_good_in_an_incomplete_batch() -> None:
    found = stored(a_batch(1, START, a_race(MEDEL, START, error="It failed."), a_race(STAFETT, START)))
    [line] = listing.lines(listing.of_race([found], "Stafett"), 24)
    assert line == "2026-11-22 08:00:00    complete    412 entries, 208 finished, changed 08:00:00"


def test_two_batches_of_one_time_are_told_apart() -> None:
    twins = [StoredBatch(Path("2026-10-25", name), a_batch(1, START)) for name in ("02-30-00", "02-30-00_2")]
    first, second = listing.lines(twins, 24)
    assert first.replace("00  ", "00_2", 1) == second


def test_a_batch_without_a_race_and_one_without_freshness() -> None:
    nothing = replace(a_batch(1, START), databases=())
    unknown = a_batch(2, START, replace(a_race(MEDEL, START), freshness=None))
    assert [line.split("complete")[1].strip() for line in listing.lines([stored(nothing), stored(unknown)], 24)] == [
        "no race", "freshness unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_time_at_the_end_of_the_calendar(moment: str) -> None:
    for zone in ("-14:00", "+14:00"):
        odd = datetime.fromisoformat(moment + zone)
        entry = replace(a_race(MEDEL, None), freshness=Freshness(odd, 1, 1, 1, 1))
        for taken in (START, odd):
            [line] = listing.lines([StoredBatch(Path("2026-11-22/08-00-00"), a_batch(1, taken, entry))], 24)
            assert "1 entry, 1 finished, changed" in line


def test_text_from_a_batch_steers_no_terminal(tmp_path: Path) -> None:
    evil = replace(MEDEL, name="\x1b[2J\u202eelg", name_id="\x07x", date="\x1b]0;x")
    bad = a_batch(1, START, a_race(evil, START, error="\x1b[31m"), a_race(STAFETT, START))
    target = on_drive(tmp_path / "drive", [replace(bad, server=Server("\x1b[5m", 1, "\x1b", "\n\n", 1))])
    for options, code in (((), 0), (("--race", "x"), 0), (("--race", "e"), 2), (("--json",), 0)):
        said = listed(target, *options, expected=code)
        assert not {"\x1b", "\x07", "\u202e"} & set(said)
        assert "elg" in said


# Folding


UNITS = st.sampled_from([timedelta(seconds=30), MINUTE, 10 * MINUTE, 60 * MINUTE, timedelta(days=1)])


@given(st.lists(st.tuples(UNITS, st.integers(-2, 40)), max_size=200), st.integers(4, 60))
def test_nothing_is_lost_by_folding(steps: list[tuple[timedelta, int]], room: int) -> None:
    """Whatever the clock did: the runs are the batches in their order, fit the room, and end with single ones."""
    batches, taken = list[StoredBatch](), START
    for unit, count in steps:
        taken += unit * count
        batches.append(stored(a_batch(len(batches) + 1, taken)))
    runs = listing.folded(batches, room)
    assert list(chain(*runs)) == batches
    assert len(runs) <= room
    assert all(runs)
    assert all(len(run) == 1 for run in runs[-(room // 3) :])
    if len(batches) <= room:
        assert len(runs) == len(batches)


def test_a_day_of_batches_fits_a_screen() -> None:
    lines = listing.lines(every_minute(600), 24)
    assert [line.split("  ")[0] for line in lines] == [
        *(f"2026-11-22 {hour:02}:00 - {hour:02}:59" for hour in range(8, 17)),
        *(f"2026-11-22 17:{tens}0 - 17:{tens}9" for tens in range(5)), "2026-11-22 17:50 - 17:51",
        *(f"2026-11-22 17:{minute}:00" for minute in range(52, 60)),
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80


def test_a_run_as_the_plan_has_it() -> None:
    batches = [one for one in every_minute(600) if one.batch.taken.minute not in (7, 8)]
    line = "2026-11-22 15:00 - 15:59  58 batches  last: 412 entries, 480 finished"
    assert line in listing.lines(batches, 24)


def test_days_come_before_hours() -> None:
    days = [one for day in range(3) for one in every_minute(500, START + timedelta(days=day))]
    lines = listing.lines(days, 22)
    assert [line[:24] for line in lines[:4]] == [
        "2026-11-22 08:00 - 16:19", "2026-11-23 08:00 - 16:19", "2026-11-24 08:00 - 09:59", "2026-11-24 10:00 - 10:59",
    ]  # fmt: skip


def test_more_days_than_a_screen_holds() -> None:
    days = [one for day in range(90) for one in every_minute(30, START + timedelta(days=day))]
    first, *_, last = listing.lines(days, 24)
    assert first.startswith("2026-11-22 08:00 - 2027-02-")
    assert last.startswith("2027-02-19 08:29:00 ")


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """Order is the sequence's; names and times say nothing."""
    taken = [START + 30 * MINUTE, START + 31 * MINUTE, START, START + MINUTE]
    target = on_drive(tmp_path / "drive", [a_batch(place + 1, moment) for place, moment in enumerate(taken)])
    assert [line[11:16] for line in listed(target).splitlines()[:4]] == ["08:30", "08:31", "08:00", "08:01"]
    assert [one["sequence"] for one in json.loads(listed(target, "--json"))] == [1, 2, 3, 4]


@pytest.mark.parametrize("height", [15, 24, 50])
def test_a_terminal_is_not_overrun(tmp_path: Path, height: int) -> None:
    """All of it, the prompt after it too, stands on one screen."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    races = [a_race(replace(MEDEL, name=f"Etapp {day}", name_id=f"meos_{day}", id=day), START) for day in range(12)]
    batches = [one.batch for one in every_minute(300)]
    target = on_drive(tmp_path / "drive", [*batches[:-1], a_batch(300, batches[-1].taken, *races)])
    (target / "meosbackup" / "2026-11-22" / "23-59-59").mkdir()
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "meosbackup", "list", "--target", target, "--log-file", tmp_path / "log"],
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
        env={**os.environ, "LINES": str(height), "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while piece := os.read(controller, 1 << 16):
            written += piece
    except OSError:  # how Linux tells that nobody writes any more
        pass
    finally:
        os.close(controller)
    assert process.wait(20) == 0
    assert written.count(b"\n") < max(height, 21)
    assert b"and 4 more races" in written
    assert b"NOTE" in written.splitlines()[-1]
    if height == 50:
        assert written.count(b"  complete  ") == 12


# What can't be listed


def test_doubtful_folders_are_named_after_the_list(tmp_path: Path) -> None:
    target = on_drive(tmp_path / "drive", [a_batch(1, START)])
    day = target / "meosbackup" / "2026-11-22"
    for second in range(12):
        (day / f"09-00-{second:02}").mkdir()
        (day / f"09-00-{second:02}" / "batch.json").write_bytes(b"\xff\xfe{")
    (day / "09-01-00.partial").mkdir()
    first, *_, last = listed(target).splitlines()
    assert first.startswith("2026-11-22 08:00:00")
    assert last == "NOTE  and 4 more: run meosbackup verify to see them all"
    assert "NOTE  2026-11-22/09-00-07: A batch.json can't be read" in listed(target)
    result = run_meosbackup("list", "--target", target, "--json", "--log-file", tmp_path / "log")
    assert len(json.loads(result.stdout)) == 1
    assert "2026-11-22/09-00-07" in result.stderr


@pytest.mark.parametrize("options", [(), ("--race", "Höst"), ("--json",)])
def test_a_drive_without_a_batch(tmp_path: Path, options: tuple[str, ...]) -> None:
    target = tmp_path / "drive"
    (target / "meosbackup").mkdir(parents=True)
    said = listed(target, *options, expected=1)
    assert "There is no batch in" in said
    assert "Back up to it with meosbackup --target" in said
    assert said.startswith("[]\n") == ("--json" in options)


def test_a_target_without_backups(tmp_path: Path) -> None:
    target = tmp_path / "drive"
    assert "There is no folder meosbackup in" in listed(target, expected=2)
    target.mkdir()
    (target / "meosbackup").write_text("a file")
    assert "meosbackup can't be used: it is not a folder" in listed(target, expected=1)
    shutil.rmtree(target)


def test_no_batch_holds_any_race() -> None:
    with pytest.raises(WrongUsageError, match="the drive has no race"):
        listing.of_race([stored(replace(a_batch(1, START), databases=()))], "Höst")


def test_help_has_an_example() -> None:
    assert f"meosbackup list --target {EXAMPLE_DRIVE} --race" in run_meosbackup("list", "--help").stdout
