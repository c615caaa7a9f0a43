"""What the live page's server gives to good readers, to too many, to slow ones, and to whatever comes along."""

import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meosbackup.day import page_server, qr_code
from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_requests import LARGEST_HEAD, Content, answer, is_own
from meosbackup.day.page_server import MOST_READERS, PageServer
from meosbackup.errors import PageUnavailableError
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import ALARM, Happening, Picture
from meosbackup.system import addresses
from tests.toolkit import qr_codes
from tests.toolkit.guides import BATCH, TOP
from tests.toolkit.waiting import PATIENCE, limit, wait_until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOST = Happening(ALARM, "x", "Långdistans </script> lost 38 entries.", "It means.", "Do this.", NOON)
STATUS = DayStatus(NOON, 60, (LOST,), NOON - timedelta(minutes=1), NOON, None, 1, 27_400_000_000, 9)
GOOD = b"GET /day.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def serving(status: DayStatus = STATUS) -> Iterator[PageServer]:
    """Serve the page until the block ends; no thread may be left then."""
    server = PageServer(0, status)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        wait_until(lambda: not _threads("page", "reader"), "the end of all threads of the server")


def _threads(*names: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in names]


def connected(server: PageServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def told(server: PageServer, request: bytes) -> bytes:
    """Send a request that ends there, and return all that comes back until the server closes."""
    with connected(server) as reader:
        reader.sendall(request)
        reader.shutdown(socket.SHUT_WR)
        return all_of(reader)


def all_of(reader: socket.socket) -> bytes:
    pieces = []
    with suppress(ConnectionError):  # closed without a word
        while piece := reader.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def got(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_there_is_one_page_and_its_data() -> None:
    with serving() as server:
        response, page = got(server, "/")
        assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert page.startswith(b"<!doctype html>")
        assert "connect-src 'self'; frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert got(server, "/", **{"If-None-Match": response.headers["ETag"]})[0].status == 304

        response, data = got(server, "/day.json?again")
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
        fixed = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
        assert fixed.items() <= dict(response.headers).items()
        assert "Server" not in response.headers
        noon = int(NOON.timestamp())
        assert json.loads(data) == {"data": None, "status": {
            "moment": noon, "zone": 0, "interval": 60, "on_drive": noon - 60, "on_computer": noon,
            "unchanged_until": None, "waiting": 1, "free": 27_400_000_000, "hours": 9, "spare": None,
            "wrong": [
                {"kind": "alarm", "key": "x", "what": LOST.what, "means": "It means.", "do": "Do this.", "from": noon}
            ],
        }}  # fmt: skip
        response, nothing = got(server, "/day.json", "HEAD")
        assert (response.headers["Content-Length"], nothing) == (str(len(data)), b"")


def test_what_is_asked_for_again_is_sent_again_only_if_it_is_new() -> None:
    with serving() as server:
        tag = got(server, "/day.json")[0].headers["ETag"]
        response, body = got(server, "/day.json", **{"If-None-Match": f'"other", {tag}'})
        assert (response.status, body, response.headers["ETag"]) == (304, b"", tag)
        assert response.headers["Date"]
        server.post(STATUS, PageFacts(BATCH, Picture().with_batch(BATCH, TOP), TOP, NOON))
        response, body = got(server, "/day.json", **{"If-None-Match": tag})
        assert response.status == 200
        assert json.loads(body)["data"]["folder"] == TOP


def test_what_cannot_be_made_is_said_to_each_reader_and_once_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        server.post(None)  # type: ignore[arg-type]
        for _ in range(3):
            response, body = got(server, "/day.json")
            assert (response.status, body[:24]) == (500, b"The page can't be made. ")
        server.post(STATUS)
        assert got(server, "/day.json")[0].status == 200
    assert [record.getMessage() for record in caplog.records] == ["the live page can't be made; this is logged once"]


@pytest.mark.parametrize("path", [
    "/x", "/day.json/", "/favicon.ico", "/../day.json", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
    "/C:/Windows/win.ini", "/day.json%00", "http://localhost/day.json",
])  # fmt: skip
def test_nothing_else_is_there(path: str) -> None:
    reply = answer(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), {"/day.json": _never})
    assert reply.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_it_can_only_be_read(method: str) -> None:
    reply = answer(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), {"/": _never})
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in reply


