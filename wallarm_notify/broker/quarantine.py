"""Calls that came back from a worker that died are begun alone, and set aside when three died of one (engine 4).

What ends a worker's processes takes along whatever they had, and comes back with it. Begun together
again, none of it would ever be stored. The broker says what came back: Redis by ``NotingChannel``, RabbitMQ
by its mark of redelivery. The database counts who died of it: a call is noted before it is begun, read
even, and struck out when it is stored or handed back.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.domain.clock import Clock
from wallarm_notify.domain.set_aside import AGAIN_IN, DEATHS, TriedCall, next_of

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_AGAIN: Final = 0.01
"""Seconds after which is looked whether what is under way has ended."""

REST: Final = 10.0
"""Seconds for which a database that did not answer is not asked: nothing is stored meanwhile anyway."""

_UNDER_WAY: Final = 16
"""From so many on those that have ended are forgotten when another begins."""

RETURNED: Final = "wallarm_notify_returned"
"""The header of a call that was set aside and is tried again."""


class QuarantineQueries(Protocol):
    """What is asked of the database."""

    def deaths_of(self, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """How many workers died with each of these calls alone."""
        ...

    def begin_alone(self, digest: bytes) -> int:
        """Notes that a call is begun; how many workers died of it before."""
        ...

    def end_alone(self, digest: bytes, *, handed_back: bool) -> None:
        """Strikes it out: the worker lives."""
        ...

    def set_aside(self, call: TriedCall, *, deaths: int, again_in: Any) -> None:
        """Keeps a call whole."""
        ...


class Transact(Protocol):
    """One transaction on the database."""

    def __call__(self, work: Callable[[Any], T], /) -> T:
        """Runs ``work`` and commits."""
        ...


class Quarantine:
    """Of one connection to the broker.

    ``send`` takes a message on, which travels ``alone`` or may be put together with others; ``later``
    calls a function after so many seconds; ``unstruck`` is what the one of the connection before could
    not tell the database.
    """

    def __init__(
        self,
        transact: Transact,
        send: Callable[[Any, bool], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Clock = monotonic,
        unstruck: Mapping[bytes, bool] | None = None,
    ) -> None:
        self._transact = transact
        self._send = send
        self._later = later
        self._clock = clock
        self._rests_until = 0.0
        self._returned: list[tuple[bytes, Any]] = []
        self._behind: list[Any] = []
        self._under_way: list[Any] = []
        self._alone: tuple[bytes, Any] | None = None
        self._unstruck = dict(unstruck or {})
        self._is_looking = False
        self._is_closed = False
        self._is_asking = False

    def hold(self, message: Any, *, is_returned: bool) -> bool:
        """Whether ``message``, a call, waits here; else it may go its way."""
        if is_returned:
            self._returned.append((_digest(message), message))
        elif self._returned or self._alone is not None:
            self._behind.append(message)
        else:
            return False
        if not self._is_looking:
            self._is_looking = True
            self._later(LOOK_AGAIN, self._look)
        return True

    def began(self, message: Any) -> None:
        """A call goes to a process: until it has ended nothing is begun alone."""
        if len(self._under_way) >= _UNDER_WAY:
            self._under_way = [one for one in self._under_way if not _is_over(one)]
        self._under_way.append(message)

    def close(self) -> Mapping[bytes, bool]:
        """The connection is lost, or the worker stops, and dies not: what it has alone is no death.

        Nothing is begun any more. What the database could not be told is for the next of this worker to say.
        """
        self._is_closed = True
        if self._alone is not None or self._unstruck:
            self._rests_until = 0.0
            self._end(handed_back=True)
        return self._unstruck

    def _look(self) -> None:
        if self._is_closed:
            # Celery calls timers also while its processes, which take nothing any more, come to their end.
            return
        self._under_way = [one for one in self._under_way if not _is_over(one)]
        alone = self._alone
        if alone is not None and _is_over(alone[1]):
            # No request says so: it was refused, or handed back. What is kept of it stays, as it is not stored.
            self._end(handed_back=True)
        if self._alone is not None or self._under_way:
            self._later(LOOK_AGAIN, self._look)
        elif self._returned:
            # First, so that whatever happens to this one the others do not wait for ever.
            self._later(LOOK_AGAIN, self._look)
            self._begin()
        else:
            self._is_looking = False
            behind, self._behind = self._behind, []
            for message in behind:
                self._send(message, False)

    def _begin(self) -> None:
        deaths: Mapping[bytes, int] = {}
        if len(self._returned) > 1:
            digests = [digest for digest, _ in self._returned]
            deaths = self._ask(lambda tx: tx.deaths_of(digests), {})
        digest, message = self._returned.pop(next_of(self._returned, deaths))
        died = self._ask(lambda tx: tx.begin_alone(digest), None)
        if died is not None and died >= DEATHS and self._set_aside(digest, message):
            message.ack_log_error(log, (Exception,))
            return
        if died is not None:
            self._alone = alone = (digest, message)
            message.ended = partial(self._ended, alone)
        self._send(message, True)

    def _ended(self, alone: tuple[bytes, Any], *, handed_back: bool, died: bool = False) -> None:
        """The request says how it ended, also where nobody looks any more, as the worker stops."""
        if self._alone is not alone:
            return
        if died:
            self._alone = None
        else:
            self._end(handed_back=handed_back)

    def _end(self, *, handed_back: bool) -> None:
        alone, self._alone = self._alone, None
        if alone is not None:
            self._unstruck[alone[0]] = handed_back
        self._ask(lambda _: None, None)

    def _set_aside(self, digest: bytes, message: Any) -> bool:
        def keep(tx: QuarantineQueries) -> int:
            call = _call_in(digest, message)
            tx.set_aside(call, deaths=DEATHS, again_in=AGAIN_IN)
            return len(call.body)

        size = self._ask(keep, None)
        if size is not None:
            log.error("message.set_aside", extra={"deaths": DEATHS, "bytes": size})
        return size is not None

    def _ask(self, work: Callable[[QuarantineQueries], T], otherwise: T) -> T:
        """What the database says, which hears first what it has not heard yet; ``otherwise``: it is away."""
        if self._is_asking or self._clock() < self._rests_until:
            return otherwise

        # A signal or a thread may come between, adds to it and leaves it to the next: one must not wait for another.
        unstruck = dict(self._unstruck)

        def all_of_it(tx: QuarantineQueries) -> T:
            for digest, handed_back in unstruck.items():
                tx.end_alone(digest, handed_back=handed_back)
            return work(tx)

        self._is_asking = True
        try:
            answer = self._transact(all_of_it)
        except Exception as error:  # noqa: BLE001 - whatever it is, calls are begun without
            log.warning("quarantine.not_noted", extra={"error": str(error)})
            self._rests_until = self._clock() + REST
            return otherwise
        finally:
            self._is_asking = False
        for digest in unstruck:
            self._unstruck.pop(digest, None)
        return answer


def is_returned(message: Any) -> bool:
    """Whether a worker had ``message`` before and died, as far as the broker can know."""
    if isinstance(message.channel, NotingChannel):
        came_back = message.channel.qos.has_returned(message.delivery_tag)
    else:
        came_back = bool(message.delivery_info.get("redelivered"))
    return came_back or RETURNED in message.headers


def mark_returned(message: Any) -> None:
    """The process that had ``message`` died; RabbitMQ knows that of what is handed back. Never raises.

    Whoever calls this hands the message back next: else it would be under way for ever.
    """
    if not isinstance(message.channel, NotingChannel):
        return
    try:
        message.channel.qos.mark_returned(getattr(message, "tags", [message.delivery_tag]))
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("quarantine.not_marked", extra={"error": str(error)})


def _is_over(message: Any) -> bool:
    """Whether ``message`` is done or handed back, also where Redis did not answer to that.

    kombu then leaves it as if it were under way, which it would be for ever.
    """
    if message.acknowledged:
        return True
    return isinstance(message.channel, NotingChannel) and not message.channel.qos.has(
        message.delivery_tag
    )


def _call_in(digest: bytes, message: Any) -> TriedCall:
    return TriedCall(
        digest=digest,
        content_type=_text(message.content_type),
        content_encoding=_text(message.content_encoding),
        headers=json.dumps(message.headers, default=str),
        body=bytes_of(message),
    )


def bytes_of(message: Any) -> bytes:
    """The body, as it came."""
    body = message.body
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return str(body).encode("utf-8", "surrogatepass")


def _digest(message: Any) -> bytes:
    return sha256(bytes_of(message)).digest()


def _text(value: Any) -> str | None:
    """What PostgreSQL takes: no NUL, no half of a surrogate pair."""
    if value is None:
        return None
    return str(value).replace("\0", "")[:200].encode("utf-8", "replace").decode()
