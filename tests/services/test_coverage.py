"""Coverage holds exactly what routing does: whom it notifies of a kind of events, and whom of none."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, combinations, count, product
from typing import TYPE_CHECKING, Any, Final

from build import NOON, TRIGGER_EVENTS, Bench, an_event, criteria_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemas.sample_events import FIELDS

from wallarm_notify.domain.coverage import KINDS, Kind, coverage_of, kind_of
from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.integration import Subscriber, Subscribers
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.services.coverage import show_coverage
from wallarm_notify.services.fire_triggers import matches
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "attack_type": ("=sqli", "=graphql_attacks", "!=gql_depth", "!=graphql_attacks", "=gql_depth"),
    "pool": ("=3", "!=3", "=-1,3", "!=-1"),
    "ip_address": ("=203.0.113.7", "!=203.0.113.7"),
    "domain": ("=shop.example.com", "!=shop.example.com"),
    "response_status": ("=4xx", "!=404", "=404", "!=4xx"),
    "target": ("=server", "!=server"),
    "change_type": ("=added", "=excluded"),
    "pii": ("=card", "=token"),
    "deviation_type": ("=shadow", "=orphan"),
    "api_spec_ids": ("=7",),
    "user_role": ("=admin", "=analytic"),
}
"""Filters that exclude each other among them, and none that an event of ``EVENTS`` could not pass."""

TRAFFIC: Final[Mapping[str, tuple[Any, ...]]] = {
    "attack_type": ("sqli", "gql_depth", "graphql_attacks"),
    "application_id": (None, 3, 4),
    "ip": (None, "203.0.113.7"),
    "host": (None, "shop.example.com"),
    "response_status": (None, 404, 403),
    "target": (None, "server"),
}
FIELD_VALUES: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "attack.detected": TRAFFIC,
    "hit.detected": {name: TRAFFIC[name] for name in TRAFFIC if name != "target"},
    "incident.detected": TRAFFIC,
    "api.changed": {
        "application_id": (None, 3, 4),
        "host": ("shop.example.com", "other.example.com"),
        "change_type": ("added", "changed", "unused"),
        "sensitive_data": ([], ["card"], ["token"], ["card", "token"]),
    },
    "ip.denylisted": {"application_id": (None, 3, 4)},
    "rogue_api.detected": {
        "application_id": (None, 3, 4),
        "host": ("shop.example.com", "other.example.com"),
        "kind": ("shadow", "zombie", "orphan"),
        "specification_id": (None, 7),
    },
    "user.created": {"user_role": ("admin", "analytic", "auditor")},
}


def bodies(kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield the fields of events of a kind, one for each combination that filters of ``VALUES`` tell apart."""
    given_fields = TRIGGER_EVENTS.get(kind.type) or FIELDS[kind.type][0]
    fixed = {**given_fields, "type": kind.type}
    if kind.risk is not None:
        fixed["risk"] = kind.risk
    values = FIELD_VALUES.get(kind.type, {})
    for chosen in product(*values.values()):
        found = zip(values, chosen, strict=True)
        yield {**fixed, **{name: value for name, value in found if value is not None}}


BODIES: Final = {kind: list(bodies(kind)) for kind in KINDS}
EVENTS: Final = [an_event(**body) for of_kind in BODIES.values() for body in of_kind]


integrations = st.lists(
    st.tuples(st.frozensets(st.sampled_from(Subscription)), st.booleans()), max_size=3
)


@st.composite
def criteria(draw: st.DrawFn) -> tuple[str, tuple[str, ...], str | None]:
    condition = draw(st.sampled_from(Condition))
    texts = [f"{f}{value}" for f in condition.terms.filters for value in VALUES[f]]
    filters = draw(st.lists(st.sampled_from(texts), max_size=4, unique=True))
    asked_once = [f for f in filters if not f.startswith("pii") and "!" not in f]
    names = [f.partition("=")[0] for f in asked_once]
    kept = [f for f in filters if f not in asked_once or names.count(f.partition("=")[0]) == 1]
    threshold = None if condition.terms.counted is None else draw(st.sampled_from(["0", "1"]))
    return str(condition), tuple(kept), threshold and f"{threshold} in 1h"


triggers = st.lists(
    st.tuples(criteria(), st.booleans(), st.frozensets(st.integers(0, 2))), max_size=4
)


