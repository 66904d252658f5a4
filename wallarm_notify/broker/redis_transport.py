"""A transport for kombu that takes messages out of Redis in one step: a reliable queue.

kombu's own takes a message with ``BRPOP`` and notes in a second step who has it. If a worker or a Redis is
killed in between, the message is lost; a Redis without memory refuses the note. Here one script does both:
``broker.redis_scripts``.

The transport option ``batched_queues``, a collection of names, says which queues are batched. All messages of
such a queue are taken at once, and ``broker.batching`` makes one task of them.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty
from time import monotonic
from typing import Any, Final

from kombu.asynchronous import get_event_loop
from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.encoding import bytes_to_str
from redis.exceptions import OutOfMemoryError, ResponseError

from wallarm_notify.broker.redis_message import decoded, well_formed
from wallarm_notify.broker.redis_scripts import HAND_BACK, HAND_BACK_OLD, MARK_RETURNED, TAKE
from wallarm_notify.redis_connection import RedisConnection

log = logging.getLogger(__name__)

NAME: Final = "reliable-redis"
SENTINEL_NAME: Final = "reliable-sentinel"
"""The transports' names among kombu's: for a Redis that the URL names, and for a master that Sentinels name."""

AT_ONCE: Final = 100
"""The greatest number of messages that one step takes, or hands back."""

AHEAD_AT_ONCE: Final = 1000
"""The greatest number of times ahead of Redis's clock that one search for dead workers' messages corrects."""

LOOK_AGAIN_TRACKED: Final = 1.0
LOOK_AGAIN_UNTRACKED: Final = 0.02
"""Seconds from finding nothing to the next look: where Redis tracks for the worker what changes, and where an ACL,
or a proxy before Redis, forbids ``CLIENT TRACKING``.
"""

BATCH_BYTES: Final = 160_000
"""The most bytes of a batched queue that one step takes, unless a single message has more."""


def _nobody_waits() -> None:
    """Do nothing when messages were settled."""


class NotedQoS(redis.QoS):
    """The messages that this worker has, which Redis has noted already.

    ``settled`` is called when some were acknowledged or handed back.
    """

    # kombu's, which its published types lack.
    channel: Any
    prefetch_count: int
    _delivered: Any
    _dirty: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._batched: set[str] = set()
        self._returned: set[str] = set()
        self.settled: Callable[[], object] = _nobody_waits

    def can_consume(self) -> bool:
        """Return whether the worker has room for another message."""
        return self.can_consume_max_estimate() != 0

    def can_consume_max_estimate(self) -> int | None:  # type: ignore[override]  # as kombu's own does
        """Return for how many messages there is room, or None without a limit.

        The first message of a batch takes room, the others take none.
        """
        if not self.prefetch_count:
            return None
        here = len(self._delivered) - len(self._dirty) - len(self._batched)
        return max(self.prefetch_count - here, 0)

    def mark_batched(self, delivery_tag: str) -> None:
        """Note that the task of another message stores this one too."""
        if self.has(delivery_tag):
            self._batched.add(delivery_tag)

    def has(self, delivery_tag: str) -> bool:
        """Return whether this worker has the message, and has neither done it nor handed it back."""
        return delivery_tag in self._delivered and delivery_tag not in self._dirty

    def note_return(self, delivery_tag: str) -> None:
        """Note that, as Redis says, a message came back from a worker that died."""
        self._returned.add(delivery_tag)

    def has_returned(self, delivery_tag: str) -> bool:
        """Return whether a message came back from a worker that died."""
        return delivery_tag in self._returned

    def mark_returned(self, delivery_tags: Sequence[str]) -> None:
        """Tell Redis that the process that had these messages died, for whoever takes them next."""
        with self.channel.conn_or_acquire() as client:
            self._run(client, MARK_RETURNED, *delivery_tags)

    def ack(self, delivery_tag: str) -> None:
        """End a message that is done, for every worker that was handed it."""
        self.ack_all([delivery_tag])

    def ack_all(self, delivery_tags: Sequence[str]) -> None:
        """End several messages in one step."""
        try:
            with self.pipe_or_acquire() as pipe:
                pipe.zrem(self.unacked_index_key, *delivery_tags)
                pipe.hdel(self.unacked_key, *delivery_tags)
                if returned := self._returned.intersection(delivery_tags):
                    pipe.srem(self.channel.returned_key, *returned)
                pipe.execute()
        finally:
            self._settle(delivery_tags)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Hand a message back, or drop it."""
        self.reject_all([delivery_tag], requeue=requeue)

    def reject_all(self, delivery_tags: Sequence[str], *, requeue: bool) -> None:
        """Hand several messages back in one step, behind all that wait already; or drop them."""
        if not requeue:
            self.ack_all(delivery_tags)
            return
        try:
            with self.channel.conn_or_acquire() as client:
                self._run(client, HAND_BACK, "LPUSH", *delivery_tags)
        finally:
            self._settle(delivery_tags)

    def _settle(self, delivery_tags: Sequence[str]) -> None:
        """Free the room of these messages even if Redis was away: it hands them out again."""
        for tag in delivery_tags:
            self._batched.discard(tag)
            self._returned.discard(tag)
            virtual.QoS.ack(self, tag)
        self.settled()

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remember ``message``; Redis has noted it already."""
        virtual.QoS.append(self, message, delivery_tag)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Hand out again the messages of dead workers; kombu calls it every ``unacked_restore_interval`` seconds."""
        with self.channel.conn_or_acquire() as client:
            old = (HAND_BACK_OLD, "RPUSH", self.visibility_timeout, AT_ONCE, AHEAD_AT_ONCE)
            while self._run(client, *old) == AT_ONCE:
                pass
        self.channel.follow_master()

    def restore_unacked(self, client: Any = None) -> None:
        """Hand out again, now, the messages that this worker has and has not done."""
        tags = list(self._delivered)
        with self.channel.conn_or_acquire(client) as connected:
            # The newest first: the last is taken next.
            for end in range(len(tags), 0, -AT_ONCE):
                some = tags[max(0, end - AT_ONCE) : end]
                self._run(connected, HAND_BACK, "RPUSH", *reversed(some))
        self._delivered.clear()

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """Hand out one message again: next, or after all that wait already (``leftmost``)."""
        self._returned.discard(tag)
        with self.channel.conn_or_acquire(client) as connected:
            self._run(connected, HAND_BACK, "LPUSH" if leftmost else "RPUSH", tag)

    def _run(self, client: Any, script: str, *arguments: Any) -> int:
        keys = self.channel.keys_of_notes()
        return int(client.eval(script, len(keys), *keys, *arguments))


