"""Builders: each makes a valid object of the domain, and hides what is not the point of a test."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import sqlalchemy as sa
from administration import Administration
from kombu import Connection
from kombu.pools import connections

from wallarm_notify.devstack.processes import wait_until
from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.clock import AheadTally
from wallarm_notify.domain.event import Event, Severity
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.integration import Draft, IntegrationKey, parse_subscriptions
from wallarm_notify.domain.notification import Notification, State
from wallarm_notify.domain.outcome import Answer, Attempt, FailureReason, reason_of_status
from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.sending import Claim, Sending
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.triggers.cells import cell_of, window_of
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.crossing import Crossing
from wallarm_notify.domain.triggers.firing import Firing, fired
from wallarm_notify.domain.triggers.trigger import Criteria, Trigger, TriggerDraft, check_criteria
from wallarm_notify.entrypoints.cli.criteria import (
    read_condition_option,
    read_filters,
    read_threshold,
)
from wallarm_notify.schemas.read import read_event
from wallarm_notify.sender.recorder import record_attempts
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.services.bulkheads import mark_slow
from wallarm_notify.services.claim import claim, put_back
from wallarm_notify.services.context import Context, ServiceSettings
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.ledger import recount
from wallarm_notify.services.prune import WORKS_FOR, Pruned, prune
from wallarm_notify.services.review import Reviewed, review
from wallarm_notify.store import Store
from wallarm_notify.store.encryption import KeyCipher, generate
from wallarm_notify.store.event_body import EVENT_COLUMNS, event_of
from wallarm_notify.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from redis import Redis

    from wallarm_notify.domain.activity import Change
    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.errors import NotifyError
    from wallarm_notify.domain.event import Rejection
    from wallarm_notify.domain.ledger import Ledger
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.sending import Claim, Sending
    from wallarm_notify.domain.set_aside import TriedCall
    from wallarm_notify.domain.triggers.firing import Firing

T = TypeVar("T")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

GRACE = timedelta(seconds=15)
LEASE = timedelta(seconds=30)
RETENTION = timedelta(days=90)


def kill_connections(client: Redis) -> None:
    """Have a Redis close all other connections.

    Those that Celery has pooled in this process connect again at their next use: a later test would find them dead.
    """
    client.client_kill_filter(_type="normal", skipme=True)
    for pool in connections.values():
        for idle in pool._resource.queue:
            if isinstance(idle, Connection):  # else it was never used
                idle.collect()


def eventually(condition: Callable[[], T | None], within: float = 60.0, what: str = "it") -> T:
    """Wait until ``condition`` is true and return its value; fail after ``within`` seconds.

    They are many, as the machine may be busy; fewer only where the time is what a test is about.
    """
    return wait_until(condition, within, what)


def a_key(name: str = "") -> IntegrationKey:
    """Return a well-formed key that nothing else has; ``name`` is its beginning."""
    return IntegrationKey((name + uuid4().hex)[:32])


def a_body(key: IntegrationKey) -> bytes:
    """Return a request's body that PagerDuty accepts."""
    payload = {"summary": "Rule created", "source": "Wallarm", "severity": "info"}
    event = {"routing_key": key.reveal(), "event_action": "trigger", "payload": payload}
    return json.dumps(event).encode()


def an_event_object(client_id: Any = 1, **fields: Any) -> dict[str, Any]:
    """Return a valid event as producers send it; by default a security issue of high risk."""
    return {
        "id": str(uuid4()),
        "client_id": client_id,
        "type": "security_issue.detected",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "issue_id": "7",
        "title": "Vulnerable version of nginx",
        "risk": "high",
        **fields,
    }


def an_event(**fields: Any) -> Event:
    """Return an accepted event; by default a security issue of high risk."""
    event = read_event(an_event_object(**fields))
    assert isinstance(event, Event), event.reason
    return event


def a_user_event(**fields: Any) -> Event:
    """Return an accepted event of the subscription ``system``."""
    return an_event(
        **{
            "type": "user.created",
            "user_name": "Ann",
            "user_email": "ann@example.com",
            "user_role": "admin",
            **fields,
        }
    )


def an_attack(**fields: Any) -> Event:
    """Return an accepted event that only triggers use."""
    return an_event(**{"type": "attack.detected", "attack_id": "a", "attack_type": "xss", **fields})


