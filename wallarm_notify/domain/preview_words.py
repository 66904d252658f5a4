"""A preview in sentences: who would be told of an event, and why somebody would not."""

from collections.abc import Iterable
from typing import Final

from wallarm_notify.domain.coverage import kind_of
from wallarm_notify.domain.coverage_words import listed, named
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.preview import End, Previewed
from wallarm_notify.domain.triggers.condition import Condition


def sentence_of(ways: Iterable[Previewed]) -> str:
    """Return who is told of an event at once, and by which triggers it counts."""
    found = list(ways)
    at_once = _names(found, End.NOTIFIED)
    later = _names(found, End.COUNTED)
    sentence = f"{listed(at_once, 'and')} would be told." if at_once else "Nobody would be told."
    return f"{sentence} It counts towards telling {listed(later, 'and')}." if later else sentence


def end_words(one: Previewed, event: Event) -> str:
    """Return in one sentence what would become of ``event`` on one way, and why."""
    trigger, integration = one.way.trigger, one.way.integration
    who = "Nobody" if integration is None else named(integration)
    by = "" if trigger is None else f" by trigger {named(trigger)}"
    if one.has_alert:
        return f"{who} is told{by}{_when(one, event)}."
    return f"{who} is {'' if integration is None else 'not '}told{by}{_why_not(one)}."


def _when(one: Previewed, event: Event) -> str:
    if one.way.trigger is None:
        return f": it subscribes to {kind_of(event).subscription}"
    criteria = one.way.trigger.criteria
    if one.end is End.COUNTED:
        return f" once there are {criteria.fires_on}: this one counts"
    is_once = criteria.condition is Condition.ROGUE_API_DETECTED
    return ", unless it has fired for this endpoint before" if is_once else ""


def _why_not(one: Previewed) -> str:
    if one.end is End.FILTERED:
        return f", which looks only where {' and '.join(f.clause for f in one.way.filters)}"
    return f": {_REASONS[one.end]}"


_REASONS: Final = {
    End.SKIPPED: "the integration is disabled; what would be sent is recorded as skipped",
    End.NOT_COUNTED: "what is experimental, or outside the sample, is not counted",
    End.TRIGGER_DISABLED: "the trigger is disabled",
    End.NO_INTEGRATION: "the trigger has no integration",
}


def _names(ways: Iterable[Previewed], end: End) -> list[str]:
    reached = [w.way.integration for w in ways if w.end is end and w.way.integration is not None]
    return list(dict.fromkeys(named(one) for one in reached))
