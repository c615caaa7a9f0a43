"""The live page: serves how the day stands to browsers on the network, and never keeps the day waiting.

A connection has a thread of its own, one request, and little time. No request leads to the disk or to the screen.
"""

import errno
import json
import logging
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from meosbackup.day.day_status import DayStatus
from meosbackup.day.page_requests import END_OF_HEAD, LARGEST_HEAD, Content, answer, refusal
from meosbackup.errors import PageUnavailableError
from meosbackup.guide import page, page_data, picture_data
from meosbackup.guide.page_data import PageFacts
from meosbackup.system import addresses

log = logging.getLogger(__name__)

MOST_READERS = 8
"""Connections at once; one more is told to come back."""
_MOST_REFUSED = 8
"""Connections at once that are being told so; further ones are closed without a word."""
_MOST_WAITING = 128
"""Connections that the system holds until they are accepted, which is at once."""

_REQUEST_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_GOODBYE_SECONDS = 1.0
_ACCEPT_SECONDS = 0.5
"""How long the end of the server may take."""
_BETWEEN_SECONDS = 0.01
"""A pause after each connection, so that a flood of them leaves the computer to the backups."""


class PageServer:
    """Serves the page on all addresses of this computer, from `start` to `stop`."""

    def __init__(self, port: int, status: DayStatus) -> None:
        """Take the port, or any free one if it is 0; `status` is how the day begins. Raises PageUnavailableError."""
        self._listener = _listener(port)
        self.port = int(self._listener.getsockname()[1])
        self._latest = _Post(status, None)
        self._stop = threading.Event()
        self._readers = threading.BoundedSemaphore(MOST_READERS)
        self._refused = threading.BoundedSemaphore(_MOST_REFUSED)
        self._has_failed = False

    def addresses(self, towards: str) -> list[str]:
        """Return the addresses of the page, at most three: first the one for the network of the host `towards`."""
        return [f"http://{address}:{self.port}/" for address in addresses.own(towards)]

    def start(self) -> None:
        """Begin to serve."""
        threading.Thread(target=self._accept, name="page", daemon=True).start()

    def post(self, status: DayStatus, facts: PageFacts | None = None) -> None:
        """Have readers get this from now on; the first one that asks has to wait until it is made."""
        self._latest = _Post(status, facts)

    def stop(self) -> None:
        """Serve nobody any more; whoever is being answered has little time left anyway."""
        self._stop.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closed; or the reader is gone again, or there are too many open files
                self._stop.wait(_ACCEPT_SECONDS)
                continue
            ways = ((self._serve, self._readers), (_refuse, self._refused))
            if not any(self._begin(serve, connection, places) for serve, places in ways):
                connection.close()
            time.sleep(_BETWEEN_SECONDS)

    def _begin(
        self, serve: Callable[[socket.socket], None], connection: socket.socket, places: threading.BoundedSemaphore
    ) -> bool:
        """Have a thread serve a connection; return whether there was a place for it."""
        if not places.acquire(blocking=False):
            return False

        def run() -> None:
            try:
                with connection:
                    serve(connection)
            except OSError:
                pass  # the reader is gone, or too slow
            finally:
                places.release()

        try:
            threading.Thread(target=run, name="reader", daemon=True).start()
        except RuntimeError:  # there are too many threads
            places.release()
            return False
        return True

    def _serve(self, connection: socket.socket) -> None:
        try:
            head = _head(connection)
        except TimeoutError:
            reply = refusal(HTTPStatus.REQUEST_TIMEOUT)
        except OverflowError:
            reply = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            reply = self._answer(head) if head else b""
        _send(connection, reply)

    def _answer(self, head: bytes) -> bytes:
        try:
            return answer(head, {"/": _page, "/day.json": self._latest.content})
        except Exception:  # whatever it is, the reader gets an answer
            if not self._has_failed:
                log.exception("the live page can't be made; this is logged once")
            self._has_failed = True
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


