"""Race day, by the real command, on a real server, in a real terminal."""

import hashlib
import json
import os
import re
import shlex
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from meosbackup.batch import names
from meosbackup.commands.simulation import Laptop, delete_race
from meosbackup.mysql.private_server import PrivateServer, load
from meosbackup.store import drive
from tests.toolkit.batches import dump_file, dump_of
from tests.toolkit.day import Day
from tests.toolkit.programs import dump_program, needed
from tests.toolkit.running import frozen
from tests.toolkit.runs import run_meosbackup, with_password
from tests.toolkit.servers import (
    BIG,
    DATA,
    EMPTY,
    INDIVIDUAL,
    INNODB,
    MEOS_USER,
    RACE_LIST,
    RELAY,
    counts,
    enter_runner,
    last_change,
    list_race,
    query,
)
from tests.toolkit.waiting import PATIENCE, limit, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tmux and shell scripts are not for Windows")

LEAVES_WITHIN = 3.0
"""Seconds that the tool may take to leave."""

STEMS = {
    RACE_LIST: "meosmain",
    INDIVIDUAL: "Hostmedeln_O_Cup",
    RELAY: "Stafettkvall_Relais_d_Ete",
    EMPTY: "Tom_tavling",
    INNODB: "InnoDB-tavlingen",
}
TICK = r"\d\d:\d\d:\d\d OK race list \+ "
A_BATCH = (
    TICK
    + r"\d+ races?, \d+ kB in \d+\.\d s, \d+ changed, newest change [-0-9 :]+; (?:\d+\.\d GB free|the drive is slow)"
)


@pytest.fixture
def day(server: PrivateServer, tmp_path: Path) -> Day:
    return Day(tmp_path, server=server)


def lines_after_banners(text: str) -> list[int]:
    """Return how many lines of a screen each FAIL takes that isn't in a banner."""
    outside = re.sub(r"^=+\n.*?^=+$", "", text, flags=re.MULTILINE | re.DOTALL)
    told = re.findall(r"^\d\d:\d\d:\d\d  FAIL .*\n(?: .*\n)*", outside, re.MULTILINE)
    return [found.count("\n") for found in told]


# One batch


def test_a_batch_is_laid_out_as_designed(day: Day) -> None:
    screen = day.once().stdout
    assert f"Drive {day.target}," in " ".join(screen.split())
    assert "Server version M" in " ".join(screen.split())
    assert re.search(A_BATCH, " ".join(screen.split()))
    [stored] = day.stored()
    stamp = stored.batch.taken
    assert abs(datetime.now(UTC) - stamp) < timedelta(seconds=PATIENCE)
    assert stored.folder == day.root / f"{stamp:%Y-%m-%d}" / f"{stamp:%H-%M-%S}"
    references = {
        f"{STEMS[entry.database]}_{entry.reference.sha256[:8]}.dump.sql"
        for entry in stored.batch.races
        if entry.reference
    }
    assert {path.relative_to(day.root) for path in day.root.rglob("*") if path.is_file()} == {
        Path("RESTORE.txt"),
        Path("RESTORE.html"),
        Path("drive.json"),
        *(Path("reference", name) for name in references),
        *(
            stored.folder.relative_to(day.root) / name
            for name in (
                "RESTORE.txt", "RESTORE.html", "restore.sql", "batch.json",
                *(f"{stem}_{stamp:%Y-%m-%d_%H-%M-%S}.dump.sql" for stem in STEMS.values()),
            )
        ),
        *(
            stored.folder.relative_to(day.root) / f"{stem}_{stamp:%Y-%m-%d_%H-%M-%S}.meosxml"
            for database, stem in STEMS.items() if database != RACE_LIST
        ),
    }  # fmt: skip
    assert len(references) == 4
    assert day.leftovers() == []
    for guide in (stored.folder / "RESTORE.txt", day.root / "RESTORE.txt"):
        data = guide.read_bytes()
        assert data.startswith(b"\xef\xbb\xbfHOW TO GET THE RACES OF MeOS BACK\r\n")
        assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
        assert "Höstmedeln «Осень» O'Cup" in data.decode()
    top = (day.root / "RESTORE.txt").read_text("utf-8-sig")
    assert f"folder {stored.folder.relative_to(day.root).as_posix()}." in top


