"""An event becomes a PagerDuty alert, end to end, on real parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object

if TYPE_CHECKING:
    from e2e.system import System


def test_an_event_becomes_one_open_alert_at_every_subscribed_integration(system: System) -> None:
    keys = [a_key("a"), a_key("b")]
    for key in keys:
        system.integration(key)
    system.integration(a_key("c"), subscribe=("system",))
    system.start_worker()
    event = an_event_object()
    system.emit(event)
    system.wait_for_states(60, delivered=2)
    alerts = system.sandbox.alerts()
    assert {a["key"] for a in alerts} == {k.reveal() for k in keys}
    assert all(a["notifications"] == 1 and a["triggers"] == 1 for a in alerts)
    assert all(event["title"] in str(a["payload"]) for a in alerts)
    assert system.ledger().findings == []


def test_a_worker_that_delivers_sends_what_it_has_routed_without_a_message(system: System) -> None:
    system.integration(a_key())
    worker = system.start_worker()
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    assert "events.ingest" in worker.text()
    assert "notifications.deliver" not in worker.text().partition(" ready.")[2]


def test_where_events_are_routed_on_one_node_another_delivers_them(system: System) -> None:
    system.integration(a_key())
    routes = system.start_worker("-Q", "events,celery")
    delivers = system.start_worker("-Q", "notifications")
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    assert "delivery.recorded" not in routes.text()
    delivers.wait_for("delivery.recorded")
    assert "notifications.deliver" in delivers.text().partition(" ready.")[2]
    assert system.ledger().findings == []


@pytest.mark.parametrize("delay", [0.0, 0.1])
@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([()], id="sent by whoever routes"),
        pytest.param([("-Q", "events,celery"), ("-Q", "notifications")], id="sent by another node"),
    ],
)
def test_alerts_of_one_call_arrive_in_the_order_of_time_then_of_the_call(
    system: System, nodes: list[tuple[str, ...]], delay: float
) -> None:
    keys = [a_key("a"), a_key("b")]
    for key in keys:
        system.integration(key)
    if delay:
        system.sandbox.set_faults([{"kind": "slow", "delay": delay}])
    for words in nodes:
        system.start_worker(*words)
    minutes = [n % 4 for n in range(30)]
    events = [
        an_event_object(occurred_at=f"2026-05-01T12:0{minute}:00+00:00") for minute in minutes
    ]
    system.emit(*events)
    system.wait_for_states(60, delivered=60)
    wanted = [e["id"] for e in sorted(events, key=lambda e: str(e["occurred_at"]))]
    for key in keys:
        sent = system.sandbox.requests(key.reveal())
        assert [r["body"]["payload"]["custom_details"]["event_id"] for r in sent] == wanted
    assert system.ledger().findings == []
