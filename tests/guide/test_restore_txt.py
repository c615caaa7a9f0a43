"""RESTORE.txt: what it says, and its Linux commands run as they stand against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meosbackup.batch.model import Batch, Entry, Freshness, Proof, Race, Server, StoredFile
from meosbackup.dump.portable import make_portable
from meosbackup.guide.restore_txt import ENCODING, held_in, restore_text
from meosbackup.meos.relisting import statements
from meosbackup.mysql.private_server import private_server
from tests.toolkit.batches import dump_file

TAKEN = datetime(2026, 11, 22, 21, 30, tzinfo=timezone(timedelta(hours=1)))
TOP = "2026-11-22/21-30-00"
PASSWORD = "hemligt 'åäö"

RACE_LIST = Entry("meosmain", dump=StoredFile("meosmain_2026-11-22_21-30-00.dump.sql", 1, "00"), taken=TAKEN)
INDIVIDUAL = Entry(
    "meos_20261122_211702_1e5",
    Race("Höstmedeln «Осень» O'Cup", "", "2026-11-22", "meos_20261122_211702_1E5", 1, 101),
    Freshness(datetime(2026, 11, 22, 20, 17, 5, tzinfo=UTC), 70, 41, 40, 12),
    StoredFile("Hostmedeln_Osen_O_Cup_2026-11-22_21-30-00.dump.sql", 1, "00"), taken=TAKEN,
    reference=StoredFile("../../reference/Hostmedeln_Osen_O_Cup_3f9a2c71.dump.sql", 1, "3f9a2c71"),
)  # fmt: skip
RELAY = Entry(
    "meos_20261122_211713_94",
    Race("Stafettkväll – Relais d'Été", "", "2026-11-23", "meos_20261122_211713_94", 2, 101),
    Freshness(datetime(2026, 11, 21, 20, 17, 5, tzinfo=UTC), 24, 1, 1, 1),
    StoredFile("Stafettkvall_Relais_d_Ete_2026-11-22_20-40-00.dump.sql", 1, "00"),
    taken=TAKEN - timedelta(minutes=50), unchanged_since=3,
)  # fmt: skip
BATCH = Batch(
    7, TAKEN, True, Server("laptop-1", 3306, "MySQL", "8.0.45", 1), "mysqldump", "0.1.0", (RACE_LIST, INDIVIDUAL, RELAY)
)  # fmt: skip


def with_databases(*dumps: Entry) -> Batch:
    return replace(BATCH, databases=dumps, complete=all(entry.error is None for entry in dumps))


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


def test_the_first_lines_tell_what_it_is_and_all_steps() -> None:
    top = lines(BATCH, TOP)[:11]
    assert top[2:4] == [
        "Batch from 2026-11-22 21:30:00: the race list and 2 races, complete.",
        "This file always describes the newest batch: folder 2026-11-22/21-30-00.",
    ]
    assert [line[2:8] for line in top[5:]] == ["QUICK ", "STEP 1", "STEP 2", "STEP 3", "STEP 4", "STEP 5"]
    assert "always" not in "".join(lines(BATCH)[:11])


def chapter(text: list[str]) -> list[str]:
    """Cut out the chapter of the quick way."""
    start = text.index("QUICK - ON ONE LAPTOP, WITH NO SERVER")
    return text[start : next(place for place, line in enumerate(text) if line.startswith("STEP 1 - "))]


def test_the_quick_way_comes_before_all_steps_and_names_each_race_s_file() -> None:
    name = "Hostmedeln_Osen_O_Cup_2026-11-22_21-30-00.meosxml"
    quick = with_databases(RACE_LIST, replace(INDIVIDUAL, meosxml=StoredFile(name, 1, "0")), RELAY)
    for folder in (None, TOP):
        found = chapter(lines(quick, folder))
        place = found.index(f"   {name}")
        assert found[place - 1] == "   Race 1: Höstmedeln «Осень» O'Cup"
        assert found[place + 1 : place + 3] == [
            "   Race 2: Stafettkväll – Relais d'Été", "   It has no such file: follow the steps.",
        ]  # fmt: skip
        assert (f"   (in the folder {TOP})" in found) == (folder is not None)
        for word in (
            "Import Competition (Importera",
            "Upload",
            "(Ladda upp öppnad tävling på server)",
            "one laptop only",
        ):
            assert word in " ".join(found)
    missing = with_databases(replace(INDIVIDUAL, meosxml=StoredFile(name, 1, "0")), replace(RELAY, dump=None))
    assert "   It is missing from this batch: see PART B." in chapter(lines(missing))


def test_a_batch_without_files_for_meos_says_what_makes_them() -> None:
    found = " ".join(" ".join(chapter(lines(BATCH))).split())
    assert "This batch has no such files. A computer with meosbackup can make them from it" in found


def test_notepad_shows_it() -> None:
    for folder in (None, TOP):
        text = restore_text(BATCH, folder)
        assert text.count("\n") == text.count("\r") == text.count("\r\n")
        assert text.encode(ENCODING).startswith(b"\xef\xbb\xbf")
        assert [line for line in text.split("\r\n") if len(line) > 78 and not line.startswith("    ")] == []
        assert "$" not in text.replace("$env:Path", "")
        pasted = [line for line in text.split("\r\n") if line.startswith("    ")]
        assert {line.split()[0] for line in pasted} == {
            "mysql", "cmd", "netsh", "sudo", "printf", "set", "$env:Path", "alias",
        }  # fmt: skip


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
    assert not any("Hostmedeln" in command for command in commands(text, "STEP 3 - LINUX (bash)"))
    assert any("Stafettkvall" in command for command in commands(text, "STEP 3 - LINUX (bash)"))
    assert len(commands(text, "PART C - LINUX (bash)")) == 1


def test_a_batch_without_race_list_sends_to_the_single_races() -> None:
    text = lines(with_databases(replace(RACE_LIST, dump=None, taken=None, error="It can't be read."), INDIVIDUAL))
    assert text[2].endswith("NOT COMPLETE: race list missing.")
    assert "PART C" in " ".join(text[text.index("STEP 3 - LINUX (bash)") :][:8])
    assert len(commands(text, "STEP 3 - LINUX (bash)")) == 2


@pytest.mark.parametrize(("setting", "needed"), [(0, False), (1, True), (2, True)])
def test_it_tells_whether_the_spare_server_needs_lower_case(setting: int, needed: bool) -> None:
    text = restore_text(replace(BATCH, server=replace(BATCH.server, lower_case_table_names=setting)), None)
    assert ("must have the setting lower_case_table_names = 1" in text) == needed
    assert ("lower_case_table_names is 0" in text) != needed


def test_windows_paths_and_quotes() -> None:
    text = lines(BATCH, TOP)
    base = "mysql -u meos -p --default-character-set=utf8mb4"
    assert commands(text, "STEP 3 - WINDOWS (cmd)")[-1] == (
        f'{base} < "reference\\Hostmedeln_Osen_O_Cup_3f9a2c71.dump.sql"'
    )
    assert commands(text, "STEP 3 - WINDOWS (PowerShell, a prompt that begins with PS)")[0] == (
        f'cmd /c "{base} < 2026-11-22\\21-30-00\\meosmain_2026-11-22_21-30-00.dump.sql"'
    )
    # Within quotation marks that end where the line does, neither shell sees a letter of its own.
    for heading, quote in (("WINDOWS (cmd)", '"'), ("WINDOWS (PowerShell)", "'"), ("LINUX (bash)", "'")):
        for command in commands(text, f"STEP 4 - {heading}"):
            assert re.fullmatch(rf"{base} (--force )?-e {quote}[A-Za-z0-9_ ,.;()*=`]+{quote}", command)


NASTY = st.text(
    st.one_of(st.characters(), st.sampled_from("\r\n\t\x1b\u202e`'\"\\$%<>|&;! STEPART0123-")), max_size=140
)  # fmt: skip
SAFE_COMMAND = re.compile(
    r"(cmd /c \")?mysql -u meos -p --default-character-set=utf8mb4"
    r"( < ['\"]?[A-Za-z0-9._/\\-]+['\"]?| (--force )?-e ('[^'\"]+'|\"[^'\"%!]+\"))"
)


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
        if re.match("STEP [34]|PART C", heading):
            assert all(SAFE_COMMAND.fullmatch(command) for command in commands(text, heading))
    assert len(commands(text, "PART C - LINUX (bash)")) == 2


# What its commands do


@dataclass(frozen=True)
class Spare:
    """A spare server, and its helper's home folder and drive."""

    socket: Path
    home: Path
    drive: Path

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
            ["setsid", "--ctty", "--wait", "bash", "-c", command], cwd=self.drive, stdin=terminal, stdout=terminal,
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
        spare = Spare(server.socket, folder / "home", folder / "drive")
        escaped = PASSWORD.replace("'", "''")
        spare.ask(f"CREATE USER 'meos'@'%' IDENTIFIED BY '{escaped}'; GRANT ALL ON *.* TO 'meos'@'%'")
        spare.home.mkdir()
        (spare.home / ".my.cnf").write_text(f"[client]\nsocket={server.socket}\n", "utf-8")
        yield spare