def _never() -> Content:
    raise AssertionError


@pytest.mark.parametrize("host", [
    "192.168.1.20", "192.168.1.20:8080", "[fe80::1]:8080", "127.0.0.1", "LOCALHOST:80", "MyPC", "mypc.local:8080",
    "mypc.lan", "mypc.home",
])  # fmt: skip
def test_this_computer_is_meant_by_its_address_or_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "mypc")
    assert is_own(host)


@pytest.mark.parametrize("host", [
    "", "example.com", "mypc.example.com", "127.0.0.1.example.com", "1.2.3", "localhost.example.com", "local",
    "mypc@example.com", "[mypc]", "localhost:x", "a:b:c",
])  # fmt: skip
def test_no_other_name_means_this_computer(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "mypc")
    assert not is_own(host)
    reply = answer(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), {"/": _never})
    assert reply.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("head", [
    b"", b"\r\n\r\n", b"\x16\x03\x01\x02", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/2\r\nHost: localhost\r\n\r\n", b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
])  # fmt: skip
def test_what_is_no_request_is_refused(head: bytes) -> None:
    assert answer(head, {"/": _never}).startswith(b"HTTP/1.1 400 ")


_PIECES = st.sampled_from([
    b"GET", b"HEAD", b" ", b"/", b"/day.json", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Host: localhost", b"Host:",
    b"If-None-Match: *", b"\n", b"\0", b":", b"\xff",
])  # fmt: skip


@given(st.lists(_PIECES | st.binary(max_size=20), max_size=12).map(b"".join))
def test_every_request_has_an_answer(head: bytes) -> None:
    reply = answer(head, {"/": lambda: Content(b"page", "text/html", '"1"')})
    assert reply.startswith(b"HTTP/1.1 ")
    assert reply.partition(b"\r\n\r\n")[2] or reply[9:12] in {b"200", b"304"} or head.startswith(b"HEAD ")


def test_a_request_may_have_8_kb(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(size: int) -> bytes:
        return GOOD[:-2] + b"X: " + b"x" * (size - len(GOOD) - 5) + b"\r\n\r\n"

    with serving() as server:
        assert told(server, request(LARGEST_HEAD)).startswith(b"HTTP/1.1 200 ")
        for size in (LARGEST_HEAD + 1, LARGEST_HEAD + 2000, 1_000_000):
            assert told(server, request(size))[:13] in {b"HTTP/1.1 431 ", b""}  # nothing, if it is still sending


def test_of_nine_readers_one_is_told_to_come_back() -> None:
    with serving() as server, ExitStack() as stack:
        readers = [stack.enter_context(connected(server)) for _ in range(MOST_READERS)]
        wait_until(lambda: len(_threads("reader")) == MOST_READERS, "the threads of the readers")
        with connected(server) as ninth:
            reply = all_of(ninth)  # without a word from it
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 2\r\n" in reply
        assert told(server, GOOD).startswith(b"HTTP/1.1 503 ")
        for reader in readers:
            reader.sendall(GOOD)
        assert all(all_of(reader).startswith(b"HTTP/1.1 200 ") for reader in readers)
        wait_until(lambda: told(server, GOOD).startswith(b"HTTP/1.1 200 "), "a free place")


def test_very_many_readers_are_turned_away_and_leave_no_trace() -> None:
    with serving() as server, ExitStack() as stack:
        readers = [stack.enter_context(connected(server)) for _ in range(60)]
        wait_until(lambda: len(_threads("reader")) >= MOST_READERS, "the threads of the readers")
        assert len(_threads("reader")) <= 2 * MOST_READERS
        del readers
        stack.close()
        wait_until(lambda: told(server, GOOD).startswith(b"HTTP/1.1 200 "), "a free place")


def test_slow_readers_lose_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "_REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(page_server, "_ANSWER_SECONDS", 1.0)
    with serving() as server, ExitStack() as stack:
        server.post(DayStatus(NOON, 60, (Happening(ALARM, "x", "x" * 30_000_000, "", "", NOON),)))
        began = time.monotonic()
        readers = [stack.enter_context(connected(server)) for _ in range(MOST_READERS)]
        silent, dripping, full = readers[:2], readers[2:5], readers[5:]
        for reader in full:
            reader.sendall(GOOD)  # and doesn't read
        for letter in GOOD[:-1]:
            for reader in dripping:
                with suppress(ConnectionError):
                    reader.sendall(bytes([letter]))
            time.sleep(0.05)
        wait_until(lambda: not _threads("reader"), "the end of the slow readers")
        assert time.monotonic() - began < limit(10)
        assert all(all_of(reader).startswith(b"HTTP/1.1 408 ") for reader in silent)
        server.post(STATUS)
        assert told(server, GOOD).startswith(b"HTTP/1.1 200 ")


def test_readers_that_break_off_do_no_harm() -> None:
    with serving() as server:
        for number in range(200):
            reader = connected(server)
            reader.sendall(GOOD[: number % len(GOOD)])
            # Closed like this, it sends a reset.
            no_linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            reader.close()
        wait_until(lambda: told(server, GOOD).startswith(b"HTTP/1.1 200 "), "a free place")


def test_thousands_of_garbled_requests_each_get_an_answer_or_an_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_server, "_BETWEEN_SECONDS", 0.0)
    draw = random.Random(13)
    seen: dict[bytes, int] = {}
    with serving() as server:
        for _ in range(3000):
            reply = told(server, _garbled(draw))
            assert not reply or reply.startswith(b"HTTP/1.1 "), reply
            seen[reply[9:12]] = seen.get(reply[9:12], 0) + 1
        assert told(server, GOOD).startswith(b"HTTP/1.1 200 ")
    assert set(seen) <= {b"", b"200", b"304", b"400", b"404", b"405", b"421", b"431", b"503"}, seen
    assert {b"200", b"400", b"404", b"405", b"421"} <= set(seen), seen
    assert caplog.records == []


