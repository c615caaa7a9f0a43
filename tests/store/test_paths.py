"""Folders whose names are long, and hold letters and blanks of every kind."""

from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.batches import assert_batches_are_whole
from tests.toolkit.place import new_place, once
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import RELAY, contents, query


@pytest.mark.parametrize(
    "names",
    [["Tävling – Осень «2026»", "競技 & 'mål' (1)"], ["å" * 100, "b" * 100], ["-e", "$HOME;#"]],
    ids=["letters", "long", "for a shell"],
)
def test_a_race_goes_there_and_back(tmp_path: Path, server: PrivateServer, names: list[str]) -> None:
    folder = tmp_path.joinpath(*names)
    folder.mkdir(parents=True)
    place = new_place(folder)
    told(once(place, server), 0, "race list + 4 races")
    assert_batches_are_whole(place)
    before = contents(server, RELAY)
    query(server, f"DROP DATABASE {RELAY}")
    options = [option for option in place.folders if option != "--any-disk"]
    arguments = [*options, *server_options(server), "--yes", "--race", "Stafett"]
    told(run_meosbackup("restore", *arguments, env=with_password()), 0)
    assert contents(server, RELAY) == before


def test_a_path_that_is_too_long_for_the_dump_program_is_refused(tmp_path: Path, server: PrivateServer) -> None:
    place = new_place(tmp_path)
    spool = tmp_path.joinpath(*["å" * 100] * 3)
    spool.mkdir(parents=True)
    told(once(place, server, "--spool", spool), 2, "path of the spool is too long", "with --spool")
