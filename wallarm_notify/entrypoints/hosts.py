"""The host names that a server answers to, against DNS rebinding.

A web page may have its own host name resolve to this machine (DNS rebinding). A browser on this machine then takes
our server for the page's, and lets the page read it. The host name in the request shows this.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

UNKNOWN: Final = (
    "This server is not known by that host name; if it should be, add the name to "
    "WALLARM_NOTIFY_HOSTS.\n"
)

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_EVERY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104 - what somebody may listen on
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+)(?::[0-9]*)?")


def is_loopback(address: str) -> bool:
    """Return whether a server that listens on ``address`` is reached from its own machine alone."""
    bare = _plain(address)
    return ip_address(bare).is_loopback if _is_address(bare) else bare == "localhost"


class KnownHosts:
    """The names of loopback, the ``address`` that a server listens on, and ``further`` ones; any port.

    A server that listens on every address is known by any IP address, as DNS is not involved then.
    """

    def __init__(self, address: str, further: Iterable[str] = ()) -> None:
        self._by_any_address = address in _EVERY_ADDRESS
        self._known = {_plain(name) for name in (*_LOOPBACK, address, *further)}

    def know(self, header: str | None) -> bool:
        """Return whether a request with this Host header is to be answered."""
        parts = _HOST.fullmatch(header or "")
        if parts is None:
            return False
        name = _plain(parts[1])
        return name in self._known or (self._by_any_address and _is_address(name))


def _plain(name: str) -> str:
    """Return one spelling for all spellings of a host name."""
    bare = name.strip("[]").rstrip(".").lower()
    return str(ip_address(bare)) if _is_address(bare) else bare


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
