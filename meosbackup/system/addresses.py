"""This computer's addresses on the networks that it is in, found without asking anybody."""

import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

if sys.platform == "linux":
    import fcntl
    import struct

    _SIOCGIFADDR = 0x8915
    """Asks for an interface's address (netdevice(7))."""

_ELSEWHERE = "192.0.2.1"
"""An address that no computer has (RFC 5737)."""
_MOST = 3
NONE = "127.0.0.1"
"""What stands for an address if this computer has none that others could reach."""


def own(server: str) -> list[str]:
    """Return this computer's IPv4 addresses, at most three; 127.0.0.1 if there is no other.

    First comes the one from which the server would be reached, if its address is known, and then the one that leads to
    other networks.
    """
    found = [address for host in (server, _ELSEWHERE) if (address := _towards(host))]
    usable = [one for one in dict.fromkeys((*found, *_of_interfaces())) if not ipaddress.ip_address(one).is_loopback]
    usable.sort(key=lambda one: ipaddress.ip_address(one).is_link_local)
    return usable[:_MOST] or [NONE]


def _towards(host: str) -> str | None:
    """Return the address from which packets to another address would leave; nothing is sent."""
    with suppress(ValueError, OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((str(ipaddress.IPv4Address(host)), 9))
        return str(probe.getsockname()[0])
    return None


def _of_interfaces() -> Iterator[str]:
    if sys.platform == "linux":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for _, name in socket.if_nameindex():
                with suppress(OSError):  # it has no address
                    found = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()))
                    yield socket.inet_ntoa(found[20:24])
    else:
        with suppress(OSError):
            for *_, address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM):
                yield str(address[0])
