"""Why: what is stated is all that stood in the way, and nothing but that: undone, the event is notified."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, an_event, an_event_for
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.integration import Subscriber, Subscribers
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.triggers.cells import cell_of, is_late, quiet_of
from wallarm_notify.domain.triggers.condition import CONDITIONS_OF, TERMS, Condition, Filter
from wallarm_notify.domain.triggers.crossing import Near, crossings
from wallarm_notify.domain.triggers.filters import FILTERS, Operator
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold
from wallarm_notify.domain.why import Cause, Reason
from wallarm_notify.domain.why_rules import counted_so_far, left_out_by, unsubscribed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from wallarm_notify.domain.event import Event

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def an_integration_rule(number: int = 1, **fields: Any) -> IntegrationRule:
    made = IntegrationRule(number, f"I{number}", "us", ("system",), True, None, None, None)
    return replace(made, **fields)


# What routing does with rules, by its own lines.


def is_sent_by_card(event: Event, rule: IntegrationRule) -> bool:
    asked = Subscriber(rule.id, event.client_id, frozenset(rule.subscriptions), rule.enabled, 0)
    found = Subscribers({}, {event.client_id: [asked]}).of(event)
    return any(i.enabled for i in found)


def is_taken(event: Event, trigger: TriggerRule, received_at: datetime) -> bool:
    """Return whether a trigger fires for the event, or counts it."""
    criteria = trigger.criteria
    late = criteria.threshold is not None and is_late(
        event.occurred_at, criteria.threshold.period, received_at
    )
    return (
        trigger.enabled
        and criteria.condition.terms.event_type == event.type
        and criteria.matcher()(event)
        and not late
    )


def is_sent_by_trigger(case: Case) -> bool:
    named = [i for i in case.rules.integrations if i.id in case.trigger.integration_ids]
    return is_taken(case.event, case.trigger, case.received_at) and any(i.enabled for i in named)


class Case:
    """An event, a trigger, the integrations there are, and when it came."""

    def __init__(
        self, event: Event, trigger: TriggerRule, rules: Rules, received_at: datetime
    ) -> None:
        self.event, self.trigger, self.rules = event, trigger, rules
        self.received_at = received_at

    def causes(self) -> tuple[Cause, ...]:
        return left_out_by(self.event, self.trigger, self.rules, self.received_at)

    def undone(self, causes: Iterable[Cause]) -> Case:
        case = self
        for cause in causes:
            case = UNDO[cause.reason](case, cause)
        return case

    def with_criteria(self, criteria: Criteria) -> Case:
        trigger = replace(self.trigger, criteria=criteria)
        return Case(self.event, trigger, self.rules, self.received_at)

    def with_body(self, **fields: Any) -> Case:
        event = replace(self.event, body={**self.event.body, **fields})
        return Case(event, self.trigger, self.rules, self.received_at)


def without_filter(case: Case, cause: Cause) -> Case:
    """Return the case with the filter that ``cause`` names taken off."""
    criteria = case.trigger.criteria
    left = [f for f in criteria.filters if f.words != cause.wanted]
    if cause.filter == "deviation_type":  # taken off, it would be there by itself
        left.append(Filter("deviation_type", Operator.EQ, ("shadow", "zombie", "orphan")))
    return case.with_criteria(replace(criteria, filters=tuple(left)))


def with_a_condition_for_it(case: Case, _cause: Cause) -> Case:
    criteria = replace(case.trigger.criteria, condition=CONDITIONS_OF[case.event.type], filters=())
    every = Filter("deviation_type", Operator.EQ, ("shadow", "zombie", "orphan"))
    if criteria.condition is Condition.ROGUE_API_DETECTED:
        criteria = replace(criteria, filters=(every,))
    return case.with_criteria(criteria)


def with_an_integration(case: Case, _cause: Cause) -> Case:
    rules = replace(case.rules, integrations=(*case.rules.integrations, an_integration_rule(99)))
    trigger = replace(case.trigger, integration_ids=(*case.trigger.integration_ids, 99))
    return Case(case.event, trigger, rules, case.received_at)


def with_integrations_on(case: Case, _cause: Cause) -> Case:
    on = tuple(replace(i, enabled=True) for i in case.rules.integrations)
    return Case(case.event, case.trigger, replace(case.rules, integrations=on), case.received_at)


UNDO: dict[Reason, Callable[[Case, Cause], Case]] = {
    Reason.OTHER_TYPE: with_a_condition_for_it,
    Reason.FILTER: without_filter,
    Reason.EXPERIMENTAL: lambda case, _: case.with_body(experimental=False),
    Reason.UNSAMPLED: lambda case, _: case.with_body(in_sample=True),
    Reason.LATE: lambda case, _: Case(case.event, case.trigger, case.rules, case.event.occurred_at),
    Reason.TRIGGER_OFF: lambda case, _: Case(
        case.event, replace(case.trigger, enabled=True), case.rules, case.received_at
    ),
    Reason.NO_INTEGRATIONS: with_an_integration,
    Reason.INTEGRATION_OFF: with_integrations_on,
}

FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "attack.detected": {
        "attack_type": st.sampled_from(["xss", "sqli", "gql_depth"]),
        "host": st.sampled_from(["a.example.com", "B.example.com"]),
        "application_id": st.sampled_from([None, 1, 2]),
        "response_status": st.sampled_from([None, 200, 503]),
        "experimental": st.booleans(),
    },
    "hit.detected": {
        "attack_type": st.sampled_from(["xss", "sqli"]),
        "experimental": st.booleans(),
        "in_sample": st.booleans(),
    },
    "incident.detected": {"ip": st.sampled_from([None, "203.0.113.7", "::ffff:203.0.113.7"])},
    "api.changed": {
        "change_type": st.sampled_from(["added", "changed", "unused"]),
        "sensitive_data": st.lists(st.sampled_from(["Email", "Card"]), max_size=2),
    },
    "ip.denylisted": {"application_id": st.sampled_from([None, 1])},
    "rogue_api.detected": {
        "kind": st.sampled_from(["shadow", "zombie", "orphan"]),
        "specification_id": st.sampled_from([None, 3, "x"]),
    },
    "user.created": {"user_role": st.sampled_from(["admin", "Auditor"])},
}

VALUES: dict[str, tuple[int | str, ...]] = {
    "attack_type": ("xss", "sqli", "graphql_attacks"),
    "pool": (-1, 1, 2),
    "ip_address": ("203.0.113.7", "203.0.113.8"),
    "domain": ("a.example.com", "b.example.com"),
    "response_status": (200, "5xx"),
    "target": ("server", "client"),
    "change_type": ("added", "changed", "excluded"),
    "pii": ("email", "card"),
    "deviation_type": ("shadow", "orphan"),
    "api_spec_ids": (3, "x"),
    "user_role": ("admin", "auditor"),
}


@st.composite
def criteria(draw: Any, condition: Condition) -> Criteria:
    ids = draw(st.lists(st.sampled_from(condition.terms.filters), unique=True, max_size=3))
    filters = tuple(
        Filter(
            one,
            draw(st.sampled_from(FILTERS[one].operators)),
            tuple(
                draw(st.lists(st.sampled_from(VALUES[one]), min_size=1, max_size=2, unique=True))
            ),
        )
        for one in ids
    )
    period = draw(st.sampled_from([HOUR, 20 * DAY]))
    return Criteria(condition, filters, Threshold(0, period) if condition.terms.counted else None)


@st.composite
def cases(draw: Any) -> Case:
    event_type = draw(st.sampled_from(sorted(FIELDS)))
    fields = {name: draw(values) for name, values in FIELDS[event_type].items()}
    known = {name: value for name, value in fields.items() if value is not None}
    event = an_event_for(CONDITIONS_OF[event_type], NOON, **known)
    # Mostly a trigger that looks at it: others have one reason only.
    conditions = [CONDITIONS_OF[event_type]] * 4 + sorted(TERMS)
    integrations = tuple(
        an_integration_rule(number, enabled=draw(st.booleans())) for number in (1, 2)
    )
    trigger = TriggerRule(
        7,
        "T",
        draw(st.booleans()),
        draw(criteria(draw(st.sampled_from(conditions)))),
        tuple(draw(st.lists(st.sampled_from([1, 2, 3]), unique=True, max_size=2))),
        1,
    )
    received_at = NOON + draw(st.sampled_from([timedelta(), 2 * HOUR, 3 * DAY, 30 * DAY]))
    return Case(event, trigger, Rules(1, NOON, None, integrations, (trigger,)), received_at)


@given(cases())
def test_nothing_is_stated_where_the_trigger_takes_the_event(case: Case) -> None:
    assert (case.causes() == ()) == is_taken(case.event, case.trigger, case.received_at)


@given(cases())
def test_undone_all_that_is_stated_the_event_is_sent_and_with_any_less_it_is_not(
    case: Case,
) -> None:
    causes = case.causes()
    if not causes:
        return
    assert not is_sent_by_trigger(case)
    assert is_sent_by_trigger(case.undone(causes)), causes
    for number in range(len(causes)):
        for some in combinations(causes, number):
            assert not is_sent_by_trigger(case.undone(some)), (some, causes)


@given(cases())
def test_undone_all_that_is_not_stated_the_event_is_not_sent(case: Case) -> None:
    causes = case.causes()
    if not causes:
        return
    stated = {c.reason for c in causes}
    others = [Cause(r) for r in UNDO if r not in stated | {Reason.OTHER_TYPE, Reason.FILTER}]
    kept = [f for f in case.trigger.criteria.filters if f.words not in {c.wanted for c in causes}]
    passed = [Cause(Reason.FILTER, wanted=f.words) for f in kept if f.id != "deviation_type"]
    assert not is_sent_by_trigger(case.undone([*others, *passed])), causes


@given(
    st.sampled_from(["user.created", "security_issue.detected", "attack.detected"]),
    st.sampled_from([(), ("system",), ("security_issue_high",), ("system", "security_issue_high")]),
    st.booleans(),
)
def test_what_is_stated_of_subscriptions_is_all_that_stands_in_their_way(
    event_type: str, subscriptions: tuple[str, ...], enabled: bool
) -> None:
    conditions = {"user.created": "user_created", "attack.detected": "attacks_exceeded"}
    event = an_event_for(conditions[event_type]) if event_type in conditions else an_event()
    rule = an_integration_rule(subscriptions=subscriptions, enabled=enabled)
    causes = unsubscribed(event, rule)
    reasons = [c.reason for c in causes]
    if Reason.NEEDS_TRIGGER in reasons:
        assert event.subscription is None
        return
    assert (not causes) == any(s == event.subscription for s in subscriptions)
    for number in range(len(causes) + 1):
        for some in combinations(reasons, number):
            changed = rule
            if Reason.NOT_SUBSCRIBED in some:
                changed = replace(changed, subscriptions=(*subscriptions, str(event.subscription)))
            if Reason.INTEGRATION_OFF in some:
                changed = replace(changed, enabled=True)
            if causes:
                assert is_sent_by_card(event, changed) == (number == len(causes))


PERIODS = st.sampled_from([timedelta(seconds=30), timedelta(minutes=1), HOUR])


@st.composite
def counts(draw: Any) -> tuple[int, Near, Threshold]:
    """Return a cell with an event, what was counted around it without it, and a threshold."""
    period = draw(PERIODS)
    cell = cell_of(NOON, period)
    cells = st.integers(cell - 59, cell + 59)
    counted = draw(st.dictionaries(cells, st.integers(1, 3), max_size=6))
    ends = st.integers(cell - quiet_of(period), cell + 60 + quiet_of(period))
    fired = sorted(draw(st.lists(ends, max_size=2, unique=True)))
    return cell, Near(counted, fired), Threshold(draw(st.integers(0, 8)), period)


@given(counts())
def test_of_what_was_counted_the_least_change_by_which_it_would_have_fired_is_stated(
    drawn: tuple[int, Near, Threshold],
) -> None:
    cell, near, threshold = drawn
    quiet = quiet_of(threshold.period)

    def fires(limit: int, fired: list[int]) -> bool:
        return bool(crossings([cell], Near(near.counts, fired), limit, quiet))

    if fires(threshold.count, near.fired):
        return
    with_it = {**near.counts, cell: near.counts.get(cell, 0) + 1}
    causes = counted_so_far(NOON, threshold, Near(with_it, near.fired))
    by_reason = {c.reason: c for c in causes}
    assert set(by_reason) <= {Reason.COUNTED, Reason.QUIET}
    limit, fired = threshold.count, near.fired
    if Reason.COUNTED in by_reason:
        number = by_reason[Reason.COUNTED].count
        assert number is not None
        assert number <= threshold.count
        limit = number - 1
    if Reason.QUIET in by_reason:
        fired = []
        assert by_reason[Reason.QUIET].until is not None
    assert fires(limit, fired), causes
    if len(causes) > 1:
        assert not fires(limit, near.fired)
        assert not fires(threshold.count, fired)


def test_what_is_not_kept_any_more_is_counted_without_a_figure() -> None:
    (cause,) = counted_so_far(NOON, Threshold(30, HOUR), None)
    assert (cause.reason, cause.count, cause.limit) == (Reason.COUNTED, None, 30)


@pytest.mark.parametrize("counted", [1, 30])
def test_a_trigger_that_has_not_counted_enough_says_how_many_of_how_many(counted: int) -> None:
    near = Near({cell_of(NOON, HOUR): counted}, [])
    (cause,) = counted_so_far(NOON, Threshold(30, HOUR), near)
    assert (cause.reason, cause.count, cause.limit) == (Reason.COUNTED, counted, 30)


def test_a_trigger_that_has_fired_is_quiet_for_a_period_of_its_cells() -> None:
    cell = cell_of(NOON, HOUR)
    (cause,) = counted_so_far(NOON, Threshold(2, HOUR), Near({cell: 5}, [cell]))
    assert (cause.reason, cause.until) == (Reason.QUIET, NOON + HOUR)


def test_windows_for_which_a_trigger_is_quiet_are_not_among_those_that_may_fill() -> None:
    cell = cell_of(NOON, HOUR)
    near = Near({cell - 50: 5, cell: 1, cell + 50: 1}, [cell - 30])
    (cause,) = counted_so_far(NOON, Threshold(8, HOUR), near)
    assert (cause.reason, cause.count) == (Reason.COUNTED, 2)


def test_where_every_window_is_quiet_and_none_is_full_both_are_stated() -> None:
    cell = cell_of(NOON, HOUR)
    causes = counted_so_far(NOON, Threshold(8, HOUR), Near({cell - 50: 5, cell: 1}, [cell - 30]))
    assert [(c.reason, c.count) for c in causes] == [(Reason.COUNTED, 6), (Reason.QUIET, None)]
