"""Publishing to Redis: an event counts as published where so many replicas have it too.

Redis confirms what its replicas may not have yet, and a fail-over loses that. ``WAIT`` waits for them. It counts for
what the same connection wrote before, so both go in one message; on a new connection it would be true at once.
"""

from typing import Any, Final

from kombu import Connection
from kombu.exceptions import KombuError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as transport
from kombu.utils.json import dumps

from wallarm_notify.redis_connection import RedisConnection
from wallarm_notify.redis_sentinel import MasterChannel
from wallarm_notify.task_names import INGEST_QUEUES

WAIT_MILLISECONDS: Final = 3000
"""How long replicas may take, before the publish counts as failed.

Less than any ``socket_timeout``; and so long that a producer does not try again, which would leave another copy.
"""


class NotReplicated(KombuError):
    """Too few replicas have a message, which may arrive nevertheless."""


class WaitingChannel(transport.Channel):
    """A channel whose events are published when ``wait_replicas`` replicas have them.

    The other queues hold what is in the database too, and are not waited for.
    """

    from_transport_options = (*transport.Channel.from_transport_options, "wait_replicas")
    wait_replicas = 0

    # kombu's, which its published types lack.
    _q_for_pri: Any
    _get_message_priority: Any

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        if not self.wait_replicas or queue not in INGEST_QUEUES:
            kombus: Any = super()
            kombus._put(queue, message, **kwargs)  # noqa: SLF001 - its own
            return
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            pipe.lpush(key, dumps(message))
            pipe.execute_command("WAIT", self.wait_replicas, WAIT_MILLISECONDS)
            _, replicas = pipe.execute()
        if replicas < self.wait_replicas:
            raise NotReplicated(
                f"{replicas} of {self.wait_replicas} replicas had the message after "
                f"{WAIT_MILLISECONDS / 1000:g} s; it may arrive nevertheless"
            )


class MasterWaitingChannel(WaitingChannel, MasterChannel):
    """A channel of this kind to a master that Sentinels name."""

    from_transport_options = (*MasterChannel.from_transport_options, "wait_replicas")


class Transport(transport.Transport):
    """kombu's Redis transport with the channel of this module."""

    Channel = WaitingChannel


class SentinelTransport(transport.SentinelTransport):
    """kombu's transport for Sentinel with the channel of this module."""

    Channel = MasterWaitingChannel


class PublishingConnection(RedisConnection):
    """A connection that publishes; to a Redis without Sentinel and without ``wait_replicas`` it is kombu's own."""

    redis_transport = "waiting-redis"
    sentinel_transport = "waiting-sentinel"

    def get_transport_cls(self) -> Any:
        """Return the class of the transport in use."""
        kombus: Any = Connection.get_transport_cls(self)
        is_plain = kombus is transport.Transport
        if is_plain and not (self.transport_options or {}).get("wait_replicas"):
            return kombus
        return super().get_transport_cls()


TRANSPORT_ALIASES[PublishingConnection.redis_transport] = f"{__name__}:{Transport.__name__}"
TRANSPORT_ALIASES[PublishingConnection.sentinel_transport] = (
    f"{__name__}:{SentinelTransport.__name__}"
)
