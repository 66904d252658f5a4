"""The way to a Redis that Sentinels name: which one is the master, and when to ask again.

kombu's own channel for Sentinel says in an error neither what a Sentinel answered nor why it was not reached, and
redis-py tries a Sentinel that is away four times, with pauses of seconds, before it asks the next.
"""

from typing import Any, Final

from kombu.transport import redis as transport
from kombu.utils.url import url_to_parts
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

SENTINEL_SECONDS: Final = 1.0
"""How long a Sentinel may take to connect, and to answer, before the next one is asked."""

_TOO_FEW_REPLICAS: Final = "NOREPLICAS"


# Much of redis-py has no types.
_Sentinel: Any = Sentinel
_ManagedConnection: Any = SentinelManagedConnection


class Sentinels(_Sentinel):  # type: ignore[misc]
    """The Sentinels of a master, each of which is asked once, the one that answered last first."""

    def __init__(self, sentinels: Any, sentinel_kwargs: Any = None, **connection: Any) -> None:
        timeouts = {
            "socket_connect_timeout": SENTINEL_SECONDS,
            "socket_timeout": SENTINEL_SECONDS,
        }
        super().__init__(
            sentinels, sentinel_kwargs={**timeouts, **(sentinel_kwargs or {})}, **connection
        )
        for one in self.sentinels:
            one.set_retry(Retry(NoBackoff(), 0))

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return host and port of the master. Raise MasterNotFoundError, with the reason, where none is up."""
        fault: Exception | None = None
        for place, one in enumerate(self.sentinels):
            try:
                state = one.sentinel_masters().get(service_name)
            except (RedisError, OSError) as error:
                fault = error
                continue
            if state and self.check_master_state(state, service_name):
                self.sentinels.insert(0, self.sentinels.pop(place))
                return state["ip"], state["port"]
        reason = f"; the last that gave no answer said: {fault}" if fault is not None else ""
        raise MasterNotFoundError(
            f"no Sentinel knows a master «{service_name}» that is up{reason}"
        ) from fault

    def ask_another_first(self) -> None:
        """Ask the Sentinel that named the master last of all: it may be cut off together with that master."""
        self.sentinels.append(self.sentinels.pop(0))


class MasterConnection(_ManagedConnection):  # type: ignore[misc]
    """A connection to the master, which is given up where that may not be the master any more.

    The next command connects to whichever Redis the Sentinels name then.
    """

    connection_pool: Any

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next answer. Raise a connection error for one that only a former master gives."""
        try:
            return super().read_response(*args, **kwargs)
        except ResponseError as error:
            # A former master that is cut off from its replicas. redis-py knows the other case, READONLY.
            if not str(error).startswith(_TOO_FEW_REPLICAS):
                raise
            self.connection_pool.sentinel_manager.ask_another_first()
            self.disconnect()
            raise RedisConnectionError(
                "the master takes no writes: it has too few replicas (min-replicas-to-write)"
            ) from None


class MasterConnectionOverTLS(MasterConnection, transport.SentinelManagedSSLConnection):
    """A connection to the master over TLS."""


class MasterChannel(transport.SentinelChannel):
    """kombu's channel to the master that Sentinels name, by this module's means."""

    connection_class = MasterConnection
    connection_class_ssl = MasterConnectionOverTLS

    # kombu's, which its published types lack.
    connection: Any
    _connparams: Any
    master_name: str | None = None
    sentinel_kwargs: dict[str, Any] | None = None
    min_other_sentinels = 0

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        if not self.master_name:
            raise ValueError("the transport option master_name is missing: the master's name")
        given = self._connparams(asynchronous)
        first = given.pop("host"), given.pop("port")
        others = [url_to_parts(url) for url in self.connection.client.alt]
        port = self.connection.default_port
        sentinels = Sentinels(
            [(other.hostname, other.port or port) for other in others] or [first],
            sentinel_kwargs=self.sentinel_kwargs,
            min_other_sentinels=self.min_other_sentinels,
            **given,
        )
        # kombu closes its connections to the Sentinels by these.
        if asynchronous:
            self._async_sentinel_manager = sentinels
        else:
            self._sentinel_manager = sentinels
        return sentinels.master_for(self.master_name, Redis).connection_pool
