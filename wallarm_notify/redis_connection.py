"""Connections to Redis with a transport of this project, chosen for one connection alone.

kombu chooses a transport by the scheme of each URL, again whenever it moves on to another of several. A
transport that is named otherwise (``Connection(transport=...)``, Celery's ``broker_transport``) is forgotten
then, and with ``redis+socket://`` at once. A scheme of our own would appear in every URL that people are shown.
"""

from typing import Any, ClassVar, Final

from kombu import Connection
from kombu.transport import get_transport_cls, redis

_HIDDEN: Final = "**"


def is_redis(connection: Connection) -> bool:
    """Return whether ``connection`` leads to a Redis or Valkey, by itself or through Sentinel."""
    transport: Any = connection.transport
    return str(transport.driver_type) == "redis"


def is_behind_sentinel(connection: Connection) -> bool:
    """Return whether ``connection`` asks Sentinels for its Redis."""
    transport: Any = connection.transport
    return is_redis(connection) and issubclass(transport.Channel, redis.SentinelChannel)


class RedisConnection(Connection):
    """A connection that uses a transport of ours wherever it leads to a Redis.

    ``redis_transport`` and ``sentinel_transport`` are kombu's names for it, for a Redis that the URL names and
    for one that Sentinels name. Everything else is as with kombu's own: URLs, failover, clones, other brokers.
    """

    redis_transport: ClassVar[str]
    sentinel_transport: ClassVar[str]

    @classmethod
    def in_place_of(cls, connection: Connection, **transport_options: Any) -> Connection:
        """Return a connection to where ``connection`` leads, with ``transport_options`` added to its own.

        To another broker than a Redis it is ``connection`` itself. Neither has connected yet.
        """
        if not is_redis(connection):
            return connection
        info = dict(connection._info())  # noqa: SLF001 - the public one of this class leaves a password out
        options = {**info["transport_options"], **transport_options}
        return cls(**{**info, "transport_options": options})

    def info(self) -> dict[str, Any]:
        """Return what remote control and Flower show of a connection, without the password of the Sentinels."""
        shown: dict[str, Any] = super().info()
        kwargs = shown["transport_options"].get("sentinel_kwargs")
        if kwargs:
            hidden = {name: _HIDDEN if name == "password" else kwargs[name] for name in kwargs}
            shown["transport_options"] = {**shown["transport_options"], "sentinel_kwargs": hidden}
        return shown

    def get_transport_cls(self) -> Any:
        """Return the class of the transport in use."""
        chosen: Any = super().get_transport_cls()
        if chosen is redis.Transport:
            return get_transport_cls(self.redis_transport)
        if chosen is redis.SentinelTransport:
            return get_transport_cls(self.sentinel_transport)
        return chosen
