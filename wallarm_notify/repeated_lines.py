"""Repeated log lines: while a server is away there is one line, then one each 30 s.

Runs of upkeep tasks without work are not logged. While a server is away, every part of a node logs it, each
in its own words: such lines are left out as repetitions of one fact, and the fact's next line counts them.
"""

import copy
import errno
import logging
import mmap
import re
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from math import inf
from socket import gaierror
from typing import Any, Final

from wallarm_notify.task_names import SWEEP

EVERY: Final = 30.0
"""Seconds from one line on a fact to the next."""

_DATABASE: Final = "database"
_INGEST: Final = "database: events wait"
_BROKER: Final = "broker"
_CONNECTED: Final = "connected"

_OF_DATABASE: Final = (".not_now", ".not_claimed", ".waits_for_database")
"""The ends of log names by which tasks say that the database was away."""

_OF_INGEST: Final = frozenset(
    {"ingest.waits_for_database", "ingest.handed_back", "message.not_kept"}
)
_OF_PUBLISHER: Final = frozenset(
    {"publisher.refused", "publisher.unknown_length", "task_events.not_sent"}
)

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENOENT}
)
"""Further errors of connecting, over a network or to a socket that does not exist."""

_SPEAK_TO_THE_BROKER: Final = ("celery", "kombu", "amqp", "redis")

_COMES_OR_GOES: Final = re.compile(
    "terminating connection|shutting down|starting up|recovery mode|CONNECTION_FORCED"
)
_SAYS_SOMETHING: Final = re.compile(
    "FATAL|permission|password|[Aa]uthenticat|certificate|READONLY|read only|MISCONF|OOM|"
    "ACCESS_REFUSED|PRECONDITION|NOT_FOUND|NOT_ALLOWED|LOCKED|refuses the data|could not do it|migrated|"
    "in use|in time"
)
"""The answers of a server that is not away: each is a fact of its own."""

_OF_PREFETCH: Final = (
    "Temporarily reducing the prefetch count",
    "Resuming normal operations following a restart",
)
"""Celery's further lines about a connection that was lost while tasks ran."""

_UPKEEP: Final = "upkeep."
_DID_SOMETHING: Final = re.compile("[1-9]")
_NOT_NOW: Final = "not now: "


@dataclass(frozen=True, slots=True)
class Fact:
    """What a line reports, by its ``key``, whatever its words; logged once in ``every`` seconds.

    A line on it implies the fact ``also``, which then needs no line of its own. After a line on the fact
    ``after`` it is logged again.
    """

    key: str
    every: float = EVERY
    also: str | None = None
    after: str | None = None


def fact_of(record: logging.LogRecord) -> Fact | None:
    """Return the fact that ``record`` may repeat, or None for a record that is always logged."""
    if record.levelno <= logging.INFO:
        return _of_good_news(record)
    ours = record.name.startswith(("wallarm_notify", "tasks"))
    text = str(getattr(record, "error", "")) if ours else _text_of(record)
    if not text:
        return None
    event = str(record.msg)
    if not ours:
        server = _INGEST if _is_handed_back(record) else _BROKER
    elif event in _OF_INGEST:
        server = _INGEST
    elif event in _OF_PUBLISHER:
        server = _BROKER
    elif event.endswith(_OF_DATABASE):
        server = _DATABASE
    else:
        return None
    if _SAYS_SOMETHING.search(text) and not _COMES_OR_GOES.search(text):
        return Fact(f"{server} {event if ours else ''} {re.sub('[0-9]+', '0', text)}")
    return Fact(server, also=_DATABASE if server == _INGEST else None)


def _of_good_news(record: logging.LogRecord) -> Fact | None:
    """Return the fact of a first run of upkeep tasks, logged once, or of a connection, logged after each loss."""
    if record.name == "celery.beat" and str(record.msg).startswith("Scheduler: Sending"):
        return Fact("beat sends", every=inf)
    if record.name == "celery.worker.strategy" and _name_of(record) == SWEEP:
        return Fact("upkeep runs", every=inf)
    if record.name == "celery.worker.consumer.connection":
        return Fact(_CONNECTED, after=_BROKER)
    return None


def is_redundant(record: logging.LogRecord) -> bool:
    """Return whether it is Celery's line on a task without work, or with trouble already logged."""
    if (
        record.name == "py.warnings"
    ):  # Celery's plans for its settings, logged at each lost connection
        return "CPendingDeprecationWarning" in record.getMessage()
    if record.levelno != logging.INFO:
        return False
    if record.name == "celery.worker.consumer.consumer":
        return str(record.msg).lstrip().startswith(_OF_PREFETCH)
    if record.name == "celery.worker.strategy":
        return _name_of(record).startswith(_UPKEEP) and _name_of(record) != SWEEP
    if record.name != "celery.app.trace":
        return False
    result = str(record.args.get("return_value", "")) if isinstance(record.args, dict) else ""
    is_idle = _name_of(record).startswith(_UPKEEP) and not _DID_SOMETHING.search(result)
    return bool(result) and (is_idle or result.lstrip("'\"").startswith(_NOT_NOW))


def _comes_in(record: logging.LogRecord) -> bool:
    return record.name == "celery.worker.strategy" and record.levelno == logging.INFO


def _name_of(record: logging.LogRecord) -> str:
    """Return the name of the task in a record of Celery's."""
    return str(record.args.get("name", "")) if isinstance(record.args, dict) else ""


