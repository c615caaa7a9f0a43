"""The file with the login: private, there only while it is needed, and removed if its process is killed."""

import stat
import sys
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.system import login_file
from tests.toolkit.day import Day
from tests.toolkit.programs import waiting_dump
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, told
from tests.toolkit.waiting import wait_until


def test_it_is_new_private_and_removed_also_by_an_end_that_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / login_file.NAME
    with login_file.held(tmp_path, "password"):
        assert path.read_text() == "password"
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(FileExistsError), login_file.held(tmp_path, "another"):
            pass
        login_file.remove_abandoned(tmp_path.parent)
        assert path.read_text() == "password"
        login_file.remove_own()
        assert not path.exists()
    with login_file.held(tmp_path, "password"):
        pass
    assert not path.exists()


def test_any_command_removes_that_of_a_killed_process_and_no_other(server: PrivateServer, tmp_path: Path) -> None:
    place = Day(tmp_path, server=server)
    place.target.mkdir()

    def logins() -> list[Path]:
        return list(place.spool.glob(f"*/{login_file.NAME}"))

    with running(place, server, "--mysqldump", waiting_dump(place)) as day:
        wait_until((tmp_path / "dumping").exists, "the dump")
        (in_use,) = logins()
        told(run_meosbackup("list", *place.folders), 1, "There is no batch")
        assert logins() == [in_use]
        day.kill()
    assert logins() == [in_use]
    told(run_meosbackup("list", *place.folders), 1, "There is no batch")
    assert logins() == []
    assert "removed the login file of a process that was killed" in place.log.read_text("utf-8")
    (tmp_path / "gate").touch()
