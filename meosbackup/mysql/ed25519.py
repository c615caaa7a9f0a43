"""MariaDB's login by ed25519, which mysql-connector-python hasn't: a signature of the server's challenge.

The curve and its arithmetic are those of RFC 8032, section 5.1; the password takes the place of the private key
(MariaDB documentation, "Authentication Plugin - ed25519").
"""

import hashlib
import sys
from typing import Any

from mysql.connector.plugins import MySQLAuthPlugin

AUTHENTICATION_PLUGIN_CLASS = "Ed25519Login"
"""How the connector finds the class in this module."""

_MODULE = "mysql.connector.plugins.client_ed25519"
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

# A point as X, Y, Z, T with x = X/Z, y = Y/Z and x*y = T/Z.
Point = tuple[int, int, int, int]


class Ed25519Login(MySQLAuthPlugin):
    """What answers a server that asks for `client_ed25519`."""

    @property
    def name(self) -> str:
        """The plugin's name, as the server says it."""
        return "client_ed25519"

    @property
    def requires_ssl(self) -> bool:
        """Nothing secret is sent."""
        return False

    def auth_response(self, auth_data: bytes, **_: Any) -> bytes:
        """Return the answer to a challenge; an account without a password is not asked for one."""
        return signature(self._password.encode(), auth_data) if self._password else b""

    def auth_switch_response(self, sock: Any, auth_data: bytes, **_: Any) -> bytes:
        """Send the answer, and return what the server says to that."""
        sock.send(self.auth_response(auth_data))
        return bytes(sock.recv())


def register() -> None:
    """Have the connector find this module where it looks for logins."""
    sys.modules.setdefault(_MODULE, sys.modules[__name__])


def signature(key: bytes, message: bytes) -> bytes:
    """Sign a message (RFC 8032, section 5.1.6); the key may have any length."""
    digest = hashlib.sha512(key).digest()
    secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    public = _encoded(_times(secret, _base()))
    nonce = _number(digest[32:], message)
    commitment = _encoded(_times(nonce, _base()))
    answer = (nonce + _number(commitment, public, message) * secret) % _ORDER
    return commitment + answer.to_bytes(32, "little")


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


def _base() -> Point:
    """Return the base point: y is 4/5, and x is even."""
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    x = _P - x if x % 2 else x
    return x, y, 1, x * y % _P


def _sum(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
