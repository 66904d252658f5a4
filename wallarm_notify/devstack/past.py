"""A past that is played: use cases run on a database whose clock stands where it is set.

Statements find ``now()`` and ``clock_timestamp()`` in a schema of their own first, on one connection alone. So
whatever is written is what would have been written then, by the code that would have written it.
"""

import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from zlib import crc32

from wallarm_notify.bootstrap import service_settings_of
from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.batches import Message, messages
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import Answer, Attempt, reason_of_status
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.sending import Sending
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.services.claim import claim
from wallarm_notify.services.context import Context
from wallarm_notify.services.drill import drill
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import follow_up, record
from wallarm_notify.settings import Settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import connect
from wallarm_notify.store.encryption import KeyCipher

_CLOCK: Final = """
    CREATE SCHEMA past;
    CREATE FUNCTION past.now() RETURNS timestamptz LANGUAGE sql STABLE
        AS $$ SELECT current_setting('past.now')::timestamptz $$;
    CREATE FUNCTION past.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS $$ SELECT current_setting('past.now')::timestamptz $$"""

_DEFAULTS: Final = """
    SELECT format('ALTER TABLE %%I.%%I ALTER COLUMN %%I SET DEFAULT %%s', table_schema, table_name, column_name, %s)
    FROM information_schema.columns WHERE column_default LIKE %s AND table_schema = 'public'"""
"""Statements that give columns another clock: a default knows its function, by whatever name it was found."""

_ACCEPTED: Final = '{"status":"success","message":"Event processed","dedup_key":"…"}'


@dataclass(frozen=True, slots=True)
class Trouble:
    """What PagerDuty answers instead of 202 to an integration, from ``since`` until just before ``until``."""

    integration_id: int
    since: datetime
    until: datetime
    answer: Answer


def refusal(status: int, words: str) -> Answer:
    """Return PagerDuty's answer with a status that is no success."""
    return Answer(status, reason_of_status(status), words)


class Past:
    """An installation whose time is what has been played so far; nothing is sent anywhere.

    Whatever is to happen is given by ``at`` and ``emit``, and ``play`` lets it happen in the order of time:
    deliveries and their retries too, each when it is due.
    """

    def __init__(self, connection: Any, settings: Settings, begins: datetime) -> None:
        self._connection = connection
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._order = count()
        self._batches: dict[datetime, list[Event]] = defaultdict(list)
        self.troubles: list[Trouble] = []
        store = Store(_OneConnection(connection), KeyCipher(settings.fernet_keys()))
        self.context = Context(store, _Agenda(self), service_settings_of(settings))
        self.set_clock(begins)

    def set_clock(self, at: datetime) -> None:
        """Let it be ``at``."""
        self.now = at
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT set_config('past.now', %s, false)", [at.isoformat()])

    def at(self, when: datetime, happens: Callable[[], object]) -> None:
        """Have something happen at a time to come."""
        heapq.heappush(self._agenda, (when, next(self._order), happens))

    def emit(self, event: Event) -> None:
        """Have an event taken in when it occurs, together with all others of that moment."""
        if event.occurred_at not in self._batches:
            self.at(event.occurred_at, lambda: self._take_in(event.occurred_at))
        self._batches[event.occurred_at].append(event)

    def reject(self, when: datetime, rejection: Rejection) -> None:
        """Have what could not be read as an event kept at ``when``."""
        self.at(when, lambda: ingest(self.context, [], [rejection]))

    def play(self, until: datetime) -> None:
        """Let everything happen that is to happen until then; what is due later stays open."""
        while self._agenda and self._agenda[0][0] <= until:
            when, _, happens = heapq.heappop(self._agenda)
            self.set_clock(max(when, self.now))
            happens()
        self.set_clock(max(until, self.now))

    def drill(self, integration_id: int) -> None:
        """Drill an integration now."""

        def send(_: str, _region: str, _key: IntegrationKey, _within: timedelta) -> Answer:
            return self._answer(integration_id)

        drill(self.context, EVERY_CLIENT, integration_id, send)

    def deliver(self, ids: Sequence[int], links: Sequence[int]) -> None:
        """Claim notifications as a worker does, and record the answers that they get."""
        claimed = claim(self.context, ids, links)
        attempts = [self._attempt(one) for one in claimed.sendings]
        if attempts:
            self.set_clock(max(one.answered_at for one in attempts))
            done = record(self.context, attempts)
            self.context.publisher.publish(messages(done.retries, done.now))
            follow_up(self.context, attempts, done)

    def _take_in(self, when: datetime) -> None:
        ingest(self.context, self._batches.pop(when), [])

    def _attempt(self, sending: Sending) -> Attempt:
        n = sending.notification
        return Attempt(
            notification_id=n.id,
            integration_id=n.integration_id,
            generation=sending.generation,
            fence=n.fence,
            run=n.run,
            number=sending.number,
            at=self.now,
            duration=_duration_of(n.id, n.fence),
            answer=self._answer(n.integration_id),
            dedup_start=start_of(sending.dedup_key),
        )

    def _answer(self, integration_id: int) -> Answer:
        for one in self.troubles:
            if one.integration_id == integration_id and one.since <= self.now < one.until:
                return one.answer
        return Answer(202, None, _ACCEPTED)


