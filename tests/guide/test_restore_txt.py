"""RESTORE.txt: what it says, and its Linux commands run as they stand against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meosbackup.batch.model import Batch, Proof, Race, StoredFile
from meosbackup.dump.portable import make_portable
from meosbackup.guide.restore_txt import ENCODING, held_in, restore_text
from meosbackup.guide.spare_server import SpareServer
from meosbackup.meos.relisting import statements
from meosbackup.mysql.private_server import private_server
from tests.toolkit.batches import dump_file
from tests.toolkit.guides import BATCH, INDIVIDUAL, NASTY, RACE_LIST, RELAY, SPARE, TAKEN, TOP, chapter, with_databases

PASSWORD = "hemligt 'åäö"
LOAD = "mysql -u meos -p --default-character-set=utf8mb4 <"
RESTORE = 'mysql -u meos -p -B -N --loose-commands --loose-abort-source-on-error -e "source restore.sql"'
STEP_3 = "STEP 3 - BRING ALL RACES BACK"
PART_A = "PART A - WHAT IT SAYS, AND WHAT TO DO"
PART_C = "PART C - BRING BACK ONE RACE ONLY"


def lines(batch: Batch, folder: str | None = None) -> list[str]:
    return restore_text(batch, folder).split("\r\n")


def commands(text: list[str], heading: str) -> list[str]:
    """Cut out the commands below a heading, as a helper would find them."""
    start = text.index(heading) + 1
    end = next((number for number in range(start, len(text)) if re.match("(STEP|PART) ", text[number])), len(text))
    return [line.removeprefix("    ") for line in text[start:end] if line.startswith("    ")]


# What it says


def test_the_top_tells_until_when_the_batch_is_known_to_hold() -> None:
    held = TAKEN + timedelta(minutes=38)
    text = restore_text(BATCH, TOP, Proof(TAKEN, TAKEN), held)
    assert text.split("\r\n")[4] == "Nothing had changed by 2026-11-22 22:08:00, when the server was last asked."
    assert held_in(text) == held.replace(tzinfo=None)
    assert held_in(restore_text(BATCH, TOP)) is None
    assert held_in(text.replace("22:08:00", "22:0x:00")) is None


def test_the_first_lines_tell_what_it_is_and_where_to_go_on() -> None:
    top = lines(BATCH, TOP)
    assert top[2:4] == [
        "Batch from 2026-11-22 21:30:00: the race list and 2 races, complete.",
        "This file always describes the newest batch: folder 2026-11-22/21-30-00.",
    ]
    assert "always" not in "".join(lines(BATCH)[:11])
    start = top.index("What happened?") + 1
    ways = [line[35:] for line in top[start : top.index("", start)]]
    assert [way.partition(":")[0] for way in ways] == ["QUICK", "STEP 1 to STEP 6", "PART C", "PART B", "PART A"]
    for heading in ("QUICK - ", "STEP 1 - ", "STEP 6 - ", "PART A - ", "PART B - ", "PART C - "):
        assert [line for line in top if line.startswith(heading)] != []


def three_races() -> Batch:
    """Return a batch of three races, each with all files that a race can have."""
    third = replace(RELAY, dump=StoredFile("Langdistans_2026-11-22_21-30-00.dump.sql", 1, "00"))
    return with_databases(RACE_LIST, *(
        replace(entry, reference=INDIVIDUAL.reference, meosxml=StoredFile(f"{place}.meosxml", 1, "0"))
        for place, entry in enumerate((INDIVIDUAL, RELAY, third))
    ))  # fmt: skip


def test_it_is_short() -> None:
    """It had 398 lines once."""
    text = lines(three_races(), TOP)
    assert len(text) <= 190
    assert len(commands(text, PART_C)) == 1 + 2 * 3


def test_the_last_step_starts_meosbackup_again() -> None:
    assert commands(lines(BATCH, TOP), "STEP 6 - START meosbackup AGAIN") == ["meosbackup --target E: --ask-password"]


def test_the_versions_to_install_are_those_whose_folders_are_named() -> None:
    text = lines(BATCH)
    step_2, part_a = (" ".join(text[text.index(heading) :][:12]) for heading in ("STEP 2 - WINDOWS", PART_A))
    for name in ("MariaDB", "MySQL"):
        [version] = re.findall(rf"{name} ([0-9.]+) \(", step_2)
        assert re.findall(rf"{name}(?: Server)? ([0-9.]+)\\bin", part_a) == [version]


def test_the_quick_way_comes_before_all_steps_and_names_each_race_s_file() -> None:
    name = "Hostmedeln_Osen_O_Cup_2026-11-22_21-30-00.meosxml"
    quick = with_databases(RACE_LIST, replace(INDIVIDUAL, meosxml=StoredFile(name, 1, "0")), RELAY)
    for folder in (None, TOP):
        text = lines(quick, folder)
        races = chapter(text, "THE RACES")
        place = races.index(f"  File for MeOS: {name}")
        assert races[place - 3] == "Race 1: Höstmedeln «Осень» O'Cup"
        assert races[-1] == "  File for MeOS: none, follow the steps"
        found = " ".join(" ".join(chapter(text, "QUICK - ")).split())
        assert (f"above, in the folder {TOP}." if folder else "above, in this folder.") in found
        for words in ("Import Competition (Importera", "(Ladda upp öppnad tävling på server)", "one laptop only"):
            assert words in found


def test_a_batch_without_files_for_meos_says_what_makes_them() -> None:
    found = " ".join(" ".join(chapter(lines(BATCH), "QUICK - ")).split())
    assert "This batch has no such files. A computer with meosbackup can make them from it" in found


def test_first_of_all_comes_the_spare_server() -> None:
    text = restore_text(BATCH, TOP, None, TAKEN, SPARE)
    assert held_in(text) == TAKEN.replace(tzinfo=None)
    shown = text.split("\r\n")
    block, _, rest = " ".join(shown[2:]).partition("WITHOUT THE SPARE SERVER: THE BACKUPS ON THIS DRIVE")
    assert block.startswith("FIRST OF ALL: THE SPARE SERVER")
    for words in (
        "The spare server 192.168.1.21 has all races as of 2026-11-22 21:30:00, except Ungdomsstafetten (it was",
        "MySQL Server / IP-address 192.168.1.21, port 3307, user meos.",
    ):
        assert words in block
    spare, old = "--host 192.168.1.21 --port 3307", "--host OLD --standby 192.168.1.21:3307 --adopt-standby"
    assert [line.strip() for line in shown if line.startswith("    meosbackup")][:3] == [
        f"meosbackup --target E: {options} --ask-password"
        for options in (spare, f"{spare} --standby OLD --adopt-standby", old)
    ]
    assert "Batch from 2026-11-22 21:30:00" in rest


def test_a_spare_server_without_the_races_is_not_told_of() -> None:
    assert restore_text(BATCH, TOP, spare=replace(SPARE, as_of=None)) == restore_text(BATCH, TOP)


@settings(max_examples=60)
@given(host=NASTY, user=NASTY, name=NASTY)
def test_no_name_of_a_spare_server_gets_into_a_line_to_paste(host: str, user: str, name: str) -> None:
    text = restore_text(BATCH, TOP, spare=SpareServer(host, 3306, user, TAKEN, (name,))).split("\r\n")
    "\n".join(text).encode(ENCODING)
    assert [line for line in text if line.startswith("    meosbackup") and re.search(r"[^\w .:\[\]-]", line)] == []
    assert [line for line in text if re.match("(STEP|PART) ", line)] == [
        line for line in lines(BATCH, TOP) if re.match("(STEP|PART) ", line)
    ]


def test_notepad_shows_it() -> None:
    for batch, folder, spare in ((BATCH, None, None), (three_races(), TOP, None), (BATCH, TOP, SPARE)):
        text = restore_text(batch, folder, spare=spare)
        assert text.count("\n") == text.count("\r") == text.count("\r\n")
        assert text.encode(ENCODING).startswith(b"\xef\xbb\xbf")
        assert [line for line in text.split("\r\n") if len(line) > 78 and not line.startswith("    ")] == []
        assert "$" not in text
        pasted = {line.split()[0] for line in text.split("\r\n") if line.startswith("    ")}
        assert pasted - {"cd"} == {"mysql", "netsh", "sudo", "printf", "set", "alias", "meosbackup"}
        assert ("cd" in pasted) == (folder is not None)


def test_every_race_can_be_recognised() -> None:
    text = lines(BATCH)
    race = text.index("Race 1: Höstmedeln «Осень» O'Cup")
    assert text[race + 1] == "  2026-11-22: 70 entries, 41 finished, 40 cards, 12 punches"
    assert text[race + 2] == "  Last change: 21:17:05"
    race = text.index("Race 2: Stafettkväll – Relais d'Été")
    assert text[race + 1] == "  2026-11-23: 24 entries, 1 finished, 1 card, 1 punch"
    assert text[race + 2] == "  Last change: 2026-11-21 21:17:05"


def test_an_incomplete_batch_says_so_and_why() -> None:
    older = replace(RELAY, error="The table orunner of this race\nis damaged.")
    missing = replace(INDIVIDUAL, dump=None, taken=None, freshness=None, reference=None, error="Its database is gone.")
    text = lines(with_databases(RACE_LIST, missing, older))
    assert text[2] == "Batch from 2026-11-22 21:30:00, NOT COMPLETE: 1 race missing, 1 race older."
    flat = re.sub(r"\s+", " ", " ".join(text))
    assert "MISSING from this batch; look in earlier ones (PART B). Why: Its database is gone." in flat
    assert "OLDER than the batch: from 20:40:00. Why: The table orunner of this race is damaged." in flat
    assert commands(text, STEP_3) == [RESTORE]
    assert chapter(text, "STEP 4")[-3:] == [
        "   MISSING from this batch: Höstmedeln «Осень» O'Cup", "   24 of 24 entries: Stafettkväll – Relais d'Été",
        "   Restored: the race list and 1 race.",
    ]  # fmt: skip
    assert [command.partition('"')[2][:8] for command in commands(text, PART_C)] == ["meosmain", "Stafettk"]
    assert "It is missing from this batch: see PART B." in text


def test_a_batch_without_race_list_puts_each_race_on_the_list() -> None:
    text = lines(with_databases(replace(RACE_LIST, dump=None, taken=None, error="It can't be read."), INDIVIDUAL))
    assert text[2].endswith("NOT COMPLETE: race list missing.")
    assert commands(text, STEP_3) == [RESTORE]
    assert chapter(text, "STEP 4")[-1] == "   Restored: 1 race."
    assert len(commands(text, PART_C)) == 2


def test_a_batch_of_an_older_version_is_restored_line_by_line() -> None:
    text = lines(replace(BATCH, guides=(("RESTORE.txt", "00"),)), TOP)
    assert commands(text, STEP_3) == [f'cd "{TOP}"']
    assert "PART C" in " ".join(chapter(text, STEP_3))
    assert "restore.sql" not in "".join(text)
    assert [LOAD in command for command in commands(text, PART_C)] == [True] * 4
    assert "as many entries" in " ".join(chapter(text, "STEP 4"))


@pytest.mark.parametrize(("setting", "needed"), [(0, False), (1, True), (2, True)])
def test_it_tells_whether_the_spare_server_needs_lower_case(setting: int, needed: bool) -> None:
    text = restore_text(replace(BATCH, server=replace(BATCH.server, lower_case_table_names=setting)), None)
    assert ("must have the setting lower_case_table_names = 1" in text) == needed
    assert ("lower_case_table_names is 0" in text) != needed


def test_the_lines_are_the_same_in_every_shell() -> None:
    """Nothing in them is a letter of a shell's own: not in cmd, PowerShell or bash. (PowerShell has no `<`.)"""
    for folder in (None, TOP):
        text = lines(BATCH, folder)
        for command in commands(text, STEP_3):
            assert re.fullmatch(r'(mysql|cd)( -[A-Za-z-]+| meos)* "[A-Za-z0-9 ./-]+"', command)
        assert commands(text, PART_C) == [
            f'{LOAD} "meosmain_2026-11-22_21-30-00.dump.sql"',
            f'{LOAD} "Hostmedeln_Osen_O_Cup_2026-11-22_21-30-00.dump.sql"',
            f'{LOAD} "../../reference/Hostmedeln_Osen_O_Cup_3f9a2c71.dump.sql"',
            f'{LOAD} "Stafettkvall_Relais_d_Ete_2026-11-22_20-40-00.dump.sql"',
        ]  # fmt: skip


