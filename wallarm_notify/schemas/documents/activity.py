"""Documents of the activity log (spec 9)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from wallarm_notify.domain.activity import Activity


class ActorDocument(TypedDict):
    """Who made a change."""

    name: str
    """How people know them."""
    role: str
    """In which role: operator, admin, analytic, auditor and so on; system is this program itself."""
    source: str
    """By which way in: command_line, api, console; beat for what the program does by itself."""


class ActivityDocument(TypedDict):
    """A change that somebody made."""

    id: int
    """The number of this line; later lines have higher ones."""
    at: datetime
    """When the change was made."""
    actor: ActorDocument
    """Who made it."""
    action: str
    """What was done: created, updated, enabled, disabled, deleted, replayed, resubmitted, rotated, renewed."""
    object_type: str
    """What it was done to: integration, trigger, client, application, user, token, rejected_event and so on."""
    object_id: int | None
    """The number of that; null: there is one of its type."""
    client_id: int | None
    """The client whose it is; null: it is nobody's."""
    before: Mapping[str, Any]
    """The fields that differ, as they were; empty for what was created. Keys are shown by their last characters."""
    after: Mapping[str, Any]
    """The fields that differ, as they are since then; empty for what was deleted."""


def activity_document(line: Activity) -> ActivityDocument:
    """Return the document of a line of the activity log."""
    actor, change = line.actor, line.change
    return {
        "id": line.id,
        "at": line.at,
        "actor": {"name": actor.name, "role": str(actor.role), "source": str(actor.source)},
        "action": str(change.action),
        "object_type": str(change.object_type),
        "object_id": change.object_id,
        "client_id": change.client_id,
        "before": change.before,
        "after": change.after,
    }
