"""The rows of a page about one event: each reason, and what would change it.

Beside that stands what it would have sent in a week.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.computation import Computation
from wallarm_notify.domain.errors import NotFound, Unavailable
from wallarm_notify.domain.integration_card import subscription_words
from wallarm_notify.domain.remedies import Remedied, Remedy
from wallarm_notify.domain.replay_job import JobState
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.rules import IntegrationRule
from wallarm_notify.domain.why import Reason, Why
from wallarm_notify.domain.why_words import line_words
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.console.times import Times
from wallarm_notify.entrypoints.console.visit import Visit
from wallarm_notify.services.integration_cards import show_missed
from wallarm_notify.services.would_have_sent import WEEK, events_like, tried_triggers

_ICONS: Final = {
    Reason.ACCEPTED: ("ok", "good"),
    Reason.WAITING: ("waiting", "off"),
    Reason.RETRYING: ("retrying", "odd"),
    Reason.FAILED: ("failed", "bad"),
    Reason.CANCELLED: ("cancelled", "off"),
    Reason.SKIPPED: ("off", "bad"),
}

_TRIGGER_PAGES: Final = ("/triggers/{trigger_id}/settings", "/triggers/{trigger_id}")
"""Where a trigger is changed, as far as there is such a page."""

_SWITCH: Final = "/triggers/{trigger_id}/disable"
"""The page of a trigger's switch: where it is, a form enables the trigger."""

_TRIGGER_WORDS: Final = {
    Remedy.ENABLE_TRIGGER: "Enable trigger",
    Remedy.CHANGE_FILTERS: "Change filters",
    Remedy.CHANGE_LIMIT: "Change limit",
    Remedy.CHOOSE_INTEGRATION: "Choose integration",
}

_NEEDED: Final = {
    Remedy.SEND_AGAIN: (Thing.NOTIFICATIONS, Verb.REPLAY),
    Remedy.SHOW_FIRING: (Thing.NOTIFICATIONS, Verb.VIEW),
    Remedy.ENABLE_INTEGRATION: (Thing.INTEGRATIONS, Verb.UPDATE),
    Remedy.SUBSCRIBE: (Thing.INTEGRATIONS, Verb.UPDATE),
}
"""What somebody must be allowed to do for a remedy; for others, to change triggers."""