SAFE_COMMAND = re.compile(rf'{LOAD} "[A-Za-z0-9._/-]+"|{re.escape(RESTORE)}')


@settings(max_examples=60)
@given(name=NASTY, date=NASTY, database=NASTY, error=NASTY, host=NASTY, listed=st.booleans())
def test_no_text_of_others_gets_into_a_command_or_breaks_the_layout(
    name: str, date: str, database: str, error: str, host: str, listed: bool
) -> None:
    usual = lines(with_databases(RACE_LIST, INDIVIDUAL, RELAY))
    race = replace(RELAY, database=database, race=Race(name, name, date, name, 2, 101), error=error if listed else None)
    text = lines(replace(with_databases(RACE_LIST, INDIVIDUAL, race), server=replace(BATCH.server, host=host)))
    "\n".join(text).encode(ENCODING)
    assert [line for line in text if len(line) > 78 and not line.startswith("    ")] == []
    headings = [line for line in text if re.match("(STEP|PART) ", line)]
    assert headings == [line for line in usual if re.match("(STEP|PART) ", line)]
    for heading in headings:
        if re.match("STEP 3|PART C", heading):
            assert all(SAFE_COMMAND.fullmatch(command) for command in commands(text, heading))
    assert len(commands(text, PART_C)) == 4


