"""The check of a Redis at start: what it must do, and what to warn of.

INFO says whether it evicts messages, is part of a cluster or is a replica. The user's permissions are tried
in a transaction that never ends: Redis refuses at once what the user may not do, and runs nothing of the
rest.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as transport
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.broker.replication_check import check_replication, waits_for
from wallarm_notify.broker.uses import MAY_EVICT, BrokerWarning, Uses
from wallarm_notify.domain.errors import Refused
from wallarm_notify.redis_connection import RedisConnection
from wallarm_notify.redis_sentinel import MasterChannel

_ALLOW_EVICTION: Final = "WALLARM_NOTIFY_BROKER_MAY_EVICT"
_ACL: Final = "docs/how-to/least-privilege.md has the ACL that is needed"
_CLUSTER: Final = ("MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT")
_REPLICA: Final = "read only replica"

_PRIORITIES: Final = transport.PRIORITY_STEPS
_BINDINGS: Final = ("_kombu.binding.celery", "_kombu.binding_permanent.celery")
_MAILBOX: Final = "celery.pidbox"


class _CheckChannel(transport.Channel):
    """kombu's channel for a user that may lack the permission to PING: ``check_redis`` reports what is missing."""

    def _get_client(self) -> Any:
        class Client(Redis):
            def ping(self, **options: Any) -> Any:
                with suppress(NoPermissionError):
                    super().ping(**options)

        return Client


class CheckTransport(transport.Transport):
    """kombu's Redis transport, for the checks at start."""

    Channel = _CheckChannel


class _MasterCheckChannel(_CheckChannel, MasterChannel):
    """A channel of this kind to a master that Sentinels name."""


class SentinelCheckTransport(transport.SentinelTransport):
    """kombu's transport for Sentinel, for the checks at start."""

    Channel = _MasterCheckChannel


class CheckConnection(RedisConnection):
    """A connection over which a Redis is checked."""

    redis_transport = "checked-redis"
    sentinel_transport = "checked-sentinel"


TRANSPORT_ALIASES[CheckConnection.redis_transport] = f"{__name__}:{CheckTransport.__name__}"
TRANSPORT_ALIASES[CheckConnection.sentinel_transport] = (
    f"{__name__}:{SentinelCheckTransport.__name__}"
)


def check_redis(channel: Any, where: str, uses: Uses, *, may_evict: bool) -> list[BrokerWarning]:
    """Return the warnings about a Redis.

    Raise Refused if the Redis at ``where`` cannot serve ``uses``, or loses messages that it has confirmed.
    """
    pool = channel.client.connection_pool
    client = Redis(connection_pool=pool)
    try:
        info: Mapping[str, Any] | None = client.info()
    except ResponseError:
        info = None
    if info is not None and (fault := fault_of(info, may_evict=may_evict)):
        raise Refused(f"The broker at {where} {fault}")
    connection = channel.connection.client
    found = check_replication(connection, client, info, where)
    prefix = channel.global_keyprefix
    attempts = [one.under(prefix) for one in _attempts(uses, channel.keyprefix_fanout)]
    if waits_for(connection) and uses.node is not None:
        attempts.append(_Attempt(("WAIT", "0", "0")))
    missing = _missing(pool, attempts, where)
    if missing:
        user = pool.connection_kwargs.get("username") or "default"
        raise Refused(
            f"The broker at {where} does not permit the user {user} {_in_words(missing)}; {_ACL}."
        )
    if info is None:
        reason = "INFO is not permitted, so nobody knows whether it evicts messages or keeps them over a restart"
        return [BrokerWarning("broker.not_known", f"{reason}; {_ACL}."), *found]
    return [*warnings_of(info, _snapshots(client, info)), *found]


