"""The output of the commands of triggers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from rich.text import Text

from wallarm_notify.domain.page import Page
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.domain.views import ShownFiring
from wallarm_notify.entrypoints.cli.criteria import (
    filters_text,
    window_text,
)
from wallarm_notify.entrypoints.cli.output import (
    plain,
    print_diagnostic,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_table,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.states import turn_words
from wallarm_notify.entrypoints.cli.switches import switch_words, until_words
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.triggers import (
    trigger_document,
)
from wallarm_notify.services.trigger_listings import (
    disabled_among,
)

_GROUPS: Final = {
    AlertGroup.EACH: "each (every firing is an alert of its own)",
    AlertGroup.TRIGGER: "trigger (all its firings are one alert until it is resolved)",
    AlertGroup.HOST: "host (one alert for each host until it is resolved)",
    AlertGroup.IP: "ip (one alert for each IP address until it is resolved)",
    AlertGroup.APPLICATION: "application (one alert for each application until it is resolved)",
}


def print_firings(page: Page[ShownFiring], *, are_last: bool) -> None:
    """Print a page of firings, each with what became of its notifications.

    ``are_last``: no newer ones are left out.
    """
    firings = page.items
    print_table(
        [
            fixed("Firing", spare=True),
            "Fired at",
            "Window",
            number("Counted"),
            number("Named", spare=True),
            "Notifications",
        ],
        [
            (
                f.firing.id,
                f.fired_at,
                window_text(f.firing.window),
                f.firing.count,
                len(f.firing.event_ids),
                "; ".join(
                    f"{n.notification_id} {turn_words(state_words(n.state), n.grant_at)}"
                    for n in f.notifications
                )
                or "none",
            )
            for f in firings
        ],
        nothing="No firings are stored." if are_last else "No older firings are stored.",
    )
    if firings and are_last:
        print_line(
            f"The last was met by event {firings[0].firing.event_id}; --json names up to 100 of each."
        )
    if page.following is not None:
        print_note(f"There is more: --cursor {page.following}")


def print_with_warnings(trigger: Trigger, *, as_json: bool) -> None:
    """Print a trigger, with a warning where it has disabled integrations, or none."""
    if as_json:
        print_json(trigger_document(trigger))
    else:
        print_trigger(trigger)
    if off := disabled_among(wiring().context, EVERY_CLIENT, [trigger]):
        named_ones = ", ".join(until_words(str(i), until) for i, until in off.items())
        print_diagnostic(
            f"warning: disabled: {named_ones}; what a disabled integration would be told is recorded as skipped."
        )
    if not trigger.integration_ids:
        print_diagnostic("warning: it notifies nobody; give it integrations: --integration")


def print_trigger(trigger: Trigger) -> None:
    """Print a trigger to people."""
    fields: dict[str, object] = {
        "ID": trigger.id,
        "Client": trigger.client_id,
        "Name": trigger.name,
        "Comment": trigger.comment or None,
        "State": switch_words(enabled=trigger.enabled, until=trigger.disabled_until),
        "Condition": str(trigger.criteria.condition),
        "Fires on": trigger.criteria.fires_on,
        "Filters": filters_text(trigger.criteria),
        "Notifies": notified(trigger, disabled_among(wiring().context, EVERY_CLIENT, [trigger])),
        "Severity": trigger.severity.word
        + ("" if trigger.chosen_severity is not None else " (the condition's)"),
        "Group": _GROUPS[trigger.group],
        "Created by": trigger.created_by,
        "Created at": trigger.created_at,
        "Last fired": trigger.last_fired_at,
    }
    print_fields((name, value) for name, value in fields.items() if value is not None)


def print_done(trigger: Trigger, what: str, *, as_json: bool) -> None:
    """Print what has been done to a trigger."""
    if as_json:
        print_json(trigger_document(trigger))
    else:
        print_line(f"Trigger {trigger.id} {what}.")


def notified(trigger: Trigger, disabled_ones: Mapping[int, datetime | None]) -> str:
    """Return a trigger's integrations as text, the disabled ones marked with the time until when, if there is one."""
    named_ones = [
        f"{i} ({until_words('off', disabled_ones[i])})" if i in disabled_ones else str(i)
        for i in trigger.integration_ids
    ]
    return ", ".join(named_ones) or "NOBODY"


def fires_on(trigger: Trigger) -> Text:
    """Return a trigger's condition, threshold and filters, a line each."""
    criteria = trigger.criteria
    filters = [] if not criteria.filters else filters_text(criteria).split("; ")
    lines = [str(criteria.condition), criteria.fires_on, *filters]
    return Text("\n".join(map(plain, lines)))
