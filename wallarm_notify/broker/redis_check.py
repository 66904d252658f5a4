"""What a Redis must be like for a worker or beat to start.

It says by INFO whether it evicts, stands in a cluster or follows another one. What a user may do on it is
tried in a transaction that never ends: Redis refuses at once what the user may not do, and does nothing of
the rest.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as transport
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from wallarm_notify.broker.redis_connection import RedisConnection
from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.broker.uses import MAY_EVICT, Doubt, Uses
from wallarm_notify.domain.errors import Refused

_ALLOW_EVICTION: Final = "WALLARM_NOTIFY_BROKER_MAY_EVICT"
_ACL: Final = "docs/operations.md has the ACL that is needed"
_CLUSTER: Final = ("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT")
_REPLICA: Final = "read only replica"

_PRIORITIES: Final = transport.PRIORITY_STEPS
_BINDINGS: Final = ("_kombu.binding.celery", "_kombu.binding_permanent.celery")
_MAILBOX: Final = "celery.pidbox"


class _CheckChannel(transport.Channel):
    """kombu's channel, whose user need not be permitted to PING: whatever is missing is found out here."""

    def _get_client(self) -> Any:
        class Client(Redis):
            def ping(self, **options: Any) -> Any:
                with suppress(NoPermissionError):
                    super().ping(**options)

        return Client


class CheckTransport(transport.Transport):
    """kombu's Redis transport, for the checks at start."""

    Channel = _CheckChannel


TRANSPORT_ALIASES["checked-redis"] = f"{__name__}:{CheckTransport.__name__}"


class CheckConnection(RedisConnection):
    """A connection over which a Redis is checked."""

    redis_transport = "checked-redis"


def check_redis(channel: Any, where: str, uses: Uses, *, may_evict: bool) -> list[Doubt]:
    """What is to be warned of. Raises Refused where the Redis at ``where`` cannot work, or loses what it confirmed."""
    pool = channel.client.connection_pool
    client = Redis(connection_pool=pool)
    try:
        info: Mapping[str, Any] | None = client.info()
    except ResponseError:
        info = None
    if info is not None and (fault := fault_of(info, may_evict=may_evict)):
        raise Refused(f"The broker at {where} {fault}")
    missing = _missing(pool, _attempts(uses, channel.keyprefix_fanout), where)
    if missing:
        user = pool.connection_kwargs.get("username") or "default"
        raise Refused(
            f"The broker at {where} does not permit the user {user} {_in_words(missing)}; {_ACL}."
        )
    if info is None:
        reason = "INFO is not permitted, so nobody knows whether it evicts messages or keeps them over a restart"
        return [Doubt("broker.not_known", f"{reason}; {_ACL}.")]
    return doubts_of(info, _snapshots(client, info))


def fault_of(info: Mapping[str, Any], *, may_evict: bool) -> str | None:
    """Why a Redis that says ``info`` of itself is refused, to follow its name; None: it is not.

    A policy ``volatile-*`` evicts keys that expire, which no queue does: full, it refuses writes like
    ``noeviction``. Without a ``maxmemory`` nothing is evicted, whatever the policy.
    """
    if str(info.get("cluster_enabled", 0)) == "1":
        return (
            "is a node of a Redis Cluster, where queues and the notes on what workers hold lie apart; name a Redis "
            "or Valkey that stands alone, or behind Sentinel or a proxy."
        )
    if info.get("role") == "slave":
        return "is a replica, which takes no messages; name its primary."
    if _evicts(info) and not may_evict:
        return (
            f"evicts messages when its memory is full (maxmemory-policy {info['maxmemory_policy']}), and events "
            "that it has confirmed are lost then; set maxmemory-policy noeviction, or accept the loss by "
            f"{_ALLOW_EVICTION}=true."
        )
    return None


def _evicts(info: Mapping[str, Any]) -> bool:
    return (_maxmemory(info) or 0) > 0 and str(info.get("maxmemory_policy", "")).startswith(
        "allkeys"
    )


def _maxmemory(info: Mapping[str, Any]) -> int | None:
    """0: no limit; None: what speaks Redis's protocol here does not say, or says it in words."""
    try:
        return int(info["maxmemory"])
    except (KeyError, TypeError, ValueError):
        return None


