"""Connections to Redis with a transport of this project, chosen for one connection alone.

kombu chooses a transport by the scheme of each URL, again whenever it moves on to another of several. A
transport that is named otherwise (``Connection(transport=...)``, Celery's ``broker_transport``) is forgotten
then, and with ``redis+socket://`` at once. A scheme of our own would appear in every URL that people are shown.
"""

from typing import Any, ClassVar

from kombu import Connection
from kombu.transport import get_transport_cls, redis


def is_redis(connection: Connection) -> bool:
    """Return whether ``connection`` leads to a Redis or Valkey."""
    transport: Any = connection.transport
    return str(transport.driver_type) == "redis"


class RedisConnection(Connection):
    """A connection that uses ``redis_transport``, by kombu's name for it, wherever it leads to a Redis.

    Everything else is as with kombu's own: URLs, failover, clones, other brokers.
    """

    redis_transport: ClassVar[str]

    @classmethod
    def in_place_of(cls, connection: Connection, **transport_options: Any) -> Connection:
        """Return a connection to where ``connection`` leads, with ``transport_options`` added to its own.

        To another broker than a Redis it is ``connection`` itself. Neither has connected yet.
        """
        if not is_redis(connection):
            return connection
        info = connection.info()
        options = {**info["transport_options"], **transport_options}
        return cls(**{**info, "transport_options": options})

    def get_transport_cls(self) -> Any:
        """Return the class of the transport in use."""
        chosen: Any = super().get_transport_cls()
        return get_transport_cls(self.redis_transport) if chosen is redis.Transport else chosen
