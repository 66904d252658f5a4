"""Triggers end to end: real workers count, and the sandbox receives the alerts."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from build import a_key, an_event, an_event_for, criteria_of, eventually
from golden_triggers import SAMPLES, golden, without_what_changes

from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import TriggerDraft

if TYPE_CHECKING:
    from e2e.system import System
    from wallarm_notify.domain.triggers.firing import Firing
    from wallarm_notify.domain.triggers.trigger import Trigger


def trigger(
    system: System,
    *integrations: int,
    condition: str = "attacks_exceeded",
    filters: tuple[str, ...] = (),
    threshold: str | None = None,
    client_id: int = 1,
    name: str = "A trigger",
    group: AlertGroup = AlertGroup.EACH,
) -> Trigger:
    draft = TriggerDraft(
        client_id=client_id,
        criteria=criteria_of(condition, *filters, threshold=threshold),
        integration_ids=integrations,
        name=name,
        group=group,
    )
    return system.create_trigger(draft)


def firings(system: System, one: Trigger) -> list[Firing]:
    shown = system.wiring.store.transact(lambda tx: tx.firings(one.id, 1000))
    return [s.firing for s in shown]


def body(condition: str, at: datetime | None = None, /, **fields: Any) -> dict[str, Any]:
    return dict(an_event_for(condition, at, **fields).body)


def test_characters_of_an_attacker_keep_no_attack_from_counting_and_no_issue_from_paging(
    system: System,
) -> None:
    """The texts are written with the escapes of any language's clients (case F2)."""
    key = a_key()
    integration = system.integration(key)
    one = trigger(system, integration, threshold="2 in 1h")
    system.start_worker()
    received = system.ledger().received
    for path in ("/etc/passwd\0.jpg", "/?q=\ud83d", "/\0\ude00"):
        system.emit(body("attacks_exceeded") | {"path": path, "\0": path})
    system.wait_for_states(60, delivered=1)
    issue = an_event(risk="critical").body
    system.emit({**issue, "title": "SQL injection\0", "path": "/?q=\ud83d"})
    system.wait_for_states(60, delivered=2)
    assert [f.count for f in firings(system, one)] == [3]
    details = [
        a["payload"]["payload"]["custom_details"] for a in system.sandbox.alerts() if a["payload"]
    ]
    (found,) = (d["security_issue"] for d in details if "security_issue" in d)
    assert (found["title"], found["path"]) == ("SQL injection\ufffd", "/?q=\ufffd")
    ledger = system.ledger()
    assert (ledger.received - received, ledger.rejected, ledger.findings) == (4, 0, [])


def test_each_condition_is_an_alert_as_its_golden_file(system: System) -> None:
    key = a_key()
    integration = system.integration(key, subscribe=(), summary=SummaryForm.ORIGINAL)
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
    system.wait_for_states(60, delivered=len(Condition))
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
    system.wait_for_states(60, delivered=2)
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
SPREAD = 50
"""Cells that a burst lies in: the window that ends with the last one has all of it."""

SQLI, XSS, HITS = 60, 20, 20
"""The parts of a burst, a hundred events."""

TRIGGERS = (
    ("attacks_exceeded", ("attack_type=sqli",), 0),
    ("attacks_exceeded", ("attack_type=sqli",), SQLI - 1),
    ("attacks_exceeded", ("attack_type=sqli",), SQLI),
    ("hits_exceeded", (), HITS - 1),
)
"""The condition, filters and count of each client's triggers; the third is never met."""


def test_ten_thousand_events_race_through_twenty_triggers_and_every_firing_is_exact(
    system: System,
) -> None:
    """The next burst comes two periods later, so that each fires once or never, in any order."""
    made = [
        trigger(
            system,
            system.integration(subscribe=(), client_id=client),
            condition=condition,
            threshold=f"{count} in 1m",
            client_id=client,
            filters=filters,
        )
        for client in range(1, CLIENTS + 1)
        for condition, filters, count in TRIGGERS
    ]
    bursts = burst_events()
    everything = [event for burst in bursts.values() for event in burst]
    assert (len(made), len(everything)) == (20, 10_000)
    random.Random(4).shuffle(everything)
    for _ in range(2):
        system.start_worker(concurrency=3)
    sent = everything + everything[::10]
    for first in range(0, len(sent), 100):
        system.emit(*sent[first : first + 100])
    system.start_beat()
    eventually(lambda: system.ledger().received >= len(everything), 90, "all taken in")
    fired = CLIENTS * BURSTS * (len(TRIGGERS) - 1)
    system.wait_for_states(60, delivered=fired)
    for one in made:
        check_firings(one, firings(system, one), bursts)
    alerts = Counter(alert["notifications"] for alert in system.sandbox.alerts())
    assert alerts == {1: fired}
    assert system.ledger().findings == []


def check_firings(
    one: Trigger, found: list[Firing], bursts: dict[tuple[int, int], list[dict[str, Any]]]
) -> None:
    """Check that each burst made one firing, with a count of one over the limit, of events that pass."""
    threshold = one.criteria.threshold
    assert threshold is not None
    if threshold.count == SQLI:
        assert found == []
        return
    passes = one.criteria.matcher()
    kind = one.criteria.condition.terms.event_type
    burst_of = {
        UUID(event["id"]): burst
        for (client, burst), events in bursts.items()
        if client == one.client_id
        for event in events
        if event["type"] == kind and passes(an_event(**event))
    }
    assert {f.count for f in found} == {threshold.count + 1}
    assert Counter(burst_of[f.event_id] for f in found) == Counter(range(BURSTS))
    for f in found:
        assert f.window is not None
        assert f.window.end - f.window.start == PERIOD
        assert len(set(f.event_ids)) == f.count
        assert {burst_of[e] for e in f.event_ids} == {burst_of[f.event_id]}


def burst_events() -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Return attacks and hits within ``SPREAD`` cells, by client and burst."""
    cell = PERIOD / 60
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    start = epoch + (datetime.now(UTC) - epoch - timedelta(hours=1)) // cell * cell
    kinds: list[tuple[str, dict[str, str]]] = [
        *[("attacks_exceeded", {"attack_type": "sqli"})] * SQLI,
        *[("attacks_exceeded", {"attack_type": "xss"})] * XSS,
        *[("hits_exceeded", {"attack_type": "sqli"})] * HITS,
    ]
    random.Random(5).shuffle(kinds)
    return {
        (client, burst): [
            body(
                condition,
                start + burst * 2 * PERIOD + cell * SPREAD * n / len(kinds),
                client_id=client,
                **fields,
            )
            for n, (condition, fields) in enumerate(kinds)
        ]
        for client in range(1, CLIENTS + 1)
        for burst in range(BURSTS)
    }


def test_later_firings_of_one_host_join_the_open_alert_and_each_is_accounted_for(
    system: System,
) -> None:
    key = a_key()
    integration = system.integration(key, subscribe=())
    trigger(system, integration, condition="api_structure_changed", group=AlertGroup.HOST)
    system.start_worker()
    hosts = ("a.example.com", "A.example.com", "b.example.com", "a.example.com")
    system.emit(
        *(body("api_structure_changed", host=host, path=f"/{n}") for n, host in enumerate(hosts))
    )
    system.wait_for_states(60, delivered=4)
    assert sorted(a["triggers"] for a in system.sandbox.alerts(key.reveal())) == [1, 3]
    keys = Counter(n.dedup_key for n in system.notifications())
    assert keys == {a["dedup_key"]: a["triggers"] for a in system.sandbox.alerts(key.reveal())}
    assert system.ledger().findings == []
