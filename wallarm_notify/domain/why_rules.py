"""Why an event was or was not notified: what stood in the way (spec 9)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.notification import RESTORED, State, trigger_of
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.triggers.cells import (
    CELLS,
    cell_of,
    is_late,
    quiet_of,
    start_of_cell,
)
from wallarm_notify.domain.triggers.condition import (
    Condition,
    is_experimental,
    is_unsampled,
    not_passed,
)
from wallarm_notify.domain.triggers.crossing import Near
from wallarm_notify.domain.triggers.filters import FILTERS
from wallarm_notify.domain.triggers.trigger import Threshold
from wallarm_notify.domain.views import ShownFiring, ShownNotification
from wallarm_notify.domain.why import Cause, Facts, Line, Reason, SwitchedOffBy, Times, Why


def explain(facts: Facts) -> Why:
    """Return for each integration and trigger what the event came to there, and why."""
    return Why(
        event=facts.event,
        received_at=facts.received_at,
        rules_version=facts.rules.version,
        as_they_were=facts.as_they_were,
        lines=(*_integrations(facts), *_triggers(facts)),
        others=facts.others,
        present=facts.present,
    )


# Integrations, by their own subscriptions.


def _integrations(facts: Facts) -> Iterator[Line]:
    by_card = {n.integration_id: n for n in facts.notifications if trigger_of(n.origin) is None}
    known = {i.id: i for i in (*facts.present.integrations, *facts.rules.integrations)}
    at_that_time = {i.id for i in facts.rules.integrations}
    for number in sorted(known.keys() | by_card):
        rule = known.get(number) or _nameless(number)
        made = by_card.get(number)
        times = facts.integration_times.get(number)
        if made is not None:
            causes: tuple[Cause, ...] = (_cause_of(made, rule, facts),)
        elif number not in at_that_time or _came_later(facts, times):
            causes = (Cause(Reason.CREATED, at=times.created_at if times else None),)
        else:
            causes = unsubscribed(facts.event, rule) or (_changed(facts),)
        yield Line(rule, None, causes, made, times.deleted_at if times else None)


def unsubscribed(event: Event, rule: IntegrationRule) -> tuple[Cause, ...]:
    """Return why an integration's own subscriptions do not notify it of ``event``; nothing: they do.

    That it is off stands beside another reason only: alone, it makes a notification, which is skipped.
    """
    wanted = event.subscription
    if wanted is None:
        causes = [Cause(Reason.NEEDS_TRIGGER)]
    elif wanted not in rule.subscriptions:
        causes = [Cause(Reason.NOT_SUBSCRIBED, wanted=str(wanted))]
    else:
        return ()
    return (*causes, *([] if rule.enabled else [_off(Reason.INTEGRATION_OFF, rule)]))


def _off(reason: Reason, rule: IntegrationRule) -> Cause:
    return Cause(
        reason, by=rule.disabled_by, at=rule.disabled_at, note=rule.disabled_reason or None
    )


# Triggers.

_MAY_FIRE_LATER: Final = (Reason.COUNTED, Reason.QUIET, Reason.ENDPOINT_BEFORE)


def _triggers(facts: Facts) -> Iterator[Line]:
    made: dict[int, list[ShownNotification]] = {}
    for n in facts.notifications:
        if (number := trigger_of(n.origin)) is not None:
            made.setdefault(number, []).append(n)
    known = {t.id: t for t in (*facts.present.triggers, *facts.rules.triggers)}
    for number, firing in facts.firings.items():
        if number not in known:
            known[number] = TriggerRule(
                number, firing.trigger_name, True, firing.criteria, firing.integration_ids, 0
            )
    for number, rule in sorted(known.items()):
        times = facts.trigger_times.get(number)
        deleted_at = times.deleted_at if times else None
        if number in facts.firings:
            yield from _of_firing(facts, rule, made.get(number, ()), deleted_at)
        else:
            yield Line(None, rule, _unfired(facts, rule, times), deleted_at=deleted_at)


def _of_firing(
    facts: Facts,
    rule: TriggerRule,
    made: Sequence[ShownNotification],
    deleted_at: datetime | None,
) -> Iterator[Line]:
    """Yield a line for each integration that the firing of this event names, or one that says it names none."""
    known = {i.id: i for i in (*facts.present.integrations, *facts.rules.integrations)}
    firing = facts.firings[rule.id]
    to = {n.integration_id: n for n in made}
    for number in sorted(to.keys() | set(firing.integration_ids)):
        integration = known.get(number) or _nameless(number)
        times = facts.integration_times.get(number)
        n = to.get(number)
        gone_at = times.deleted_at if times else None
        cause = Cause(Reason.DELETED, at=gone_at) if n is None else _cause_of(n, integration, facts)
        yield Line(integration, rule, (cause,), n, gone_at)
    if not to and not firing.integration_ids:
        cause = Cause(Reason.NO_INTEGRATIONS, firing_id=firing.id)
        yield Line(None, rule, (cause,), deleted_at=deleted_at)


def _unfired(facts: Facts, rule: TriggerRule, times: Times | None) -> tuple[Cause, ...]:
    if rule.id not in {t.id for t in facts.rules.triggers} or _came_later(facts, times):
        return (Cause(Reason.CREATED, at=times.created_at if times else None),)
    causes = left_out_by(facts.event, rule, facts.rules, facts.received_at)
    if causes:
        return tuple(_by_whom(c, facts.triggers_off.get(rule.id)) for c in causes)
    causes = _after_passing(facts, rule)
    if causes[0].reason in _MAY_FIRE_LATER:
        return (*causes, *_nobody(rule, facts.rules))
    return causes


def _by_whom(cause: Cause, off: SwitchedOffBy | None) -> Cause:
    if cause.reason is not Reason.TRIGGER_OFF or off is None:
        return cause
    return replace(cause, by=off.by, at=off.at)


def left_out_by(
    event: Event, rule: TriggerRule, rules: Rules, received_at: datetime
) -> tuple[Cause, ...]:
    """Return all for which a trigger leaves ``event`` out; nothing: it fires for it, or counts it.

    That it would notify nobody even then stands beside them.
    """
    criteria = rule.criteria
    causes = []
    if criteria.condition.terms.event_type != event.type:
        causes.append(Cause(Reason.OTHER_TYPE, wanted=criteria.condition.terms.event_type))
    else:
        causes += [
            Cause(
                Reason.FILTER,
                filter=one.id,
                wanted=one.words,
                found=FILTERS[one.id].found_words(event.body),
            )
            for one in not_passed(criteria.condition, criteria.filters, event)
        ]
    if is_experimental(event):
        causes.append(Cause(Reason.EXPERIMENTAL))
    if is_unsampled(event):
        causes.append(Cause(Reason.UNSAMPLED))
    threshold = criteria.threshold
    if threshold is not None and is_late(event.occurred_at, threshold.period, received_at):
        causes.append(Cause(Reason.LATE, at=event.occurred_at))
    if not rule.enabled:
        causes.append(Cause(Reason.TRIGGER_OFF))
    return (*causes, *_nobody(rule, rules)) if causes else ()


def _nobody(rule: TriggerRule, rules: Rules) -> tuple[Cause, ...]:
    """Return why a trigger would notify nobody even if it fired."""
    named = [i for i in rules.integrations if i.id in rule.integration_ids]
    if not named:
        return (Cause(Reason.NO_INTEGRATIONS),)
    if not any(i.enabled for i in named):
        return (_off(Reason.INTEGRATION_OFF, named[0]),)
    return ()


def _after_passing(facts: Facts, rule: TriggerRule) -> tuple[Cause, ...]:
    """Return why a trigger did not fire for an event that passed it."""
    threshold = rule.criteria.threshold
    if not facts.counted:
        return (_changed(facts),)
    if threshold is None:
        is_rogue = rule.criteria.condition is Condition.ROGUE_API_DETECTED
        return (Cause(Reason.ENDPOINT_BEFORE) if is_rogue else _changed(facts),)
    later = facts.later.get(rule.id)
    if later is not None and _counts(later, facts):
        return (_in_firing(later, facts),)
    return counted_so_far(facts.event.occurred_at, threshold, facts.near.get(rule.id))


def _in_firing(later: ShownFiring, facts: Facts) -> Cause:
    names = {i.id: i.name for i in (*facts.present.integrations, *facts.rules.integrations)}
    states = (
        f"{names.get(n.integration_id, f'integration {n.integration_id}')}: {state_words(n.state)}"
        for n in later.notifications
    )
    return Cause(
        Reason.COUNTED_IN_FIRING,
        at=later.fired_at,
        firing_id=later.firing.id,
        note=", ".join(states) or None,
    )


def _counts(later: ShownFiring, facts: Facts) -> bool:
    """Return whether a firing counted this event; of more than 100 it names the last alone."""
    named = later.firing.event_ids
    return facts.event.id in named or (
        len(named) < later.firing.count and later.fired_at >= facts.received_at
    )


def counted_so_far(
    occurred_at: datetime, threshold: Threshold, near: Near | None
) -> tuple[Cause, ...]:
    """Return why a trigger that counted an event has not fired: too few events, or a firing close by.

    ``near`` has what was counted around it, itself included; None: that is not kept any more.
    """
    cell = cell_of(occurred_at, threshold.period)
    counted = Cause(Reason.COUNTED, limit=threshold.count, note=threshold.words)
    if near is None or cell not in near.counts:
        return (counted,)
    sums = {
        end: sum(n for c, n in near.counts.items() if end - CELLS < c <= end)
        for end in near.counts
        if cell <= end < cell + CELLS
    }
    quiet = quiet_of(threshold.period)
    close = [f for f in near.fired if any(abs(end - f) < quiet for end in sums)]
    free = [n for end, n in sums.items() if all(abs(end - f) >= quiet for f in near.fired)]
    is_over = max(sums.values()) > threshold.count
    causes = [] if is_over else [replace(counted, count=max(free or sums.values()))]
    if not free or is_over:
        until = start_of_cell(max(close) + quiet, threshold.period) if close else None
        causes.append(Cause(Reason.QUIET, until=until, note=threshold.words))
    return tuple(causes)


# What both have in common.


def _cause_of(n: ShownNotification, rule: IntegrationRule, facts: Facts) -> Cause:
    """Return the cause that a notification's state is."""
    cause = Cause(_OF_STATE[n.state], at=n.finished_at)
    match n.state:
        case State.DELIVERED:
            return replace(cause, count=n.last_status_code)
        case State.PENDING:
            return replace(cause, until=n.next_attempt_at)
        case State.RETRYING | State.FAILED:
            return replace(
                cause,
                count=n.attempts_made,
                limit=n.attempts_at_most,
                until=n.next_attempt_at,
                note=_last(n),
            )
        case State.CANCELLED if n.end_reason == RESTORED:
            return replace(cause, note="the database was restored from a backup")
        case State.CANCELLED:
            now = _named(facts.present, n.integration_id)
            is_off = now is not None and not now.enabled
            return (
                replace(cause, by=now.disabled_by, note=now.disabled_reason or None)
                if now and is_off
                else cause
            )
        case State.SKIPPED:
            return _off(Reason.SKIPPED, rule)
        case _:
            assert_never(n.state)


