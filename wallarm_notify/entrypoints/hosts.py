"""The host names by which servers of ours are asked.

A page of anybody may have the name service lead its own name to this machine (DNS rebinding): to a
browser here our server is then that page's, and the page reads it. The name in the request tells.
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


class KnownHosts:
    """Loopback's names, the ``address`` that a server listens on, and ``further`` ones; any port.

    A server that listens on every address is known by each: no name service leads there.
    """

    def __init__(self, address: str, further: Iterable[str] = ()) -> None:
        self._by_any_address = address in _EVERY_ADDRESS
        self._known = {_plain(name) for name in (*_LOOPBACK, address, *further)}

    def know(self, header: str | None) -> bool:
        """Whether a request with this Host header is to be answered."""
        parts = _HOST.fullmatch(header or "")
        if parts is None:
            return False
        name = _plain(parts[1])
        return name in self._known or (self._by_any_address and _is_address(name))


def _plain(name: str) -> str:
    """One form for all that mean the same."""
    bare = name.strip("[]").rstrip(".").lower()
    return str(ip_address(bare)) if _is_address(bare) else bare


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
