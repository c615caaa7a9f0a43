"""Encryption by `ssl_mode`, with servers that have none, a self-signed certificate, or outdated protocols only."""

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from meosbackup.dump import client, mysqldump
from meosbackup.errors import ServerUnreachableError
from meosbackup.mysql.private_server import PrivateServer, private_server
from meosbackup.mysql.programs import find_client_program, find_dump_program
from meosbackup.settings.model import Settings
from tests.toolkit.installations import Certificate, had
from tests.toolkit.place import Place, new_place, once
from tests.toolkit.runs import run_meosbackup, told, with_password
from tests.toolkit.runs import server_options as options_of
from tests.toolkit.servers import FILES, MEOS_PASSWORD, MEOS_USER, RACE_LIST, RELAY, contents, make_pristine, query
from tests.tools.matrix.installations import Installation

# The first test that needs a server may have to fetch it.
pytestmark = pytest.mark.timeout(300)

ELSEWHERE = "127.1"
"""127.0.0.1 in other words, as if it were another computer."""

TWO = {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@pytest.fixture
def mariadb_11() -> Installation:
    return had("MariaDB 11.8")


@dataclass(frozen=True)
class Servers:
    """A server for each way to encrypt, which the tests of this module share."""

    program: Installation
    certificate: Certificate
    ways: ExitStack
    known: dict[tuple[str, ...], tuple[PrivateServer, dict[str, object]]] = field(default_factory=dict)

    def without(self) -> PrivateServer:
        """Return a server without encryption."""
        return self._pristine("--skip-ssl")

    def modern(self) -> PrivateServer:
        """Return a server that encrypts as usual."""
        return self._pristine(*self.certificate.options)

    @contextmanager
    def outdated(self) -> Iterator[PrivateServer]:
        """Restart the usual one with protocols that not every client is up to, not even to load a race."""
        server = self.modern()
        usual = server.options
        server.stop()
        server.options += ("--tls-version=TLSv1.1",)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            server.options = usual

    def _pristine(self, *options: str) -> PrivateServer:
        """Return a server with these options as if it were new: with a race list and a race."""
        if options not in self.known:
            server = self.ways.enter_context(
                private_server(program=self.program.server, options=(*self.program.options, *options))
            )
            self.known[options] = server, {}
        server, loaded = self.known[options]
        make_pristine(server, TWO, loaded)
        return server


@pytest.fixture(scope="module")
def servers(own: Installation, certificate: Certificate) -> Iterator[Servers]:
    with ExitStack() as ways:
        yield Servers(own, certificate, ways)


@contextmanager
def encrypted_only(server: PrivateServer) -> Iterator[None]:
    query(server, "SET GLOBAL require_secure_transport = ON")
    try:
        yield
    finally:
        query(server, "SET GLOBAL require_secure_transport = OFF")


def brought_back(place: Place, server: PrivateServer, client: Installation) -> str:
    """Delete a race, have it restored, and check that it is unchanged; return what was said."""
    before = contents(server, RELAY)
    query(server, f"DROP DATABASE {RELAY}")
    result = run_meosbackup(
        "restore", *place.folders, *options_of(server), "--mysql", client.client, "--yes", "--race", "Stafett",
        env=with_password(),
    )  # fmt: skip
    said = told(result, 0)
    assert contents(server, RELAY) == before
    return said


@contextmanager
def log_of_logins(server: PrivateServer, folder: Path) -> Iterator[Path]:
    """Have a MariaDB server note each login, and whether it was encrypted."""
    log = folder / "general.log"
    query(server, f"SET GLOBAL general_log_file = '{log}'")
    query(server, "SET GLOBAL general_log = ON")
    try:
        yield log
    finally:
        query(server, "SET GLOBAL general_log = OFF")


def logins(log: Path) -> list[bool]:
    """Return for each of the tool's logins whether it was encrypted; empty the log."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if f"Connect\t{MEOS_USER}@" in line]
    log.write_text("", "utf-8")
    return ["using SSL/TLS" in line for line in lines]


@pytest.mark.parametrize("program", ["own", "mysql"])
def test_a_server_whose_encryption_is_outdated(
    place: Place, servers: Servers, program: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    with servers.outdated() as server:
        said = told(once(place, server, "--mysqldump", installation.dump), 0)
        assert said.count("uses outdated encryption; connecting without it") == 2
        assert "Anyone on the network" not in said
        said = told(once(place, server, "--mysqldump", installation.dump, "--host", ELSEWHERE), 0)
        assert said.count("uses outdated encryption; connecting without it") == 2
        assert said.count("Anyone on the network can read the data") == 2
        checked = run_meosbackup(
            "check", *place.folders, *options_of(server), "--mysqldump", installation.dump, env=with_password()
        )
        assert "uses outdated encryption; connecting without it" in told(checked, 0)
        said = brought_back(place, server, installation)
        assert "uses outdated encryption; connecting without it" in said
        told(
            once(place, server, "--mysqldump", installation.dump, "--ssl-mode", "required"), 75,
            "can't agree on an encrypted connection", "--ssl-mode PREFERRED",
        )  # fmt: skip
        assert "outdated" not in told(once(place, server, "--ssl-mode", "DISABLED"), 0)


def test_a_server_without_encryption(place: Place, servers: Servers) -> None:
    server = servers.without()
    told(once(place, server, "--ssl-mode", "REQUIRED"), 75, "offers no encryption", "--ssl-mode PREFERRED")
    assert place.batch_folders == []
    assert "encryption" not in told(once(place, server), 0)
    risk = "offers no encryption; connecting without it. Anyone on the network can read the data"
    assert told(once(place, server, "--host", ELSEWHERE), 0).count(risk) == 1
    assert "encryption" not in told(once(place, server, "--host", ELSEWHERE, "--ssl-mode", "DISABLED"), 0)


def feed(installation: Installation, settings: Settings, folder: Path, statement: str) -> None:
    never = threading.Event()
    feeder = client.logged_in(find_client_program(installation.client), settings, folder, None, never)
    client.feed(feeder, [statement.encode()], never, lambda: None)


@pytest.mark.parametrize("program", ["own", "mariadb_11", "mysql"])
def test_no_program_asks_a_server_without_encryption_for_a_race_if_encryption_is_required(
    servers: Servers, program: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    never, server = threading.Event(), servers.without()
    with log_of_logins(server, tmp_path) as log:
        settings = Settings(
            host=server.host, port=server.port, user=MEOS_USER, password=MEOS_PASSWORD, ssl_mode="REQUIRED"
        )
        with mysqldump.logged_in(find_dump_program(installation.dump), settings, tmp_path) as dumper:
            with pytest.raises(ServerUnreachableError, match="encrypt"):
                mysqldump.dump(dumper, RELAY, left_out=(), one_transaction=False, file="x.sql", stop=never)
            with pytest.raises(ServerUnreachableError, match="encrypt"):
                feed(installation, settings, tmp_path, f"SELECT * FROM {RELAY}.oevent;")
        assert RELAY not in log.read_text("utf-8", "replace")
        settings = replace(settings, ssl_mode="PREFERRED")
        with mysqldump.logged_in(find_dump_program(installation.dump), settings, tmp_path) as dumper:
            mysqldump.dump(dumper, RELAY, left_out=(), one_transaction=False, file="x.sql", stop=never)
        assert RELAY in log.read_text("utf-8", "replace")


@pytest.mark.parametrize("program", ["own", "mysql"])
@pytest.mark.parametrize(("mode", "is_encrypted"), [("REQUIRED", True), ("PREFERRED", True), ("DISABLED", False)])
def test_all_connections_are_encrypted_or_none(
    place: Place, own: Installation, servers: Servers, program: str, mode: str, is_encrypted: bool,
    tmp_path: Path, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if own.server.flavour != "MariaDB":
        pytest.skip("this machine has no MariaDB, whose general log tells of encryption")
    installation: Installation = request.getfixturevalue(program)
    server = servers.modern()
    with log_of_logins(server, tmp_path) as log:
        told(once(place, server, "--mysqldump", installation.dump, "--ssl-mode", mode), 0)
        backed_up = logins(log)
        # The tool, and the dump program for the race list and for the race.
        assert len(backed_up) >= 3
        assert set(backed_up) == {is_encrypted}
        query(server, f"DROP DATABASE {RELAY}")
        arguments = [*place.folders, *options_of(server), "--mysql", installation.client, "--yes"]
        result = run_meosbackup(
            "restore", *arguments, "--race", "Stafett", "--ssl-mode", mode, env=with_password()
        )  # fmt: skip
        told(result, 0)
        assert set(logins(log)) == {is_encrypted}


@pytest.mark.parametrize("program", ["own", "mysql"])
def test_a_server_that_accepts_encrypted_connections_only(
    place: Place, servers: Servers, program: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    server = servers.modern()
    with encrypted_only(server):
        said = told(once(place, server, "--mysqldump", installation.dump), 0)
        assert "can read the data" not in said
        brought_back(place, server, installation)
        assert "--ssl-mode PREFERRED" in told(once(place, server, "--ssl-mode", "DISABLED"), 1)


def test_a_server_that_insists_on_outdated_encryption(place: Place, servers: Servers) -> None:
    with servers.outdated() as server, encrypted_only(server):
        told(once(place, server), 75, "can't agree on an encrypted connection", "Remove require_secure_transport")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
@pytest.mark.parametrize("program", ["own", "mysql"])
def test_a_socket_needs_no_encryption(
    place: Place, servers: Servers, program: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(program)
    server = servers.without()
    login = ("--socket", server.socket or "", "--user", MEOS_USER, "--ssl-mode", "REQUIRED")
    programs = ("--mysqldump", installation.dump, "--mysql", installation.client)
    told(run_meosbackup(*place.options, "--once", *login, *programs, env=with_password()), 0)
    arguments = [*place.folders, *login, *programs, "--yes", "--race", "Stafett"]
    told(run_meosbackup("restore", *arguments, env=with_password()), 0)
