"""The output of the commands of triggers."""

from collections.abc import Collection, Sequence
from datetime import datetime

from rich.text import Text

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.trigger import (
    Trigger,
)
from wallarm_notify.domain.views import ShownFiring
from wallarm_notify.entrypoints.cli.criteria import (
    filters_text,
    window_text,
)
from wallarm_notify.entrypoints.cli.output import (
    number,
    plain,
    print_diagnostic,
    print_fields,
    print_json,
    print_line,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.schemas.documents.triggers import (
    trigger_document,
)
from wallarm_notify.services.trigger_listings import (
    disabled_among,
)


def print_firings(firings: Sequence[ShownFiring]) -> None:
    """Print firings, each with what became of its notifications."""
    print_table(
        ["Firing", "Fired at", "Window", number("Counted"), number("Named"), "Notifications"],
        [
            (
                f.firing.id,
                two_lines(f.fired_at),
                window_text(f.firing.window),
                f.firing.count,
                len(f.firing.event_ids),
                ", ".join(f"{n.notification_id} {n.state}" for n in f.notifications) or "none",
            )
            for f in firings
        ],
        nothing="No firings are stored.",
    )
    if firings:
        print_line(
            f"The last was met by event {firings[0].firing.event_id}; --json names up to 100 of each."
        )


def print_with_warnings(trigger: Trigger, *, as_json: bool) -> None:
    """Print a trigger, with a warning where it has disabled integrations, or none."""
    if as_json:
        print_json(trigger_document(trigger))
    else:
        print_trigger(trigger)
    if off := disabled_among(wiring().context, EVERY_CLIENT, [trigger]):
        print_diagnostic(
            f"warning: disabled: {', '.join(map(str, off))}; what a disabled integration would be told is "
            "recorded as skipped."
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
        "State": trigger_state(trigger),
        "Condition": str(trigger.criteria.condition),
        "Fires on": trigger.criteria.fires_on,
        "Filters": filters_text(trigger.criteria),
        "Notifies": notified(trigger, disabled_among(wiring().context, EVERY_CLIENT, [trigger])),
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


def notified(trigger: Trigger, disabled_ones: Collection[int]) -> str:
    """Return a trigger's integrations as text, the disabled ones marked."""
    named_ones = [f"{i}{' (off)' if i in disabled_ones else ''}" for i in trigger.integration_ids]
    return ", ".join(named_ones) or "NOBODY"


def fires_on(trigger: Trigger) -> Text:
    """Return a trigger's condition, threshold and filters, a line each."""
    criteria = trigger.criteria
    filters = [] if not criteria.filters else filters_text(criteria).split("; ")
    lines = [str(criteria.condition), criteria.fires_on, *filters]
    return Text("\n".join(map(plain, lines)))


def two_lines(moment: datetime | None) -> Text | None:
    """Return a moment as two lines, its date and its time; None where there is none."""
    return None if moment is None else Text(time_of(moment).replace(" ", "\n"))


def trigger_state(trigger: Trigger) -> str:
    """Return ``enabled`` for a trigger that counts and fires, else ``disabled``."""
    return "enabled" if trigger.enabled else "disabled"