def fault_of(info: Mapping[str, Any], *, may_evict: bool) -> str | None:
    """Return why a Redis whose INFO is ``info`` is refused, to follow its address; None if it is not.

    A policy ``volatile-*`` evicts keys that expire, and queues never do: when it is full, it refuses writes
    like ``noeviction``. Without a ``maxmemory`` nothing is evicted, whatever the policy.
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
    """Return the limit in bytes, 0 without one, or None if the server does not give a number."""
    try:
        return int(info["maxmemory"])
    except (KeyError, TypeError, ValueError):
        return None


def warnings_of(info: Mapping[str, Any], snapshots: bool | None) -> list[BrokerWarning]:
    """Return the warnings about a Redis whose INFO is ``info``.

    ``snapshots`` says whether it writes snapshots; None if that is not known.
    """
    found = []
    if _evicts(info):
        reason = f"The broker evicts messages when its memory is full (maxmemory-policy {info['maxmemory_policy']})"
        found.append(
            BrokerWarning(
                MAY_EVICT,
                f"{reason}: events that it has confirmed are lost then, as {_ALLOW_EVICTION} accepts.",
            )
        )
    if "aof_enabled" not in info or _maxmemory(info) is None:
        reason = "The broker does not say whether it keeps messages over a restart, and what memory it has"
        found.append(BrokerWarning("broker.not_known", f"{reason}."))
        return found
    if str(info["aof_enabled"]) != "1" and not snapshots:
        snapshot = "" if snapshots is False else ", and whether it writes snapshots nobody knows"
        found.append(
            BrokerWarning(
                "broker.not_durable",
                f"The broker keeps no append-only file{snapshot}: a restart loses every event that waits in it; set "
                "appendonly yes.",
            )
        )
    if _maxmemory(info) == 0:
        found.append(
            BrokerWarning(
                "broker.without_limit",
                "The broker has no maxmemory: when its machine's memory is full the system ends it; set maxmemory, "
                "and maxmemory-policy noeviction.",
            )
        )
    return found


def _snapshots(client: Any, info: Mapping[str, Any]) -> bool | None:
    """Return whether it writes snapshots, or None if that is not known or does not matter."""
    if str(info.get("aof_enabled")) == "1":
        return None
    try:
        return bool(client.config_get("save").get("save"))
    except ResponseError:
        return None


def evicts(channel: Any) -> BrokerWarning | None:
    """Return a warning about a Redis that evicts messages now, or None if INFO does not say so."""
    try:
        info = Redis(connection_pool=channel.client.connection_pool).info()
    except ResponseError:
        return None
    return next(
        (warning for warning in warnings_of(info, None) if warning.event == MAY_EVICT), None
    )


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A command in a form that Redis would accept, and the name of its key or channel in an ACL."""

    words: tuple[str, ...]
    about: str = ""

    @property
    def command(self) -> str:
        """The command's name in an ACL, in capitals."""
        return " ".join(self.words[:2]) if self.words[0] == "SCRIPT" else self.words[0]

    def under(self, prefix: str) -> "_Attempt":
        """Return the same for the key or channel with ``prefix`` before its name."""
        if not self.about:
            return self
        place = 3 if self.command == "EVAL" else 1
        name = f"{prefix}{self.words[place]}"
        words = (*self.words[:place], name, *self.words[place + 1 :])
        return _Attempt(words, f"{prefix}{self.about}")


_ALONE: Final = tuple(
    _Attempt(words) for words in (("PING",), ("TIME",), ("EXEC",), ("SCRIPT", "EXISTS", "0"))
)
"""Commands that change nothing anywhere: EXEC without a MULTI is an error."""


def _attempts(uses: Uses, prefix: str) -> list[_Attempt]:
    """Return all commands of a process, where ``prefix`` begins the names of channels."""
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
    """Return the commands of a worker besides: its notes of what it holds, and its mailbox."""
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
    """Return what ``attempts`` need that is not permitted, or None."""
    needed = attempts if any(a.command == "EVAL" for a in attempts) else ()
    alone = [a for a in _ALONE if needed or a.command in ("PING", "EXEC")]
    connection = pool.get_connection()
    try:
        refused = _refused(connection, alone, where)
        begin = [_Attempt(("MULTI",))]
        if not (no_multi := _refused(connection, begin, where)):
            # From here on nothing is run: a command is refused, or waits for an EXEC that does not come.
            refused += _refused(connection, attempts, where)
    finally:
        connection.disconnect()
        pool.release(connection)
    refused += no_multi
    return _sorted_out(refused) if refused else None


def _refused(
    connection: Any, attempts: Sequence[_Attempt], where: str
) -> list[tuple[_Attempt, str]]:
    """Return the attempts that the user may not make, each with Redis's answer."""
    connection.send_packed_command(connection.pack_commands([a.words for a in attempts]))
    refused = []
    answers = [_answer(connection) for _ in attempts]
    for attempt, answer in zip(attempts, answers, strict=True):
        # EXEC answers with the errors of its transaction; its own refusal is within such an answer.
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


def _check_place(answer: str, kind: str, where: str) -> None:
    """Raise Refused if an answer shows a cluster or a replica, though INFO did not."""
    shown: dict[str, Any] = {}
    if answer.startswith(_CLUSTER) or kind in (
        "MovedError",
        "AskError",
        "ClusterDownError",
        "ClusterCrossSlotError",
    ):
        shown = {"cluster_enabled": 1}
    elif kind == "ReadOnlyError" or _REPLICA in answer:
        shown = {"role": "slave"}
    if fault := fault_of(shown, may_evict=True):
        raise Refused(f"The broker at {where} {fault}")


def _sorted_out(refused: Collection[tuple[_Attempt, str]]) -> _Missing:
    commands, keys, channels = set(), set(), set()
    for attempt, answer in refused:
        if "command" in answer:
            commands.add(attempt.command)
        elif "channel" in answer:
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