_NOT_COMPUTED: Final = (JobState.FAILED, JobState.CANCELLED)
_NEARLY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a remedy would have sent: a figure, and what it counts. ``is_open``: it is being computed."""

    figure: str
    counts: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A button: its words, and where it leads; a form is sent there where it ``is_form``."""

    words: str
    path: str
    is_form: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the answer: its shape and colour, its words, and what would change it.

    ``asks``: what that would have sent can be computed, and is not.
    """

    one: Remedied
    icon: tuple[str, str]
    words: str
    sent: Sent | None
    button: Button | None
    asks: bool


def why_rows(visit: Visit, why: Why, shown: Sequence[Remedied]) -> list[Row]:
    """Return a row for each line, with what whoever opened the page may see and do."""
    known = _computed(visit, why, shown) if _may(visit, Thing.TRIGGERS, Verb.SIMULATE) else None
    computes, computed = known is not None, known or {}
    like = _like(visit, why) if any(one.remedy is Remedy.SUBSCRIBE for one in shown) else None
    return [
        Row(
            one,
            _ICONS.get(one.line.reason, ("rule" if one.line.trigger else "off", "off")),
            line_words(one.line, why, visit.times.beside),
            _sent(visit, one, like, computed),
            _button(visit, why, one),
            asks=computes and one.tried is not None and _is_unknown(computed.get(_trigger_id(one))),
        )
        for one in shown
    ]


def _may(visit: Visit, thing: Thing, verb: Verb) -> bool:
    return may(visit.actor.role, thing, verb)


def _trigger_id(one: Remedied) -> int:
    return 0 if one.line.trigger is None else one.line.trigger.id


def _is_unknown(computed: Computation | None) -> bool:
    return computed is None or computed.state in _NOT_COMPUTED


# What would change a reason.


def _button(visit: Visit, why: Why, one: Remedied) -> Button | None:
    """Return the button of a remedy for whoever may do it, on a page that there is."""
    remedy, notification = one.remedy, one.line.notification
    if remedy is None or not _may(visit, *_NEEDED.get(remedy, (Thing.TRIGGERS, Verb.UPDATE))):
        return None
    if remedy is Remedy.SEND_AGAIN and notification is not None:
        return Button("Send again", f"/notifications/{notification.id}/replay", is_form=True)
    if remedy is Remedy.SHOW_FIRING:
        return Button("Show its alerts", f"/notifications?event_id={why.event.id}")
    if one.integration is not None:
        return _on_integration(remedy, one.integration, why)
    return _on_trigger(visit, remedy, _trigger_id(one))


def _on_integration(remedy: Remedy, rule: IntegrationRule, why: Why) -> Button:
    path = f"/integrations/{rule.id}"
    if remedy is Remedy.SUBSCRIBE:
        wanted = why.event.subscription
        words = "it" if wanted is None else subscription_words([wanted])
        return Button(f"Add {words}", f"{path}/settings")
    if rule.disabled_by == REVIEW.name:
        return Button("See what failed", f"{path}/failures")
    return Button("Enable now", f"{path}/enable", is_form=True)


def _on_trigger(visit: Visit, remedy: Remedy, trigger_id: int) -> Button | None:
    if remedy is Remedy.ENABLE_TRIGGER and _SWITCH in visit.console.paths:
        return Button("Enable trigger", f"/triggers/{trigger_id}/enable", is_form=True)
    for path in _TRIGGER_PAGES:
        if path in visit.console.paths:
            return Button(_TRIGGER_WORDS[remedy], path.format(trigger_id=trigger_id))
    return None


# What it would have sent.


def _sent(
    visit: Visit, one: Remedied, like: Sent | None, computed: Mapping[int, Computation]
) -> Sent | None:
    if one.remedy is Remedy.SUBSCRIBE:
        return like
    if one.remedy is Remedy.ENABLE_INTEGRATION and one.integration is not None:
        return _missed(visit, one.integration.id)
    found = computed.get(_trigger_id(one))
    return None if found is None else _computed_words(found, visit.times)


def _missed(visit: Visit, integration_id: int) -> Sent | None:
    if not _may(visit, Thing.INTEGRATIONS, Verb.VIEW):
        return None
    try:
        unsent = show_missed(visit.pages, visit.scope, integration_id)
    except (NotFound, Unavailable):  # deleted since the answer was read, or too much to count now
        return None
    return Sent(f"{unsent.total} missed", "can be sent once it is on")


def _like(visit: Visit, why: Why) -> Sent | None:
    """Return what a subscription to what the event is would have sent; None: it is not known now."""
    times = visit.times
    try:
        recent = events_like(visit.pages, visit.scope, why.event)
    except Unavailable:  # the reasons are worth more than this figure
        return None
    is_week = times.now - recent.since > WEEK - _NEARLY
    counted_in = "in 7 days" if is_week else f"since {times.short(recent.since)}"
    return Sent(
        f"Would have sent {len(recent.times)}", f"{counted_in}, {_at_night(recent.times, times)}"
    )


def _computed(
    visit: Visit, why: Why, shown: Sequence[Remedied]
) -> Mapping[int, Computation] | None:
    """Return what was computed of the triggers of these rows; None: it is not known now."""
    tried = {_trigger_id(one): one.tried for one in shown if one.tried is not None}
    try:
        return tried_triggers(visit.pages, visit.scope, why.event.client_id, tried)
    except Unavailable:
        return None


def _computed_words(one: Computation, times: Times) -> Sent:
    if one.is_open:
        return Sent("Being computed", one.words, is_open=True)
    if one.result is None:
        return Sent("Not computed", one.words)
    items = one.result["items"]
    fired = [datetime.fromisoformat(item["at"]) for item in items]
    return Sent(
        f"Would have fired {counted(len(items) + one.left_out, 'time')}",
        f"in 7 days, {_at_night(fired, times)}",
    )


def _at_night(moments: Sequence[datetime], times: Times) -> str:
    return f"{sum(times.is_at_night(one) for one in moments) or 'none'} at night"