def doubts_of(info: Mapping[str, Any], snapshots: bool | None) -> list[Doubt]:
    """What there is to warn of in a Redis that says ``info`` of itself.

    ``snapshots``: whether it writes some; None: nobody knows.
    """
    found = []
    if _evicts(info):
        reason = f"The broker evicts messages when its memory is full (maxmemory-policy {info['maxmemory_policy']})"
        found.append(
            Doubt(
                MAY_EVICT,
                f"{reason}: events that it has confirmed are lost then, as {_ALLOW_EVICTION} accepts.",
            )
        )
    if "aof_enabled" not in info or _maxmemory(info) is None:
        reason = "The broker does not say whether it keeps messages over a restart, and what memory it has"
        found.append(Doubt("broker.not_known", f"{reason}."))
        return found
    if str(info["aof_enabled"]) != "1" and not snapshots:
        snapshot = "" if snapshots is False else ", and whether it writes snapshots nobody knows"
        found.append(
            Doubt(
                "broker.not_durable",
                f"The broker keeps no append-only file{snapshot}: a restart loses every event that waits in it; set "
                "appendonly yes.",
            )
        )
    if _maxmemory(info) == 0:
        found.append(
            Doubt(
                "broker.without_limit",
                "The broker has no maxmemory: when its machine's memory is full the system ends it; set maxmemory, "
                "and maxmemory-policy noeviction.",
            )
        )
    return found


def _snapshots(client: Any, info: Mapping[str, Any]) -> bool | None:
    """Whether it writes snapshots; None: nobody knows, or it does not matter."""
    if str(info.get("aof_enabled")) == "1":
        return None
    try:
        return bool(client.config_get("save").get("save"))
    except ResponseError:
        return None


