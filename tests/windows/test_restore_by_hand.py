"""Restoring without meosbackup: RESTORE.txt's own lines for Windows, pasted as they stand into cmd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.place import new_place
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import FILES, INDIVIDUAL, MEOS_PASSWORD, RACE_LIST, contents, databases, query
from tests.toolkit.terminals import Screen, pasted_lines
from tests.toolkit.windows import Windows

_PROMPT = r"Z:\\[^>]*>"


@pytest.fixture
def drive(server: PrivateServer, tmp_path: Path) -> Path:
    """A drive's folder with one batch; it was made on this computer, which is quicker."""
    place = new_place(tmp_path)
    told(run_meosbackup(*place.options, "--once", *server_options(server), env=with_password()), 0)
    return place.root


@pytest.fixture
def console(machine: Windows, spare: PrivateServer, drive: Path) -> Iterator[Screen]:
    """A Command Prompt in the drive's folder, on a computer whose own server is the spare one."""
    address = machine.prefix / "drive_c/my.ini"
    address.write_text(f"[client]\nhost=127.0.0.1\nport={spare.port}\n", "ascii")
    try:
        with machine.console("cmd", folder=drive) as screen:
            screen.wait_for(_PROMPT)
            yield screen
            screen.type("exit")
            screen.wait_for_end()
    finally:
        address.unlink()


def test_each_line_for_windows(server: PrivateServer, spare: PrivateServer, drive: Path, console: Screen) -> None:
    guide = (drive / "RESTORE.txt").read_bytes().decode("utf-8-sig")
    passwords, prompts = 0, 1

    def paste(line: str, password: str | None = None) -> None:
        """Paste a line, type a password where one is asked for, and wait for the next prompt."""
        nonlocal passwords, prompts
        console.type(line)
        if password is not None:
            passwords += 1
            console.wait_for("Enter password:", passwords)
            console.type(password)
        prompts += 1
        console.wait_for(_PROMPT, prompts)

    [path] = [line for line in pasted_lines(guide, "PART A - WHAT IT SAYS, AND WHAT TO DO") if "PATH" in line]
    assert r"C:\Program Files\MariaDB 10.11\bin;" in path
    paste(path.replace("MariaDB 10.11", "MariaDB 11.4"))  # "correct the names in this line"
    firewall, user = pasted_lines(guide, "STEP 2 - WINDOWS")
    query(spare, "DROP USER meos")
    paste(firewall)
    paste(user, "")
    query(spare, "SET PASSWORD FOR meos = PASSWORD(%s)", MEOS_PASSWORD)
    enter, everything = pasted_lines(guide, "STEP 3 - BRING ALL RACES BACK")
    paste(enter)
    paste(everything, MEOS_PASSWORD)
    console.wait_for("Restoring 1 of 9: race list")
    console.wait_for("Restored: the race list and 4 races[.]")
    assert databases(spare) == set(FILES)
    for database in FILES:
        assert contents(spare, database) == contents(server, database)

    query(spare, f"DROP DATABASE {INDIVIDUAL}")
    query(spare, f"DELETE FROM {RACE_LIST}.oevent WHERE LOWER(NameId) = '{INDIVIDUAL}'")
    lines = [line for line in pasted_lines(guide, "PART C - BRING BACK ONE RACE ONLY") if "Hostmedeln" in line]
    assert len(lines) == 2
    for line in lines:
        paste(line, MEOS_PASSWORD)
    assert contents(spare, INDIVIDUAL) == contents(server, INDIVIDUAL)
    assert len(contents(spare, RACE_LIST)["oevent"]) == len(contents(server, RACE_LIST)["oevent"])
    assert "ERROR" not in console.text
