"""Inline dispatch: a worker claims what it routes in the transaction that makes it, where it has room."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    GRACE,
    LEASE,
    Bench,
    FailingStore,
    a_key,
    a_rejection,
    an_answer,
    an_attack,
    an_attempt,
    an_event,
)
from meanwhile import database_calls, overlapping

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, NotifyError, TooMuch, Unavailable
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import START_WITHIN, State
from wallarm_notify.services import ingest as ingestion
from wallarm_notify.services.claim import claim
from wallarm_notify.services.inline_dispatch import FEW, SOON
from wallarm_notify.services.sweep import Swept
from wallarm_notify.services.sweep import sweep as run_sweep
from wallarm_notify.settings import Settings
from wallarm_notify.store.encryption import generate
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE
from wallarm_notify.worker_parts import WorkerParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wallarm_notify.domain.event import Event, Rejection
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.sending import Claim, Sending
    from wallarm_notify.store import Store


@dataclass
class Dispatcher:
    """A dispatcher that has room, or none, for each client, and keeps the claims it was given."""

    places: int = 128
    full: int = 0
    """A client for which there is no room."""
    claims: list[Claim] = field(default_factory=list)

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        return {i: 0 if i == self.full else self.places for i in client_ids}

    def dispatch(self, claim: Claim) -> None:
        self.claims.append(claim)

    def sendings(self) -> list[Sending]:
        return [s for claim in self.claims for s in claim.sendings]


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher()


@pytest.fixture
def ingest(bench: Bench, dispatcher: Dispatcher) -> Callable[..., Routed]:
    """Return what routes one slice of events in a worker that delivers too."""

    def ingest(*events: Event, store: Any = None, rate_limit: int = 100) -> Routed:
        (routed,) = ingest_here(bench, dispatcher, events, store=store, rate_limit=rate_limit)
        return routed

    return ingest


def ingest_here(
    bench: Bench,
    dispatcher: Dispatcher,
    events: Sequence[Event],
    rejections: Sequence[Rejection] = (),
    *,
    store: Any = None,
    rate_limit: int = 100,
) -> list[Routed]:
    ctx = replace(bench.with_settings(rate_limit_per_minute=rate_limit), store=store or bench.store)
    return ingestion.ingest(ctx, events, rejections, dispatcher=dispatcher)


def ids_of(sendings: Sequence[Sending]) -> list[int]:
    return sorted(s.notification.id for s in sendings)


def stored(bench: Bench) -> list[int]:
    return [row["id"] for row in bench.sql("SELECT id FROM notifications ORDER BY id")]


def test_what_is_routed_is_claimed_and_handed_over_and_nothing_is_enqueued(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    integrations = {bench.integration(), bench.integration()}
    routed = ingest(an_event(), an_event())
    sendings = dispatcher.sendings()
    assert ids_of(sendings) == stored(bench)
    assert len(sendings) == 4
    assert {s.notification.integration_id for s in sendings} == integrations
    for sending in sendings:
        n = sending.notification
        assert bench.notification(n.id) == n
        assert (n.fence, n.lost_claims, n.state) == (1, 1, State.PENDING)
        assert n.lease_until == n.recheck_at == routed.now + LEASE
        assert n.due_at == routed.now
    assert bench.publisher.taken() == []
    assert routed.pending == ()
    assert routed.words == (
        "2 events taken in, 4 notifications made, "
        f"notifications {', '.join(map(str, stored(bench)))} for integrations "
        f"{min(integrations)}, {max(integrations)} under way, attempt 1 of 17"
    )
    assert bench.ledger().findings == []


def test_its_outcome_is_recorded_like_any_other(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(an_event(), an_event())
    (claim,) = dispatcher.claims
    one, two = claim.sendings
    bench.record([an_attempt(one, claim), an_attempt(two, claim, an_answer(500))])
    assert bench.states() == {"delivered": 1, "retrying": 1}
    assert bench.publisher.ids() == [two.notification.id]
    assert bench.ledger().findings == []


@pytest.mark.parametrize("kind", ["card", "trigger"])
def test_it_is_sent_what_a_claim_by_message_would_send(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed], kind: str
) -> None:
    key = a_key()
    integration = bench.integration(key, region="eu")
    bench.store.transact(lambda tx: tx.set_client(1, name="ACME", cloud="eu", partner_name="P"))
    moscow = datetime.now(timezone(timedelta(hours=3))).isoformat()
    event = an_event(host="example.com", tags={"b": [1, 2.5], "a": None}, occurred_at=moscow)
    if kind == "trigger":
        bench.trigger(integration, threshold="0 in 1h")
        event = an_attack(occurred_at=moscow)
    ingest(event)
    (here,) = dispatcher.sendings()
    assert (here.key, here.payload.region, here.payload.client_name) == (key, "eu", "ACME")
    assert (here.payload.firing is None) == (kind == "card")
    bench.end_leases()
    (there,) = bench.claim([here.notification.id]).sendings
    assert alert_parts(here) == alert_parts(there)
    assert (here.fingerprint, here.generation, here.number) == (
        there.fingerprint,
        there.generation,
        there.number,
    )


def alert_parts(sending: Sending) -> tuple[Any, ...]:
    """Return what an alert is made of; hash and text of an event's body are no part of it."""
    payload, event = sending.payload, sending.payload.event
    assert event.occurred_at.tzinfo is not None
    return (
        replace(payload, event=replace(event, body_hash=b"", text="", hash_before=None)),
        event.occurred_at.isoformat(),
        payload.occurrence,
    )


