"""Triggers end to end: real workers count, the sandbox has the alerts."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from build import an_event_for, criteria_of
from golden_triggers import SAMPLES, golden, without_what_changes

from e2e.system import System, a_key, eventually
from wallarm_notify.domain.condition import Condition
from wallarm_notify.services.manage_triggers import TriggerDraft

if TYPE_CHECKING:
    from wallarm_notify.domain.trigger import Firing, Trigger


def trigger(
    system: System,
    *integrations: int,
    condition: str = "attacks_exceeded",
    filters: tuple[str, ...] = (),
    threshold: str | None = None,
    client_id: int = 1,
    name: str = "A trigger",
) -> Trigger:
    draft = TriggerDraft(
        client_id=client_id,
        criteria=criteria_of(condition, *filters, threshold=threshold),
        integration_ids=integrations,
        user="an administrator",
        name=name,
    )
    return system.wiring.triggers.create(draft)


def firings(system: System, one: Trigger) -> list[Firing]:
    shown = system.wiring.store.transact(lambda tx: tx.firings(one.id, 1000))
    return [s.firing for s in shown]


def body(condition: str, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    return dict(an_event_for(condition, at, **fields).body)


def test_each_condition_is_an_alert_as_its_golden_file(system: System) -> None:
    key = a_key()
    integration = system.integration(key, subscribe=())
    for condition, sample in SAMPLES.items():
        trigger(
            system,
            integration,
            condition=condition,
            filters=sample.filters,
            threshold=sample.threshold,
            name=sample.name,
        )
    system.start_worker()
    system.emit(*(body(condition, **sample.event) for condition, sample in SAMPLES.items()))
    system.wait_for_states(20, delivered=len(Condition))
    alerts = {
        a["payload"]["payload"]["custom_details"]["trigger_name"]: a
        for a in system.sandbox.alerts()
    }
    for condition, sample in SAMPLES.items():
        alert = alerts[sample.name]
        assert (alert["key"], alert["notifications"]) == (key.reveal(), 1)
        assert without_what_changes(alert["payload"]) == golden(condition)
    assert len(alerts) == len(Condition)
    assert system.ledger().findings == []


def test_a_firing_reaches_every_integration_of_its_trigger_once_whatever_is_sent_twice(
    system: System,
) -> None:
    keys = [a_key("a"), a_key("b")]
    one = trigger(
        system,
        *(system.integration(k, subscribe=()) for k in keys),
        threshold="4 in 1h",
    )
    system.start_worker()
    events = [body("attacks_exceeded") for _ in range(5)]
    for _ in range(3):
        system.emit(*events)
    system.wait_for_states(20, delivered=2)
    (firing,) = firings(system, one)
    alerts = system.sandbox.alerts()
    assert sorted(a["key"] for a in alerts) == sorted(k.reveal() for k in keys)
    details = [a["payload"]["payload"]["custom_details"] for a in alerts]
    assert {d["firing_id"] for d in details} == {str(firing.id)}
    assert {d["count"] for d in details} == {5}
    assert {UUID(e["id"]) for e in events} == set(firing.event_ids)
    assert system.ledger().findings == []


CLIENTS = 5
BURSTS = 20
PERIOD = timedelta(minutes=1)


@pytest.mark.timeout(180)
def test_ten_thousand_events_race_through_twenty_triggers_and_every_firing_is_exact(
    system: System,
) -> None:
    """Each burst lies in one cell, the next one two periods later: it fires once, or never."""
    limits = (0, 50, 99, 100)
    made = [
        trigger(
            system,
            system.integration(subscribe=(), client_id=client),
            threshold=f"{limit} in 1m",
            client_id=client,
            filters=("attack_type=sqli",),
        )
        for client in range(1, CLIENTS + 1)
        for limit in limits
    ]
    bursts = burst_events()
    assert sum(map(len, bursts.values())) == CLIENTS * BURSTS * 100
    everything = [event for burst in bursts.values() for event in burst]
    random.Random(4).shuffle(everything)
    system.start_worker(concurrency=3)
    system.start_worker(concurrency=3)
    sent = everything + everything[::10]
    for first in range(0, len(sent), 100):
        system.emit(*sent[first : first + 100])
    system.start_beat()
    eventually(lambda: system.ledger().received >= len(everything), 90, "all taken in")
    fire_each_burst = [limit for limit in limits if limit < 100]
    system.wait_for_states(60, delivered=CLIENTS * BURSTS * len(fire_each_burst))
    for one in made:
        threshold = one.criteria.threshold
        assert threshold is not None
        found = firings(system, one)
        mine = [b for (client, _), b in bursts.items() if client == one.client_id]
        if threshold.count >= 100:
            assert found == []
            continue
        assert len(found) == BURSTS
        assert {f.count for f in found} == {threshold.count + 1}
        ids = {UUID(e["id"]): n for n, burst in enumerate(mine) for e in burst}
        assert Counter(ids[f.event_id] for f in found) == Counter(range(BURSTS))
        for f in found:
            assert f.window is not None
            assert len(set(f.event_ids)) == f.count
            assert {ids[e] for e in f.event_ids} == {ids[f.event_id]}
    alerts = Counter(alert["notifications"] for alert in system.sandbox.alerts())
    assert alerts == {1: CLIENTS * BURSTS * len(fire_each_burst)}
    assert system.ledger().findings == []


def burst_events() -> dict[tuple[int, int], list[dict[str, Any]]]:
    """A hundred attacks within one cell, for each client and burst."""
    cell = PERIOD / 60
    since_epoch = datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(hours=1)
    start = datetime(1970, 1, 1, tzinfo=UTC) + since_epoch // cell * cell
    return {
        (client, burst): [
            body(
                "attacks_exceeded",
                start + burst * 2 * PERIOD + cell * n / 100,
                client_id=client,
                attack_type="sqli",
            )
            for n in range(100)
        ]
        for client in range(1, CLIENTS + 1)
        for burst in range(BURSTS)
    }
