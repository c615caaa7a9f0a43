"""The Windows computer and the server for Windows that these tests share."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit import windows_parts
from tests.toolkit.drives import EXFAT, Slot, make_drive, slot
from tests.toolkit.runs import server_options
from tests.toolkit.servers import FILES, INDIVIDUAL, make_pristine, query
from tests.toolkit.windows import LetteredSlot, Windows, WindowsPlace, windows, windows_server
from tests.toolkit.windows_parts import Parts


@pytest.fixture(scope="session")
def parts() -> Parts:
    return windows_parts.find()


@pytest.fixture(scope="session")
def machine(parts: Parts) -> Iterator[Windows]:
    """A Windows computer."""
    with windows(parts) as found:
        yield found


@pytest.fixture(scope="session")
def _full_windows_server(
    machine: Windows, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PrivateServer, dict[str, object]]]:
    with windows_server(machine, tmp_path_factory.mktemp("full")) as server:
        yield server, {}


@pytest.fixture
def server(_full_windows_server: tuple[PrivateServer, dict[str, object]]) -> PrivateServer:
    """A running MariaDB for Windows with the race list, four races and the user meos."""
    full_server, loaded = _full_windows_server
    make_pristine(full_server, FILES, loaded)
    return full_server


@pytest.fixture(scope="session")
def _empty_windows_server(machine: Windows, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    with windows_server(machine, tmp_path_factory.mktemp("empty")) as server:
        yield server


@pytest.fixture
def spare(_empty_windows_server: PrivateServer) -> PrivateServer:
    """Another running MariaDB for Windows, without a race list or any race, with the user meos."""
    make_pristine(_empty_windows_server, {}, {})
    return _empty_windows_server


@pytest.fixture
def linux(_empty_server: PrivateServer) -> PrivateServer:
    """A running server for Linux, without a race list or any race, with the user meos."""
    make_pristine(_empty_server, {}, {})
    return _empty_server


@pytest.fixture
def place(tmp_path: Path) -> WindowsPlace:
    """Folders for runs; the target is one on the computer's own disk."""
    found = WindowsPlace(tmp_path)
    found.target.mkdir()
    return found


@pytest.fixture
def stick(tmp_path: Path, machine: Windows) -> Iterator[Slot]:
    """A place where drives are plugged in, each of which is drive E: of the computer until it leaves."""
    with slot(tmp_path, partial(LetteredSlot, machine=machine)) as found:
        yield found


@pytest.fixture
def plugged_in(tmp_path: Path, machine: Windows) -> Iterator[WindowsPlace]:
    """Folders for runs; the target is drive E:, which is only a folder of this computer."""
    folder = tmp_path / "stick"
    folder.mkdir()
    machine.plug("E", folder)
    yield WindowsPlace(tmp_path, mounted=folder, letter="E")
    machine.pull("E")


@pytest.fixture
def named_drive(machine: Windows, server: PrivateServer, stick: Slot, tmp_path: Path) -> WindowsPlace:
    """A stick with one batch; one of its four races is called Långdistans."""
    stick.plug(make_drive(EXFAT, tmp_path / "image"))
    query(server, "UPDATE meosmain.oevent SET Name = 'Långdistans' WHERE Id = 1")
    query(server, f"UPDATE `{INDIVIDUAL}`.oevent SET Name = 'Långdistans'")
    found = WindowsPlace(tmp_path, mounted=stick.place, letter="E")
    made = machine.meosbackup("--once", *found.options, *server_options(server))
    assert made.returncode == 0, made.stdout + made.stderr
    return found