TRIGGER_EVENTS = {
    "attack.detected": {"attack_id": "a", "attack_type": "xss"},
    "hit.detected": {"hit_id": "h", "attack_type": "xss"},
    "incident.detected": {"incident_id": "i", "attack_type": "xss"},
    "api.changed": {
        "method": "GET",
        "host": "shop.example.com",
        "path": "/users",
        "change_type": "added",
    },
    "ip.denylisted": {"ip": "203.0.113.7", "reason": "Produces many attacks"},
    "rogue_api.detected": {
        "method": "GET",
        "host": "shop.example.com",
        "path": "/users",
        "kind": "shadow",
    },
    "user.created": {"user_name": "Ann", "user_email": "ann@example.com", "user_role": "admin"},
}


def an_event_for(condition: str, at: datetime | None = None, /, **fields: Any) -> Event:
    """Return an accepted event of the type that ``condition`` looks at; by default it happened now."""
    kind = Condition(condition).terms.event_type
    moment = at or datetime.now(UTC)
    return an_event(
        **{"type": kind, "occurred_at": moment.isoformat(), **TRIGGER_EVENTS[kind], **fields}
    )


def criteria_of(condition: str, *filters: str, threshold: str | None = None) -> Criteria:
    """Return criteria as the command line reads them."""
    asked = read_condition_option(condition)
    return check_criteria(
        asked,
        read_filters(asked, filters),
        None if threshold is None else read_threshold(threshold),
    )


def a_trigger_draft(*integration_ids: int, **fields: Any) -> TriggerDraft:
    """Return a trigger of client 1 that fires on more than 2 attacks in an hour."""
    draft = TriggerDraft(
        client_id=1,
        criteria=criteria_of("attacks_exceeded", threshold="2 in 1h"),
        integration_ids=integration_ids,
        name="Many attacks",
    )
    return replace(draft, **fields)


def a_trigger(criteria: Criteria, **fields: Any) -> Trigger:
    """Return an enabled trigger of client 1 that notifies integration 1."""
    made = Trigger(
        id=7,
        client_id=1,
        name="SQLi flood",
        comment="",
        enabled=True,
        criteria=criteria,
        integration_ids=(1,),
        version=1,
        created_at=NOON,
        created_by="Ann",
    )
    return replace(made, **fields)


def a_firing(
    *filters: str,
    condition: str = "attacks_exceeded",
    threshold: str | None = "30 in 1h",
    **fields: Any,
) -> tuple[Event, Firing]:
    """Return an event, and the firing of a trigger that it met; ``fields`` are the trigger's."""
    criteria = criteria_of(condition, *filters, threshold=threshold)
    made = a_trigger(criteria, **fields)
    event = an_event_for(condition, NOON)
    window = None
    if criteria.threshold is not None:
        period = criteria.threshold.period
        window = window_of(cell_of(NOON, period), period)
    return event, fired(made, event, count=31, window=window, event_ids=(event.id,))


def sample(event_type: str, **fields: Any) -> Event:
    """Return the first sample of a type, with other fields."""
    lines = files("wallarm_notify").joinpath("samples/events.jsonl").read_text("utf-8").splitlines()
    first = next(obj for obj in map(json.loads, lines) if obj["type"] == event_type)
    read = read_event({**first, **fields})
    assert isinstance(read, Event), read
    return read


def a_rejection(**fields: Any) -> Rejection:
    """Return the rejection of an invalid event."""
    rejection = read_event(an_event_object(**{"title": " ", **fields}))
    assert not isinstance(rejection, Event)
    return rejection


def a_notification(**fields: Any) -> Notification:
    """Return a notification that was just made, due at noon."""
    made = Notification(
        id=1,
        integration_id=1,
        state=State.PENDING,
        run=1,
        attempts_made=0,
        fence=0,
        lost_claims=0,
        rechecks=0,
        due_at=NOON,
        lease_until=None,
        recheck_at=NOON + GRACE,
        finished_at=None,
        severity=Severity.INFO,
        disablings=0,
        closing=False,
    )
    return replace(made, **fields)


