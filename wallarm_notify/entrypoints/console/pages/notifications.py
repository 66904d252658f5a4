"""Notifications: one as a story, from what happened to how it ended."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import check_event_type
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.notification import REPLAYABLE, State, read_origin
from wallarm_notify.domain.outcome import Statuses
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.places import (
    Place,
    PlaceState,
    answer_words,
    attempts_of_run,
    cycles_of,
    delay_words,
    totals_words,
)
from wallarm_notify.domain.rights import Thing, Verb, may
from wallarm_notify.domain.sending import ShownSending
from wallarm_notify.domain.story import Row, Story
from wallarm_notify.domain.views import Filter, ShownNotification, Wanted
from wallarm_notify.entrypoints.api.fields import Asked, Moment, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.excerpts import first_lines, within
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.timeline import timeline
from wallarm_notify.entrypoints.console.visit import HEADERS, Visit, Visited, times_of
from wallarm_notify.services.integration_listings import list_integrations
from wallarm_notify.services.listings import list_notifications
from wallarm_notify.services.manage_triggers import disable_trigger, enable_trigger
from wallarm_notify.services.notification_story import list_rows, show_story
from wallarm_notify.services.replay import replay_notifications

router = APIRouter(route_class=PageRoute)

LOOKS: Final = {
    State.PENDING: ("off", "waiting"),
    State.RETRYING: ("odd", "retrying"),
    State.DELIVERED: ("good", "ok"),
    State.FAILED: ("bad", "failed"),
    State.CANCELLED: ("off", "cancelled"),
    State.SKIPPED: ("off", "off"),
}
"""The colour and the shape of each state."""

PAUSES: Final = (
    ("1", "1 hour"),
    ("4", "4 hours"),
    ("24", "1 day"),
    ("", "Until somebody enables it"),
)
"""For how many hours a trigger can be paused."""

ROWS: Final = 40
"""So many notifications are on a page."""

MOST_NEWER: Final = 100
"""So many newer ones are counted at most."""

MOST_CHOICES: Final = 200
"""So many integrations are offered to choose from."""

KINDS: Final[Mapping[str, tuple[str, tuple[State, ...]]]] = {
    "all": ("All", ()),
    "open": ("On the way", (State.PENDING, State.RETRYING)),
    "accepted": ("Accepted", (State.DELIVERED,)),
    "failed": ("Not accepted", (State.FAILED,)),
    "unsent": ("Not sent", (State.SKIPPED, State.CANCELLED)),
}
"""What can be shown: the word, and the states that it stands for."""


class ListAsked(Asked):
    """Which notifications are listed."""

    show: Literal["all", "open", "accepted", "failed", "unsent"] = "all"
    integration_id: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = ""
    event_id: UUID | None = None
    dedup_key: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    type: Annotated[str, Field(max_length=100)] = ""
    origin: Annotated[str, Field(max_length=40)] = ""
    code: Annotated[str, Field(max_length=10)] = ""
    since: Moment | None = None
    until: Moment | None = None
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    newer_than: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None

    def wanted(self, client_id: int | None) -> Filter:
        """Return the filter that is meant, of a client or of all. Raise Refused."""
        return Filter(
            client_id=client_id,
            integration_id=int(self.integration_id) if self.integration_id else None,
            states=KINDS[self.show][1],
            event_id=self.event_id,
            event_type=check_event_type(self.type) if self.type else None,
            origin=read_origin(self.origin) if self.origin else None,
            made=Period(self.since, self.until),
            statuses=Statuses.parse(self.code) if self.code else None,
            dedup_key=self.dedup_key,
        )

    def path(self, **changes: Any) -> str:
        """Return the path of this listing with other filters; one that is None or empty is dropped."""
        given = {**self.model_dump(mode="json", exclude={"after", "newer_than"}), **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "", "all")}
        return f"/notifications?{urlencode(kept)}" if kept else "/notifications"

    @property
    def replay_path(self) -> str:
        """The path of the page on which what is listed can be sent again."""
        return self.path().replace("/notifications", "/notifications/replay", 1)

    @property
    def replayed_states(self) -> tuple[State, ...]:
        """The states of what can be sent again of it; none: nothing can."""
        return tuple(one for one in KINDS[self.show][1] or REPLAYABLE if one in REPLAYABLE)

    @property
    def not_replayed_by(self) -> list[tuple[str, str, str]]:
        """The filters that a replay cannot have, in the form of ``dropped``."""
        return [one for one in self.dropped if one[0] not in _REPLAYED_BY]

    def replayed(self, integration_id: int) -> Wanted:
        """Return what is to be sent again to an integration. Raise Refused."""
        return Wanted(
            integration_id,
            self.replayed_states,
            since=self.since,
            event_type=check_event_type(self.type) if self.type else None,
        )

    @property
    def dropped(self) -> list[tuple[str, str, str]]:
        """The filters in words, each with its value and the path of the listing without it."""
        given = self.model_dump(mode="json")
        return [
            (words, str(given[name]), self.path(**{name: None}))
            for name, words in _FILTERS.items()
            if given[name] not in (None, "")
        ]


_FILTERS: Final = {
    "event_id": "Event",
    "dedup_key": "Dedup key",
    "type": "Type",
    "origin": "Origin",
    "code": "Answer",
    "since": "Since",
    "until": "Until",
}

_REPLAYED_BY: Final = frozenset({_FILTERS["type"], _FILTERS["since"]})
"""The filters that a replay can have beside the integration and the states."""


class StoryAsked(Asked):
    """What a page that is open has of a notification: None: nothing yet."""

    seen: Annotated[str | None, Field(max_length=100)] = None
    client_id: str | None = None


@router.get("/notifications")
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[ListAsked, Query()]) -> Response:
    """Show notifications, the newest first, or how many are newer than what a page shows."""
    wanted = asked.wanted(visit.client_id)
    if asked.newer_than is not None:
        known = int(asked.newer_than)
        found = list_notifications(visit.pages, visit.scope, wanted, limit=MOST_NEWER)
        newer = sum(n.id > known for n in found.items)
        return visit.part("notifications.html", "newer", newer=newer, known=known, asked=asked)
    page = list_rows(
        *(visit.pages, visit.scope, wanted),
        limit=ROWS,
        cursor=None if asked.after is None else int(asked.after),
    )
    shown_alert = visit.console.parts.wiring.shown_alert
    known = page.items[0].shown.id if page.items else 0
    return visit.page(
        "notifications.html",
        rows=[(row, summary_of(row, shown_alert)) for row in page.items],
        page=page,
        asked=asked,
        kinds=KINDS,
        integrations=integrations_of(visit),
        replayable=REPLAYABLE,
        newer=0,
        known=known,
    )


def integrations_of(visit: Visit) -> Sequence[Integration]:
    """Return the integrations that one may choose from; nothing for who may not see them."""
    if not may(visit.actor.role, Thing.INTEGRATIONS, Verb.VIEW):
        return ()
    page = list_integrations(
        visit.pages, visit.scope, client_id=visit.client_id, limit=MOST_CHOICES
    )
    return page.items


@router.get("/notifications/{notification_id}")
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show(
    visit: Visited, notification_id: PathId, asked: Annotated[StoryAsked, Query()]
) -> Response:
    """Show a notification as a story; nothing where a page that is open has it so already."""
    story = _story(visit, notification_id)
    seen = _seen(story.shown)
    if asked.seen == seen:
        return Response(None, 204, HEADERS)
    return visit.page("notification.html", seen=seen, **_values(visit, story))


@router.get("/notifications/{notification_id}/timeline")
@needs(Thing.NOTIFICATIONS, Verb.VIEW)
def show_timeline(visit: Visited, notification_id: PathId) -> Response:
    """Show the timeline of a notification as Markdown, to be copied."""
    story = _story(visit, notification_id)
    values = _values(visit, story)
    return visit.page("notification_timeline.html", story=story, text=values["markdown"])


@router.post("/notifications/{notification_id}/replay")
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def send_again(visit: Visited, notification_id: PathId) -> Response:
    """Send a notification again that was not accepted."""
    replay_notifications(visit.ctx, visit.actor, visit.scope, [notification_id])
    return visit.go(f"/notifications/{notification_id}")


@router.get("/notifications/{notification_id}/pause")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def ask_to_pause(visit: Visited, notification_id: PathId) -> Response:
    """Show what pausing the trigger of a notification comes to, and ask for how long."""
    return _pausing(visit, notification_id)


@router.post("/notifications/{notification_id}/pause")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def pause(visit: Visited, notification_id: PathId) -> Response:
    """Pause the trigger of a notification."""
    story = _story(visit, notification_id)
    hours = visit.text("hours")
    if hours not in dict(PAUSES):
        return _pausing(visit, notification_id, hours, "choose one of these.")
    until = times_of(visit.request).now + timedelta(hours=int(hours)) if hours else None
    disable_trigger(visit.ctx, visit.actor, visit.scope, _trigger_id(story), until=until)
    return visit.go(f"/notifications/{notification_id}")


@router.post("/notifications/{notification_id}/resume")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def resume(visit: Visited, notification_id: PathId) -> Response:
    """Enable the trigger of a notification again."""
    story = _story(visit, notification_id)
    enable_trigger(visit.ctx, visit.actor, visit.scope, _trigger_id(story))
    return visit.go(f"/notifications/{notification_id}")


def _story(visit: Visit, notification_id: int) -> Story:
    return show_story(visit.pages, visit.scope, visit.actor.role, notification_id)


def summary_of(row: Row, shown_alert: Callable[[ShownSending], Mapping[str, Any]]) -> str:
    """Return the summary of a notification's alert; its event's type where that is not kept."""
    if row.sending is None:
        return row.shown.event_type
    return str(shown_alert(row.sending)["payload"]["summary"])


def _trigger_id(story: Story) -> int:
    if story.trigger is None:
        raise Refused("No trigger made this notification, or it is deleted: nothing can be paused.")
    return story.trigger.id


def _pausing(
    visit: Visit, notification_id: int, hours: str = "1", error: str | None = None
) -> Response:
    story = _story(visit, notification_id)
    return visit.page(
        "notification_pause.html",
        status=200 if error is None else 400,
        story=story,
        pauses=PAUSES,
        hours=hours,
        error=error,
    )


def _seen(shown: ShownNotification) -> str:
    """Return what changes whenever a notification goes on."""
    next_at = shown.next_attempt_at
    at = "" if next_at is None else f"{next_at.timestamp():.0f}"
    return f"{shown.run}-{shown.attempts_made}-{shown.state}-{at}"


def _values(visit: Visit, story: Story) -> dict[str, Any]:
    """Return what the page of a notification is made of."""
    shown = story.shown
    cycles = cycles_of(shown, scale=visit.ctx.settings.retry_time_scale)
    alert = visit.console.parts.wiring.shown_alert(story.sending)
    payload = alert["payload"]
    headline = payload["custom_details"].get("headline") or payload["summary"]
    happened = story.happened(headline)
    body = json.dumps(_masked(alert), indent=2, ensure_ascii=False)
    places = [place for cycle in cycles for place in cycle.places]
    times = times_of(visit.request)
    return {
        "story": story,
        "n": shown,
        "look": LOOKS[shown.state],
        "cycles": cycles,
        "following": _next_of(places),
        "last_at": _last_at(places),
        "delay_of": lambda place: delay_words(place, shown),
        "answer_words": answer_words,
        "totals": totals_words(shown, cycles),
        "earlier": [(run, attempts_of_run(shown, run)) for run in range(1, shown.run)],
        "summary": payload["summary"],
        "happened": happened,
        "brief": story.brief(headline),
        "body": within(body),
        "body_bytes": len(json.dumps(alert, ensure_ascii=False).encode()),
        "first": first_lines(body),
        "markdown": timeline(story, cycles, payload["summary"], happened, times),
    }


def _masked(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert with its key first, masked as PagerDuty was not sent it."""
    key = alert.get("routing_key") or "hidden"
    return {"routing_key": key, **{n: v for n, v in alert.items() if n != "routing_key"}}


def _next_of(places: list[Place]) -> Place | None:
    return next((place for place in places if place.state is PlaceState.NEXT), None)


def _last_at(places: list[Place]) -> datetime | None:
    """Return when the last attempt is, or was made; None: none is."""
    return max((place.at for place in places if place.at is not None), default=None)
