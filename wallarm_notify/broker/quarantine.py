"""The quarantine: a call that came back from a worker's death is begun alone, and counted (engine 4).

A call that three workers died of becomes a dead letter: it is set aside. A death returns every call of the
worker's processes; begun together again, none of them would ever be stored. The broker marks what came back:
Redis by ``NotingChannel``, RabbitMQ by its flag of redelivery, which does not count for what this worker
itself handed back. The database counts the deaths: a call is noted
there before it is read or begun, and struck out when it is stored or handed back.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import Any, Final, TypeVar

from wallarm_notify.broker.batching import CALLS_CHANNELS, is_over
from wallarm_notify.domain.clock import Clock
from wallarm_notify.domain.set_aside import AGAIN_IN, DEATHS, TriedCall, next_of
from wallarm_notify.store import Store, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_AGAIN: Final = 0.01
"""Seconds until the next check whether the calls under way have ended."""

REST: Final = 10.0
"""Seconds for which a database that did not answer is not asked again; nothing can be stored meanwhile anyway."""

_UNDER_WAY: Final = 16
"""The number of calls under way that are remembered before those that have ended are removed."""

RETURNED: Final = "wallarm_notify_returned"
"""The header of a call that was set aside and is tried again."""


class Quarantine:
    """The calls that came back, for one connection to the broker, and those that wait behind them.

    ``send`` passes a message on, ``alone`` or to be batched; ``later`` calls a function after some seconds;
    ``unstruck`` is what the quarantine of the previous connection could not write into the database; ``is_busy``
    returns whether calls are about to be begun together, so that nothing is begun alone yet.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[Any, bool], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Clock = monotonic,
        *,
        unstruck: Mapping[bytes, bool] | None = None,
        is_busy: Callable[[], bool] = bool,
    ) -> None:
        self._store = store
        self._send = send
        self._later = later
        self._clock = clock
        self._rests_until = 0.0
        self._returned: list[tuple[bytes, Any]] = []
        self._behind: list[Any] = []
        self._under_way: list[Any] = []
        self._alone: tuple[bytes, Any] | None = None
        self._unstruck = dict(unstruck or {})
        self._is_busy = is_busy
        self._is_looking = False
        self._is_closed = False
        self._is_asking = False

    def hold(self, message: Any, *, is_returned: bool) -> bool:
        """Return whether ``message``, a call, waits here; otherwise it may be begun."""
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
        """Note that a call goes to a process: until it has ended nothing is begun alone."""
        if len(self._under_way) >= _UNDER_WAY:
            self._under_way = [one for one in self._under_way if not is_over(one)]
        self._under_way.append(message)

    def close(self) -> Mapping[bytes, bool]:
        """Begin nothing from now on: the connection is lost, or the worker stops, which is no death.

        Return what could not be written into the database, for the next quarantine of this worker.
        """
        self._is_closed = True
        if self._alone is not None or self._unstruck:
            self._rests_until = 0.0
            self._end(handed_back=True)
        return self._unstruck

    def _look(self) -> None:
        if self._is_closed:
            # Celery calls timers even while its processes end and take nothing.
            return
        self._under_way = [one for one in self._under_way if not is_over(one)]
        alone = self._alone
        if alone is not None and is_over(alone[1]):
            # No request reported this end: the call was refused or handed back. It is not stored, so its note stays.
            self._end(handed_back=True)
        if self._alone is not None or self._under_way or self._is_busy():
            self._later(LOOK_AGAIN, self._look)
        elif self._returned:
            # First, so that the others do not wait for ever whatever happens to this one.
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
            deaths = self._ask(lambda tx: tx.deaths_of(digests), deaths)
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
        """Take a request's report of how it ended, also while the worker stops and nothing looks for it."""
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
        def keep(tx: Transaction) -> int:
            call = _call_in(digest, message)
            tx.set_aside(call, deaths=DEATHS, again_in=AGAIN_IN)
            return len(call.body)

        size = self._ask(keep, None)
        if size is not None:
            log.error("message.set_aside", extra={"deaths": DEATHS, "bytes": size})
        return size is not None

    def _ask(self, work: Callable[[Transaction], T], otherwise: T) -> T:
        """Return the result of ``work``, or ``otherwise`` if the database is away; strike out first what has ended."""
        if self._is_asking or self._clock() < self._rests_until:
            return otherwise

        # A signal or a thread may add to it meanwhile and leaves that to the next call: none waits for another.
        unstruck = dict(self._unstruck)

        def all_of_it(tx: Transaction) -> T:
            for digest, handed_back in unstruck.items():
                tx.end_alone(digest, handed_back=handed_back)
            return work(tx)

        self._is_asking = True
        try:
            answer = self._store.transact(all_of_it)
        except Exception as error:  # noqa: BLE001 - calls are begun without the database, whatever the error
            log.warning("quarantine.not_noted", extra={"error": str(error)})
            self._rests_until = self._clock() + REST
            return otherwise
        finally:
            self._is_asking = False
        for digest in unstruck:
            self._unstruck.pop(digest, None)
        return answer


def is_returned(message: Any) -> bool:
    """Return whether a worker had ``message`` before and died, as far as the broker knows."""
    return RETURNED in message.headers or (
        isinstance(message.channel, CALLS_CHANNELS)
        and message.channel.qos.has_returned(message.delivery_tag)
    )


def mark_returned(message: Any) -> None:
    """Note, in Redis or here, that the process that had ``message`` died. It never raises.

    The caller hands the message back next; otherwise it would be under way for ever.
    """
    if not isinstance(message.channel, CALLS_CHANNELS):
        return
    try:
        message.channel.qos.mark_returned(getattr(message, "tags", [message.delivery_tag]))
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("quarantine.not_marked", extra={"error": str(error)})


def _call_in(digest: bytes, message: Any) -> TriedCall:
    return TriedCall(
        digest=digest,
        content_type=_text(message.content_type),
        content_encoding=_text(message.content_encoding),
        headers=json.dumps(message.headers, default=str),
        body=bytes_of(message),
    )


def bytes_of(message: Any) -> bytes:
    """Return the body of ``message`` as it came."""
    body = message.body
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return str(body).encode("utf-8", "surrogatepass")


def _digest(message: Any) -> bytes:
    return sha256(bytes_of(message)).digest()


def _text(value: Any) -> str | None:
    """Return ``value`` as PostgreSQL stores it: without NUL and lone surrogates, at most 200 characters."""
    if value is None:
        return None
    return str(value).replace("\0", "")[:200].encode("utf-8", "replace").decode()
