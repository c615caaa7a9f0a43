"""A batch proven by restoring it into a private server: by the command, and by the daemon's thread."""

import re
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest
from mysql.connector import Error

from meosbackup.batch.model import Entry, StoredBatch
from meosbackup.batch.names import GUIDE_FILE
from meosbackup.day.rehearsal_thread import RehearsalThread
from meosbackup.errors import BadBatchError, MeosBackupError
from meosbackup.mysql import private_server
from meosbackup.mysql.private_server import connect
from meosbackup.mysql.programs import find_dump_program
from meosbackup.mysql.sealed_server import sealed_server
from tests.toolkit.batches import dump_file, rewrite_dump
from tests.toolkit.runs import run_meosbackup
from tests.toolkit.waiting import PATIENCE
from tests.tools.matrix.installations import Installation


def guide(stored: StoredBatch) -> str:
    return (stored.folder.parents[1] / GUIDE_FILE).read_text("utf-8-sig")


def rehearse(stored: StoredBatch, *more: str) -> tuple[int, str]:
    result = run_meosbackup("rehearse", "--target", stored.folder.parents[2], *more)
    return result.returncode, result.stdout + result.stderr


def changed_dump(stored: StoredBatch, entry: Entry, pattern: bytes, new: bytes) -> None:
    """Change a dump of a batch in one place, and have its `batch.json` say that it was made so."""
    data, count = re.subn(pattern, new, stored.path(dump_file(entry)).read_bytes(), count=1)
    assert count == 1
    rewrite_dump(stored, entry, data)


def test_a_batch_that_restores_is_proven_and_the_drive_says_so(backed_up: StoredBatch) -> None:
    assert "Proven" not in guide(backed_up)
    code, said = rehearse(backed_up)
    assert code == 0, said
    lines = [line for line in said.splitlines() if line.startswith("OK")]
    assert len(lines) == 1 + len(backed_up.batch.races) + 1
    rows = [
        int(found[1].replace(",", "")) for line in lines if (found := re.search(r"([\d,]+) rows?, identical", line))
    ]
    assert len(rows) == len(lines) - 1
    assert sum(rows) > 900
    assert "From a lost server to all races restored and compared" in said
    assert said.splitlines()[-1].startswith(f"OK    PROVEN: the batch from {backed_up.when} restores")
    taken = f"{backed_up.batch.taken:%Y-%m-%d %H:%M:%S}"
    assert re.search(rf"^Proven at [-0-9]+ [:0-9]+: the batch from {taken} restores\.", guide(backed_up), re.MULTILINE)


def test_what_a_server_makes_something_else_of_is_not_proven(backed_up: StoredBatch) -> None:
    entry = next(entry for entry in backed_up.batch.races if "O'Cup" in str(entry.race))
    # More than the column takes: a server that isn't strict cuts it down without an error.
    clipped = rb"\g<1>99999999999"
    changed_dump(backed_up, entry, rb"(INSERT INTO `opunch` VALUES\s*\(\d+,)\d+", clipped)
    code, said = rehearse(backed_up)
    assert code == 1, said
    assert re.search(r"FAIL +Höstmedeln .*: differs in opunch", said)
    assert said.count("\nOK") == len(backed_up.batch.races)
    assert said.splitlines()[-1].startswith("FAIL  NOT PROVEN: ")
    assert "Proven" not in guide(backed_up)


def test_a_dump_that_is_not_taken_in_is_told_in_words(backed_up: StoredBatch) -> None:
    changed_dump(backed_up, backed_up.batch.races[0], rb"INSERT INTO `orunner`", b"INSERT INTO `nowhere`")
    code, said = rehearse(backed_up)
    assert code == 1
    assert "can't be loaded into a private server" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("pattern", "new"),
    [(rb"(?=\nLOCK TABLES)", b"\nUPDATE oevent SET Name = 'x';\n"), (rb"(?<=SET l\.Removed = )0", b"1")],
)
def test_what_no_dump_program_writes_isnt_rehearsed(backed_up: StoredBatch, pattern: bytes, new: bytes) -> None:
    changed_dump(backed_up, backed_up.batch.races[0], pattern, new)
    code, said = rehearse(backed_up)
    assert code == 1
    assert "a statement that no dump program writes" in said
    assert "NOT PROVEN" in said


def test_a_dump_in_which_one_digit_changed_is_not_proven(backed_up: StoredBatch) -> None:
    path = backed_up.folder / dump_file(backed_up.batch.races[0]).file
    path.write_bytes(path.read_bytes().replace(b"2026", b"2027", 1))
    code, said = rehearse(backed_up)
    assert code == 1
    assert f"{path.name} is damaged: its contents differ from what was written" in said
    assert "NOT PROVEN" in said
    assert "Proven" not in guide(backed_up)


def test_nothing_in_a_dump_reaches_out_of_the_sealed_server(tmp_path: Path) -> None:
    bait, dump = tmp_path / "bait", tmp_path / "dump.sql"
    with sealed_server(["MeOSMain", "race"], lower_case_table_names=1) as sealed:
        with closing(socket.socket()) as probe:
            assert probe.connect_ex((sealed.host, sealed.port)) != 0
        dump.write_text("CREATE DATABASE race;", "utf-8")
        private_server.load(sealed, dump)
        for statement in (
            f"SELECT 'x' INTO OUTFILE '{bait}'",
            "INSTALL SONAME 'auth_ed25519'",
            "CREATE DATABASE another",
            f"SET GLOBAL general_log_file = '{bait}'",
            "GRANT FILE ON *.* TO CURRENT_USER()",
        ):
            dump.write_text(f"USE race; {statement};", "utf-8")
            with pytest.raises(MeosBackupError):
                private_server.load(sealed, dump)
            assert not bait.exists()


def test_mysql_is_sealed_as_well(mysql: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_server, "find_server_program", lambda: mysql.server)
    with (
        sealed_server(["MeOSMain", "race"], lower_case_table_names=1) as sealed,
        closing(connect(sealed)) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute("CREATE DATABASE race")
        for statement in ("CREATE DATABASE another", f"SELECT 1 INTO OUTFILE '{tmp_path / 'bait'}'"):
            with pytest.raises(Error, match="denied"):
                cursor.execute(statement)


def test_a_race_in_a_database_of_the_server_itself_is_not_rehearsed() -> None:
    with pytest.raises(BadBatchError, match="the server's own"), sealed_server(["MySQL"], lower_case_table_names=0):
        pass


def test_the_thread_rehearses_one_batch_at_a_time_and_stops_when_asked(backed_up: StoredBatch) -> None:
    stop = threading.Event()
    rehearsals = RehearsalThread(find_dump_program(None), stop)
    assert rehearsals.begin(backed_up)
    assert not rehearsals.begin(backed_up)
    rehearsals.join(PATIENCE)
    verdict = rehearsals.verdict()
    assert verdict is not None
    assert verdict.error is None
    assert verdict.proof is not None
    assert verdict.proof.batch == backed_up.batch.taken
    assert rehearsals.verdict() is None

    stop.set()
    assert rehearsals.begin(backed_up)
    rehearsals.join(PATIENCE)
    assert rehearsals.verdict() is None
