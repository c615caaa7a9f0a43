"""Debian's chromium, driven by Playwright: a reader opens pages in it, and notes what they should not do.

Without chromium the test is skipped, but not on CI.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.toolkit.programs import needed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

MOST_PATIENCE = 30_000
"""Milliseconds that a busy machine may take for what a browser does at once."""


class Reader:
    """Somebody with a browser. `noted` is what pages did that none should: requests, console messages, errors.

    A page may ask for itself, and for what one of the `allowed` patterns matches in whole; a message of the console
    that one of them matches is no trouble either.
    """

    def __init__(self, browser: "Browser") -> None:
        self._browser = browser
        self.noted: list[str] = []
        self.allowed: list[str] = []

    def open(
        self, page: Path | str, *, now: datetime | None = None, instead: str | None = None, **options: Any
    ) -> "Page":
        """Open a page, a file or an address, in a window of its own; the options are those of Playwright's context.

        With `now`, the browser's clock stands there, and goes on as the test says. `instead` is shown as if it were
        what lies at the address.
        """
        address = page.as_uri() if isinstance(page, Path) else page
        context = self._browser.new_context(**{"locale": "en-GB", **options})
        context.set_default_timeout(MOST_PATIENCE)
        self.allowed.append(re.escape(address))
        context.on("request", self._request)
        context.on("console", self._message)
        context.on("weberror", lambda error: self.noted.append(f"error: {error.error}"))
        if now is not None:
            context.clock.install(time=now)
        if instead is not None:
            context.route(address, lambda route: route.fulfill(body=instead, content_type="text/html"))
        tab = context.new_page()
        tab.goto(address)
        return tab

    def close(self) -> None:
        """Close all windows."""
        for context in self._browser.contexts:
            context.close()

    def _request(self, request: "Request") -> None:
        self._note("request", request.url)

    def _message(self, message: "ConsoleMessage") -> None:
        self._note("console", message.text)

    def _note(self, kind: str, text: str) -> None:
        if not any(re.fullmatch(pattern, text, re.DOTALL) for pattern in self.allowed):
            self.noted.append(f"{kind}: {text}")


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Run a browser without a window."""
    if sys.platform == "win32":
        pytest.skip("the browser of these tests is Debian's")
    program = needed("chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not among what is installed for Windows

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()
