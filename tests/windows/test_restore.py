"""Races back on a server for Windows, by meosbackup on Windows; and the other commands that read a stick."""

import json
from collections import Counter
from pathlib import Path

import pytest

from meosbackup.commands.simulation import delete_race
from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.drives import EXFAT, Slot, make_drive
from tests.toolkit.meosfiles import made_by_meos
from tests.toolkit.place import Place
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import EMPTY, INDIVIDUAL, INNODB, RACE_LIST, RELAY, everything, query, rows_of
from tests.toolkit.tent import work_on
from tests.toolkit.windows import Windows, WindowsPlace, spelled

FILES = {"individual": "Hostmedeln", "relay": "Stafettkvall", "empty": "Tom", "innodb": "InnoDB"}


def held(server: PrivateServer) -> tuple[object, object]:
    """Return all rows of a server's races, and what its race list says of each of them."""
    said = "SELECT Id, Name, Annotation, Date, ZeroTime, NameId, Version, Removed FROM meosmain.oevent ORDER BY Id"
    return {name: rows for name, rows in everything(server).items() if name != RACE_LIST}, query(server, said)


@pytest.fixture
def shipped(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> WindowsPlace:
    """A stick with a batch of the server's races."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    place = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    told(
        machine.meosbackup(*place.options, *server_options(server), "--once"), 0, "race list + 4 races", "on the drive"
    )
    return place


def test_a_race_that_was_deleted_and_one_that_was_ruined(
    machine: Windows, server: PrivateServer, shipped: WindowsPlace
) -> None:
    good = held(server)
    delete_race(server, RELAY)
    query(server, f"DELETE FROM {INDIVIDUAL}.orunner WHERE Id > 3")
    ruined, ruined_race = held(server), rows_of(server, INDIVIDUAL)
    races = ["--race", "Stafettkväll", "--race", "Höstmedeln"]
    command: list[str] = ["restore", *shipped.folders, *server_options(server)]

    told(
        machine.meosbackup(*command, *races, "--dry-run"), 0, "on the server: not there; it will be created",
        "on the server: 3 entries",
    )  # fmt: skip
    assert held(server) == ruined

    said = told(
        machine.meosbackup(*command, *races, "--yes"), 0, "242 rows restored, each compared with the dump",
        "225 rows restored, each compared with the dump", "start meosbackup again: meosbackup --target E:\\ --host",
    )  # fmt: skip
    assert held(server) == good

    saved = said.partition("--batch ")[2].strip('"')[:19]
    told(machine.meosbackup("list", *shipped.folders), 0, saved, "saved before a restore")
    told(machine.meosbackup(*command, "--race", "Höstmedeln", "--batch", saved, "--yes"), 0, "rows restored")
    assert rows_of(server, INDIVIDUAL) == ruined_race
    told(machine.meosbackup("verify", *shipped.folders), 0, "all good")


def test_all_races_go_to_the_spare_server(
    machine: Windows, server: PrivateServer, spare: PrivateServer, shipped: WindowsPlace
) -> None:
    told(
        machine.meosbackup("restore", *shipped.folders, *server_options(spare), "--yes"), 0,
        "it will be created", "OK InnoDB-tävlingen (2026-11-22): 365 rows restored, each compared with the dump",
        f"User name meos Port {spare.port}",
    )  # fmt: skip
    assert held(spare) == held(server)


def test_what_is_on_a_stick_is_listed_rehearsed_and_exported(machine: Windows, shipped: WindowsPlace) -> None:
    [batch] = shipped.batch_folders
    when = f"{batch.parent.name} {batch.name.replace('-', ':')}"
    told(
        machine.meosbackup("list", *shipped.folders), 0, f"{when} complete 195 entries, 122 finished",
        "Stafettkväll – Relais d'Été (2026-11-23): 42 entries, 30 finished",
    )  # fmt: skip
    [listed] = json.loads(machine.meosbackup("list", *shipped.folders, "--json").stdout)
    assert [entry["database"] for entry in listed["databases"]] == [RACE_LIST, INDIVIDUAL, RELAY, EMPTY, INNODB]
    told(
        machine.meosbackup("rehearse", *shipped.folders), 0, "race list: 4 rows, identical to the dump",
        "InnoDB-tävlingen (2026-11-22): 365 rows, identical to the dump", f"PROVEN: the batch from {when} restores",
    )  # fmt: skip
    out = shipped.folder / "exported"
    told(machine.meosbackup("export", *shipped.folders, "--to", spelled(out)), 0, "Import Competition")
    for race, stem in FILES.items():
        [exported] = out.glob(f"{stem}*.meosxml")
        assert Counter(exported.read_bytes().splitlines()) == Counter(made_by_meos(race).splitlines()), race


def test_a_stick_goes_from_windows_to_linux_and_back(
    machine: Windows, server: PrivateServer, spare: PrivateServer, linux: PrivateServer, shipped: WindowsPlace
) -> None:
    there = Place(shipped.folder, mounted=shipped.target, spool_name="spool on linux")

    def on_linux(*arguments: str) -> None:
        told(run_meosbackup(*arguments, *there.folders, *server_options(linux), env=with_password()), 0)

    on_linux("restore", "--yes")
    assert held(linux) == held(server)
    work_on(linux, INDIVIDUAL, INNODB)
    on_linux("--once", "--all-races")
    told(
        machine.meosbackup("restore", *shipped.folders, *server_options(spare), "--yes"), 0,
        "each compared with the dump",
    )  # fmt: skip
    assert held(spare) == held(linux)