def evicts(channel: Any) -> Doubt | None:
    """The doubt on a Redis that evicts, as it is now; None: it does not, or does not say."""
    try:
        info = Redis(connection_pool=channel.client.connection_pool).info()
    except ResponseError:
        return None
    return next((doubt for doubt in doubts_of(info, None) if doubt.event == MAY_EVICT), None)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A command in a form that Redis would take, and what its key or channel is called in an ACL."""

    words: tuple[str, ...]
    about: str = ""

    @property
    def command(self) -> str:
        """Its name in an ACL, in capitals."""
        return " ".join(self.words[:2]) if self.words[0] == "SCRIPT" else self.words[0]


_ALONE: Final = tuple(
    _Attempt(words) for words in (("PING",), ("TIME",), ("EXEC",), ("SCRIPT", "EXISTS", "0"))
)
"""What changes nothing wherever it stands: EXEC without a MULTI is an error."""


def _attempts(uses: Uses, prefix: str) -> list[_Attempt]:
    """All that a process does, where ``prefix`` is that of channels."""
    made = []
    for queue in sorted({*uses.takes, *uses.sends}):
        for step in _PRIORITIES:
            key, about = _key_of(queue, step), f"{queue}??[369]" if step else queue
            made.append(_Attempt(("LLEN", key), about))
            if queue in uses.takes:
                made += [
                    _Attempt((command, key, *rest), about)
                    for command, *rest in (
                        ("LINDEX", "-1"),
                        ("LPUSH", ""),
                        ("RPUSH", ""),
                        ("RPOP",),
                    )
                ]
        made.append(_Attempt(("LPUSH", queue, ""), queue))
    made += [_Attempt(("SADD", key, ""), key) for key in _BINDINGS]
    return made + (_attempts_of_node(uses.node, prefix) if uses.node is not None else [])


def _attempts_of_node(node: str, prefix: str) -> list[_Attempt]:
    """What a worker does besides: notes on what it holds, and its mailbox."""
    noted, index = NotingChannel.unacked_key, NotingChannel.unacked_index_key
    returned = NotingChannel.returned_key
    by_key: dict[str, Sequence[Sequence[str]]] = {
        noted: (("HSET", "", ""), ("HGET", ""), ("HDEL", "")),
        index: (
            ("ZADD", "0", ""),
            ("ZREM", ""),
            ("ZREVRANGEBYSCORE", "0", "-inf"),
            ("ZRANGEBYSCORE", "0", "+inf"),
        ),
        returned: (("EXISTS",), ("SISMEMBER", ""), ("SADD", ""), ("SREM", ""), ("PEXPIRE", "1")),
        f"_kombu.binding.{_MAILBOX}": (("SADD", ""), ("SREM", "")),
        "_kombu.binding_deadlines": (("ZADD", "0", ""), ("ZRANGEBYSCORE", "-inf", "0")),
        f"{node}.{_MAILBOX}": (("LLEN",), ("DEL",)),
    }
    made = [
        _Attempt((command, key, *rest), key)
        for key, commands in by_key.items()
        for command, *rest in commands
    ]
    made += [_Attempt(("EVAL", "return 0", "1", key), key) for key in (noted, index, returned)]
    mailbox, news = f"{prefix}{_MAILBOX}", f"{prefix}celeryev/worker.heartbeat"
    return [
        *made,
        _Attempt(("EVALSHA", "0" * 40, "0")),
        _Attempt(("SCRIPT", "LOAD", "return 0")),
        _Attempt(("PSUBSCRIBE", mailbox), mailbox),
        _Attempt(("PUBLISH", news, ""), news),
    ]


def _key_of(queue: str, step: int) -> str:
    return f"{queue}{transport.Channel.sep}{step}" if step else queue


@dataclass(frozen=True, slots=True)
class _Missing:
    """What a user lacks: commands, keys, channels."""

    commands: list[str]
    keys: list[str]
    channels: list[str]


def _missing(pool: Any, attempts: Sequence[_Attempt], where: str) -> _Missing | None:
    """What ``attempts`` need that is not permitted; None: nothing."""
    needed = attempts if any(a.command == "EVAL" for a in attempts) else ()
    alone = [a for a in _ALONE if needed or a.command in ("PING", "EXEC")]
    connection = pool.get_connection()
    try:
        refused = _refused(connection, alone, where)
        begin = [_Attempt(("MULTI",))]
        if not (no_multi := _refused(connection, begin, where)):
            # From here on nothing is done: a command is refused, or waits for an EXEC that does not come.
            refused += _refused(connection, attempts, where)
    finally:
        connection.disconnect()
        pool.release(connection)
    refused += no_multi
    return _sorted_out(refused) if refused else None


def _refused(
    connection: Any, attempts: Sequence[_Attempt], where: str
) -> list[tuple[_Attempt, str]]:
    """Those that the user may not make, and what Redis says of each."""
    connection.send_packed_command(connection.pack_commands([a.words for a in attempts]))
    refused = []
    answers = [_answer(connection) for _ in attempts]
    for attempt, answer in zip(attempts, answers, strict=True):
        # EXEC, which ends a transaction with what was wrong in it, wraps its own refusal up so.
        if isinstance(answer, NoPermissionError) or " no permissions to run " in str(answer):
            refused.append((attempt, str(answer)))
        elif isinstance(answer, ResponseError):
            _check_place(str(answer), type(answer).__name__, where)
    return refused


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _check_place(said: str, kind: str, where: str) -> None:
    """Raises Refused where an answer tells that it is no Redis of its own, though INFO did not."""
    told: dict[str, Any] = {}
    if said.startswith(_CLUSTER) or kind in (
        "MovedError",
        "AskError",
        "ClusterDownError",
        "ClusterCrossSlotError",
    ):
        told = {"cluster_enabled": 1}
    elif kind == "ReadOnlyError" or _REPLICA in said:
        told = {"role": "slave"}
    if fault := fault_of(told, may_evict=True):
        raise Refused(f"The broker at {where} {fault}")


def _sorted_out(refused: Collection[tuple[_Attempt, str]]) -> _Missing:
    commands, keys, channels = set(), set(), set()
    for attempt, said in refused:
        if "command" in said:
            commands.add(attempt.command)
        elif "channel" in said:
            channels.add(attempt.about)
        else:
            keys.add(attempt.about)
    return _Missing(sorted(commands), sorted(keys), sorted(channels))


def _in_words(missing: _Missing) -> str:
    parts = [
        f"{verb} {', '.join(names)}"
        for verb, names in (
            ("to run", missing.commands),
            ("to use the keys", missing.keys),
            ("to use the channels", missing.channels),
        )
        if names
    ]
    return ", nor ".join(parts)
