"""What would change that somebody was not notified: which remedy, and which criteria would have fired."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from build import an_event_for, criteria_of

from wallarm_notify.domain.remedies import Remedy, remedied
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.why import Cause, Line, Reason, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.remedies import Remedied
    from wallarm_notify.domain.triggers.trigger import Criteria

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ON = IntegrationRule(1, "SOC", "us", (), True, None, None, None)
OFF = replace(ON, id=2, name="Night", enabled=False, disabled_by="Ana", disabled_at=AT)
FLOOD = criteria_of(
    "attacks_exceeded", "attack_type=sqli", "domain=a.example", threshold="30 in 1h"
)


def a_trigger(criteria: Criteria, *to: int, enabled: bool = True) -> TriggerRule:
    return TriggerRule(5, "Flood", enabled, criteria, to, 1)


def only_line(
    line: Line, *integrations: IntegrationRule, trigger: TriggerRule | None = None
) -> Remedied:
    """Return what would change a line, by rules of now that have these."""
    present = Rules(2, integrations=integrations, triggers=() if trigger is None else (trigger,))
    event = an_event_for("user_created")
    (found,) = remedied(Why(event, AT, 1, as_they_were=True, lines=[line], present=present))
    return found


def of_trigger(trigger: TriggerRule, *causes: Cause, now: Sequence[IntegrationRule] = (ON,)) -> Any:
    return only_line(Line(None, trigger, causes), *now, trigger=trigger)


def test_who_does_not_subscribe_would_have_to() -> None:
    line = Line(ON, None, (Cause(Reason.NOT_SUBSCRIBED, wanted="system"),))
    found = only_line(line, ON)
    assert (found.remedy, found.integration) == (Remedy.SUBSCRIBE, ON)


def test_who_subscribes_by_now_or_is_gone_has_nothing_to_change() -> None:
    line = Line(ON, None, (Cause(Reason.NOT_SUBSCRIBED, wanted="system"),))
    assert only_line(line, replace(ON, subscriptions=("system",))).remedy is None
    assert only_line(line).remedy is None
    assert only_line(replace(line, deleted_at=AT), ON).remedy is None


def test_filters_that_the_event_did_not_pass_are_left_out_of_what_is_tried() -> None:
    failed = Cause(Reason.FILTER, filter="attack_type")
    found = of_trigger(a_trigger(FLOOD, 1), failed)
    assert found.remedy is Remedy.CHANGE_FILTERS
    assert [one.id for one in found.tried.filters] == ["domain"]
    assert found.tried.threshold == FLOOD.threshold


def test_a_limit_is_tried_that_what_was_counted_exceeds() -> None:
    counted = Cause(Reason.COUNTED, count=20, limit=30)
    found = of_trigger(a_trigger(FLOOD, 1), counted)
    assert found.remedy is Remedy.CHANGE_LIMIT
    assert found.tried.threshold.count == 19
    assert of_trigger(a_trigger(FLOOD, 1), replace(counted, count=None)).tried is None


def test_a_disabled_trigger_is_tried_as_it_is() -> None:
    found = of_trigger(a_trigger(FLOOD, 1, enabled=False), Cause(Reason.TRIGGER_OFF))
    assert (found.remedy, found.tried) == (Remedy.ENABLE_TRIGGER, FLOOD)


def test_what_lies_in_the_event_cannot_be_changed() -> None:
    for reason in (Reason.EXPERIMENTAL, Reason.UNSAMPLED, Reason.LATE, Reason.OTHER_TYPE):
        found = of_trigger(
            a_trigger(FLOOD, 1), Cause(Reason.FILTER, filter="domain"), Cause(reason)
        )
        assert (found.remedy, found.tried) == (None, None)


def test_a_trigger_that_notifies_only_what_is_off_leads_to_that() -> None:
    off = of_trigger(a_trigger(FLOOD, 2), Cause(Reason.INTEGRATION_OFF), now=(ON, OFF))
    assert (off.remedy, off.integration) == (Remedy.ENABLE_INTEGRATION, OFF)
    on_again = of_trigger(a_trigger(FLOOD, 1), Cause(Reason.INTEGRATION_OFF), now=(ON,))
    assert on_again.remedy is None


def test_what_could_be_changed_stands_before_what_never_looks_at_such_events() -> None:
    never = Line(None, a_trigger(FLOOD, 1), (Cause(Reason.OTHER_TYPE, wanted="attack.detected"),))
    could = Line(ON, None, (Cause(Reason.NOT_SUBSCRIBED, wanted="system"),))
    why = Why(
        *(an_event_for("user_created"), AT, 1),
        as_they_were=True,
        lines=[never, could],
        present=Rules(2, integrations=(ON,)),
    )
    assert [one.line for one in remedied(why)] == [could, never]