# What its commands do


@dataclass(frozen=True)
class Spare:
    """A spare server, its helper's home folder, and the folder of the batch."""

    socket: Path
    home: Path
    folder: Path

    def ask(self, statement: str) -> str:
        options = ["--no-defaults", f"--socket={self.socket}", "--user=root", "--default-character-set=utf8mb4"]
        return subprocess.run(
            ["mysql", *options, "--batch", "--skip-column-names", "-e", statement], check=True, capture_output=True,
            encoding="utf-8",
        ).stdout  # fmt: skip

    def paste(self, command: str) -> str:
        """Run a command in a terminal, and type the password when it is asked for; return what the screen shows."""
        if sys.platform == "win32":
            pytest.skip("these are the commands for Linux")
        master, terminal = os.openpty()
        # mysql asks the terminal that it belongs to for a password, whatever its input is.
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "bash", "-c", command], cwd=self.folder, stdin=terminal, stdout=terminal,
            stderr=terminal, env={**os.environ, "HOME": str(self.home), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        os.close(terminal)
        screen, typed = b"", False
        while True:
            try:
                screen += os.read(master, 4096)
            except OSError:  # Linux tells the end so
                break
            if not typed and b"password: " in screen:
                os.write(master, f"{PASSWORD}\n".encode())
                typed = True
        os.close(master)
        assert process.wait(10) == 0, screen.decode()
        assert typed
        return screen.decode()

    def content(self, database: str) -> str:
        tables = self.ask(f"SHOW TABLES FROM {database}").split()
        return self.ask("CHECKSUM TABLE " + ", ".join(f"{database}.{table}" for table in tables))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spare]:
    folder = tmp_path_factory.mktemp("guide")
    with private_server(folder, lower_case_table_names=1) as server:
        assert server.socket is not None
        spare = Spare(server.socket, folder / "home", folder / "drive" / TOP)
        escaped = PASSWORD.replace("'", "''")
        spare.ask(f"CREATE USER 'meos'@'%' IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO 'meos'@'%'")
        spare.home.mkdir()
        (spare.home / ".my.cnf").write_text(f"[client]\nsocket={server.socket}\n", "utf-8")
        yield spare


