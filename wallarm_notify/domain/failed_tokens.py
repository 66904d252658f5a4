"""Failed tokens, counted by address: who guesses is made to wait, and nobody else (spec 9)."""

import math
import threading
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from wallarm_notify.domain.errors import TooManyFailures

MOST: Final = 20
"""How many tokens of one address may fail in a window."""

WINDOW: Final = timedelta(minutes=1)

ADDRESSES: Final = 10_000
"""How many addresses are remembered; beyond, those whose windows began first are forgotten."""

_SITE: Final = 64
"""Bits of an IPv6 address that one customer of a provider has the same of: the rest is the customer's to choose."""

_LONGEST: Final = 45
"""Characters of the longest address."""


class FailedTokens:
    """The failures of a process. Count one only after a token failed: a valid one is let in whatever came before."""

    def __init__(
        self, most: int = MOST, window: timedelta = WINDOW, addresses: int = ADDRESSES
    ) -> None:
        self._most = most
        self._window = window
        self._addresses = addresses
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[datetime, int]] = {}
        """When each address's window began and how many failed in it; the earliest is the first."""

    def count(self, address: str, now: datetime) -> None:
        """Count a failure of ``address``. Raise TooManyFailures where it has had as many as it may."""
        key = _key_of(address)
        with self._lock:
            began, failures = self._failures.get(key, (now, 0))
            if not timedelta() <= now - began < self._window:
                began, failures = now, 0
            if failures >= self._most:
                raise TooManyFailures(math.ceil((began + self._window - now).total_seconds()))
            if not failures:
                self._make_room(key)
            self._failures[key] = (began, failures + 1)

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._failures)

    def _make_room(self, key: str) -> None:
        # A new window goes to the end, so that the first one is the earliest.
        self._failures.pop(key, None)
        if len(self._failures) >= self._addresses:
            del self._failures[next(iter(self._failures))]


def _key_of(address: str) -> str:
    try:
        read = ip_address(address)
    except ValueError:
        return address[:_LONGEST]
    if not isinstance(read, IPv6Address):
        return str(read)
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(ip_network((int(read), _SITE), strict=False))