@contextmanager
def past_of(url: str, settings: Settings, begins: datetime) -> Iterator[Past]:
    """Yield the past of a database that nobody else uses meanwhile; its schema is as before after the block."""
    connection = connect(url)
    # What went wrong in it is no news: whoever reads the log would look for what goes wrong now.
    logging.disable(logging.ERROR)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CLOCK)
            _set_defaults(cursor, "clock_timestamp()", "past.clock_timestamp()")
            cursor.execute("SET search_path = past, pg_catalog, public")
            # A week is worth little: nobody waits for the disk.
            cursor.execute("SET synchronous_commit = off")
        yield Past(connection, settings, begins)
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")
            _set_defaults(cursor, "past.clock_timestamp()", "clock_timestamp()")
            cursor.execute("DROP SCHEMA past CASCADE")
            cursor.execute("VACUUM ANALYZE")
    finally:
        logging.disable(logging.NOTSET)
        connection.close()


def _duration_of(notification_id: int, fence: int) -> timedelta:
    """Return how long an attempt takes, the same in whatever order some are made."""
    return timedelta(milliseconds=70 + crc32(f"{notification_id} {fence}".encode()) % 350)


def stop_clock(url: str, at: datetime) -> None:
    """Let it be ``at`` for ever, for whoever connects to a database from now on."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_CLOCK)
        _set_defaults(cursor, "clock_timestamp()", "past.clock_timestamp()")
        cursor.execute("SELECT quote_ident(current_database())")
        (name,) = cursor.fetchone()
        cursor.execute(f"ALTER DATABASE {name} SET search_path = past, pg_catalog, public")
        cursor.execute(f"ALTER DATABASE {name} SET past.now = %s", [at.isoformat()])


def _set_defaults(cursor: Any, before: str, after: str) -> None:
    cursor.execute(_DEFAULTS, [after, before])
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)


class _OneConnection:
    """A connection that is kept, whose clock was set; see ``store.connection.Connections``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """See ``store.connection.Connections``."""
        yield self._connection

    def close(self) -> None:
        """See ``store.connection.Connections``: whoever made it closes it."""


class _Agenda:
    """The publisher of a past: what is enqueued happens in it; see ``services.ports.Publisher``."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def publish(self, messages: Sequence[Message]) -> None:
        """See ``services.ports.Publisher``."""
        for one in messages:
            when = self._past.now + (one.countdown or timedelta())
            self._past.at(when, lambda one=one: self._past.deliver(one.ids, one.links))  # type: ignore[misc]

    def length(self, *, first: bool) -> int | None:  # noqa: ARG002 - the publisher's
        """See ``services.ports.Publisher``."""
        return None  # whatever waits is on the agenda

    def lengths(self) -> Mapping[str, int]:
        """See ``services.ports.Publisher``."""
        return {}

    def enqueue(self, call: TriedCall) -> bool:  # noqa: ARG002 - the publisher's
        """See ``services.ports.Publisher``: what was set aside stays so."""
        return False

    def request_replays(self) -> None:
        """See ``services.ports.Publisher``: whoever makes a job has it worked on."""