@given(integrations, triggers)
def test_whom_coverage_names_are_those_whom_subscriptions_and_filters_let_an_event_reach(
    asked: list[tuple[frozenset[Subscription], bool]],
    rules: list[tuple[tuple[str, tuple[str, ...], str | None], bool, frozenset[int]]],
) -> None:
    there = [
        IntegrationRule(n, f"I {n}", "us", tuple(wanted), enabled, None, None, None)
        for n, (wanted, enabled) in enumerate(asked)
    ]
    made = [
        TriggerRule(
            n,
            f"T {n}",
            enabled,
            criteria_of(condition, *filters, threshold=threshold),
            tuple(sorted(i for i in named if i < len(there))),
            1,
        )
        for n, ((condition, filters, threshold), enabled, named) in enumerate(rules)
    ]
    found = coverage_of(1, Rules(1, None, None, tuple(there), tuple(made)))
    assert [one.kind for one in found.kinds] == list(KINDS)
    reached: dict[Kind, set[int]] = defaultdict(set)
    subscribers = Subscribers(
        {}, {1: [Subscriber(i.id, 1, frozenset(i.subscriptions), i.enabled, 0) for i in there]}
    )
    for event in EVENTS:
        reached[kind_of(event)] |= {s.id for s in subscribers.of(event) if s.enabled}
    for match in matches([as_stored(t) for t in made if t.enabled], EVENTS):
        on = {i for i in match.trigger.integration_ids if there[i].enabled}
        reached[kind_of(match.events[0])] |= on
    assert {one.kind: set(one.notified) for one in found.kinds} == {k: reached[k] for k in KINDS}


def as_stored(rule: TriggerRule) -> Trigger:
    return Trigger(
        id=rule.id,
        client_id=1,
        name=rule.name,
        comment="",
        enabled=rule.enabled,
        criteria=rule.criteria,
        integration_ids=rule.integration_ids,
        version=rule.version,
        created_at=NOON,
        created_by="Ann",
    )


CLIENTS: Final = count(1000)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(integrations=integrations, rules=triggers)
def test_whom_coverage_names_are_those_for_whom_routing_makes_a_notification_of_some_event(
    bench: Bench,
    integrations: list[tuple[frozenset[Subscription], bool]],
    rules: list[tuple[tuple[str, tuple[str, ...], str | None], bool, frozenset[int]]],
) -> None:
    client = next(CLIENTS)
    ids = [
        bench.integration(client_id=client, subscribe=tuple(wanted), enabled=enabled)
        for wanted, enabled in integrations
    ]
    for (condition, filters, threshold), enabled, named in rules:
        if numbers := [ids[i] for i in named if i < len(ids)]:
            bench.trigger(
                *numbers,
                condition=condition,
                filters=filters,
                threshold=threshold,
                client_id=client,
                enabled=enabled,
            )
    found = show_coverage(bench.ctx, EVERY_CLIENT, client)
    now = bench.value("SELECT now()").isoformat()
    events = [
        an_event(client_id=client, occurred_at=now, **body)
        for body in chain(*BODIES.values(), *BODIES.values())  # twice: more than 1 is asked for
    ]
    assert sum(r.matched + r.unmatched for r in ingest(bench.ctx, events, ())) == len(events)
    by_id = {e.id: kind_of(e) for e in events}
    reached: dict[Kind, set[int]] = defaultdict(set)
    for row in bench.sql(
        """SELECT DISTINCT e.id, n.integration_id FROM notifications n JOIN events e ON e.no = n.event_no
           WHERE n.client_id = :client AND n.state <> 'skipped'""",
        client=client,
    ):
        if row["id"] in by_id:  # else it is of a trigger's creation
            reached[by_id[row["id"]]].add(row["integration_id"])
    assert {one.kind: set(one.notified) for one in found.kinds} == {k: reached[k] for k in KINDS}


def test_coverage_is_of_the_rules_as_they_stand(bench: Bench) -> None:
    def notified() -> dict[str, set[int]]:
        found = show_coverage(bench.ctx, EVERY_CLIENT, 1)
        return {one.kind.words: set(one.notified) for one in found.kinds if one.notified}

    assert notified() == {}
    number = bench.integration(subscribe=("security_issue_low",))
    assert notified() == {"security_issue.detected low": {number}}
    bench.trigger(number, condition="incidents_exceeded", threshold="0 in 1h")
    assert notified() == {
        "security_issue.detected low": {number},
        "incident.detected": {number},
    }
    bench.disable_integration(number)
    assert notified() == {}


def test_subsets_of_risks_are_distinguished() -> None:
    risks = [k.risk for k in KINDS if k.risk is not None]
    for chosen in chain.from_iterable(combinations(risks, n) for n in range(len(risks) + 1)):
        wanted = tuple(f"security_issue_{risk}" for risk in chosen)
        rules = Rules(
            1, None, None, (IntegrationRule(1, "A", "us", wanted, True, None, None, None),)
        )
        found = coverage_of(1, rules)
        assert [c.kind.risk for c in found.kinds if c.notified] == list(chosen)
