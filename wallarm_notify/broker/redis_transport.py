"""How a worker takes messages out of Redis: in one step it has them, and they are noted down.

kombu takes a message with ``BRPOP`` and notes down that it has it in a second step. A worker or a
Redis that is killed in between takes the message along, and a Redis without memory refuses the note.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty
from time import monotonic
from typing import Any, Final

from kombu.asynchronous import get_event_loop
from kombu.transport import redis as transport
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from redis.exceptions import OutOfMemoryError, ResponseError

from wallarm_notify.broker.redis_message import decoded, well_formed

log = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""So many messages are taken, or handed back, in one step at most."""

AHEAD_AT_ONCE: Final = 1000
"""So many that lie ahead of Redis's clock are counted anew at each look for what dead workers had."""

LOOK_AGAIN_CALLED: Final = 1.0
LOOK_AGAIN_UNCALLED: Final = 0.02
"""Seconds from finding nothing to the next look, where Redis calls as soon as something comes (an
invalidation message, in its words) and where it may not: an ACL, or what stands before it, forbids
``CLIENT TRACKING``."""

TOGETHER_BYTES: Final = 160_000
"""From a queue whose messages are worked off together so much is taken at once, or one message."""

RETURNED_MILLISECONDS: Final = 2 * 24 * 60 * 60 * 1000
"""So long Redis remembers what came back from workers that died, counted from the last of them."""

TAKE: Final = """
local queues, most, together_most, together_bytes =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.replicate_commands then redis.replicate_commands() end
local now = redis.call('TIME')
local noted, index, returned = KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local taken, turns, had = {}, 0, {}
local any_returned = redis.call('EXISTS', returned) == 1
local function take(key)
  local raw = redis.pcall('LINDEX', key, -1)
  if type(raw) ~= 'string' then return nil end
  -- Without memory Redis refuses a first write that gives something; this one takes away.
  if #taken == 0 then redis.call('HDEL', noted, '') end
  local mine = redis.sha1hex(raw) .. ':' .. key
  local micros = math.min(now[2] + #taken / 3, 999999)
  redis.call('HSET', noted, mine, raw)
  redis.call('ZADD', index, now[1] .. '.' .. string.format('%06d', micros), mine)
  redis.call('RPOP', key)
  taken[#taken + 1] = mine
  taken[#taken + 1] = raw
  taken[#taken + 1] = any_returned and redis.call('SISMEMBER', returned, mine) or 0
  return #raw
end
for first = 1, #KEYS - 3, queues do
  repeat
    local came = false
    for k = first, first + queues - 1 do
      local size = turns < most and not had[k] and take(KEYS[k])
      if size then
        came, turns = true, turns + 1
        if ARGV[5 + k - first] == '1' then
          had[k] = true
          local number, bytes = 1, size
          while size and number < together_most and bytes < together_bytes do
            size = take(KEYS[k])
            number, bytes = number + 1, bytes + (size or 0)
          end
        end
      end
    end
  until not came
end
return taken
"""
"""Takes messages from the lists, one from each in turn, those of a higher priority first; of those that
are worked off together as many as lie there, up to a limit, count as one.

Nothing takes a script back that fails half way, so a message leaves its list last. Its tag is its
content's and its list's: whoever has done it ends it for all who were handed it. With each goes whether
it came back from a worker that died. Who has read a list and found it empty is called when it changes.
"""

_HAND_BACK: Final = (
    """
redis.call('HDEL', noted, '')
for _, mine in ipairs(tags) do
  local raw = redis.call('HGET', noted, mine)
  local done = raw and redis.pcall(push, string.match(mine, '^[^:]*:(.*)$'), raw)
  if type(done) == 'table' then
    redis.call('ZADD', index, 'XX', now, mine)
  else
    if raw and returned then redis.pcall('SADD', returned, mine) end
    redis.call('ZREM', index, mine)
    redis.call('HDEL', noted, mine)
  end
end
if returned and #tags > 0 then redis.pcall('PEXPIRE', returned, """
    + str(RETURNED_MILLISECONDS)
    + """) end
return #tags
"""
)

_BEGIN: Final = """
local noted, index, push = KEYS[1], KEYS[2], ARGV[1]
if redis.replicate_commands then redis.replicate_commands() end
local now = redis.call('TIME')[1]
"""

HAND_BACK: Final = (
    _BEGIN
    + """
local tags, returned = {}, nil
for n = 2, #ARGV do tags[#tags + 1] = ARGV[n] end
"""
    + _HAND_BACK
)
"""Puts the messages named back into the lists they came from.

What a list does not take stays noted down, for another try.
"""

