"""Remedies: what would change that an integration or trigger did not notify somebody of an event (spec 9)."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

from wallarm_notify.domain.rules import IntegrationRule, TriggerRule
from wallarm_notify.domain.triggers.trigger import Criteria
from wallarm_notify.domain.why import Line, Reason, Why


class Remedy(StrEnum):
    """What somebody could do."""

    SEND_AGAIN = "send again"
    ENABLE_INTEGRATION = "enable integration"
    SUBSCRIBE = "subscribe"
    ENABLE_TRIGGER = "enable trigger"
    CHANGE_FILTERS = "change filters"
    CHANGE_LIMIT = "change limit"
    CHOOSE_INTEGRATION = "choose integration"
    SHOW_FIRING = "show firing"


@dataclass(frozen=True, slots=True)
class Remedied:
    """A line of the answer, and what would change it.

    ``remedy`` None: nothing would. ``integration`` is the one that the remedy is done to, as it is now. ``tried`` are
    the trigger's criteria with which it would have fired for the event, or counted it; None: there are none.
    """

    line: Line
    remedy: Remedy | None = None
    integration: IntegrationRule | None = None
    tried: Criteria | None = None


_UNSENT: Final = (Reason.FAILED, Reason.CANCELLED, Reason.SKIPPED)

_OF_TRIGGERS: Final = (
    (Reason.TRIGGER_OFF, Remedy.ENABLE_TRIGGER),
    (Reason.FILTER, Remedy.CHANGE_FILTERS),
    (Reason.COUNTED, Remedy.CHANGE_LIMIT),
    (Reason.NO_INTEGRATIONS, Remedy.CHOOSE_INTEGRATION),
)
"""The remedies of a trigger that did not fire, the first thing to do first."""

_PAST: Final = (Reason.OTHER_TYPE, Reason.EXPERIMENTAL, Reason.UNSAMPLED, Reason.LATE)
"""Reasons that no change of rules undoes: they lie in the event."""


def remedied(why: Why) -> list[Remedied]:
    """Return each line of an answer with what would change it, by the rules of now.

    What was notified comes first, then what could be changed; what never looks at such events comes last.
    """
    found = [_remedied(line, why) for line in why.lines]
    return sorted(found, key=_rank)


def _rank(one: Remedied) -> int:
    if one.line.notification is not None:
        return 0 if one.line.reason not in _UNSENT else 1
    if one.remedy is not None:
        return 2
    return 4 if one.line.reason in {Reason.NEEDS_TRIGGER, Reason.OTHER_TYPE} else 3


def _remedied(line: Line, why: Why) -> Remedied:
    if line.deleted_at is not None:
        return Remedied(line)
    if line.notification is not None or line.trigger is None:
        return _of_integration(line, why)
    return _of_trigger(line, why)


def _of_integration(line: Line, why: Why) -> Remedied:
    rule = line.integration
    now = None if rule is None else _by_id(why.present.integrations, rule.id)
    if now is None:
        return Remedied(line)
    if line.reason in _UNSENT:
        return Remedied(
            line, Remedy.SEND_AGAIN if now.enabled else Remedy.ENABLE_INTEGRATION, integration=now
        )
    is_asked_for = line.reason is Reason.NOT_SUBSCRIBED
    if is_asked_for and why.event.subscription not in now.subscriptions:
        return Remedied(line, Remedy.SUBSCRIBE, integration=now)
    return Remedied(line)


def _of_trigger(line: Line, why: Why) -> Remedied:
    rule = line.trigger
    now = None if rule is None else _by_id(why.present.triggers, rule.id)
    reasons = {cause.reason for cause in line.causes}
    if now is None or reasons & set(_PAST):
        return Remedied(line)
    if Reason.COUNTED_IN_FIRING in reasons:
        return Remedied(line, Remedy.SHOW_FIRING)
    tried = _tried(line, now)
    for reason, remedy in _OF_TRIGGERS:
        if reason in reasons:
            return Remedied(line, remedy, tried=tried)
    if Reason.INTEGRATION_OFF in reasons:
        named = (_by_id(why.present.integrations, one) for one in now.integration_ids)
        off = next((one for one in named if one is not None and not one.enabled), None)
        if off is not None:
            return Remedied(line, Remedy.ENABLE_INTEGRATION, integration=off)
    return Remedied(line)


def _tried(line: Line, now: TriggerRule) -> Criteria | None:
    """Return the criteria of now without what stood in the way of the event; None: something else did."""
    criteria = now.criteria
    failed = {cause.filter for cause in line.causes if cause.reason is Reason.FILTER}
    counted = next((c.count for c in line.causes if c.reason is Reason.COUNTED), None)
    threshold = criteria.threshold
    if threshold is not None and counted is not None and counted <= threshold.count:
        threshold = replace(threshold, count=counted - 1)
    tried = Criteria(
        criteria.condition, tuple(f for f in criteria.filters if f.id not in failed), threshold
    )
    is_off = any(cause.reason is Reason.TRIGGER_OFF for cause in line.causes)
    return tried if is_off or tried != criteria else None


_RuleT = TypeVar("_RuleT", IntegrationRule, TriggerRule)


def _by_id(rules: tuple[_RuleT, ...], number: int) -> _RuleT | None:
    return next((one for one in rules if one.id == number), None)
