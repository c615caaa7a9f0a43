"""The computer is kept awake by the user's desktop, and nothing waits long for one that is silent."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meosbackup.mysql.private_server import PrivateServer
from meosbackup.system import awake
from tests.toolkit.place import new_place, once
from tests.toolkit.programs import needed
from tests.toolkit.running import running
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.waiting import PATIENCE, limit, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a desktop of Linux")

NOT_KEPT = "this computer can't be kept awake from here"
ADDRESS = "DBUS_SESSION_BUS_ADDRESS"


@contextmanager
def desktop(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Run a session bus with GNOME's session manager on it; yield its address, and what it is asked for."""
    jeepney, blocking = pytest.importorskip("jeepney"), pytest.importorskip("jeepney.io.blocking")
    asked: list[str] = []
    address = f"unix:path={folder / 'bus'}"
    with subprocess.Popen([needed("dbus-daemon"), "--session", "--nofork", "--address", address]) as bus:
        wait_until((folder / "bus").exists, "the bus")
        connection = blocking.open_dbus_connection(address)
        connection.send_and_get_reply(jeepney.message_bus.RequestName("org.gnome.SessionManager"))

        def serve() -> None:
            while True:
                try:
                    message = connection.receive()
                except (OSError, EOFError):
                    return
                if message.header.message_type is jeepney.MessageType.method_call:
                    name = message.header.fields[3]
                    asked.append(name)
                    connection.send(jeepney.new_method_return(message, *(("u", (7,)) if name == "Inhibit" else ())))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield address, asked
        finally:
            bus.terminate()
            thread.join(PATIENCE)
            connection.close()


def test_a_day_asks_the_desktop_and_releases_it_at_the_end(server: PrivateServer, tmp_path: Path) -> None:
    place = new_place(tmp_path)
    with desktop(tmp_path) as (address, asked):
        kept = {ADDRESS: address, "MEOSBACKUP_STAY_AWAKE": "true"}
        checked = run_meosbackup("check", *place.options, *server_options(server), env={**with_password(), **kept})
        told(checked, 0, "OK sleep: this computer is kept awake while meosbackup runs, as long as its lid is open")
        assert asked == ["Inhibit", "Uninhibit"]
        with running(place, server, env=kept) as day:
            day.expect("  OK    race list ")
            assert asked == ["Inhibit", "Uninhibit", "Inhibit"]
            day.stop()
        assert asked == ["Inhibit", "Uninhibit"] * 2
        assert NOT_KEPT not in day.text


def test_what_cannot_be_done_is_a_note(server: PrivateServer, tmp_path: Path) -> None:
    place = new_place(tmp_path)
    alone = {ADDRESS: f"unix:path={tmp_path / 'none'}", "MEOSBACKUP_STAY_AWAKE": "true"}
    checked = run_meosbackup("check", *place.options, *server_options(server), env={**with_password(), **alone})
    told(checked, 0, f"NOTE sleep: {NOT_KEPT}. Check in its settings", "Ready for race day. Read the 1 NOTE above.")
    with running(place, server, env=alone) as day:
        day.expect(f"  NOTE  {NOT_KEPT}: check in its settings that it doesn't go to sleep by itself")
        day.expect("  OK    race list ")
    assert NOT_KEPT not in told(once(place, server, env=alone), 0)


def test_a_desktop_that_never_answers_is_waited_for_a_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such sockets")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        monkeypatch.setenv(ADDRESS, f"unix:path={tmp_path / 'bus'}")
        began = time.monotonic()
        with awake.kept() as is_kept:
            assert not is_kept
        assert time.monotonic() - began < limit(8.5)