def test_a_dispatcher_without_room_leaves_it_to_the_others(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    dispatcher.places = 0
    (made,) = ingest(an_event()).pending
    assert (dispatcher.claims, bench.publisher.ids()) == ([], [made.id])
    assert bench.notification(made.id) == made
    assert made.recheck_at == made.due_at + GRACE


def test_one_client_for_which_there_is_no_room_keeps_no_other_from_it(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    busy, other = bench.integration(client_id=1), bench.integration(client_id=2)
    dispatcher.full = 1
    ingest(an_event(client_id=1, risk="critical"), an_event(client_id=2, risk="low"))
    assert [s.notification.integration_id for s in dispatcher.sendings()] == [other]
    (enqueued,) = bench.publisher.ids()
    assert bench.notification(enqueued).integration_id == busy


def test_a_client_does_not_wait_for_another_with_many_notifications_in_its_batch(
    bench: Bench,
    dispatcher: Dispatcher,
    ingest: Callable[..., Routed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.SHARED", 20)
    monkeypatch.setattr("wallarm_notify.services.inline_dispatch.FEW", 15)
    for _ in range(10):
        bench.integration(client_id=1)
    other = bench.integration(client_id=2)
    events = [*(an_event(client_id=1) for _ in range(3)), an_event(client_id=2)]
    results = ingest_here(bench, dispatcher, events, [a_rejection()])
    assert [(r.matched, r.rejected) for r in results] == [(1, 1), (3, 0)]
    assert [s.notification.integration_id for s in dispatcher.sendings()] == [other]
    assert len(bench.publisher.ids()) == 30
    assert bench.ledger().findings == []


def test_many_clients_of_which_none_has_most_of_the_work_are_routed_together(
    bench: Bench, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.SHARED", 20)
    for client in range(1, 31):
        bench.integration(client_id=client)
    events = [an_event(client_id=client) for client in range(1, 31)]
    (routed,) = ingest_here(bench, dispatcher, events)
    assert routed.matched == 30
    monkeypatch.setattr("wallarm_notify.services.routing.MOST_NOTIFICATIONS", 7)
    results = ingest_here(bench, dispatcher, [an_event(client_id=e.client_id) for e in events])
    assert sum(r.matched for r in results) == 30
    assert len(results) <= 8
    assert bench.ledger().findings == []


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
def test_no_more_than_a_message_holds_is_claimed_at_once_the_most_severe_first(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed], number: int
) -> None:
    bench.integration()
    risks = ("low", "critical", "info", "high")
    ingest(*(an_event(risk=risks[n % 4]) for n in range(number)), rate_limit=0)
    sendings = dispatcher.sendings()
    enqueued = bench.publisher.ids()
    assert len(sendings) == min(number, 100)
    assert sorted(ids_of(sendings) + enqueued) == stored(bench)
    if enqueued:
        least = min(s.notification.severity for s in sendings)
        assert all(bench.notification(i).severity <= least for i in enqueued)
    assert bench.ledger().findings == []


def test_a_slow_integration_waits_for_its_bulkhead_as_ever(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    fast, slow = bench.integration(), bench.integration()
    bench.mark_slow([slow])
    ingest(an_event())
    assert [s.notification.integration_id for s in dispatcher.sendings()] == [fast]
    (enqueued,) = bench.publisher.ids()
    assert bench.notification(enqueued).integration_id == slow


def test_what_matches_a_disabled_integration_is_not_sent(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration(enabled=False)
    routed = ingest(an_event())
    assert (routed.skipped, dispatcher.claims, bench.publisher.taken()) == (1, [], [])
    (row,) = bench.sql("SELECT state, fence, lease_until, recheck_at FROM notifications")
    assert row == {"state": "skipped", "fence": 0, "lease_until": None, "recheck_at": None}


def test_an_integration_that_is_disabled_while_its_event_is_routed_is_sent_nothing(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    integration = bench.integration()
    store = Between(
        bench.store, lambda: bench.disable_integration(integration, user="me", reason="so")
    )
    ingest(an_event(), store=store)
    assert dispatcher.sendings() == []
    ids = bench.publisher.ids()
    assert bench.claim(ids).cancelled == 1
    assert bench.ledger().findings == []


def test_an_integration_whose_key_changes_meanwhile_is_sent_to_by_the_new_one(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    integration = bench.integration()
    key = a_key("new")
    change = IntegrationChange(key=key)
    store = Between(bench.store, lambda: bench.update_integration(integration, change))
    ingest(an_event(), store=store)
    (sending,) = dispatcher.sendings()
    assert (sending.key, sending.generation) == (key, 1)


class Between:
    """A store in whose transactions something happens ``before`` a query: integrations are read again."""

    def __init__(
        self, store: Store, happens: Callable[[], object], *, before: str = "candidates_of"
    ) -> None:
        self._store = store
        self._happens = happens
        self._before = before

    def transact(self, work: Callable[[Any], Any]) -> Any:
        def run(tx: Any) -> Any:
            whole = getattr(tx, self._before)

            def query(*asked: Any) -> Any:
                self._happens()
                return whole(*asked)

            setattr(tx, self._before, query)
            return work(tx)

        return self._store.transact(run)


def test_a_key_that_cannot_be_read_is_left_to_a_claim_which_says_so(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    other = Bench(bench.url, fernet=generate())
    try:
        ingest(an_event(), store=other.store)
    finally:
        other.close()
    assert dispatcher.claims == []
    assert len(bench.publisher.ids()) == 1


def test_what_has_no_grant_now_is_left_to_a_claim_which_reserves_it_one(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(*(an_event() for _ in range(5)), rate_limit=3)
    sent, enqueued = ids_of(dispatcher.sendings()), bench.publisher.ids()
    assert (len(sent), len(enqueued)) == (3, 2)
    assert sorted(sent + enqueued) == stored(bench)
    assert [bench.notification(i).fence for i in enqueued] == [0, 0]
    assert bench.value("SELECT grants - array['sent', '4'] FROM rate_limits") == {}


def test_a_critical_alert_behind_180_low_ones_is_sent_by_routing_at_once(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    dispatcher.places = 100
    for _ in range(2):
        ingest(*(an_event(risk="low") for _ in range(90)))
    assert len(dispatcher.sendings()) == 80
    assert bench.claim(bench.publisher.ids()).waiting == 100
    dispatcher.claims.clear()
    ingest(an_event(risk="critical"), an_event(risk="low"))
    (sending,) = dispatcher.sendings()
    assert sending.notification.severity is Severity.CRITICAL


def test_no_notification_that_waits_for_a_grant_is_overtaken(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    claim = bench.claim(bench.made(101))
    assert (len(claim.sendings), claim.waiting) == (100, 1)
    bench.sql("UPDATE rate_limits SET grants = grants - 'sent'")  # so that there are grants again
    ingest(an_event())
    assert dispatcher.claims == []


def test_the_grants_of_a_key_that_many_wait_for_are_not_even_read(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    many = [[1e9 + n / 1000, 1] for n in range(5000)]
    bench.sql(
        "UPDATE rate_limits SET grants = CAST(:grants AS jsonb)", grants=json.dumps({"1": many})
    )
    (fingerprint,) = (
        bytes(row["key_fingerprint"]) for row in bench.sql("SELECT * FROM rate_limits")
    )
    assert bench.store.transact(lambda tx: tx.grants_at_hand([fingerprint])) == {}
    ingest(an_event())
    assert (dispatcher.claims, len(bench.publisher.ids())) == ([], 1)


def test_a_key_without_a_place_for_its_grants_is_sent_to_by_message_which_makes_one(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    bench.sql("DELETE FROM rate_limits")
    ingest(an_event())
    assert dispatcher.claims == []
    bench.claim(bench.publisher.ids())
    ingest(an_event())
    assert len(dispatcher.sendings()) == 1


def test_routing_and_claims_share_the_grants_of_a_key(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(*(an_event() for _ in range(60)))
    ids = bench.made(60)
    claim = bench.claim(ids)
    assert len(dispatcher.sendings()) + len(claim.sendings) == 100
    assert claim.waiting == 20


def test_routing_does_not_wait_for_another_transaction_that_is_limiting_the_key(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    key, free = a_key(), a_key("free")
    taken, other = bench.integration(key), bench.integration(free)
    fingerprint = bench.value(f"SELECT key_fingerprint FROM integrations WHERE id = {taken}")
    go_on, holds = threading.Event(), threading.Event()

    def hold(tx: Any) -> None:
        tx.grants([bytes(fingerprint)])
        holds.set()
        assert go_on.wait(10)

    holder = threading.Thread(target=bench.store.transact, args=(hold,))
    holder.start()
    try:
        assert holds.wait(10)
        ingest(an_event())
        assert holder.is_alive()
    finally:
        go_on.set()
        holder.join(10)
    assert [s.notification.integration_id for s in dispatcher.sendings()] == [other]
    (enqueued,) = bench.publisher.ids()
    assert bench.notification(enqueued).integration_id == taken
    assert bench.notification(enqueued).fence == 0


def test_the_same_call_again_sends_nothing(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    event = an_event()
    ingest(event)
    routed = ingest(event)
    assert (routed.duplicates, len(dispatcher.sendings()), bench.publisher.taken()) == (1, 1, [])
    assert routed.words == "0 events taken in, 0 notifications made, 1 known already"


def test_nothing_is_sent_of_a_transaction_that_is_not_committed(
    bench: Bench, dispatcher: Dispatcher
) -> None:
    bench.integration()

    class Away:
        """A store whose connection is lost at the commit."""

        def transact(self, work: Callable[[Any], Any]) -> Any:
            def run(tx: Any) -> None:
                work(tx)
                raise Unavailable("away")

            return bench.store.transact(run)

    with pytest.raises(Unavailable):
        ingest_here(bench, dispatcher, [an_event()], store=Away())
    assert (dispatcher.claims, bench.publisher.taken(), bench.states()) == ([], [], {})


def test_a_transaction_that_is_run_again_hands_over_what_the_last_run_claimed(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()

    class Twice:
        """A store whose first run is rolled back."""

        def transact(self, work: Callable[[Any], Any]) -> Any:
            def roll_back(tx: Any) -> None:
                work(tx)
                raise Unavailable("rolled back")

            with pytest.raises(Unavailable):
                bench.store.transact(roll_back)
            return bench.store.transact(work)

    ingest(an_event(), an_event(), store=Twice())
    assert ids_of(dispatcher.sendings()) == stored(bench)
    assert bench.value("SELECT max(fence) FROM notifications") == 1


def test_what_waited_long_in_its_transaction_says_since_when(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    """The dispatcher puts back what could not be begun within 2 s of the time the integration was read."""
    bench.integration()
    pause = threading.Event()
    store = Between(bench.store, lambda: pause.wait(0.3))
    routed = ingest(an_event(), store=store)
    (claim,) = dispatcher.claims
    assert (claim.now, claim.asked) == (routed.now, 1)
    age = datetime.now(UTC) - routed.now
    assert timedelta(seconds=0.3) <= age < START_WITHIN


def test_what_is_claimed_began_before_its_transaction_asked_for_the_time(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    """Whatever the transaction takes from then on counts against the 2 s, its claim's wait included."""
    bench.integration()
    earlier = since_boot()
    with database_calls() as began:
        ingest(an_event())
    (claim,) = dispatcher.claims
    assert earlier <= claim.began <= began[0]


def test_the_dispatcher_says_how_many_it_takes(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    dispatcher.places = 7
    ingest(*(an_event() for _ in range(10)), rate_limit=0)
    assert (len(dispatcher.sendings()), len(bench.publisher.ids())) == (7, 3)


@pytest.mark.parametrize(("places", "claimed"), [(6, 0), (7, 7), (8, 7)])
def test_under_a_rate_limit_one_integrations_are_claimed_together_or_go_together_by_message(
    bench: Bench,
    dispatcher: Dispatcher,
    ingest: Callable[..., Routed],
    places: int,
    claimed: int,
) -> None:
    """Another process would send what goes by message while these wait for each other."""
    bench.integration()
    dispatcher.places = places
    ingest(*(an_event() for _ in range(7)))
    assert (len(dispatcher.sendings()), len(bench.publisher.ids())) == (claimed, 7 - claimed)


def test_what_is_more_severe_is_claimed_also_where_the_rest_of_its_integration_has_no_room(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    dispatcher.places = 2
    ingest(an_event(risk="low"), an_event(risk="low"), an_event(risk="critical"))
    (severe,) = dispatcher.sendings()
    assert severe.notification.severity is Severity.CRITICAL
    assert len(bench.publisher.ids()) == 2


@pytest.mark.parametrize(("number", "claimed"), [(FEW, 100), (FEW + 1, 0)])
def test_a_transaction_that_makes_many_claims_none_as_others_rate_limit_meanwhile(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed], number: int, claimed: int
) -> None:
    bench.integration()
    ingest(*(an_event() for _ in range(number)), rate_limit=0)
    assert len(dispatcher.sendings()) == claimed
    assert len(bench.publisher.ids()) == number - claimed


def test_a_transaction_that_took_long_claims_none_as_it_would_begin_too_late(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    pause = threading.Event()
    store = Between(bench.store, lambda: pause.wait(SOON), before="subscribers_of")
    ingest(an_event(), store=store)
    assert (dispatcher.claims, len(bench.publisher.ids())) == ([], 1)


@pytest.mark.parametrize("error", [BadRow("no such thing"), TooMuch("it took too long")])
@pytest.mark.parametrize("query", ["candidates_of", "grants_at_hand", "save_grants"])
def test_a_fault_in_claiming_keeps_no_event_from_being_stored_and_enqueued(
    bench: Bench,
    dispatcher: Dispatcher,
    ingest: Callable[..., Routed],
    query: str,
    error: NotifyError,
) -> None:
    bench.integration()
    store = FailingStore(bench.store, query, error)
    routed = ingest(an_event(), an_event(), store=store)
    assert (routed.matched, routed.rejected, dispatcher.claims) == (2, 0, [])
    assert bench.publisher.ids() == stored(bench)
    assert store.asked
    assert bench.ledger().findings == []


def test_a_dispatcher_whose_room_is_unknown_keeps_no_event_from_being_stored_and_enqueued(
    bench: Bench,
    dispatcher: Dispatcher,
    ingest: Callable[..., Routed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench.integration()

    def room(client_ids: Iterable[int]) -> dict[int, int]:
        raise RuntimeError("broken")

    monkeypatch.setattr(dispatcher, "room", room)
    routed = ingest(an_event())
    assert (routed.matched, bench.publisher.ids()) == (1, stored(bench))


def test_a_dispatcher_that_cannot_be_made_keeps_no_event_from_being_stored_and_enqueued(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.integration()

    def client(*_: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr("wallarm_notify.worker_parts.HttpClient", client)
    settings = Settings(database_url=bench.url, secret_keys=generate())
    parts = WorkerParts(settings, [NOTIFICATIONS_QUEUE])
    ctx = replace(parts.context, publisher=bench.publisher)
    threads = threading.active_count()
    (routed,) = ingestion.ingest(ctx, [an_event()], (), dispatcher=parts.inline_dispatcher)
    parts.store.close()
    assert (routed.matched, bench.publisher.ids()) == (1, stored(bench))
    assert threading.active_count() <= threads


def test_what_could_not_be_handed_over_is_sent_when_its_lease_is_over(
    bench: Bench,
    dispatcher: Dispatcher,
    ingest: Callable[..., Routed],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench.integration()

    def dispatch(claim: Claim) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(dispatcher, "dispatch", dispatch)
    ingest(*(an_event() for _ in range(2)))
    bench.end_leases()
    assert len(bench.claim(stored(bench)).sendings) == 2


# What may come between: the notification is sent all the same, and by nobody else meanwhile.


class LostAnswer:
    """A store whose connection breaks once a transaction is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def transact(self, work: Callable[[Any], Any]) -> Any:
        self._store.transact(work)
        raise Unavailable("the connection broke")


def test_a_commit_whose_answer_is_lost_is_sent_by_another_when_the_lease_is_over(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    event = an_event()
    with pytest.raises(Unavailable):
        ingest(event, store=LostAnswer(bench.store))
    assert ingest(event).duplicates == 1
    assert (dispatcher.claims, bench.publisher.taken()) == ([], [])
    assert bench.claim(stored(bench)).sendings == ()
    bench.end_leases()
    (sending,) = bench.claim(stored(bench)).sendings
    assert (sending.notification.fence, sending.number) == (2, 1)
    assert bench.ledger().findings == []


def test_a_database_that_goes_away_while_it_claims_leaves_nothing_behind(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    event = an_event()
    for query in ("candidates_of", "grants_at_hand", "insert_notifications"):
        store = FailingStore(bench.store, query, Unavailable("away"))
        with pytest.raises(Unavailable):
            ingest(event, store=store)
        assert store.asked
        assert (dispatcher.claims, bench.publisher.taken(), stored(bench)) == ([], [], [])
    ingest(event)
    assert ids_of(dispatcher.sendings()) == stored(bench)


def test_while_it_is_on_its_way_no_message_and_no_sweep_takes_it(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(an_event())
    ids = ids_of(dispatcher.sendings())
    assert bench.claim(ids).sendings == ()
    assert (run_sweep(bench.ctx), bench.publisher.ids()) == (Swept(), [])


def test_what_a_worker_died_with_is_found_by_sweep_when_the_lease_is_over(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(an_event())
    bench.sql("UPDATE notifications SET lease_until = now(), recheck_at = now()")
    assert run_sweep(bench.ctx).published == 1
    (sending,) = bench.claim(bench.publisher.ids()).sendings
    assert sending.notification.lost_claims == 2


def test_of_two_workers_with_the_same_event_at_once_one_sends_it(
    bench: Bench, dispatcher: Dispatcher
) -> None:
    bench.integration()
    event, other = an_event(), Dispatcher()
    (routed,) = overlapping(
        bench,
        lambda first: ingest_here(first, dispatcher, [event]),
        lambda: ingest_here(bench, other, [event]),
    )
    assert (routed.duplicates, other.claims) == (1, [])
    assert ids_of(dispatcher.sendings()) == stored(bench)
    assert bench.publisher.taken() == []


def test_many_workers_at_once_send_no_more_than_the_limit_and_enqueue_the_rest(
    bench: Bench, make_bench: Callable[..., Bench]
) -> None:
    bench.integration()
    workers = [(make_bench(fernet=bench.fernet), Dispatcher()) for _ in range(4)]

    def work(worker: tuple[Bench, Dispatcher]) -> None:
        own, dispatcher = worker
        for _ in range(5):
            ingest_here(own, dispatcher, [an_event(), an_event()], rate_limit=7)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(work, workers))
    sent = [i for _, dispatcher in workers for i in ids_of(dispatcher.sendings())]
    enqueued = [i for own, _ in workers for i in own.publisher.ids()]
    assert 1 <= len(sent) <= 7
    assert sorted(sent + enqueued) == stored(bench)
    assert bench.ledger().findings == []


@pytest.mark.parametrize("what", ["it fails", "it is not begun"])
def test_an_integration_that_is_disabled_between_claim_and_commit_is_sent_nothing_after_that(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed], what: str
) -> None:
    """What is under way by then may begin within 2 s of its claim, as of any other (spec 1)."""
    integration = bench.integration()
    store = Between(
        bench.store,
        lambda: bench.disable_integration(integration, user="me", reason="so"),
        before="insert_notifications",
    )
    ingest(an_event(), store=store)
    (claim,) = dispatcher.claims
    (sending,) = claim.sendings
    if what == "it fails":
        bench.record([an_attempt(sending, claim, an_answer(500))])
    else:
        bench.put_back([sending], behind_bulkhead=False)
    assert bench.publisher.ids() == [sending.notification.id]
    bench.make_due()
    assert bench.claim([sending.notification.id]).cancelled == 1
    assert bench.ledger().findings == []


@pytest.mark.parametrize(("late", "state"), [(500, "pending"), (202, "delivered")])
def test_a_worker_that_comes_back_after_its_lease_delivers_or_changes_nothing(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed], late: int, state: str
) -> None:
    bench.integration()
    ingest(an_event())
    (stale,) = dispatcher.claims
    bench.end_leases()
    successor = bench.claim(stored(bench))
    bench.record([an_attempt(stale.sendings[0], stale, an_answer(late))])
    assert bench.states() == {state: 1}
    bench.record([an_attempt(successor.sendings[0], successor)])
    assert bench.states() == {"delivered": 1}
    assert bench.value("SELECT count(*) FROM attempts") == 2
    assert bench.ledger().findings == []


def test_what_is_not_begun_is_put_back_with_its_grant_and_enqueued(
    bench: Bench, dispatcher: Dispatcher, ingest: Callable[..., Routed]
) -> None:
    bench.integration()
    ingest(an_event(), rate_limit=1)
    (sending,) = dispatcher.sendings()
    bench.put_back([sending], behind_bulkhead=False)
    (again,) = bench.publisher.ids()
    n = bench.notification(again)
    assert (n.id, n.lost_claims, n.lease_until) == (sending.notification.id, 0, None)
    one_a_minute = bench.with_settings(rate_limit_per_minute=1)
    assert len(claim(one_a_minute, [again]).sendings) == 1