HAND_BACK_OLD: Final = (
    _BEGIN
    + """
local before, returned = now - tonumber(ARGV[2]), KEYS[3]
local ahead = redis.call('ZRANGEBYSCORE', index, '(' .. (now + 1), '+inf', 'LIMIT', 0, ARGV[4])
if #ahead > 0 then redis.call('HDEL', noted, '') end
for _, mine in ipairs(ahead) do redis.call('ZADD', index, 'XX', now, mine) end
local tags = redis.call('ZREVRANGEBYSCORE', index, before, '-inf', 'LIMIT', 0, ARGV[3])
"""
    + _HAND_BACK
)
"""Puts messages back that were taken so many seconds ago, the newest first: the last is taken next.

Their workers have died, as far as anybody can know, and for two days each is remembered to have come back.

Redis's own clock decides what is long ago: a worker whose clock is wrong takes nothing from others. Where that
clock was set back, what had been taken before lies ahead of it: it counts as taken now, so that what a dead worker
has stays away for no longer than after a death, and what a live one has is not handed out a second time.
"""

MARK_RETURNED: Final = f"""
redis.call('HDEL', KEYS[1], '')
for _, mine in ipairs(ARGV) do redis.call('SADD', KEYS[3], mine) end
return redis.call('PEXPIRE', KEYS[3], {RETURNED_MILLISECONDS})
"""
"""Remembers what came back. A Redis without memory takes that too, as the first write gives nothing."""


class NotedQoS(transport.QoS):
    """What this worker has, of which Redis knows already."""

    # kombu's, which its published types lack.
    channel: Any
    prefetch_count: int
    _delivered: Any
    _dirty: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._riders: set[str] = set()
        self._returned: set[str] = set()

    def can_consume(self) -> bool:
        """Whether the worker has room for another message."""
        return self.can_consume_max_estimate() != 0

    def can_consume_max_estimate(self) -> int | None:  # type: ignore[override]  # as kombu's own does
        """For how many; None: there is no limit. What rides along with another takes no room."""
        if not self.prefetch_count:
            return None
        here = len(self._delivered) - len(self._dirty) - len(self._riders)
        return max(self.prefetch_count - here, 0)

    def ride_along(self, delivery_tag: str) -> None:
        """This message is worked off with another one."""
        if self.has(delivery_tag):
            self._riders.add(delivery_tag)

    def has(self, delivery_tag: str) -> bool:
        """Whether this worker has this message, and has neither done it nor handed it back."""
        return delivery_tag in self._delivered and delivery_tag not in self._dirty

    def note_return(self, delivery_tag: str) -> None:
        """This message came back from a worker that died: Redis knows."""
        self._returned.add(delivery_tag)

    def has_returned(self, delivery_tag: str) -> bool:
        """Whether this message came back from a worker that died."""
        return delivery_tag in self._returned

    def mark_returned(self, delivery_tags: Sequence[str]) -> None:
        """What these were given to has died: whoever takes them next is to know."""
        with self.channel.conn_or_acquire() as client:
            self._run(client, MARK_RETURNED, *delivery_tags)

    def ack(self, delivery_tag: str) -> None:
        """Done, for whoever was handed it."""
        self.ack_all([delivery_tag])

    def ack_all(self, delivery_tags: Sequence[str]) -> None:
        """Likewise, of all of them in one step."""
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
        """Given back, or thrown away."""
        self.reject_all([delivery_tag], requeue=requeue)

    def reject_all(self, delivery_tags: Sequence[str], *, requeue: bool) -> None:
        """Likewise, all of them in one step; what is given back comes after all that wait already."""
        if not requeue:
            self.ack_all(delivery_tags)
            return
        try:
            with self.channel.conn_or_acquire() as client:
                self._run(client, HAND_BACK, "LPUSH", *delivery_tags)
        finally:
            self._settle(delivery_tags)

    def _settle(self, delivery_tags: Sequence[str]) -> None:
        """They take no room any more, whether or not Redis could be told: it hands them out again."""
        for tag in delivery_tags:
            self._riders.discard(tag)
            self._returned.discard(tag)
            virtual.QoS.ack(self, tag)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Keeps ``message`` in mind."""
        virtual.QoS.append(self, message, delivery_tag)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Hands out again what dead workers had: every ``unacked_restore_interval`` seconds."""
        with self.channel.conn_or_acquire() as client:
            old = (HAND_BACK_OLD, "RPUSH", self.visibility_timeout, AT_ONCE, AHEAD_AT_ONCE)
            while self._run(client, *old) == AT_ONCE:
                pass

    def restore_unacked(self, client: Any = None) -> None:
        """Hands out again, now, what this worker has and has not done."""
        tags = list(self._delivered)
        with self.channel.conn_or_acquire(client) as connected:
            # The newest first: the last is taken next.
            for end in range(len(tags), 0, -AT_ONCE):
                some = tags[max(0, end - AT_ONCE) : end]
                self._run(connected, HAND_BACK, "RPUSH", *reversed(some))
        self._delivered.clear()

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """Hands out one message again: next, or after all that wait already (``leftmost``)."""
        self._returned.discard(tag)
        with self.channel.conn_or_acquire(client) as connected:
            self._run(connected, HAND_BACK, "LPUSH" if leftmost else "RPUSH", tag)

    def _run(self, client: Any, script: str, *arguments: Any) -> int:
        keys = (self.unacked_key, self.unacked_index_key, self.channel.returned_key)
        return int(client.eval(script, len(keys), *keys, *arguments))


