"""Each way to log in, against a real server that is set up so: the tool, its dump program and its client program."""

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer, private_server
from tests.toolkit.place import Place, new_place
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.servers import FILES, RACE_LIST, RELAY, contents, make_pristine, query
from tests.tools.matrix.installations import Installation

# The first test that needs a server may have to fetch it.
pytestmark = pytest.mark.timeout(300)

PASSWORD = 'pässw "ö" \\ #'


@pytest.fixture(scope="module")
def mariadb_server(own: Installation) -> Iterator[PrivateServer]:
    if own.server.flavour != "MariaDB":
        pytest.skip("this machine has no MariaDB")
    with private_server(program=own.server, options=own.options) as server:
        make_pristine(server, {RACE_LIST: FILES[RACE_LIST], RELAY: FILES[RELAY]}, {})
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


def there_and_back(place: Place, server: PrivateServer, of: Installation, user: str, *address: str) -> None:
    """Back a race up as a user, delete it, and have it restored as the same one."""
    where = address or ("--host", server.host, "--port", str(server.port))
    programs = ("--mysqldump", of.dump, "--mysql", of.client)
    secret = {} if address else {"MEOSBACKUP_PASSWORD": PASSWORD}
    login = [*where, "--user", user, *programs]
    told(run_meosbackup(*place.options, "--once", *login, env=secret), 0, "race list + 1 race")
    before = contents(server, RELAY)
    query(server, f"DROP DATABASE {RELAY}")
    arguments = [*place.folders, *login, "--yes", "--race", "Stafett"]
    told(run_meosbackup("restore", *arguments, env=secret), 0)
    assert contents(server, RELAY) == before


@pytest.mark.parametrize("programs", ["own", "mysql"])
def test_caching_sha2_password(
    place: Place, mysql_server: PrivateServer, programs: str, request: pytest.FixtureRequest
) -> None:
    query(mysql_server, "DROP USER IF EXISTS sha2")
    query(mysql_server, "CREATE USER sha2 IDENTIFIED WITH caching_sha2_password BY %s", PASSWORD)
    query(mysql_server, "GRANT ALL ON *.* TO sha2")
    there_and_back(place, mysql_server, request.getfixturevalue(programs), "sha2")


@pytest.mark.parametrize("programs", ["own", "mysql"])
def test_mysql_native_password(
    place: Place, mariadb_server: PrivateServer, programs: str, request: pytest.FixtureRequest
) -> None:
    query(
        mariadb_server,
        "CREATE OR REPLACE USER native IDENTIFIED VIA mysql_native_password USING PASSWORD(%s)",
        PASSWORD,
    )
    query(mariadb_server, "GRANT ALL ON *.* TO native")
    there_and_back(place, mariadb_server, request.getfixturevalue(programs), "native")


def test_an_account_that_logs_in_by_ed25519_is_told_what_to_do(place: Place, mariadb_server: PrivateServer) -> None:
    query(mariadb_server, "INSTALL SONAME 'auth_ed25519'")
    try:
        query(mariadb_server, "CREATE OR REPLACE USER ed IDENTIFIED VIA ed25519 USING PASSWORD(%s)", PASSWORD)
        query(mariadb_server, "GRANT ALL ON *.* TO ed")
        login = ["--host", mariadb_server.host, "--port", str(mariadb_server.port), "--user", "ed"]
        result = run_meosbackup(*place.options, "--once", *login, env={"MEOSBACKUP_PASSWORD": PASSWORD})
        said = told(result, 1, "ed25519", "requires a kind of login for the user ed", "MeOS can't use such an account")
        cure = re.search(
            r"ALTER USER 'ed'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD\('PASSWORD'\);", said
        )
        assert cure is not None
        query(mariadb_server, cure[0])
        told(run_meosbackup(*place.options, "--once", *login, env={"MEOSBACKUP_PASSWORD": "PASSWORD"}), 0)
    finally:
        query(mariadb_server, "DROP USER IF EXISTS ed")
        query(mariadb_server, "UNINSTALL SONAME 'auth_ed25519'")


def test_a_login_that_mysql_saved_for_another_server_is_left_alone(
    place: Place, server: PrivateServer, mysql: Installation, tmp_path: Path
) -> None:
    saved = ["set", "--login-path=client", "--host=other.invalid", "--user=stranger"]
    editor = Path(mysql.dump).with_name("mysql_config_editor")
    subprocess.run([editor, *saved], env={**os.environ, "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, check=True)
    assert (tmp_path / ".mylogin.cnf").is_file()
    login = [*server_options(server), "--mysqldump", mysql.dump]
    result = run_meosbackup(*place.options, "--once", *login, env={**with_password(), "HOME": str(tmp_path)})
    told(result, 0, "race list + ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
def test_unix_socket_of_mariadb(place: Place, mariadb_server: PrivateServer, own: Installation) -> None:
    by_socket(place, mariadb_server, own, "VIA unix_socket")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket")
def test_unix_socket_of_mysql(place: Place, mysql_server: PrivateServer, mysql: Installation) -> None:
    query(mysql_server, "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'")
    by_socket(place, mysql_server, mysql, "WITH auth_socket")


def by_socket(place: Place, server: PrivateServer, of: Installation, plugin: str) -> None:
    """Log in as the user of the operating system, without a password."""
    user = getpass.getuser()
    if user != "root":
        query(server, f"CREATE USER IF NOT EXISTS '{user}'@localhost")
        query(server, f"GRANT ALL ON *.* TO '{user}'@localhost")
    query(server, f"ALTER USER '{user}'@localhost IDENTIFIED {plugin}")
    there_and_back(place, server, of, user, "--socket", str(server.socket))
