"""Connections to Redis by a transport of our own, chosen for one connection and for no other in the process.

kombu chooses a transport by the scheme of each URL, again whenever it moves on to another of several. A transport
that is named otherwise (``Connection(transport=...)``, Celery's ``broker_transport``) is forgotten then, and with
``redis+socket://`` at once; a scheme of our own would stand in every URL that people are shown.
"""

from typing import Any, ClassVar

from kombu import Connection
from kombu.transport import get_transport_cls, redis


def is_redis(connection: Connection) -> bool:
    """Return whether ``connection`` leads to a Redis or Valkey."""
    transport: Any = connection.transport
    return str(transport.driver_type) == "redis"


class RedisConnection(Connection):
    """A connection whose transport to a Redis is ``redis_transport``, a name among kombu's.

    Everything else is as with kombu's own: URLs, failover, clones, other brokers.
    """

    redis_transport: ClassVar[str]

    @classmethod
    def in_place_of(cls, connection: Connection, **transport_options: Any) -> Connection:
        """Return a connection to where ``connection`` leads, with ``transport_options`` besides its own.

        Where that is no Redis it is ``connection`` itself. Neither has connected yet.
        """
        if not is_redis(connection):
            return connection
        info = connection.info()
        options = {**info["transport_options"], **transport_options}
        return cls(**{**info, "transport_options": options})

    def get_transport_cls(self) -> Any:
        """Return the class of the transport that is used now."""
        chosen: Any = super().get_transport_cls()
        return get_transport_cls(self.redis_transport) if chosen is redis.Transport else chosen
