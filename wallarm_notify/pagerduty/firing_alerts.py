"""The alert of a firing: the event's own text, or what was counted, and the trigger (spec 4)."""

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Final

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.triggers.trigger import Threshold
from wallarm_notify.pagerduty.encode import is_url
from wallarm_notify.pagerduty.event_alerts import Alert, alert_of, application_of
from wallarm_notify.pagerduty.texts import line_of

VIEW_EVENTS: Final = "View events"


def alert_of_firing(firing: Firing, event: Event, console: str | None) -> Alert:
    """Return the alert of ``firing``, which ``event`` caused; ``console`` is the console's URL or None."""
    if firing.criteria.threshold is None or firing.window is None:
        alert = alert_of(event)
        by_trigger, *rest = alert.notes or ("",)
        # A headline continues on the trigger's line; a block of details begins with an empty line.
        first = f"{_by_trigger(firing)} {by_trigger}".rstrip()
        notes = (first, *([""] if not by_trigger and rest else []), *rest, *_clauses(firing))
        details = {**alert.details, "trigger_name": firing.trigger_name}
        return replace(alert, details=details, notes=notes)
    return _counted(firing, event, firing.criteria.threshold, firing.window, console)


def _counted(
    firing: Firing, event: Event, threshold: Threshold, window: Window, console: str | None
) -> Alert:
    what = firing.criteria.condition.terms.counted
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    link = events_link(firing, console)
    host = firing.criteria.only_value("domain")
    return Alert(
        (
            f"The number of detected {what} exceeded {threshold.words}.",
            f"Counted: {firing.count}, from {_shown(start)} to {_shown(end)}.",
        ),
        {
            "trigger_name": firing.trigger_name,
            "count": firing.count,
            "threshold": threshold.fields,
            "time_from": start.isoformat(),
            "time_to": end.isoformat(),
            "clauses": list(firing.criteria.clauses),
        },
        component=_component(firing, event),
        group=None if host is None else str(host),
        notes=(
            _by_trigger(firing),
            *_clauses(firing),
            *(("", f"{VIEW_EVENTS}:", link) if link else ()),
        ),
        headline=f"The number of detected {what} exceeded the threshold",
    )


def events_link(firing: Firing, console: str | None) -> str | None:
    """Return the console's list of the counted events, with the window; None without a known console."""
    if console is None or firing.window is None:
        return None
    kind = "incidents" if firing.criteria.condition is Condition.INCIDENTS_EXCEEDED else "attacks"
    start, end = int(firing.window.start.timestamp()), ceil(firing.window.end.timestamp())
    link = f"{console.rstrip('/')}/attacks?q={kind}&time_from={start}&time_to={end}"
    return link if is_url(link) else None


def _component(firing: Firing, event: Event) -> str | None:
    """Return the application that a trigger counts for, if it is one: that of ``event`` too, which may name it."""
    pool = firing.criteria.only_value("pool")
    if pool is None:
        return None
    name = event.body.get("application_name")
    return application_of({"application_id": pool, "application_name": name})


def _by_trigger(firing: Firing) -> str:
    return f'This notification was triggered by the "{line_of(firing.trigger_name)}" trigger.'


def _clauses(firing: Firing) -> tuple[str, ...]:
    clauses = firing.criteria.clauses
    if not clauses:
        return ()
    return ("", "Additional trigger's clauses:", *(f"{line_of(one)}." for one in clauses))


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %z}"
