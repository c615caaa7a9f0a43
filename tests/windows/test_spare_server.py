"""A spare server for Windows, fed by meosbackup on Windows: all races are there, and what is in use is left alone."""

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.runs import server_options, told
from tests.toolkit.servers import INDIVIDUAL, RELAY, enter_runner, query, rows_of
from tests.toolkit.tent import RACES
from tests.toolkit.windows import Windows, WindowsPlace


def test_races_come_to_the_spare_server(
    machine: Windows, server: PrivateServer, spare: PrivateServer, named_drive: WindowsPlace
) -> None:
    options = [*named_drive.options, *server_options(server), "--standby", f"{spare.host}:{spare.port}", "--once"]
    told(machine.meosbackup(*options), 0, "spare server ready")
    assert [rows_of(spare, name) for name in RACES] == [rows_of(server, name) for name in RACES]
    query(spare, f"UPDATE {INDIVIDUAL}.orunner SET Name = 'X' LIMIT 1")
    before = rows_of(spare, INDIVIDUAL)
    for name in (INDIVIDUAL, RELAY):
        enter_runner(server, name)
    told(machine.meosbackup(*options), 0, "ALARM MeOS works on the spare server now", "spare server ready, except")
    assert rows_of(spare, INDIVIDUAL) == before
    assert rows_of(spare, RELAY) == rows_of(server, RELAY)