@pytest.fixture
def spare(running: Spare) -> Spare:
    """A server with no race, and the dumps that BATCH names."""
    for database in running.ask("SHOW DATABASES LIKE 'meos%'").split():
        running.ask(f"DROP DATABASE `{database}`")
    shutil.rmtree(running.folder, ignore_errors=True)
    running.folder.mkdir(parents=True)
    data = Path(__file__).parents[1] / "data"
    for entry, source in ((RACE_LIST, "meosmain"), (INDIVIDUAL, "individual"), (RELAY, "relay")):
        assert entry.dump is not None
        listing = statements(entry.race, entry.database, "oevent") if entry.race else b""
        make_portable(data / f"{source}.sql", running.folder / entry.dump.file, ending=listing)
    return running


def race_list(spare: Spare) -> str:
    columns = "Id, Name, Annotation, Date, ZeroTime, NameId, Version, Removed"
    return spare.ask(f"SELECT {columns} FROM meosmain.oevent ORDER BY Id")


def restored(spare: Spare, *which: str) -> None:
    """Paste the lines of PART C that restore one thing each: the race list, or a race."""
    pasted = commands(lines(BATCH), PART_C)
    for name in which:
        [line] = [line for line in pasted if f'"{name}' in line]
        assert "ERROR" not in spare.paste(line)


