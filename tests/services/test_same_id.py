"""Two clients give an event the same id: neither suppresses, changes, reads or deletes the other's (spec, words)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from build import (
    Bench,
    a_rejection,
    an_answer,
    an_attack,
    an_event,
    an_event_for,
)

from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Filter
from wallarm_notify.services.prune import prune
from wallarm_notify.services.take_in_ahead import take_in_ahead

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.triggers.firing import Firing

CLIENTS = (1, 2)


@pytest.fixture
def same() -> str:
    """Return the id that both use."""
    return str(uuid4())


def of_both(same: str, **fields: str) -> list[Event]:
    """Return an event of each client."""
    return [an_event(client_id=c, id=same, title=f"of client {c}", **fields) for c in CLIENTS]


def titles(bench: Bench) -> list[str]:
    """Return the titles of the stored events, in the order they came."""
    return [body["title"] for body in bench.bodies()]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_both_are_stored_and_notified(bench: Bench, same: str, *, together: bool) -> None:
    integrations = [bench.integration(client_id=c) for c in CLIENTS]
    events = of_both(same)
    routed = [bench.ingest(*events)] if together else [bench.ingest(e) for e in events]
    assert sum(r.matched for r in routed) == 2
    assert sum(r.duplicates + r.rejected for r in routed) == 0
    claimed = bench.claim([n.id for r in routed for n in r.pending]).sendings
    sent = {s.notification.integration_id: s.payload.event for s in claimed}
    assert {i: e.body["title"] for i, e in sent.items()} == dict(
        zip(integrations, ("of client 1", "of client 2"), strict=True)
    )
    assert bench.ledger().findings == []


def test_a_duplicate_of_one_is_none_of_the_other(bench: Bench, same: str) -> None:
    bench.ingest(of_both(same)[0])
    routed = bench.ingest(*of_both(same), of_both(same)[1])
    assert (routed.unmatched, routed.duplicates) == (1, 2)
    assert bench.ledger().findings == []


def test_a_conflict_is_with_an_event_of_the_same_client_alone(bench: Bench, same: str) -> None:
    first, second = of_both(same)
    other = an_event(client_id=2, id=same, title="another of client 2")
    assert bench.ingest(first).rejected == 0
    assert bench.ingest(second, other).rejected == 1
    (row,) = bench.sql("SELECT reason, client_id FROM rejected")
    assert row["client_id"] == 2
    assert row["reason"].startswith(f"conflict: another event of client 2 with the id {same} ")
    assert titles(bench) == ["of client 1", "of client 2"]


def test_one_that_is_kept_apart_for_its_time_does_not_hold_up_the_others(
    bench: Bench, same: str
) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    first, _ = of_both(same, occurred_at=later)
    _, second = of_both(same)
    assert bench.ingest(first).ahead == 1
    assert bench.ingest(second).unmatched == 1
    _, second_ahead = of_both(str(uuid4()), occurred_at=later)
    both = of_both(str(second_ahead.id), occurred_at=later)
    assert bench.ingest(*both).ahead == 2
    bench.sql("UPDATE events_ahead SET occurred_at = occurred_at - interval '1 hour'")
    assert take_in_ahead(bench.ctx) == 3
    assert sorted(titles(bench)) == ["of client 1", "of client 1", "of client 2", "of client 2"]
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (4, 0, [])


def test_a_rejection_of_one_is_not_readmitted_by_the_others(bench: Bench, same: str) -> None:
    bench.ingest(rejections=[a_rejection(client_id=1, id=same)])
    bench.ingest(of_both(same)[1])
    assert bench.value("SELECT count(*) FROM rejected WHERE resubmitted_as IS NULL") == 1
    (number,) = (row["id"] for row in bench.sql("SELECT id FROM rejected"))
    bench.resubmit_event(number, of_both(same)[0])
    assert titles(bench) == ["of client 2", "of client 1"]
    assert bench.ledger().findings == []


def test_a_trigger_fires_on_its_clients_event_and_names_it(bench: Bench, same: str) -> None:
    firings: list[Firing] = []
    targets = [bench.integration(client_id=c, subscribe=()) for c in CLIENTS]
    triggers = [
        bench.trigger(target, client_id=c, condition="user_created", threshold=None)
        for c, target in zip(CLIENTS, targets, strict=True)
    ]
    events = [
        an_event_for("user_created", client_id=c, id=same, user_name=f"of client {c}")
        for c in CLIENTS
    ]
    routed = bench.ingest(*events)
    for trigger in triggers:
        firings += bench.firings(trigger)
    assert [(f.client_id, f.event_id) for f in firings] == [(c, UUID(same)) for c in CLIENTS]
    assert len({f.id for f in firings}) == 2
    claimed = bench.claim([n.id for n in routed.pending]).sendings
    found = {
        s.notification.integration_id: (s.payload.event.body["user_name"], s.payload.firing)
        for s in claimed
    }
    assert found == {
        target: (f"of client {c}", firing)
        for c, target, firing in zip(CLIENTS, targets, firings, strict=True)
    }
    assert bench.ledger().findings == []


def test_fan_out_is_added_to_the_event_of_the_triggers_client(bench: Bench, same: str) -> None:
    target = bench.integration(client_id=2, subscribe=())
    bench.trigger(target, client_id=2, condition="user_created")
    bench.ingest(*(an_event_for("user_created", client_id=c, id=same) for c in CLIENTS))
    rows = bench.sql("SELECT client_id, fan_out, counted FROM events WHERE id = :id", id=same)
    assert {row["client_id"]: (row["fan_out"], row["counted"]) for row in rows} == {
        1: (0, False),
        2: (1, True),
    }


def test_a_listing_shows_each_its_own(bench: Bench, same: str) -> None:
    for c in CLIENTS:
        bench.integration(client_id=c)
    bench.ingest(*of_both(same))
    shown = bench.store.transact(
        lambda tx: tx.notifications(EVERY_CLIENT, Filter(), Slice(None, 10, 10))
    ).items
    assert sorted((n.client_id, n.event_id) for n in shown) == [(c, UUID(same)) for c in CLIENTS]
    assert len({n.dedup_key for n in shown}) == 2


def test_pruning_one_leaves_the_other(bench: Bench, same: str) -> None:
    for c in CLIENTS:
        bench.integration(client_id=c)
    first, second = bench.ingest(*of_both(same)).pending
    bench.sent([first.id])
    bench.sent([second.id], an_answer(500))
    bench.sql("UPDATE events SET received_at = received_at - interval '91 days'")
    bench.sql("UPDATE notifications SET finished_at = finished_at - interval '91 days'")
    assert prune(bench.ctx).events == 1
    assert titles(bench) == ["of client 2"]
    assert bench.states() == {"retrying": 1}


def test_an_unmatched_event_that_is_pruned_leaves_the_other_that_was_counted(
    bench: Bench, same: str
) -> None:
    target = bench.integration(client_id=2, subscribe=())
    bench.trigger(target, client_id=2, threshold="5 in 1h")
    bench.ingest(
        *(
            an_attack(client_id=c, id=same, occurred_at=datetime.now(UTC).isoformat())
            for c in CLIENTS
        )
    )
    bench.sql("UPDATE events SET received_at = received_at - interval '8 days'")
    prune(bench.ctx)
    assert bench.sql("SELECT client_id FROM events WHERE id = :id", id=same) == [{"client_id": 2}]
