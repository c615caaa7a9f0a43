"""A private HTTP server that takes messages, refuses them, or never answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.toolkit.waiting import wait_until

SECRET = "hunter2Xq"
"""In the URL of each receiver: in its password and its path."""


@dataclass
class Inbox:
    """What a receiver got: `taken` are the messages that it took, `tried` those that it didn't.

    It `refuses` with an error, or `hangs` and never answers, while these are set; it answers after `delay` seconds.
    """

    taken: list[dict[str, Any]] = field(default_factory=list)
    tried: list[dict[str, Any]] = field(default_factory=list)
    refuses: threading.Event = field(default_factory=threading.Event)
    hangs: threading.Event = field(default_factory=threading.Event)
    delay: float = 0.0
    port: int = 0

    @property
    def url(self) -> str:
        """The Apprise URL that leads here."""
        return f"json://club:{SECRET}@127.0.0.1:{self.port}/{SECRET}"

    @property
    def ntfy_url(self) -> str:
        """The same for Apprise's way to an ntfy server."""
        return f"ntfy://club:{SECRET}@127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        """The titles of the messages that were taken, without the program's name."""
        return [message["title"].removeprefix("meosbackup: ") for message in self.taken]

    def waits_for(self, title: str) -> str:
        """Wait for a message that nobody waited for yet; return its text."""
        wait_until(lambda: title in self.titles, f"the message {title!r}; there are {self.titles}")
        return str(self.taken[self.titles.index(title)]["message"])


@contextmanager
def receiving() -> Iterator[Inbox]:
    """Have a receiver until the block ends."""
    inbox, is_over = Inbox(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(inbox, is_over.wait))
    server.daemon_threads = True
    inbox.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield inbox
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()


def _handler(inbox: Inbox, wait: Callable[[float | None], object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_refused = inbox.refuses.is_set()
            if inbox.hangs.is_set():
                inbox.tried.append(message)
                wait(None)
                return
            wait(inbox.delay)
            (inbox.tried if is_refused else inbox.taken).append(message)
            self.send_response(500 if is_refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
