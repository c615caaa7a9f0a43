"""What a reader asks the live page for, and what it gets: bytes in, bytes out, and nothing else."""

import ipaddress
import re
import socket
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

LARGEST_HEAD = 8192
"""Bytes that a request may have; one of a browser has less than 1,000."""
END_OF_HEAD = b"\r\n\r\n"

_FIRST_LINE = re.compile(rb"([A-Z]{1,20}) (\S{1,2000}) HTTP/1\.[0-9]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*(.*?)[ \t]*")
_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[^:\[\]]{1,253})(?::[0-9]{1,5})?")
_METHODS = ("GET", "HEAD")
_OWN_SUFFIXES = ("", ".local", ".lan", ".home")
"""What a network puts behind a computer's name, and what no stranger can own."""

_ALWAYS = {
    "Cache-Control": "no-cache",
    "Connection": "close",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Content:
    """What a path leads to; `tag` is another one whenever the body is."""

    body: bytes
    type: str
    tag: str
    policy: str = "default-src 'none'"


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    host: str
    known: str


_WORDS = {
    HTTPStatus.BAD_REQUEST: "This is not a request that the page understands.",
    HTTPStatus.NOT_FOUND: "There is nothing here. The page is at /",
    HTTPStatus.METHOD_NOT_ALLOWED: "The page can only be read.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long.",
    HTTPStatus.MISDIRECTED_REQUEST: "Use the address that meosbackup shows on its screen.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request is too long.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The page can't be made. The log file on the computer with meosbackup says why.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many readers at once. This page tries again by itself.",
}
_MORE = {
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": ", ".join(_METHODS)},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "2", "Refresh": "2"},
}


def answer(head: bytes, contents: Mapping[str, Callable[[], Content]]) -> bytes:
    """Return the answer to a request, of which `head` is all up to its empty line; `contents` are those of the paths.

    Only the content that is asked for is made; what that raises goes through.
    """
    request = _read(head)
    if request is None:
        return refusal(HTTPStatus.BAD_REQUEST)
    if status := _fault(request, contents):
        return refusal(status, has_body=request.method != "HEAD")
    found = contents[request.path]()
    headers = {"ETag": found.tag}
    if found.tag in request.known:
        return _answer(HTTPStatus.NOT_MODIFIED, headers)
    headers |= {
        "Content-Type": found.type,
        "Content-Length": str(len(found.body)),
        "Content-Security-Policy": f"{found.policy}; frame-ancestors 'none'",
    }
    return _answer(HTTPStatus.OK, headers, b"" if request.method == "HEAD" else found.body)


def refusal(status: HTTPStatus, *, has_body: bool = True) -> bytes:
    """Return an answer without content, which says in a sentence why."""
    body = f"{_WORDS[status]}\n".encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        **_MORE.get(status, {}),
    }
    return _answer(status, headers, body if has_body else b"")


def is_own(host: str) -> bool:
    """Tell whether a request's `Host` means this computer: by an address, as localhost, or by its own name.

    Any other name may be one that a stranger's page had resolved to this computer, to read along (DNS rebinding).
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    try:
        ipaddress.ip_address(found[1].strip("[]"))
    except ValueError:
        own = socket.gethostname().lower()
        names = {own, *(own.partition(".")[0] + suffix for suffix in _OWN_SUFFIXES)}
        return found[1] in {"localhost", *names}
    return True


def _fault(request: _Request, paths: Container[str]) -> HTTPStatus | None:
    if not is_own(request.host):
        return HTTPStatus.MISDIRECTED_REQUEST
    if request.method not in _METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    return None if request.path in paths else HTTPStatus.NOT_FOUND


def _read(head: bytes) -> _Request | None:
    """Return what a request says; None if it is not one."""
    if not head.endswith(END_OF_HEAD):
        return None
    first, *lines = head.removesuffix(END_OF_HEAD).split(b"\r\n")
    parts = _FIRST_LINE.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    if parts is None or not all(fields):
        return None
    values = [(field[1].lower(), field[2]) for field in fields if field]
    hosts = [value for name, value in values if name == b"host"]
    if len(hosts) != 1:
        return None
    known = b", ".join(value for name, value in values if name == b"if-none-match")
    method, path, host, tags = (part.decode("latin-1") for part in (parts[1], parts[2], hosts[0], known))
    return _Request(method, path.partition("?")[0], host, tags)


def _answer(status: HTTPStatus, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    fields = {"Date": formatdate(usegmt=True), **_ALWAYS, **headers}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
