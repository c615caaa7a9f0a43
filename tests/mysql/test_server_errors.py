"""Why a server can't be reached or refuses a login: each reason in a sentence of its own, with what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from meosbackup.errors import LoginRefusedError
from meosbackup.mysql.private_server import PrivateServer
from meosbackup.mysql.server_errors import explained
from meosbackup.settings.model import Settings
from tests.toolkit.place import new_place
from tests.toolkit.runs import in_one_line, run_meosbackup, told, with_password

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="the number is Linux's")

# What the system or a program tells (of MySQL 9.7, MariaDB 10.11 and Windows), and how it begins in words.
UNREACHABLE_ON_LINUX = [
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno 101: Network is unreachable)", "can't be reached"),
    (2002, "Got error: 2002: \"Can't connect to server on 'tent' (113)\" when trying to connect", "can't be reached"),
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno 111: Connection refused)", "no server listens"),
]  # fmt: skip
UNREACHABLE = [
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno -2: Name or service not known)", "can't be found"),
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno 11001: getaddrinfo failed)", "can't be found"),
    (2005, "Got error: 2005: \"Unknown server host 'tent' (-2)\" when trying to connect", "can't be found"),
    (2005, "ERROR 2005 (HY000): Unknown MySQL server host 'tent' (11001)", "can't be found"),
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno 10065: A socket operation …)", "can't be reached"),
    (2003, "ERROR 2003 (HY000): Can't connect to MySQL server on 'tent' (10061)", "no server listens"),
    (2003, "2003: Can't connect to MySQL server on 'tent' (Errno 10060: A connection attempt …)", "in time"),
    (3024, "3024: \n    The Read Operation timed out. As a consequence …\n", "in time (timed out)."),
    (2002, "Got error: 2002: \"Can't connect to server on 'tent' (115)\" when trying to connect", "answer (Got"),
    (2013, "2013: Lost connection to MySQL server during query", "doesn't answer (2013: Lost connection"),
    *(pytest.param(*one, marks=only_linux) for one in UNREACHABLE_ON_LINUX),
]  # fmt: skip


@pytest.mark.parametrize(("number", "message", "said"), UNREACHABLE)
def test_each_reason_has_its_sentence(number: int, message: str, said: str) -> None:
    error = explained(number, message, Settings(host="tent"))
    assert error.exit_code == 75
    assert error.what.startswith("The server at tent, port 3306 ")
    assert said in error.what
    assert error.do.startswith("Check ")
    assert "bind-address" not in explained(number, message, Settings(host="localhost")).do


@pytest.mark.parametrize(("password", "message", "said", "do"), [
    ("x", "1045 (28000): Access denied for user 'meos'@'pc' (using password: YES)", "password is wrong", "--user"),
    (None, "1045 (28000): Access denied for user 'meos'@'pc' (using password: NO)", "no password", "--ask-password"),
    ("x", "Host 'pc' is not allowed to connect to this MariaDB server", "from this computer", "CREATE USER 'meos'@'%'"),
])  # fmt: skip
def test_each_refusal_has_its_sentence(password: str | None, message: str, said: str, do: str) -> None:
    error = explained(1130 if "Host" in message else 1045, message, Settings(password=password))
    assert isinstance(error, LoginRefusedError)
    assert said in error.what
    assert do in error.do


@pytest.mark.parametrize(("host", "said", "do"), [
    ("no-such-server.invalid", "can't be found: no computer with that name is known here", "spelling of --host"),
    ("x" * 70, "can't be found", "spelling of --host"),
    ("192.0.2.1", "can't be reached: it is switched off, or not on the same network", "the Wi-Fi of both"),
])  # fmt: skip
def test_a_computer_without_a_network(tmp_path: Path, host: str, said: str, do: str) -> None:
    unshare = shutil.which("unshare")
    # Who isn't root needs a user namespace for it, which not every machine allows.
    alone = [
        unshare or "unshare",
        *([] if sys.platform != "win32" and os.geteuid() == 0 else ["--map-root-user"]),
        "--net",
    ]
    if unshare is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine can't take the network from a program")
    place = new_place(tmp_path)
    result = run_meosbackup(*place.options, "--once", "--host", host, env=with_password(), prefix=alone)
    told(result, 75, f"The server at {host}, port 3306 {said}", "No race is backed up while this lasts.", do)


def test_a_refused_port_and_a_wrong_password(tmp_path: Path, server: PrivateServer) -> None:
    place = new_place(tmp_path)
    options = [*place.options, "--once", "--host", server.host]
    refused = run_meosbackup(*options, "--port", "1", env=with_password())
    told(refused, 75, "port 1 doesn't answer: that computer is there, but no server listens on this port", "--port is")
    wrong = run_meosbackup(*options, "--port", str(server.port), env=with_password("another-word"))
    assert "another-word" not in told(wrong, 1, "refuses the user meos: the password is wrong, or the user is")
    none = run_meosbackup(*options, "--port", str(server.port), env={"MEOSBACKUP_PASSWORD": ""})
    assert "refuses the user meos: no password was given" in in_one_line(none.stderr)
