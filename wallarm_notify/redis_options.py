"""How a Redis is set up, beyond what its URL says, as kombu's transport options."""

import re
import socket
from dataclasses import dataclass, field
from typing import Any, Final

from wallarm_notify.tls import use_ssl
from wallarm_notify.urls import Broker

_NOTICED_BY: Final = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": 20_000,
}
"""After 10 s without a word the other side is asked, every 5 s, twice; what is sent has to be confirmed within 20 s."""

KEEPALIVE: Final[dict[str, Any]] = {
    "socket_keepalive": True,
    # By itself the system asks after two hours. Some systems lack some of these.
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _NOTICED_BY.items() if hasattr(socket, name)
    },
}
"""How a Redis is noticed whose machine vanished, so that no connection to it ends: as a database is, within 20 s."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{0,100}")
"""What needs no escape in the patterns of an ACL."""

_NO_PREFIX: Final = (
    "is no prefix of keys, as notify: or eu-1.; it has up to 100 letters, digits and _ . : -"
)
_NO_NAME: Final = (
    "is not set, and the broker's URL names Sentinels; set it to the name that their configuration has behind "
    "«sentinel monitor»"
)
_CHANGE_ONE: Final = "unset the one or change the other"


@dataclass(frozen=True, slots=True)
class RedisSetup:
    """How a Redis is set up, beyond its URL.

    ``master_name`` is what its Sentinels call the master, and the login is theirs; that of the master itself is
    in the URL. ``key_prefix`` stands before each key and channel. ``wait_replicas`` is how many replicas must
    have an event before it counts as published.
    """

    master_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    key_prefix: str = ""
    wait_replicas: int = 0

    def options(self, broker: Broker, ca_file: str | None) -> dict[str, Any]:
        """Return the transport options of a connection to ``broker``, where ``ca_file`` has the CAs.

        TLS to the master means TLS to its Sentinels, with the same files.
        """
        given: dict[str, Any] = {
            "global_keyprefix": self.key_prefix,
            "wait_replicas": self.wait_replicas,
        }
        if broker.is_behind_sentinel:
            login = {"username": self.sentinel_username, "password": self.sentinel_password}
            kwargs: dict[str, Any] = {name: value for name, value in login.items() if value}
            if (ssl := use_ssl(broker, ca_file)) is not None:
                kwargs |= {"ssl": True, **ssl}
            given |= {"master_name": self.master_name, "sentinel_kwargs": kwargs}
        return {name: value for name, value in given.items() if value}

    def misfit(self, broker: Broker) -> tuple[str, str] | None:
        """Return which field does not fit ``broker``, and why, to follow its name; None if all do."""
        of_sentinels = ("master_name", "sentinel_username", "sentinel_password")
        if broker.is_behind_sentinel and not self.master_name:
            return "master_name", _NO_NAME
        for names, fits, only in (
            (of_sentinels, broker.is_behind_sentinel, "is for sentinel:// alone"),
            (("key_prefix", "wait_replicas"), broker.is_redis, "only a Redis has"),
        ):
            name = next((name for name in names if getattr(self, name)), None)
            if name is not None and not fits:
                return name, f"is set, which {only}, and the broker is another; {_CHANGE_ONE}"
        if not _PREFIX.fullmatch(self.key_prefix):
            return "key_prefix", _NO_PREFIX
        return ("wait_replicas", "must not be negative") if self.wait_replicas < 0 else None