@dataclass(frozen=True, slots=True)
class _Errors:
    """The types of errors that tell what a line is about."""

    of_a_server: tuple[type[BaseException], ...]
    of_a_schedule: type[BaseException]
    handed_back: type[BaseException]


@cache
def _errors() -> _Errors:
    # Imported at the first line with an error: commands that log nothing start in half the time.
    from amqp.exceptions import AMQPError  # noqa: PLC0415
    from billiard.exceptions import RestartFreqExceeded  # noqa: PLC0415
    from celery.beat import SchedulingError  # noqa: PLC0415
    from celery.exceptions import Reject  # noqa: PLC0415
    from kombu.exceptions import KombuError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    of_a_server = (
        *(ConnectionError, TimeoutError, gaierror),
        *(RedisError, AMQPError, KombuError, RestartFreqExceeded),
    )
    return _Errors(of_a_server, SchedulingError, Reject)


def _is_handed_back(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], _errors().handed_back)


def _text_of(record: logging.LogRecord) -> str:
    """Return what a library's record says of a server; an empty text if it is about something else."""
    if _is_handed_back(record):
        return str(record.exc_info[1]) if record.exc_info else ""
    if record.name == "celery.app.trace" or not record.name.startswith(_SPEAK_TO_THE_BROKER):
        return ""  # a task's own trouble, or another server's
    arguments = record.args if isinstance(record.args, tuple) else ()
    errors = [one for one in arguments if isinstance(one, BaseException)]
    if record.exc_info and record.exc_info[1] is not None:
        errors.append(record.exc_info[1])
    return next((str(error) for error in errors if _is_of_a_server(error)), "")


def _is_of_a_server(error: BaseException) -> bool:
    if isinstance(error, _errors().of_a_schedule):
        return any(_is_of_a_server(cause) for cause in _causes(error))
    # An error about a missing file has its name, one about a socket has none.
    is_unreachable = (
        isinstance(error, OSError) and error.errno in _UNREACHABLE and error.filename is None
    )
    return is_unreachable or isinstance(error, _errors().of_a_server)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def in_one_line(record: logging.LogRecord) -> logging.LogRecord:
    """Return a copy of a library's record on a server that is away, without the traceback."""
    text = record.getMessage()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Beat puts a stack behind its message.
    text = lines[0] if record.name == "celery.beat" else " ".join(lines)
    if record.exc_info and str(record.exc_info[1]) not in text:
        text = f"{text} {record.exc_info[1]}"
    made = copy.copy(record)
    made.msg, made.args, made.exc_info, made.exc_text = text, (), None, None
    return made


class RepetitionFilter:
    """A filter of repeated log lines, for a process and all that it forks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._last_logged = _LastLogged(clock)

    def written(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """Return ``record`` as it is to be written, or None if it is left out."""
        if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            return record
        if is_redundant(record):
            return None
        fact = fact_of(record)
        if fact is None:
            # While the database is away, handed back messages come again and again.
            return None if _comes_in(record) and self._last_logged.is_recent(_INGEST) else record
        left_out = self._last_logged.left_out(fact)
        if left_out is None:
            return None
        made = (
            record if record.name.startswith(("wallarm_notify", "tasks")) else in_one_line(record)
        )
        if left_out:
            made = copy.copy(made)
            made.left_out = left_out
        return made


_SLOT: Final = struct.Struct("<QQd")
_SLOTS: Final = 256


class _LastLogged:
    """The time of each fact's last line, in memory that forked processes share.

    There is no lock, so nothing waits: of two lines on one fact at one moment both may be written.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._memory: Any = mmap.mmap(-1, _SLOTS * _SLOT.size)
        self._clock = clock

    def left_out(self, fact: Fact) -> int | None:
        """Return how many lines were left out since the last; None if this one is left out too."""
        place = self._place(fact.key)
        if place is None:
            return 0
        number, count, at = _SLOT.unpack_from(self._memory, place)
        if number != _number_of(
            fact.key
        ):  # another process took the place for another fact at this moment
            return 0
        now = self._clock()
        # A process that is killed while it writes may leave a time in the future, which counts as none.
        if 0 < at <= now < at + fact.every and not (fact.after and self._at(fact.after) > at):
            _SLOT.pack_into(self._memory, place, number, count + 1, at)
            return None
        _SLOT.pack_into(self._memory, place, number, 0, now)
        if fact.also is not None and (place := self._place(fact.also)) is not None:
            number, others, _ = _SLOT.unpack_from(self._memory, place)
            _SLOT.pack_into(self._memory, place, number, others, now)
        return int(count)

    def is_recent(self, key: str) -> bool:
        """Return whether the fact was logged in the last ``EVERY`` seconds."""
        at = self._at(key)
        return bool(at) and self._clock() < at + EVERY

    def _at(self, key: str) -> float:
        """Return when the fact was logged last; 0: never."""
        place = self._place(key)
        return 0.0 if place is None else float(_SLOT.unpack_from(self._memory, place)[2])

    def _place(self, key: str) -> int | None:
        """Return where a fact's time is stored; None if all places are taken."""
        number = _number_of(key)
        for step in range(_SLOTS):
            place = (number + step) % _SLOTS * _SLOT.size
            found = _SLOT.unpack_from(self._memory, place)[0]
            if found == number:
                return place
            if found == 0:
                _SLOT.pack_into(self._memory, place, number, 0, 0.0)
                return place
        return None


def _number_of(key: str) -> int:
    """Return a fact's number, which no other has; never 0."""
    return int.from_bytes(blake2b(key.encode(errors="replace"), digest_size=8).digest()) or 1
