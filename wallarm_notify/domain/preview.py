"""Preview: what a client's rules would make of an event that was not sent (spec 1, spec 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from wallarm_notify.domain.coverage import Way, kind_of, ways_of
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.rules import Rules, TriggerRule
from wallarm_notify.domain.triggers.cells import cell_of, window_of
from wallarm_notify.domain.triggers.condition import is_counted
from wallarm_notify.domain.triggers.firing import Firing, fired
from wallarm_notify.domain.triggers.trigger import Trigger


class End(StrEnum):
    """What would become of an event on one way; JSON has these words."""

    NOTIFIED = "notified"
    COUNTED = "counted"
    SKIPPED = "skipped"
    FILTERED = "filtered"
    NOT_COUNTED = "not_counted"
    TRIGGER_DISABLED = "trigger_disabled"
    NO_INTEGRATION = "no_integration"


@dataclass(frozen=True, slots=True)
class Glances:
    """The words of an alert that a phone, an SMS and PagerDuty's list of incidents show."""

    push: str
    sms: str
    incident: str


@dataclass(frozen=True, slots=True)
class Previewed:
    """One way that the rules have for an event, and where it would end.

    ``firing`` is what a trigger would fire: at this event, or when its threshold is exceeded.
    """

    way: Way
    end: End
    firing: Firing | None = None

    @property
    def has_alert(self) -> bool:
        """Whether an alert follows, now or once a threshold is exceeded."""
        return self.end in (End.NOTIFIED, End.COUNTED)


def preview_of(event: Event, rules: Rules) -> Sequence[Previewed]:
    """Return where ``event`` would end on each way that ``rules`` have for it.

    What was counted before is not known here, nor which rogue endpoints have fired.
    """
    found = []
    for way in ways_of(kind_of(event), rules):
        end = _end_of(way, event)
        firing = None
        if way.trigger is not None and end in (End.NOTIFIED, End.COUNTED):
            firing = _firing_of(way.trigger, event)
        found.append(Previewed(way, end, firing))
    return found


def _end_of(way: Way, event: Event) -> End:
    if way.trigger is not None and (end := _end_before(way.trigger, event)) is not None:
        return end
    if way.integration is None:
        return End.NO_INTEGRATION
    if not way.integration.enabled:
        return End.SKIPPED
    counts = way.trigger is not None and way.trigger.criteria.threshold is not None
    return End.COUNTED if counts else End.NOTIFIED


def _end_before(trigger: TriggerRule, event: Event) -> End | None:
    """Return why a trigger does not look at ``event``; None: it does."""
    if not trigger.enabled:
        return End.TRIGGER_DISABLED
    if not is_counted(event):
        return End.NOT_COUNTED
    return None if trigger.criteria.matcher()(event) else End.FILTERED


def _firing_of(rule: TriggerRule, event: Event) -> Firing:
    """Return the firing that ``event`` causes; with a threshold, as if it were the one that exceeds it."""
    trigger = Trigger(
        id=rule.id,
        client_id=event.client_id,
        name=rule.name,
        comment="",
        enabled=rule.enabled,
        criteria=rule.criteria,
        integration_ids=rule.integration_ids,
        version=rule.version,
        created_at=datetime.min.replace(tzinfo=UTC),  # no firing says when its trigger was made
        created_by="",
        chosen_severity=rule.chosen_severity,
        group=rule.group,
    )
    threshold = rule.criteria.threshold
    if threshold is None:
        return fired(trigger, event, count=1, window=None, event_ids=(event.id,))
    window = window_of(cell_of(event.occurred_at, threshold.period), threshold.period)
    return fired(trigger, event, count=threshold.count + 1, window=window, event_ids=(event.id,))