def test_batch_json_tells_what_the_server_holds(day: Day) -> None:
    day.once()
    [stored] = day.stored()
    text = (stored.folder / "batch.json").read_bytes()
    document = json.loads(text)
    assert "Höstmedeln «Осень» O'Cup".encode() in text
    databases = document.pop("databases")
    [(version, setting)] = query(day.server, "SELECT VERSION(), @@lower_case_table_names")
    flavour = "MariaDB" if "MariaDB" in version else "MySQL"
    assert document.pop("server") == {
        "host": day.server.host, "port": day.server.port, "flavour": flavour,
        "version": version.split("-")[0], "lower_case_table_names": setting,
    }  # fmt: skip
    taken, program, tool = document.pop("taken"), document.pop("dump_program"), document.pop("meosbackup")
    guides = {
        name: hashlib.sha256((stored.folder / name).read_bytes()).hexdigest()
        for name in ("restore.sql", "RESTORE.txt", "RESTORE.html")
    }
    assert document == {"format": 1, "sequence": 1, "complete": True, "guides": guides}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", taken)
    assert "mysqldump" in program or "mariadb-dump" in program
    assert re.fullmatch(r"\d+\.\d+\.\d+", tool)

    assert [item["database"] for item in databases] == [RACE_LIST, INDIVIDUAL, RELAY, EMPTY, INNODB]
    assert databases[0]["race"] is None
    for item in databases:
        check_entry(stored.folder, item)
    rows = query(day.server, "SELECT Name, Annotation, Date, NameId, Id, Version FROM meosmain.oevent ORDER BY Id")
    keys = ("name", "annotation", "date", "name_id", "id", "version")
    assert [item["race"] for item in databases[1:]] == [dict(zip(keys, row, strict=True)) for row in rows]
    for item in databases[1:]:
        freshness = item["freshness"]
        moment = datetime.fromisoformat(freshness.pop("last_change"))
        assert moment == last_change(day.server, item["database"]).replace(tzinfo=UTC)
        assert tuple(freshness.items()) == tuple(
            zip(("entries", "finished", "cards", "punches"), counts(day.server, item["database"]), strict=True)
        )
        assert item["reference"] is not None


