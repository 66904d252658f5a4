"""Finding: a key, an id, an address or a name leads to what it belongs to (spec 9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.found import Found
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.views import EventFilter, Filter
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.integration_listings import list_integrations
from wallarm_notify.services.listings import list_notifications, show_notification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.actor import Role
    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.views import ShownNotification
    from wallarm_notify.services.context import Context

MOST: Final = 20
"""So many of each kind are found at most."""

LARGEST_ID: Final = 2**63 - 1


def find(ctx: Context, scope: Scope, role: Role, sought: str, client_id: int | None) -> Found:
    """Return what ``sought`` leads to: notifications, events that are about it, integrations by name.

    What it is known to be, a dedup key or an id, is looked up as that first. Integrations are found by who may view
    them alone. Raise Unavailable.
    """
    text = sought.strip()
    if not text:
        return Found()
    made = _notifications(ctx, scope, text, client_id)
    if made and not text.isdecimal():
        return Found(notifications=made)
    wanted = EventFilter(client_id=client_id, sought=text)
    page, _ = list_events(ctx, scope, wanted, limit=MOST)
    return Found(
        notifications=made,
        events=page.items,
        more_events=page.following is not None,
        searched_back_to=page.searched_back_to,
        integrations=_integrations(ctx, scope, role, text, client_id),
    )


def _notifications(
    ctx: Context, scope: Scope, text: str, client_id: int | None
) -> Sequence[ShownNotification]:
    if text.isascii() and text.isdecimal() and int(text) <= LARGEST_ID:
        try:
            return [show_notification(ctx, scope, int(text))]
        except NotFound:
            return []
    if re.fullmatch("[0-9a-f]{64}", text.lower()):
        wanted = Filter(client_id=client_id, dedup_key=text.lower())
    else:
        try:
            wanted = Filter(client_id=client_id, event_id=UUID(text))
        except ValueError:
            return []
    return list_notifications(ctx, scope, wanted, limit=MOST).items


def _integrations(
    ctx: Context, scope: Scope, role: Role, text: str, client_id: int | None
) -> Sequence[Integration]:
    if not may(role, Thing.INTEGRATIONS, Verb.VIEW):
        return []
    return list_integrations(ctx, scope, client_id=client_id, name=text, limit=MOST).items