def alone(spare: Spare) -> None:
    restored(spare, "Hostmedeln")


def ids(spare: Spare) -> tuple[str, str]:
    listed = spare.ask("SELECT Id FROM meosmain.oevent WHERE NameId = 'meos_20261122_211702_1e5' AND Removed = 0")
    return listed.strip(), spare.ask("SELECT Id FROM meos_20261122_211702_1e5.oevent").strip()


def test_one_race_alone_is_put_back_on_the_list_once(spare: Spare) -> None:
    restored(spare, "meosmain", "Hostmedeln", "Stafettkvall")
    individual, relay = "meos_20261122_211702_1e5", "meos_20261122_211713_94"
    whole = race_list(spare), spare.content(individual), spare.content(relay)
    untouched = spare.ask("CHECKSUM TABLE meosmain.oevent")
    alone(spare)  # it is on the list still
    assert spare.ask("CHECKSUM TABLE meosmain.oevent") == untouched

    spare.ask(f"DROP DATABASE {individual}; DELETE FROM meosmain.oevent WHERE Id = 1")
    for _ in range(2):
        alone(spare)
        assert (race_list(spare), spare.content(individual), spare.content(relay)) == whole


def test_one_race_alone_gets_a_new_number_where_its_own_is_taken(spare: Spare) -> None:
    restored(spare, "meosmain")
    spare.ask("UPDATE meosmain.oevent SET Name = 'Another', NameId = 'another' WHERE Id = 1")
    alone(spare)
    assert ids(spare) == ("5", "5")
    alone(spare)
    assert ids(spare) == ("5", "5")
    assert spare.ask("SELECT Name FROM meosmain.oevent WHERE Id = 1") == "Another\n"


def test_one_race_alone_that_was_marked_removed_is_shown_again(spare: Spare) -> None:
    restored(spare, "meosmain")
    spare.ask("UPDATE meosmain.oevent SET Removed = 1 WHERE Id = 1")
    alone(spare)
    assert ids(spare) == ("1", "1")


def test_one_race_alone_comes_back_to_a_list_of_another_collation(spare: Spare) -> None:
    restored(spare, "meosmain")
    spare.ask("DELETE FROM meosmain.oevent WHERE Id = 1")
    spare.ask("ALTER TABLE meosmain.oevent CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    alone(spare)
    assert ids(spare) == ("1", "1")


def test_the_line_that_makes_the_user_may_be_run_again(spare: Spare) -> None:
    (line,) = (command for command in commands(lines(BATCH), "STEP 2 - LINUX (Ubuntu, Debian)") if "CREATE" in command)
    statement = line.removeprefix('sudo mariadb -e "').removesuffix('"')
    spare.ask(statement)
    spare.ask(statement)
    assert spare.ask("SELECT @@GLOBAL.max_allowed_packet") == "1073741824\n"


def test_one_race_alone_of_a_database_that_needs_quotes(spare: Spare) -> None:
    restored(spare, "meosmain")
    spare.ask("DELETE FROM meosmain.oevent WHERE Id = 1")
    entry = spare.folder / dump_file(INDIVIDUAL).file
    entry.write_bytes(entry.read_bytes().replace(INDIVIDUAL.database.encode(), b"meos-$HOME"))
    alone(spare)
    assert race_list(spare).startswith("1\tHöstmedeln")
    spare.ask("DROP DATABASE `meos-$home`")