class NotingChannel(transport.Channel):
    """Takes messages by a script in place of ``BRPOP``, as many as the worker has room for.

    A script cannot wait for messages: a channel that found none is called by Redis when some come
    (``CLIENT TRACKING``), and looks again of itself now and then.
    """

    QoS = NotedQoS
    together: frozenset[str] = frozenset()
    """Queues whose messages are worked off together."""
    # kombu's own are of another form, and other applications may have theirs in the same Redis.
    unacked_key = "wallarm_notify.unacked"
    unacked_index_key = "wallarm_notify.unacked_index"
    returned_key = "wallarm_notify.returned"
    """The tags of what came back from workers that died."""

    # kombu's, which its published types lack.
    qos: Any
    connection_errors: Any
    _queue_cycle: Any
    _fanout_to_queue: Any
    _q_for_pri: Callable[[str, int], str]
    _flush_brpop_reauth: Callable[[], None]
    _create_client: Callable[[], Any]

    _rests_until = 0.0
    _is_called = False
    _asked_on: Any = None
    _at_hand: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """A client; kombu makes a new one each time, which takes longer than what it is made for."""
        if client is None:
            if self._at_hand is None or self._at_hand.connection_pool is not self.pool:
                self._at_hand = self._create_client()
            client = self._at_hand
        yield client

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Asks for messages, unless none were there a moment ago."""
        del timeout
        now = monotonic()
        if now < self._rests_until:
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self.client.connection
        self._ask_to_be_called(connection)
        lists = [self._q_for_pri(queue, pri) for pri in self.priority_steps for queue in queues]
        keys = [*lists, self.unacked_key, self.unacked_index_key, self.returned_key]
        room = self.qos.can_consume_max_estimate()
        most = AT_ONCE if room is None else min(room, AT_ONCE)
        flags = [int(queue in self.together) for queue in queues]
        script = (len(keys), *keys, len(queues), most, AT_ONCE, TOGETHER_BYTES, *flags)
        self._in_poll, self._brpop_sent_at = connection, now
        connection.send_command("EVAL", TAKE, *script)

    def _ask_to_be_called(self, connection: Any) -> None:
        """Once on each connection: what others write into lists that this one found empty."""
        if self._asked_on is connection._sock:  # noqa: SLF001 - what tells a connection made anew
            return
        try:
            connection.send_command("CLIENT", "TRACKING", "ON", "NOLOOP")
            connection.read_response()
            self._is_called = str(connection.get_protocol()) == "3"
        except ResponseError:
            self._is_called = False
        self._asked_on = connection._sock  # noqa: SLF001 - likewise

    def _brpop_read(self, **options: Any) -> bool:
        """Hands what came to the worker. Raises Empty where nothing did."""
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
                self.hear()
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
        seconds = LOOK_AGAIN_CALLED if self._is_called else LOOK_AGAIN_UNCALLED
        self._rests_until = monotonic() + seconds
        hub = get_event_loop()
        if hub is not None and not self._is_called:
            # Nothing but a reason for the event loop to go round; it does so every second anyway.
            hub.call_later(seconds, int)

    def hear(self) -> None:
        """Redis calls: something has come. Or the connection is lost: the next look makes another."""
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
                queue = tag.split(":", 1)[1].rsplit(self.sep, 1)[0]
                if queue not in (self.connection._callbacks or ()):  # noqa: SLF001 - cancelled meanwhile
                    self.qos.restore_by_tag(tag)
                    continue
                self._queue_cycle.rotate(queue)
                message = well_formed(decoded(raw), queue)
                message["properties"]["delivery_tag"] = tag
                self.connection._deliver(message, queue)  # noqa: SLF001 - kombu's way to hand over
                if tag not in self.qos._delivered:  # noqa: SLF001 - who acknowledges nothing ends it so
                    self.qos._remove_from_indices(tag).execute()  # noqa: SLF001 - likewise
        except BaseException:
            # Without a connection they come back once they have been away for too long.
            with suppress(Exception):
                for tag in reversed(tags[done:]):
                    self.qos.restore_by_tag(tag)
            raise

    def _queue_bind(self, *args: Any) -> None:
        """Notes down that a queue is bound, unless Redis has no memory for that.

        A worker that did not start would never make room. The queue is bound by whoever sends to it, too.
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


class CalledPoller(transport.MultiChannelPoller):
    """kombu's own, which knows no connection that hears of something it has not just asked for."""

    # kombu's, which its published types lack.
    _paused_brpop: Any
    _fd_to_chan: Any

    def on_readable(self, fileno: int) -> Any:
        """What can be read is an answer, or a call."""
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        if kind == "BRPOP" and not channel._in_poll and fileno not in self._paused_brpop:  # noqa: SLF001 - its own
            return channel.hear()
        return super().on_readable(fileno)


def install(together: Iterable[str] = ()) -> None:
    """Lets every Redis connection of this process take messages so, and those of some queues together."""
    NotingChannel.together = frozenset(together)
    transport.Transport.Channel = NotingChannel
    transport.MultiChannelPoller = CalledPoller  # type: ignore[misc]  # kombu offers no other way