@pytest.fixture
def spare(running: Spare) -> Spare:
    """A server with no race, and a drive with the files that BATCH names."""
    for database in running.ask("SHOW DATABASES LIKE 'meos%'").split():
        running.ask(f"DROP DATABASE `{database}`")
    shutil.rmtree(running.drive, ignore_errors=True)
    (running.drive / TOP).mkdir(parents=True)
    (running.drive / "reference").mkdir()
    data = Path(__file__).parents[1] / "data"
    for entry, source in ((RACE_LIST, "meosmain"), (INDIVIDUAL, "individual"), (RELAY, "relay")):
        assert entry.dump is not None
        listing = statements(entry.race, entry.database, "oevent") if entry.race else b""
        make_portable(data / f"{source}.sql", running.drive / TOP / entry.dump.file, ending=listing)
    (running.drive / "reference" / "Hostmedeln_Osen_O_Cup_3f9a2c71.dump.sql").write_text(
        "USE `meos_20261122_211702_1e5`; CREATE TABLE reference_was_here (Id INT);\n", "utf-8"
    )
    return running


@pytest.mark.parametrize("folder", [None, TOP])
def test_the_linux_commands_bring_a_batch_back(spare: Spare, folder: str | None) -> None:
    if folder is None:
        spare = replace(spare, drive=spare.drive / TOP)
    text = lines(BATCH, folder)
    for command in commands(text, "STEP 3 - LINUX (bash)"):
        assert "ERROR" not in spare.paste(command)
    assert race_list(spare).count("\n") == 4
    assert "reference_was_here" in spare.ask("SHOW TABLES FROM meos_20261122_211702_1e5")
    (check,) = commands(text, "STEP 4 - LINUX (bash)")
    screen = spare.paste(check)
    assert "Höstmedeln «Осень» O'Cup" in screen
    entries = spare.ask("SELECT COUNT(*) FROM meos_20261122_211713_94.orunner WHERE Removed = 0").strip()
    assert re.search(rf"\|\s+2 \|\s+{entries} \|", screen)