def an_integration_draft(**fields: Any) -> Draft:
    """Return an enabled integration of client 1 that subscribes to security issues."""
    subscriptions = parse_subscriptions(fields.pop("subscribe", ("security_issue",)))
    draft = Draft(client_id=1, region="us", subscriptions=subscriptions, enabled=True)
    return replace(draft, **fields)


def an_answer(status: int | None = 202, **fields: Any) -> Answer:
    """Return an answer of PagerDuty; without a status, that the connection was reset."""
    reason = FailureReason.RESET if status is None else reason_of_status(status)
    return replace(Answer(status, reason, "an answer"), **fields)


def an_attempt(
    sending: Sending, claim: Claim, answer: Answer | None = None, *, took: float = 0.1
) -> Attempt:
    """Return the attempt of ``sending``; by default it was delivered."""
    n = sending.notification
    return Attempt(
        notification_id=n.id,
        integration_id=n.integration_id,
        generation=sending.generation,
        fence=n.fence,
        run=n.run,
        number=sending.number,
        at=claim.now,
        duration=timedelta(seconds=took),
        answer=answer or an_answer(),
        dedup_start=start_of(sending.dedup_key),
    )


REFUSED = an_answer(
    400,
    response='{"status":"invalid event","message":"Event object is invalid","errors":["bad key"]}',
)
DOWN = an_answer(503)
TAKEN = an_answer(202)

History = tuple[timedelta, Answer]
"""How long ago an attempt began, and its answer."""


def spread(
    number: int,
    answer: Answer,
    *,
    over: timedelta = timedelta(hours=1),
    until: timedelta = timedelta(minutes=2),
) -> list[History]:
    """Return so many attempts with one answer, evenly over the time up to ``until`` ago."""
    step = over / max(number - 1, 1)
    return [(until + step * n, answer) for n in reversed(range(number))]


def moved(claim: Claim, *history: History) -> list[Attempt]:
    """Return the attempts of a claim, moved so that they began so long ago."""
    assert len(claim.sendings) == len(history), "the rate limit or a slow integration is in the way"
    return [
        replace(an_attempt(s, claim, answer), at=claim.now - ago)
        for s, (ago, answer) in zip(claim.sendings, history, strict=True)
    ]


def crossings_worked_out(
    cells: Sequence[int], counts: Mapping[int, int], fired: Sequence[int], limit: int, quiet: int
) -> list[Crossing]:
    """Return which events fire by the spec, adding up every window again for every event."""
    held, ends, found = Counter(counts), list(fired), []
    for position, cell in enumerate(cells):
        held[cell] += 1
        for end in range(cell, cell + 60):
            total = sum(held[c] for c in range(end - 59, end + 1))
            if held[end] and total > limit and all(abs(end - one) >= quiet for one in ends):
                found.append(Crossing(position, end, total))
                ends.append(end)
                break
    return found


OF_CHANGES = (
    "integrations", "triggers", "notifications", "events", "rejected", "undecodable", "quarantine",
    "clients", "users", "tokens", "activity", "rules_versions", "rate_limits", "counts",
)  # fmt: skip
"""The tables that changes by administrators touch."""


COUNT_STATES_ANEW = """
    DELETE FROM counts WHERE kind LIKE 'state\\:%';
    INSERT INTO counts (kind, shard, value)
    SELECT 'state\\:' || CASE WHEN trigger_id = 0 THEN 'card\\:' ELSE 'trigger\\:' END || state, 0, count(*)
    FROM notifications GROUP BY 1
"""
"""Brings the counters in step with states that a test has set by SQL."""