def check_entry(folder: Path, item: dict[str, Any]) -> None:
    """Hold what batch.json says of a database against its files."""
    assert item.keys() - {"freshness", "reference", "meosxml"} == {
        "database", "race", "file", "bytes", "sha256", "taken", "unchanged_since", "error",
    }  # fmt: skip
    assert (item["unchanged_since"], item["error"]) == (None, None)
    for described in (item, item.get("reference")):
        if described is not None:
            data = (folder / described["file"]).read_bytes()
            assert (described["bytes"], described["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            assert data.rstrip().rsplit(b"\n", 1)[-1].startswith(b"-- Dump completed")
            assert not data.startswith((b"/*M!999999", b"/*!999999"))
            assert f"USE `{item['database']}`;".encode() in data


def test_reference_tables_without_rows_make_no_reference_dump(day: Day) -> None:
    for table in ("dbrunner", "dbclub", "oimage"):
        query(day.server, f"DELETE FROM {RELAY}.{table}")
    query(day.server, f"DROP TABLE {EMPTY}.dbrunner, {EMPTY}.dbclub, {EMPTY}.oimage")
    day.once()
    [whole] = day.batches()
    assert whole.complete
    assert [entry.database for entry in whole.races if entry.reference] == [INDIVIDUAL, INNODB]
    assert len(day.reference_files()) == 2


def test_the_password_is_in_no_file_no_argument_and_no_childs_environment(day: Day) -> None:
    needle = f"hemligt{os.urandom(8).hex()}"
    password = f'{needle} "å\\'
    query(day.server, f"ALTER USER {MEOS_USER}@'%' IDENTIFIED BY %s", password)
    seen = day.folder / "seen"
    seen.mkdir()
    witness = dump_program(day.folder, before=(
        f'file=${{1#--defaults-file=}}; stat -c "%a %n" "$file" > {seen}/mode.$$; cp "$file" {seen}/login.$$\n'
        f'env > {seen}/environment.$$; echo "$@" > {seen}/arguments.$$\n'
        f"sleep 0.3; cat /proc/[0-9]*/cmdline > {seen}/processes.$$ 2> /dev/null"
    ))  # fmt: skip
    ended = day.once("--mysqldump", witness, "--verbose", env={"MEOSBACKUP_PASSWORD": password, "MYSQL_PWD": password})

    modes = [path.read_text("utf-8").split() for path in seen.glob("mode.*")]
    assert len(modes) == 9  # the race list, four races, their reference tables
    assert {mode for mode, _ in modes} == {"600"}
    logins = list(seen.glob("login.*"))
    assert len(logins) == 9
    assert all(needle in path.read_text("utf-8") for path in logins)
    for path in logins:
        path.unlink()
    assert "meosbackup" in "".join(path.read_text("utf-8", "replace") for path in seen.glob("processes.*"))
    assert needle not in ended.stdout + ended.stderr
    files = [path for path in day.folder.rglob("*") if path.is_file()]
    assert {day.log, day.root / "RESTORE.txt"} < set(files)
    assert [path for path in files if needle.encode() in path.read_bytes()] == []
    assert not [path for path in files if path.name in {name for _, name in modes}]
    assert day.leftovers() == []


def test_later_batches_carry_what_did_not_change(day: Day) -> None:
    day.once()
    references = day.reference_files()
    assert len(references) == 4
    enter_runner(day.server, RELAY)
    day.once()
    enter_runner(day.server, RELAY)
    day.once()
    first, second, third = day.batches()
    assert day.reference_files() == references
    assert [whole.sequence for whole in (first, second, third)] == [1, 2, 3]
    for database in (RACE_LIST, INDIVIDUAL, EMPTY, INNODB):
        dumps = [dump_of(whole, database) for whole in (first, second, third)]
        assert [entry.unchanged_since for entry in dumps] == [None, 1, 1]
        same = {(dump_file(entry).sha256, entry.taken, entry.freshness, entry.reference) for entry in dumps}
        assert len(same) == 1
    dumps = [dump_of(whole, RELAY) for whole in (first, second, third)]
    assert [entry.unchanged_since for entry in dumps] == [None, None, None]
    assert len({dump_file(entry).sha256 for entry in dumps}) == 3
    assert len({entry.reference for entry in dumps}) == 1
    entries = [entry.freshness.entries for entry in dumps if entry.freshness]
    assert entries == [entries[0], entries[0] + 1, entries[0] + 2]

    query(day.server, f"UPDATE {INDIVIDUAL}.dbrunner SET CardNo = CardNo + 1 LIMIT 1")
    day.once()
    fourth = day.batches()[-1]
    [added] = day.reference_files() - references
    assert added.startswith("Hostmedeln_O_Cup_")
    before, after = dump_of(third, INDIVIDUAL), dump_of(fourth, INDIVIDUAL)
    assert after.reference
    assert after.reference.file == f"../../reference/{added}"
    assert (dump_file(after).sha256, after.unchanged_since) == (dump_file(before).sha256, 1)
    for stored in day.stored():
        for entry in stored.batch.databases:
            for file in (dump_file(entry), *([entry.reference] if entry.reference else [])):
                assert hashlib.sha256((stored.folder / file.file).read_bytes()).hexdigest() == file.sha256


# The daemon


def test_a_day_tells_each_tick_as_it_comes(day: Day) -> None:
    began = time.monotonic()
    with day.terminal("--interval", "1", env={"MEOSBACKUP_ALARM": "false"}) as screen:
        screen.wait_for(
            r"Server 127\.0\.0\.1, port \d+, as user meos Drive \S+, .* free"
            r" Waiting room \S+ \(on this computer\) Interval 1 second; "
        )
        screen.wait_for(
            r"Server version \w+ [\d.]+, \w+ \d"
            r" Races Höstmedeln «Осень» O'Cup \(2026-11-22\) Stafettkväll – Relais d'Été"
        )
        screen.wait_for(A_BATCH)
        assert wait_until(day.batches, "a batch on the drive")[0].taken.timestamp() < time.time()
        screen.wait_for(r"OK no changes since \d\d:\d\d:\d\d; \d+\.\d GB free", times=2)
        assert len(day.batches()) == 1
        assert time.monotonic() - began > 1

        with_new = Laptop(day.server, INDIVIDUAL, seed=1)
        with_new.enter_late()
        with_new.close()
        screen.wait_for(r"OK race list \+ 4 races, \d+ kB in \S+ s, 1 changed", times=1)
        newest = wait_until(lambda: day.batches()[1:], "a second batch")[-1]
        freshness = dump_of(newest, INDIVIDUAL).freshness
        assert freshness
        assert (freshness.entries, freshness.finished, freshness.cards, freshness.punches) == counts(
            day.server, INDIVIDUAL
        )
        before = dump_of(day.batches()[0], INDIVIDUAL).freshness
        assert before
        assert freshness.entries == before.entries + 1
        assert freshness.last_change == last_change(day.server, INDIVIDUAL).replace(tzinfo=UTC)

        load(day.server, DATA / "big.sql")
        list_race(day.server, "Storloppet\n\x1b[31m", BIG, date="2026-11-22")
        screen.wait_for(r"NOTE new race: Storloppet �\[31m \(2026-11-22\); it is backed up from now on")
        screen.wait_for(r"race list \+ 5 races")
        wait_until(lambda: any(entry.database == BIG for entry in day.batches()[-1].races), "the new race in a batch")
        delete_race(day.server, BIG)
        screen.wait_for(
            r"NOTE Storloppet �\[31m \(2026-11-22\) was deleted; the batch from \d\d:\d\d:\d\d still has it"
        )
        wait_until(lambda: len(day.batches()[-1].races) == 4, "a batch without the race")
        assert day.batches()[-1].complete

        screen.press("C-c")
        code, seconds = screen.wait_for_end()
        assert code == 0
        assert seconds < limit(LEAVES_WITHIN)
        count = len(day.batches())
        screen.wait_for(rf"OK stopped; {count} batches made, the newest is from {day.batches()[-1].taken:%H:%M:%S}")
        screen.wait_for(
            rf"To bring the races back, open {re.escape(str(day.root / 'RESTORE.txt'))}, or RESTORE.html beside it"
        )
        assert "FAIL" not in screen.words
        assert len(re.findall(r"Races Höst", screen.words)) == 1
        assert not screen.rang
    assert day.leftovers() == []


def test_a_server_that_stops_and_starts_again_needs_no_hand(day: Day) -> None:
    with day.terminal("--interval", "1", columns=80) as screen:
        screen.wait_for(A_BATCH)
        screen.wait_for("no changes")
        day.server.stop()
        banner = r"={20,} \d\d:\d\d:\d\d FAIL The server at 127\.0\.0\.1, port \d+ doesn't answer"
        screen.wait_for(banner)
        screen.wait_for(r"No race is backed up while this lasts\. Check that MySQL or MariaDB is running there")
        screen.wait_for(r"FAIL The server at \S+ port \d+ doesn't answer", times=4)
        screen.wait_for(
            rf"FAIL The server at \S+ port \d+ doesn't (?:answer\.|\S*…)"
            rf" Newest good backup on the drive: {day.batches()[-1].taken:%H:%M:%S}, current as of"
            r" [1-9]\d* seconds? ago\."
        )
        assert max(lines_after_banners(screen.text)) <= 2, screen.text
        assert len(re.findall(banner, screen.words)) <= 2  # how it went, and then that it is gone
        assert screen.rang
        before = len(day.batches())
        day.server.start()
        enter_runner(day.server, RELAY)
        screen.wait_for(
            r"OK all is well again; trouble from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d \d\d:\d\d:\d\d OK race list \+ "
        )
        newest = wait_until(lambda: day.batches()[before:], "a batch of the server that is back")[-1]
        assert newest.complete
        freshness = dump_of(newest, RELAY).freshness
        assert freshness
        assert freshness.entries == counts(day.server, RELAY)[0]
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0
    assert day.leftovers() == []


def test_a_server_that_is_down_at_the_start_is_waited_for(day: Day) -> None:
    day.server.stop()
    with day.terminal("--interval", "1") as screen:
        screen.wait_for(r"FAIL The server at \S+ port \d+ doesn't answer", times=2)
        assert not day.root.exists() or day.batches() == []
        day.server.start()
        screen.wait_for(r"Races Höstmedeln")
        screen.wait_for(r"OK all is well again")
        screen.wait_for(A_BATCH)
        assert [whole.complete for whole in wait_until(day.batches, "a batch on the drive")] == [True]
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0
        screen.wait_for("stopped; 1 batch made")


def test_what_vanishes_sounds_an_alarm_and_comes_back_by_the_line_that_it_shows(day: Day) -> None:
    query(day.server, "UPDATE meosmain.oevent SET Date = %s", f"{datetime.now().astimezone():%Y-%m-%d}")
    before = counts(day.server, INDIVIDUAL)
    query(day.server, f"CREATE TABLE {EMPTY}.saved SELECT * FROM {INDIVIDUAL}.orunner")
    with day.terminal("--interval", "1", "--days", "3", columns=80) as screen:
        screen.wait_for(A_BATCH)
        query(day.server, f"DELETE FROM {INDIVIDUAL}.orunner")
        [whole] = screen.wait_for(
            rf"={{20,}} \S+ ALARM Höstmedeln «Осень» O'Cup lost {before[0]} of its {before[0]} entries .*? ={{20,}}"
        )
        assert re.search(r"between \S+ and \S+\. Left: 0 entries, ", whole)
        assert re.search(
            r"Backups continue\. The batch from \S+ has the race as it was before that, and is kept ", whole
        )
        assert re.search(
            r"If this was a mistake: stop meosbackup with Ctrl-C, and bring back what was there with: meosbackup ",
            whole,
        )
        assert screen.rang
        query(day.server, f"INSERT INTO {INDIVIDUAL}.orunner SELECT * FROM {EMPTY}.saved")
        screen.wait_for(rf"OK what Höstmedeln «Осень» O'Cup lost is back: {before[0]} entries, ")

        query(day.server, f"UPDATE meosmain.oevent SET Date = '2019-11-22' WHERE NameId = '{INNODB}'")
        screen.wait_for(r"ALARM InnoDB-tävlingen was dated \S+ and is now dated 2019-11-22\. It is still backed up;")
        delete_race(day.server, RELAY)
        screen.wait_for(r"ALARM Stafettkväll – Relais d'Été was deleted between \S+ and \S+\. It had \d+ entr")
        wait_until(lambda: {entry.database for entry in day.batches()[-1].races} == {INDIVIDUAL, EMPTY, INNODB},
                   "a batch with the race whose date moved, and without the one that was deleted")  # fmt: skip
        wait_until(lambda: len(list(day.root.glob("*/*/KEPT"))) == 3, "the marks on the drive")
        assert {path.parent.name for path in day.spool.glob("*/*/KEPT")} == {
            path.parent.name for path in day.root.glob("*/*/KEPT")
        }
        assert "FAIL" not in screen.words
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0
        screen.wait_for(r"ALARM Stafettkväll – Relais d'Été was deleted\. If that was a mistake, this brings back what")
        shown = re.findall(rf"meosbackup restore --batch .*--race {RELAY} .*", screen.text, re.IGNORECASE)
        [line] = set(map(str.strip, shown))
        assert len(shown) == 2, "in the banner, and at the end"
    listed = run_meosbackup("list", *day.folders).stdout
    assert re.search(r"; kept until \d{4}-\d\d-\d\d evening: Stafettkväll – Relais d'Été was deleted\n", listed)
    assert run_meosbackup("verify", *day.folders).returncode == 0
    restored = run_meosbackup(*shlex.split(line)[1:], "--yes", "--log-file", day.log, env=with_password())
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert query(day.server, f"SELECT COUNT(*) FROM meosmain.oevent WHERE NameId LIKE '{RELAY}'") == [(1,)]


def test_no_race_at_all_is_a_failure_until_one_appears(day: Day) -> None:
    day.once("--race", "Storloppet", expected=1)
    with day.terminal("--interval", "1", "--race", "Storloppet") as screen:
        banner = r"={20,} \d\d:\d\d:\d\d FAIL No race is backed up: the race list has 4 races, but none that is chosen"
        screen.wait_for(banner)
        screen.wait_for(
            r"A race will be backed up as soon as it appears\. If it is on this server already, check its date"
        )
        screen.wait_for(r"FAIL No race is backed up", times=3)
        load(day.server, DATA / "big.sql")
        list_race(day.server, "Storloppet", BIG, date="2026-11-22")
        screen.wait_for(r"OK all is well again")
        screen.wait_for(r"OK race list \+ 1 race, ")
        assert len(re.findall("={79}", screen.words)) == 2, "one banner"
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("when", ["between ticks", "amid a tick"])
def test_asked_to_stop_it_leaves_at_once_and_leaves_nothing(day: Day, how: str, when: str) -> None:
    begun = day.folder / "begun"
    slow = dump_program(day.folder, before=f"touch '{begun}'; sleep {0 if when == 'between ticks' else 60}")
    with day.terminal("--mysqldump", slow) as screen:
        if when == "between ticks":
            screen.wait_for(A_BATCH)
        else:
            wait_until(begun.exists, "a dump that is under way")
            assert len(day.leftovers()) > 1
        if how == "Ctrl-C":
            screen.press("C-c")
        else:
            os.kill(screen.process_id, signal.SIGTERM)
        code, seconds = screen.wait_for_end()
        assert code == 0
        assert seconds < limit(LEAVES_WITHIN)
        screen.wait_for("stopped; 1 batch made, the newest is from" if when == "between ticks" else
                        "stopped; 0 batches made, there is none to restore")  # fmt: skip
        assert "FAIL" not in screen.words
        if when == "between ticks":
            screen.wait_for(r"To bring the races back, open \S+RESTORE\.txt")
    assert day.leftovers() == []
    assert len(day.batches()) == (when == "between ticks")


def test_asked_to_stop_it_leaves_at_once_however_many_races_there_are(day: Day) -> None:
    for number in range(60):
        query(day.server, f"CREATE DATABASE many_{number}")
        query(day.server, f"CREATE TABLE many_{number}.oevent (Id INT) ENGINE=MyISAM SELECT 1 AS Id")
        list_race(day.server, f"Many {number}", f"many_{number}")
    begun = day.folder / "begun"
    with day.terminal("--mysqldump", dump_program(day.folder, before=f"touch '{begun}'; sleep 60")) as screen:
        wait_until(begun.exists, "a dump that is under way")
        screen.press("C-c")
        code, seconds = screen.wait_for_end()
        assert code == 0
        assert seconds < limit(LEAVES_WITHIN)
    assert day.leftovers() == []


def test_asked_to_stop_it_does_not_wait_for_a_server_that_hangs(day: Day) -> None:
    with day.terminal("--interval", "1") as screen:
        screen.wait_for(A_BATCH)
        with frozen(day.server.process_id):
            screen.wait_for("is still running")
            screen.press("C-c")
            code, seconds = screen.wait_for_end()
        assert code == 0
        assert seconds < limit(LEAVES_WITHIN + 0.5)  # it waits for 2.5 s
    assert len(day.batches()) == 1


def test_ticks_that_outlast_the_interval_say_so_and_never_overlap(day: Day) -> None:
    notes = day.folder / "notes"
    slow = dump_program(
        day.folder,
        before=f"echo begins $(date +%s.%N) $PWD >> '{notes}'; sleep 0.3",
        after=f"echo ends $(date +%s.%N) $PWD >> '{notes}'",
    )
    with day.terminal("--interval", "1", "--mysqldump", slow, env={"MEOSBACKUP_SKIP_UNCHANGED": "false"}) as screen:
        screen.wait_for(r"WAIT the backup from \d\d:\d\d:\d\d is still running; the next one waits for it")
        screen.wait_for(r"OK (race list|no changes)", times=2)
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0
    assert day.leftovers() == []
    lines = [
        (what, float(when), folder) for what, when, folder in map(str.split, notes.read_text("utf-8").splitlines())
    ]
    ticks = list(dict.fromkeys(folder for _, _, folder in lines))  # each has a folder of its own to work in
    assert len(ticks) >= 2
    for tick, following in pairwise(ticks):
        assert max(when for _, when, folder in lines if folder == tick) <= min(
            when for _, when, folder in lines if folder == following
        )
        at_work = 0
        for _, what in sorted((when, what) for what, when, folder in lines if folder == tick):
            at_work += 1 if what == "begins" else -1
            assert 0 <= at_work <= 2
        assert at_work == 0


def test_what_a_failed_tick_had_dumped_is_dumped_again(day: Day) -> None:
    """A tick that can't keep its batch, as on a full disk, must not make later ticks believe that it did."""
    hidden = day.folder / "hidden"
    with day.terminal("--interval", "1") as screen:
        screen.wait_for(A_BATCH)
        references = day.spool / names.REFERENCE_FOLDER
        references.rename(hidden)
        references.write_text("in the way", "utf-8")
        enter_runner(day.server, RELAY)
        tick = r"(?:FAIL|OK) (?!all is well|since)"
        screen.wait_for(tick, times=1 + 3)
        assert "FAIL" in screen.words
        references.unlink()
        hidden.rename(references)
        screen.wait_for(tick, times=len(re.findall(tick, screen.words)) + 2)
        entries = counts(day.server, RELAY)[0]
        wait_until(
            lambda: (found := dump_of(day.batches()[-1], RELAY).freshness) and found.entries == entries,
            "the runner in a batch",
        )


# The clock


def faked_clock(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the file that says how far the tool's clock is off, and the words that put it under that clock."""
    needed("faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    offset = folder / "offset"
    offset.write_text("+0\n", "utf-8")
    # Debian's faketime (0.9.10) makes CPython's time.sleep fail, and leaves select alone.
    patches = folder / "patches"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n", "utf-8"
    )
    return offset, (
        "env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", f"PYTHONPATH={patches}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("offset", "said"),
    [("-3600", "60 minutes back"), ("+3600", r"60 minutes ahead \(or this computer slept\)")],
)
def test_ticks_go_on_when_the_clock_is_set(day: Day, offset: str, said: str) -> None:
    file, prefix = faked_clock(day.folder)
    with day.terminal("--interval", "1", prefix=prefix) as screen:
        screen.wait_for(A_BATCH)
        new = file.with_suffix(".new")
        new.write_text(f"{offset}\n", "utf-8")
        new.replace(file)  # at once: an empty file would be another jump
        screen.wait_for(rf"NOTE the clock jumped {said}; backups continue")
        enter_runner(day.server, RELAY)
        newest = wait_until(lambda: day.batches()[1:], "a batch after the clock was set")[-1]
        assert newest.sequence == 2
        moved = newest.taken - datetime.now(UTC)
        assert abs(moved - timedelta(seconds=int(offset))) < timedelta(seconds=PATIENCE)
        screen.wait_for("no changes", times=len(re.findall("no changes", screen.words)) + 1)  # long before an hour
        assert len(re.findall("the clock jumped", screen.words)) == 1
        screen.press("C-c")
        assert screen.wait_for_end()[0] == 0


def test_a_moment_that_comes_twice_makes_a_second_folder(day: Day) -> None:
    """Where the clock is set back, or a spool is new, a batch of the very same second may be on the drive already."""
    file, prefix = faked_clock(day.folder)
    file.write_text("2026-11-22 14:03:00\n", "utf-8")
    for count in (1, 2, 3):
        enter_runner(day.server, RELAY)
        with day.terminal("--once", prefix=prefix) as screen:
            code, _ = screen.wait_for_end()
            assert code == 0, screen.text.rstrip()
        day.spool.rename(day.folder / f"spool of {count}")
    folders = [stored.folder.relative_to(day.root).as_posix() for stored in day.stored()]
    assert folders == ["2026-11-22/14-03-00", "2026-11-22/14-03-00_2", "2026-11-22/14-03-00_3"]
    assert [whole.sequence for whole in day.batches()] == [1, 2, 3]
    assert len({dump_file(dump_of(whole, RELAY)).sha256 for whole in day.batches()}) == 3
    assert "folder 2026-11-22/14-03-00_3." in (drive.root(day.target) / "RESTORE.txt").read_text("utf-8-sig")