def race_list(spare: Spare) -> str:
    columns = "Id, Name, Annotation, Date, ZeroTime, NameId, Version, Removed"
    return spare.ask(f"SELECT {columns} FROM meosmain.oevent ORDER BY Id")


def alone(spare: Spare) -> None:
    for command in commands(lines(BATCH, TOP), "PART C - LINUX (bash)")[:1]:
        assert "ERROR" not in spare.paste(command)


def ids(spare: Spare) -> tuple[str, str]:
    listed = spare.ask("SELECT Id FROM meosmain.oevent WHERE NameId = 'meos_20261122_211702_1e5' AND Removed = 0")
    return listed.strip(), spare.ask("SELECT Id FROM meos_20261122_211702_1e5.oevent").strip()


def test_one_race_alone_is_put_back_on_the_list_once(spare: Spare) -> None:
    for command in commands(lines(BATCH, TOP), "STEP 3 - LINUX (bash)")[:3]:
        spare.paste(command)
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
    spare.paste(commands(lines(BATCH, TOP), "STEP 3 - LINUX (bash)")[0])
    spare.ask("UPDATE meosmain.oevent SET Name = 'Another', NameId = 'another' WHERE Id = 1")
    alone(spare)
    assert ids(spare) == ("5", "5")
    alone(spare)
    assert ids(spare) == ("5", "5")
    assert spare.ask("SELECT Name FROM meosmain.oevent WHERE Id = 1") == "Another\n"


def test_one_race_alone_that_was_marked_removed_is_shown_again(spare: Spare) -> None:
    spare.paste(commands(lines(BATCH, TOP), "STEP 3 - LINUX (bash)")[0])
    spare.ask("UPDATE meosmain.oevent SET Removed = 1 WHERE Id = 1")
    alone(spare)
    assert ids(spare) == ("1", "1")


def test_one_race_alone_comes_back_to_a_list_of_another_collation(spare: Spare) -> None:
    spare.paste(commands(lines(BATCH, TOP), "STEP 3 - LINUX (bash)")[0])
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
    spare.paste(commands(lines(BATCH, TOP), "STEP 3 - LINUX (bash)")[0])
    spare.ask("DELETE FROM meosmain.oevent WHERE Id = 1")
    odd = with_databases(RACE_LIST, replace(INDIVIDUAL, database="meos-$HOME"))
    entry = spare.drive / TOP / dump_file(INDIVIDUAL).file
    entry.write_bytes(entry.read_bytes().replace(INDIVIDUAL.database.encode(), b"meos-$HOME"))
    for command in commands(lines(odd, TOP), "PART C - LINUX (bash)"):
        assert "ERROR" not in spare.paste(command)
    assert race_list(spare).startswith("1\tHöstmedeln")
    spare.ask("DROP DATABASE `meos-$home`")
