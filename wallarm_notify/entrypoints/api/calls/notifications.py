"""Notifications: what was sent and what was not, and sending it again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.event import check_event_type
from wallarm_notify.domain.notification import State, read_origin
from wallarm_notify.domain.outcome import Statuses
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.views import Filter
from wallarm_notify.entrypoints.api.answers import answer, page_answer
from wallarm_notify.entrypoints.api.fields import (
    EventTypeWord,
    Id,
    InPeriod,
    PathId,
    Sent,
    text_like,
)
from wallarm_notify.entrypoints.api.parts import Called
from wallarm_notify.entrypoints.api.route import CheckedRoute, needs
from wallarm_notify.schemas.documents.listing import Listing
from wallarm_notify.schemas.documents.notifications import (
    NotificationDocument,
    NotificationItem,
    ReplayedDocument,
    notification_document,
    notification_item,
)
from wallarm_notify.services.listings import list_notifications, show_notification, show_sending
from wallarm_notify.services.replay import replay_notifications

MOST_REPLAYED = 500

ORIGIN_PATTERN = "^(card|trigger:[1-9][0-9]{0,17})$"
CODE_PATTERN = "^([1-5][0-9][0-9]|[1-5]xx|none)$"

router = APIRouter(
    prefix="/notify/v1/notifications", tags=["notifications"], route_class=CheckedRoute
)

StateWord = Literal["pending", "retrying", "delivered", "failed", "cancelled", "skipped"]


class NotificationsAsked(InPeriod):
    """Which notifications are listed."""

    client_id: Annotated[Id | None, Field(description="Only this client's.")] = None
    integration_id: Annotated[Id | None, Field(description="Only to this integration.")] = None
    state: Annotated[
        list[StateWord],
        Field(default_factory=list, max_length=6, description="Only in one of these states."),
    ]
    event_id: Annotated[
        UUID | None, Field(description="Only what this event made, or a firing that counted it.")
    ] = None
    dedup_key: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Only those of the alert with this dedup key, whole, as PagerDuty shows it.",
        ),
    ] = None
    type: Annotated[
        EventTypeWord | None, Field(description="Only those of events of this type.")
    ] = None
    origin: Annotated[
        Annotated[str, text_like(pattern=ORIGIN_PATTERN)] | None,
        Field(description="Only from this origin: card, or trigger:N for trigger N."),
    ] = None
    code: Annotated[
        Annotated[str, text_like(pattern=CODE_PATTERN)] | None,
        Field(
            description="Only where the last attempt was answered so: a status, as 429, a class of them, as 5xx, or "
            "none."
        ),
    ] = None


class ReplaySent(Sent):
    """Which notifications are sent again."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_REPLAYED)]


@router.get("", response_model=Listing[NotificationItem])
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def list_them(call: Called, asked: Annotated[NotificationsAsked, Query()]) -> Response:
    """List notifications, the newest first."""
    wanted = Filter(
        client_id=asked.client_id,
        integration_id=asked.integration_id,
        states=tuple(dict.fromkeys(map(State, asked.state))),
        event_id=asked.event_id,
        event_type=None if asked.type is None else check_event_type(asked.type),
        origin=None if asked.origin is None else read_origin(asked.origin),
        made=asked.period,
        statuses=None if asked.code is None else Statuses.parse(asked.code),
        dedup_key=asked.dedup_key,
    )
    page = list_notifications(call.pages, call.scope, wanted, limit=asked.limit, cursor=asked.after)
    return page_answer(page, notification_item)


@router.get("/{notification_id}", response_model=NotificationDocument)
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show(call: Called, notification_id: PathId) -> Response:
    """Show one notification with all its attempts, and the alert as it is sent, with the key masked."""
    shown = show_notification(call.pages, call.scope, notification_id)
    sending = show_sending(call.pages, call.scope, call.actor.role, notification_id)
    alert = call.parts.wiring.shown_alert(sending)
    return answer(notification_document(shown, alert))


@router.post("/replay", response_model=ReplayedDocument)
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def replay(call: Called, sent: ReplaySent) -> Response:
    """Send notifications again that failed, were skipped or cancelled: all of them or none."""
    done = replay_notifications(call.ctx, call.actor, call.scope, sent.ids)
    return answer(ReplayedDocument(replayed=done))