class NotingChannel(redis.Channel):
    """A channel that takes messages by a script, as many as the worker has room for.

    A script cannot wait for messages, as ``BRPOP`` does. Redis tracks the lists that a channel found empty
    (``CLIENT TRACKING``) and reports a change by an invalidation message; the channel also looks again by
    itself now and then.
    """

    QoS = NotedQoS
    from_transport_options = (*redis.Channel.from_transport_options, "batched_queues")
    batched_queues: Collection[str] = ()
    # Not kombu's names: its notes have another form, and other applications may keep theirs in the same Redis.
    unacked_key = "wallarm_notify.unacked"
    unacked_index_key = "wallarm_notify.unacked_index"
    returned_key = "wallarm_notify.returned"
    """The tags of messages that came back from workers that died."""

    # kombu's, which its published types lack.
    qos: Any
    connection_errors: Any
    _queue_cycle: Any
    _fanout_to_queue: Any
    _q_for_pri: Callable[[str, int], str]
    _flush_brpop_reauth: Callable[[], None]
    global_keyprefix: str
    _create_client: Callable[[], Any]

    _rests_until = 0.0
    _is_tracked = False
    _tracked_on: Any = None
    _at_hand: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Yield a client. kombu makes a new one each time, which takes longer than a command."""
        if client is None:
            if self._at_hand is None or self._at_hand.connection_pool is not self.pool:
                self._at_hand = self._create_client()
            client = self._at_hand
        yield client

    def keys_of_notes(self) -> list[str]:
        """Return the keys of what workers hold, for scripts: to those kombu adds no prefix."""
        keys = (self.unacked_key, self.unacked_index_key, self.returned_key)
        return [f"{self.global_keyprefix}{key}" for key in keys]

    def follow_master(self) -> None:
        """Do nothing: this Redis has no other in its place."""

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for messages, unless there were none a moment ago."""
        del timeout
        now = monotonic()
        if now < self._rests_until:
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self.client.connection
        self._track(connection)
        lists = [
            f"{self.global_keyprefix}{self._q_for_pri(queue, pri)}"
            for pri in self.priority_steps
            for queue in queues
        ]
        keys = [*lists, *self.keys_of_notes()]
        room = self.qos.can_consume_max_estimate()
        most = AT_ONCE if room is None else min(room, AT_ONCE)
        flags = [int(queue in self.batched_queues) for queue in queues]
        script = (len(keys), *keys, len(queues), most, AT_ONCE, BATCH_BYTES, *flags)
        self._in_poll, self._brpop_sent_at = connection, now
        connection.send_command("EVAL", TAKE, *script)

    def _track(self, connection: Any) -> None:
        """Have Redis track what others write into the lists; once on each connection."""
        if self._tracked_on is connection._sock:  # noqa: SLF001 - a new connection has a new one
            return
        try:
            connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP")
            connection.read_response()
            self._is_tracked = str(connection.get_protocol()) == "3"
        except ResponseError:
            self._is_tracked = False
        self._tracked_on = connection._sock  # noqa: SLF001 - as above

    def _brpop_read(self, **options: Any) -> bool:
        """Return True after handing what came to the worker; raise Empty if nothing came."""
        connection = self.client.connection
        try:
            taken = self.client.parse_response(connection, "EVAL", **options)
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not taken:
            if connection.can_read():
                self.read_invalidations()
            else:
                self._rest()
            raise Empty
        tags = [bytes_to_str(tag) for tag in taken[::3]]
        for tag, returned in zip(tags, taken[2::3], strict=True):
            if returned:
                self.qos.note_return(tag)
        self._hand_over(tags, taken[1::3])
        return True

    def _rest(self) -> None:
        seconds = LOOK_AGAIN_TRACKED if self._is_tracked else LOOK_AGAIN_UNTRACKED
        self._rests_until = monotonic() + seconds
        hub = get_event_loop()
        if hub is not None and not self._is_tracked:
            # This wakes the event loop, and does nothing; by itself the loop runs every second.
            hub.call_later(seconds, int)

    def read_invalidations(self) -> None:
        """Read that lists have changed, so that the channel looks again at once.

        That look also renews a lost connection.
        """
        connection = self.client.connection
        try:
            while connection.can_read():
                connection.read_response(push_request=True)
        except self.connection_errors:
            connection.disconnect()
        self._rests_until = 0.0

    def _hand_over(self, tags: Sequence[str], raws: Sequence[bytes]) -> None:
        done = 0
        try:
            for tag, raw in zip(tags, raws, strict=True):
                done += 1
                name = tag.split(":", 1)[1].removeprefix(self.global_keyprefix)
                queue = name.rsplit(self.sep, 1)[0]
                if queue not in (self.connection._callbacks or ()):  # noqa: SLF001 - cancelled meanwhile
                    self.qos.restore_by_tag(tag)
                    continue
                self._queue_cycle.rotate(queue)
                message = well_formed(decoded(raw), queue)
                message["properties"]["delivery_tag"] = tag
                self.connection._deliver(message, queue)  # noqa: SLF001 - kombu has no public way
                if tag not in self.qos._delivered:  # noqa: SLF001 - the end of a message that needs no acknowledgement
                    self.qos._remove_from_indices(tag).execute()  # noqa: SLF001 - as above
        except BaseException:
            # Without a connection they come back after the visibility timeout.
            with suppress(Exception):
                for tag in reversed(tags[done:]):
                    self.qos.restore_by_tag(tag)
            raise

    def _queue_bind(self, *args: Any) -> None:
        """Note in Redis that a queue is bound, unless Redis has no memory for that.

        A worker that did not start would never make room. Whoever sends to the queue binds it too.
        """
        kombus: Any = super()
        try:
            kombus._queue_bind(*args)  # noqa: SLF001 - its own
        except OutOfMemoryError:
            log.warning("broker.out_of_memory", extra={"queue": args[-1]})

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:
        queue = self._fanout_to_queue[exchange]
        kombus: Any = super()
        return kombus._deliver_fanout_message(well_formed(message, queue), exchange)  # noqa: SLF001 - its own


class TrackingPoller(redis.MultiChannelPoller):
    """kombu's poller, which can also read from a connection that Redis writes to unasked."""

    # kombu's, which its published types lack.
    _paused_brpop: Any
    _fd_to_chan: Any

    def on_readable(self, fileno: int) -> Any:
        """Return what kombu does with an answer; read invalidation messages where no answer is expected."""
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if kind == "BRPOP" and not channel._in_poll and fileno not in self._paused_brpop:  # noqa: SLF001 - its own
            return channel.read_invalidations()
        return super().on_readable(fileno)


class Transport(redis.Transport):
    """kombu's Redis transport with the channel and the poller of this module."""

    Channel = NotingChannel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.cycle = TrackingPoller()


TRANSPORT_ALIASES[NAME] = f"{__name__}:{Transport.__name__}"
TRANSPORT_ALIASES[SENTINEL_NAME] = "wallarm_notify.broker.sentinel_transport:SentinelTransport"


class WorkerConnection(RedisConnection):
    """A connection that takes messages out of Redis by this module's transport."""

    redis_transport = NAME
    sentinel_transport = SENTINEL_NAME
