"""RESTORE.html: RESTORE.txt and the picture of the day as one file for a browser, which needs nothing else."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from datetime import timedelta, timezone
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from meosbackup.batch.names import PAGE_FILE
from meosbackup.guide import languages, page_data, picture_data, restore_txt
from meosbackup.guide.page_data import PageFacts
from meosbackup.guide.picture import Picture
from meosbackup.guide.spare_server import SpareServer

LARGEST = 4_000_000
"""Bytes that a page may have; one of a long day has 225,000."""

SCRIPTS = (
    "inflate.js", "words.js", "data.js", "notes.js", "sketch.js", "picture.js", "head.js", "lines.js", "checklist.js",
    "steps.js", "spare.js", "choose.js", "live.js", "page.js",
)  # fmt: skip
_STYLES = ("page.css", "picture.css", "live.css")

_LIVE = ("live.js", "live.css")
"""What only the page needs that the daemon serves."""

_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_CHECK_LINE = "\n<!-- For meosbackup verify: {} -->\n"
_NEEDLESS = re.compile(r"^\s*(?://.*|/\*.*\*/)\n|^\s+", re.MULTILINE)
_UNSAFE = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&'\u2028\u2029"}


def page_html(facts: PageFacts) -> str:
    """Return the page for a drive, to be written in UTF-8. It forbids its browser to load or send anything."""
    text = _rendered(page_data.document(facts), restore_txt.restore_text(
        facts.batch, facts.folder, facts.proof, facts.held, facts.spare
    ), is_live=False)  # fmt: skip
    return f"{text}{_CHECK_LINE.format(_checksum(text))}"


def is_damaged(page: str) -> bool:
    """Return whether a page at the top of a drive differs from what was written, by its checksum."""
    body = page.rpartition(_CHECK_LINE.partition("{")[0])[0]
    return f"{body}{_CHECK_LINE.format(_checksum(body))}" != page


def day_in(page: str) -> Picture | None:
    """Return the day that a page tells of, whoever wrote it; None if it tells of none."""
    found = _data_in(page)
    try:
        return picture_data.read(found["day"], timezone(timedelta(minutes=found["zone"])))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return None


def spare_in(page: str) -> SpareServer | None:
    """Return the spare server that a page tells of, whoever wrote it; None if it tells of none."""
    found = _data_in(page)
    try:
        return page_data.read_spare(found["spare"], timezone(timedelta(minutes=found["zone"])))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def folder_in(page: str) -> str | None:
    """Return the folder of the batch that a page at the top of a drive tells of; None if it tells of none."""
    folder = _data_in(page).get("folder")
    return folder if isinstance(folder, str) else None


def _data_in(page: str) -> dict[str, Any]:
    match = _DATA.search(page)
    try:
        found = json.loads(match[1]) if match else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def live_html() -> str:
    """Return the page that a daemon serves: it asks for its data, again and again."""
    return _rendered(None, "This page needs JavaScript.", is_live=True)


def _rendered(data: dict[str, Any] | None, text: str, *, is_live: bool) -> str:
    return _template().render(
        data=_json(data), languages=_languages(), style=_style(is_live=is_live), script=_script(is_live=is_live),
        policy=policy(is_live=is_live), text=text.replace("\r\n", "\n"), is_live=is_live,
    )  # fmt: skip


@cache
def policy(*, is_live: bool) -> str:
    """Return the Content-Security-Policy: only the page's own style and script, and, if live, its own daemon."""
    style, script = (f"'sha256-{_digest(part)}'" for part in (_style(is_live=is_live), _script(is_live=is_live)))
    connect = "; connect-src 'self'" if is_live else ""
    return f"default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'{connect}"


@cache
def _template() -> Template:
    found = DictLoader({PAGE_FILE: _read(PAGE_FILE)})
    return Environment(loader=found, autoescape=True, undefined=StrictUndefined).get_template(PAGE_FILE)


@cache
def _style(*, is_live: bool) -> Markup:
    return Markup(_lean(_STYLES, is_live=is_live))  # noqa: S704 - files of ours


@cache
def _script(*, is_live: bool) -> Markup:
    """Return the page's scripts as one; they share their names with one another, and with nothing else."""
    return Markup(f'(() => {{\n"use strict";\n{_lean(SCRIPTS, is_live=is_live)}}})();\n')  # noqa: S704 - files of ours


def _lean(parts: Sequence[str], *, is_live: bool) -> str:
    """Return what stands in files, but for indentation, empty lines, and lines that only comment."""
    return _NEEDLESS.sub("", "".join(_read(f"page/{name}") for name in parts if is_live or name not in _LIVE))


@cache
def _languages() -> str:
    """Return the words of every language, in the order of their keys, which stand there once; packed, in base64.

    They were more than half of a page, of which two go to the drive with each batch.
    """
    words = languages.every()
    keys = list(words["en"])
    text = _json({"keys": keys, "words": {code: [of[key] for key in keys] for code, of in words.items()}})
    return base64.b64encode(zlib.compress(text.encode(), level=9, wbits=-zlib.MAX_WBITS)).decode()


def _json(data: object) -> Markup:
    """Return JSON that can stand in a page's script: no letter of it can end that."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_UNSAFE))  # noqa: S704 - whatever could end it was replaced


def _read(name: str) -> str:
    return resources.files("meosbackup.guide").joinpath("templates", *name.split("/")).read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