class _Post:
    """What was posted, made into JSON for the first reader and kept for the others."""

    def __init__(self, status: DayStatus, facts: PageFacts | None) -> None:
        self._status = status
        self._facts = facts
        self._tag = f'"{secrets.token_hex(8)}"'
        self._made: Content | None = None
        self._lock = threading.Lock()

    def content(self) -> Content:
        with self._lock:
            if self._made is None:
                document = {
                    "status": _document(self._status),
                    "data": page_data.document(self._facts) if self._facts else None,
                }
                text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
                self._made = Content(text.encode("utf-8", "replace"), "application/json", self._tag)
            return self._made


def _document(status: DayStatus) -> dict[str, Any]:
    """Return what JSON says of a status, with all times in seconds since 1970."""
    return {
        "moment": picture_data.seconds(status.moment),
        "zone": (status.moment.utcoffset() or timedelta()) // timedelta(minutes=1),
        "interval": status.interval,
        "wrong": [picture_data.happening(one) for one in status.wrong],
        "on_drive": picture_data.maybe_seconds(status.on_drive),
        "on_computer": picture_data.maybe_seconds(status.on_computer),
        "unchanged_until": picture_data.maybe_seconds(status.unchanged_until),
        "waiting": status.waiting,
        "free": status.free,
        "hours": status.hours,
        "spare": page_data.spare(status.spare),
    }  # fmt: skip


@cache
def _page() -> Content:
    body = page.live_html().encode()
    return Content(body, "text/html; charset=utf-8", f'"{sha256(body).hexdigest()[:16]}"', page.policy(is_live=True))


def _listener(port: int) -> socket.socket:
    """Return a socket that listens on all addresses. Raises PageUnavailableError."""
    fault = OSError()
    for family in (socket.AF_INET6, socket.AF_INET):  # the first one takes both kinds, where there are both
        try:
            return _listening(family, port)
        except OSError as error:
            fault = error
    raise _unavailable(port, fault)


def _listening(family: socket.AddressFamily, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, two programs could share the port otherwise
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # elsewhere, it couldn't be taken again for a minute
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("", port))
        listener.listen(_MOST_WAITING)
        listener.settimeout(_ACCEPT_SECONDS)
    except OSError:
        listener.close()
        raise
    return listener


def _unavailable(port: int, error: OSError) -> PageUnavailableError:
    reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
    if isinstance(error, PermissionError):  # Windows says so of a port that is in use, too
        reason = "another program uses it, or this computer doesn't allow it"
    return PageUnavailableError(
        f"The live page can't use port {port}: {reason}.",
        "Backups are not affected, but no phone or other computer can show how they are.",
        f"Start meosbackup again with another port, such as --page-port {8080 if port != 8080 else 8081}.",
    )


def _head(connection: socket.socket) -> bytes:
    """Return a request up to its empty line; what there is if no more comes, or if it isn't a request.

    Raises TimeoutError, OverflowError if it is too long, OSError if the reader is gone.
    """
    end, head = time.monotonic() + _REQUEST_SECONDS, b""
    while END_OF_HEAD not in head:
        if len(head) == LARGEST_HEAD:
            raise OverflowError
        connection.settimeout(max(0.01, end - time.monotonic()))
        piece = connection.recv(LARGEST_HEAD - len(head))
        head += piece
        # A browser that tries encryption first must hear at once that there is none.
        if not piece or not head[:1].isalpha():
            return head
    return head[: head.index(END_OF_HEAD) + len(END_OF_HEAD)]


def _send(connection: socket.socket, reply: bytes) -> None:
    """Send all, and wait a little for the reader to have it: what it still sends would make it lose that."""
    connection.settimeout(_ANSWER_SECONDS)  # for all of it
    connection.sendall(reply)
    connection.shutdown(socket.SHUT_WR)
    end = time.monotonic() + _GOODBYE_SECONDS
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(LARGEST_HEAD):
            return


def _refuse(connection: socket.socket) -> None:
    _send(connection, refusal(HTTPStatus.SERVICE_UNAVAILABLE))