def _garbled(draw: random.Random) -> bytes:
    """Return a request in which something is wrong, or nothing but noise."""
    kind = draw.randrange(5)
    if kind == 0:
        return draw.randbytes(draw.randrange(300))
    if kind == 1:
        words = [draw.choice(["GET", "HEAD", "POST", "G\0T"]), draw.choice(["/", "/day.json", "/x", "*", "//", "/%00"]),
                 draw.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/9", ""])]  # fmt: skip
        host = draw.choice(["localhost", "127.0.0.1:1", "example.com", "[::1]", "", "x" * 300, "a\r\nHost: b"])
        return f"{' '.join(words)}\r\nHost: {host}\r\n\r\n".encode()
    request = bytearray(GOOD)
    for _ in range(draw.randrange(1, 6)):
        place = draw.randrange(len(request))
        if kind == 2:
            request[place] = draw.randrange(256)
        elif kind == 3:
            del request[place : place + draw.randrange(1, 9)]
        else:
            request[place:place] = draw.randbytes(draw.randrange(1, 9)) * draw.choice([1, 1, 1, 300])
        request = request or bytearray(b"x")
    return bytes(request)


def test_a_port_that_cannot_be_had_is_told_in_words() -> None:
    with serving() as server, pytest.raises(PageUnavailableError) as caught:
        PageServer(server.port, STATUS)
    assert f"can't use port {server.port}: another program uses it" in caught.value.what
    assert "Backups are not affected" in caught.value.means
    assert "--page-port 8080" in caught.value.do


def test_this_computers_addresses_are_its_own() -> None:
    found = addresses.own("127.0.0.1")
    assert 1 <= len(found) <= 3
    for address in (*found, *addresses.own("no.such.host"), *addresses.own("::1")):
        with socket.socket(socket.AF_INET) as probe:
            probe.bind((address, 0))
    assert len(found) == 1 or "127.0.0.1" not in found


def test_a_qr_code_drawn_in_blocks_is_that_of_the_address() -> None:
    address = "http://192.168.1.20:8080/"
    assert qr_codes.drawn(qr_code.rows(address)) == qr_codes.expected(address)
