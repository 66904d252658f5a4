"""The address that a request comes from, behind proxies that are named in the settings."""

import re
import socket
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

from starlette.requests import HTTPConnection

Address: TypeAlias = IPv4Address | IPv6Address

_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
"""An address of IPv6 in brackets, with or without a port, or one of IPv4 with a port."""

UNKNOWN: Final = "unknown"
"""What stands for the address where there is none, as on a Unix socket."""


class TrustedProxies:
    """The proxies whose word about the address before them is taken: addresses, networks and host names.

    Names are looked up once, when this is made. Raise OSError where one is not known.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._networks = [network for name in names for network in _networks_of(name)]

    def address_of(self, request: HTTPConnection) -> str:
        """Return the address of the client: the last one that no trusted proxy has."""
        peer = UNKNOWN if request.client is None else request.client.host
        address = _address_in(peer)
        if address is None:
            return peer
        passed_on = [
            one for line in request.headers.getlist("x-forwarded-for") for one in line.split(",")
        ]
        while passed_on and self._trust(address):
            before = _address_in(passed_on.pop())
            if before is None:
                break  # somebody made it up, before the first proxy that is trusted
            address = before
        return str(address)

    def trusts(self, request: HTTPConnection) -> bool:
        """Return whether a trusted proxy itself has made the connection."""
        peer = None if request.client is None else _address_in(request.client.host)
        return peer is not None and self._trust(peer)

    def _trust(self, address: Address) -> bool:
        return any(address in one for one in self._networks)


def _networks_of(name: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(name, strict=False)]
    except ValueError:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return [ip_network(place[0]) for *_, place in found]


def _address_in(text: str) -> Address | None:
    """Return the address in ``text``, which may name a port too, as some proxies do; None: it is none.

    A socket of both protocols shows those of IPv4 as IPv6 has them: that is the same address.
    """
    stripped = text.strip()
    found = _WITH_PORT.fullmatch(stripped)
    try:
        address = ip_address(stripped if found is None else found[1] or found[2])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