class FailingStore(Store):
    """A store whose transactions raise ``error`` at ``query``, of ``only`` this argument where it is given."""

    def __init__(
        self, store: Store, query: str, error: NotifyError, *, only: int | None = None
    ) -> None:
        self._store = store
        self._query = query
        self._error = error
        self._only = only
        self.asked: list[Any] = []

    def transact(self, work: Callable[[Any], Any]) -> Any:
        return self._store.transact(lambda tx: work(_FailingTransaction(tx, self)))

    def look_up(self, work: Callable[[Any], Any]) -> Any:
        return self._store.look_up(lambda tx: work(_FailingTransaction(tx, self)))

    def fail_where_asked(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == self._query and self._only in (None, *arguments):
            self.asked.append(arguments)
            raise self._error


class _FailingTransaction:
    def __init__(self, tx: Any, by: FailingStore) -> None:
        self._tx = tx
        self._by = by

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tx, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._by.fail_where_asked(name, arguments)
            return found(*arguments, **named)

        return call


class RememberingPublisher:
    """A publisher that keeps what it is given; ``length_of`` and ``waiting`` are the lengths that it returns."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[TriedCall] = []
        self.replays_requested = 0
        self.length_of: dict[bool, int | None] = {True: 0, False: 0}
        self.waiting: dict[str, int] = {}

    def publish(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    def length(self, *, first: bool) -> int | None:
        return self.length_of[first]

    def lengths(self) -> Mapping[str, int]:
        return self.waiting

    def enqueue(self, call: TriedCall) -> bool:
        self.calls.append(call)
        return True

    def request_replays(self) -> None:
        self.replays_requested += 1

    def taken(self) -> list[Message]:
        """Return what was published since the last call."""
        messages, self.messages = self.messages, []
        return messages

    def ids(self) -> list[int]:
        """Return the notifications enqueued since the last call, in their order."""
        return [i for message in self.taken() for i in message.ids]


def some_settings(**fields: Any) -> ServiceSettings:
    """Return the default settings of use cases, with the ``fields`` that are given."""
    made = ServiceSettings(
        grace=GRACE,
        lease=LEASE,
        rate_limit_per_minute=100,
        retry_time_scale=1.0,
        rejected_per_day=0,
        retention=RETENTION,
        unmatched_retention=None,
        sweep_interval=timedelta(seconds=5),
        review_interval=timedelta(minutes=1),
        prune_interval=timedelta(seconds=5),
        policy=Policy(),
        cloud="us",
        summary=SummaryForm.BRIEF,
    )
    return replace(made, **fields)


class Bench(Administration):
    """All use cases over a real database, a publisher that keeps messages, and what tests ask of both."""

    def __init__(self, url: str, *, fernet: str | None = None, rate_limit: int = 100) -> None:
        self.url = url
        self.fernet = fernet or generate()
        self.engine = sa.create_engine(url)
        self.pool = Pool(url)
        self.store = Store(self.pool, KeyCipher([self.fernet]))
        self.publisher = RememberingPublisher()
        self.ctx = Context(
            self.store, self.publisher, some_settings(rate_limit_per_minute=rate_limit)
        )
        self.retries = RetryBuffer(self.publisher)
        self.tally = AheadTally()

    def with_settings(self, **fields: Any) -> Context:
        """Return the context with these settings changed."""
        return replace(self.ctx, settings=replace(self.ctx.settings, **fields))

    def reviewed(self, policy: Policy | None = None, *, store: Any = None) -> Reviewed:
        """Do one review, as if the last one had been a minute ago."""
        self.sql("DELETE FROM upkeep_runs")
        ctx = self.with_settings(policy=policy or Policy())
        return review(replace(ctx, store=store or self.store))

    def prune(self, works_for: timedelta = WORKS_FOR) -> Pruned:
        """Do one run of PRUNE, as if the last one had been long ago."""
        self.sql("DELETE FROM upkeep_runs")
        return prune(self.ctx, works_for=works_for)

    def ledger(self) -> Ledger:
        return recount(self.ctx, EVERY_CLIENT)

    def sql(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run one statement of the test's own and commit; return its rows."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), parameters)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def value(self, statement: str, **parameters: Any) -> Any:
        """Return the one value that ``statement`` yields."""
        (row,) = self.sql(statement, **parameters)
        (value,) = row.values()
        return value

    def bodies(self, pattern: str = "%") -> list[dict[str, Any]]:
        """Return the bodies of the events whose type is like ``pattern``, in the order they came."""
        rows = self.sql(
            f"SELECT {EVENT_COLUMNS} FROM events e WHERE CAST(type AS text) LIKE :pattern ORDER BY no",
            pattern=pattern,
        )
        return [dict(event_of(row).body) for row in rows]

    def all_rows(self) -> dict[str, str]:
        """Return every row that a change by an administrator might touch, by table, as text."""
        rows = "coalesce(string_agg(CAST(t AS text), ' ' ORDER BY CAST(t AS text)), '')"
        return {name: self.value(f"SELECT {rows} FROM {name} t") for name in OF_CHANGES}

    def activity(self) -> list[Change]:
        """Return the changes of the activity log, the oldest first."""
        lines = self.store.transact(
            lambda tx: tx.activity(EVERY_CLIENT, None, Slice(None, 10_000, 10_000))
        )
        return [line.change for line in reversed(lines.items)]

    def integration(self, key: IntegrationKey | None = None, **fields: Any) -> int:
        """Make an integration; return its id."""
        return self.create_integration(an_integration_draft(**fields), key or a_key()).id

    def trigger(
        self,
        *integration_ids: int,
        condition: str = "attacks_exceeded",
        filters: Sequence[str] = (),
        threshold: str | None = None,
        **fields: Any,
    ) -> Trigger:
        """Make a trigger, by default for a new integration; forget what its creation enqueued."""
        ids = integration_ids or (
            self.integration(subscribe=(), client_id=fields.get("client_id", 1)),
        )
        criteria = criteria_of(condition, *filters, threshold=threshold)
        made = self.create_trigger(a_trigger_draft(*ids, criteria=criteria, **fields))
        self.publisher.taken()
        return made

    def firings(self, trigger: Trigger | int) -> list[Firing]:
        """Return a trigger's firings, the oldest first."""
        number = trigger if isinstance(trigger, int) else trigger.id
        shown = self.store.transact(lambda tx: tx.firings(number, 10_000))
        return [one.firing for one in reversed(shown)]

    def ingest(self, *events: Event, rejections: Sequence[Rejection] = ()) -> Routed:
        """Route one slice of events."""
        (routed,) = ingest(self.ctx, events, rejections, tally=self.tally)
        return routed

    def made(self, number: int = 1, **fields: Any) -> list[int]:
        """Route so many new events; return the ids of their notifications."""
        return [n.id for n in self.ingest(*(an_event(**fields) for _ in range(number))).pending]

    def notification(self, notification_id: int) -> Notification:
        (found,) = self.store.transact(lambda tx: tx.lock([notification_id]))
        return found

    def states(self) -> dict[str, int]:
        rows = self.sql("SELECT state, count(*) AS n FROM notifications GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def claim(self, ids: Iterable[int], links: Sequence[int] | None = None) -> Claim:
        return claim(self.ctx, list(ids), links)

    def record(
        self,
        attempts: Sequence[Attempt],
        slow: Collection[int] = (),
        tokens: Mapping[int, str] | None = None,
    ) -> None:
        """Record ``attempts`` as a worker's recorder does."""
        record_attempts(self.ctx, self.retries, attempts, slow, tokens)

    def mark_slow(self, integration_ids: Iterable[int]) -> None:
        mark_slow(self.ctx, integration_ids)

    def put_back(self, sendings: Sequence[Sending], *, behind_bulkhead: bool) -> None:
        put_back(self.ctx, sendings, behind_bulkhead=behind_bulkhead)

    def sent(
        self, ids: Iterable[int], answer: Answer | None = None, *, took: float = 0.1
    ) -> list[Attempt]:
        """Claim ``ids``, and record ``answer`` for each of them that was to be sent."""
        claimed = self.claim(ids)
        attempts = [an_attempt(s, claimed, answer, took=took) for s in claimed.sendings]
        self.record(attempts)
        return attempts

    def attempted(
        self, integration_id: int, *history: History, client_id: int = 1
    ) -> list[Attempt]:
        """Record attempts that began so long ago, each of a notification of its own."""
        pending = self.ingest(*(an_event(client_id=client_id) for _ in history)).pending
        claimed = self.claim(n.id for n in pending if n.integration_id == integration_id)
        attempts = moved(claimed, *history)
        self.record(attempts)
        self.publisher.taken()
        return attempts

    def replayed(self, *ids: int) -> int:
        """Replay these, and forget what that enqueued; return how many."""
        number = self.replay_notifications(ids)
        self.publisher.taken()
        return number

    def make_due(self) -> None:
        """End the waits of everything that is open."""
        self.sql("UPDATE notifications SET due_at = now() WHERE finished_at IS NULL")

    def end_leases(self) -> None:
        """End all leases, as if every worker had died a lease ago."""
        self.sql("UPDATE notifications SET lease_until = now() WHERE lease_until IS NOT NULL")

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()
