"""The transport of ``broker.redis_transport`` to a master that Sentinels name."""

import logging

from kombu.transport import redis

from wallarm_notify.broker.redis_transport import NotingChannel, Transport
from wallarm_notify.redis_sentinel import MasterChannel

log = logging.getLogger(__name__)


class MasterNotingChannel(NotingChannel, MasterChannel):
    """A channel that takes messages by a script, and follows its master."""

    from_transport_options = (*MasterChannel.from_transport_options, "batched_queues")

    def follow_master(self) -> None:
        """Leave the connection that waits for messages where it leads to a former master.

        Nothing would be found there, and nothing would fail, as finding nothing writes nothing. The other
        connections write, so they know the master.
        """
        connection = self.client.connection
        master = self.pool.master_address
        if connection is not None and master not in (None, (connection.host, connection.port)):
            log.warning("broker.follows_master", extra={"master": f"{master[0]}:{master[1]}"})
            connection.disconnect()


class SentinelTransport(Transport):
    """The transport with the channel of this module."""

    Channel = MasterNotingChannel
    default_port = redis.SentinelTransport.default_port