_OF_STATE: Final = {
    State.PENDING: Reason.WAITING,
    State.RETRYING: Reason.RETRYING,
    State.DELIVERED: Reason.ACCEPTED,
    State.FAILED: Reason.FAILED,
    State.CANCELLED: Reason.CANCELLED,
    State.SKIPPED: Reason.SKIPPED,
}


def _last(n: ShownNotification) -> str | None:
    if n.last_status_code:
        return str(n.last_status_code)
    return (n.last_error or n.end_reason or "").replace("_", " ") or None


def _changed(facts: Facts) -> Cause:
    """Return that the rules changed around the event: by those that it names it would have been notified."""
    return Cause(
        Reason.CHANGED, at=facts.rules.until if facts.as_they_were else facts.present.since
    )


def _came_later(facts: Facts, times: Times | None) -> bool:
    """Return whether something of the rules of now was not there yet when the event came."""
    return not facts.as_they_were and times is not None and times.created_at > facts.received_at


def _named(rules: Rules, integration_id: int) -> IntegrationRule | None:
    return next((i for i in rules.integrations if i.id == integration_id), None)


def _nameless(number: int) -> IntegrationRule:
    """Return an integration of which no rules are known any more."""
    return IntegrationRule(number, f"integration {number}", "", (), True, None, None, None)
