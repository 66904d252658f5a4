"""The request of a notification: its event or firing rendered as the body of a POST (spec 4)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.sending import Payload, Sending, ShownSending
from wallarm_notify.domain.summary_form import BEFORE, SummaryForm
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.pagerduty.encode import SOURCE, encode, encode_resolve, is_url
from wallarm_notify.pagerduty.event_alerts import Alert, alert_of
from wallarm_notify.pagerduty.firing_alerts import VIEW_EVENTS, alert_of_firing, events_link
from wallarm_notify.pagerduty.summaries import late_prefix, summary_of
from wallarm_notify.pagerduty.texts import line_of

TEST_PREFIX: Final = "[Test message] "

ENQUEUE_PATH: Final = "/v2/enqueue"

_CONSOLE: Final = "Wallarm Console"
_WHY: Final = "Why this alert"

_NO_KEY: Final = IntegrationKey.parse("0" * 32)
"""As long as a key, and nobody's."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to PagerDuty: its URL, its body, and the integration key that the body contains."""

    url: str
    body: bytes
    key: IntegrationKey


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """The settings that requests depend on, besides their notifications.

    ``events_urls`` are the base URLs of PagerDuty's hosts by region, ``console_urls`` those of the Wallarm
    console by cloud, or None for alerts without links; ``cloud`` is the cloud of clients whose record names
    none. ``public_url`` is where people reach this installation; None: alerts do not lead to it.
    """

    events_urls: Mapping[str, str]
    console_urls: Mapping[str, str | None]
    cloud: str
    public_url: str | None = None


def request_of(sending: Sending, settings: RequestSettings) -> Request:
    """Return the request for a claimed notification (spec 4).

    Its bytes are equal in every attempt, as long as nobody changes what the client or its applications are called.

    Raise ValueError for an event that is only counted, KeyError for an unknown region.
    """
    n = sending.notification
    late = late_prefix(n.run, n.due_at - sending.payload.event.occurred_at)
    body = _body_of(sending.payload, sending.dedup_key, settings, n.id, prefix=late)
    return request_with(body, sending.key, sending.payload.region, settings)


def shown_alert(shown: ShownSending, settings: RequestSettings) -> dict[str, Any]:
    """Return the body that a notification is sent with, its key masked.

    The key is None where that is not shown. Raise ValueError for an event that is only counted.
    """
    late = late_prefix(shown.run, shown.due_at - shown.payload.event.occurred_at)
    body = encode(
        _body_of(shown.payload, shown.dedup_key, settings, shown.notification_id, prefix=late),
        _NO_KEY,
    )
    return {**json.loads(body), "routing_key": shown.masked_key}


def _body_of(
    payload: Payload,
    dedup_key: str,
    settings: RequestSettings,
    notification_id: int,
    *,
    prefix: str,
) -> dict[str, Any]:
    client = Client.of(
        payload.event.client_id,
        payload.client_name,
        payload.cloud,
        payload.partner_name,
        default_cloud=settings.cloud,
    )
    return render(
        payload.event,
        client,
        application=payload.application_name,
        firing=payload.firing,
        dedup_key=dedup_key,
        console_host=settings.console_urls.get(client.cloud),
        prefix=prefix,
        form=payload.summary,
        why=settings.public_url and f"{settings.public_url}/notifications/{notification_id}",
    )


def request_with(
    body: Mapping[str, Any], key: IntegrationKey, region: str, settings: RequestSettings
) -> Request:
    """Return the request that sends ``body``, which has no key yet, to the host of a region."""
    return Request(settings.events_urls[region] + ENQUEUE_PATH, encode(body, key), key)


def request_to_resolve(
    dedup_key: str, key: IntegrationKey, region: str, settings: RequestSettings
) -> Request:
    """Return the request that resolves what is open under a dedup key (spec 1: drills, tests)."""
    return Request(settings.events_urls[region] + ENQUEUE_PATH, encode_resolve(dedup_key, key), key)


def render(
    event: Event,
    client: Client,
    *,
    dedup_key: str,
    console_host: str | None,
    application: str | None = None,
    firing: Firing | None = None,
    prefix: str = "",
    form: SummaryForm = BEFORE,
    why: str | None = None,
) -> dict[str, Any]:
    """Return the body of an alert, without the routing key (spec 4).

    The alert is of ``event`` itself, or of the ``firing`` that the event caused. ``console_host`` is the
    host or URL of the console of the client's cloud; None: alerts have no link to it. ``application`` is the
    client's name for the application of an event that has no name of it. ``prefix`` goes
    before the summary, as ``TEST_PREFIX``, which is of this ``form``. ``why`` is the page that says why the
    alert came. Raise ValueError for an event that is only counted.
    """
    kind = EVENT_TYPES[event.type]
    if application is not None:
        event = replace(event, body={**event.body, "application_name": application})
    console = _console_url(console_host)
    alert = alert_of(event) if firing is None else alert_of_firing(firing, event, console)
    severity = event.severity if firing is None else firing.severity
    original = alert.headline or kind.headline
    headline = alert.own_headline or original
    words = original if form is SummaryForm.ORIGINAL else headline
    payload: dict[str, Any] = {
        "summary": prefix
        + summary_of(event, firing, headline=words, partner=client.partner_name, form=form),
        "source": SOURCE,
        "severity": severity.word,
        "timestamp": event.occurred_at.astimezone(UTC).isoformat(),
        "component": alert.component,
        "group": alert.group,
        "class": kind.notification_type,
        "custom_details": _details(event, firing, alert, client, headline=headline),
    }
    body: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {name: value for name, value in payload.items() if value is not None},
        "links": [*_links(event, firing, console), *_link_to(why, _WHY)],
    }
    if why or console:
        body |= {"client": _CONSOLE, "client_url": why or console}
    return body


def _details(
    event: Event, firing: Firing | None, alert: Alert, client: Client, *, headline: str
) -> dict[str, Any]:
    """Return the details of an alert: what all have, then those of its type."""
    notification_type = EVENT_TYPES[event.type].notification_type
    cloud = client.cloud.upper()
    occurrence = {"event_id": str(event.id)} if firing is None else {"firing_id": str(firing.id)}
    lines = (headline, "", *alert.lines, *alert.notes)
    return {
        "client_name": client.name,
        "cloud": cloud,
        "notification_type": notification_type,
        **occurrence,
        "headline": headline,
        "description": _description(notification_type, lines, client.name, cloud),
        **alert.details,
    }


def test_alerts(client: Client, now: datetime, form: SummaryForm) -> list[dict[str, Any]]:
    """Return the three bodies of test alerts: new user, new trigger, new security issue (spec 1)."""
    samples: tuple[dict[str, Any], ...] = (
        {
            "type": "user.created",
            "user_name": "Test User",
            "user_email": "test@example.com",
            "user_role": "admin",
        },
        {"type": "trigger.created", "trigger_id": 1, "name": "Test trigger"},
        {
            "type": "security_issue.detected",
            "issue_id": "test",
            "title": "Test",
            "risk": "medium",
            "host": "example.com",
            "path": "/",
            "method": "GET",
            "issue_type": "Info",
        },
    )
    return [
        render(
            Event(uuid4(), client.id, sample["type"], now, sample, b""),
            client,
            dedup_key=uuid4().hex,
            console_host=None,
            prefix=TEST_PREFIX,
            form=form,
        )
        for sample in samples
    ]


def _description(notification_type: str, lines: Iterable[str], client_name: str, cloud: str) -> str:
    text = "\n".join(lines)
    return (
        f"Notification type: {notification_type}\n\n{text}\n\n"
        f"Client: {line_of(client_name)}\nCloud: {cloud}\n"
    )


# Links.


def _links(event: Event, firing: Firing | None, console: str | None) -> list[dict[str, str]]:
    """Return the event's own link, or the link to the list of the counted events."""
    if firing is None or firing.window is None:
        return _event_links(event.body)
    return _link_to(events_link(firing, console), VIEW_EVENTS)


def _link_to(href: str | None, text: str) -> list[dict[str, str]]:
    return [{"href": href, "text": text}] if href else []


def _event_links(body: Mapping[str, Any]) -> list[dict[str, str]]:
    for field, text in (("link", "More details"), ("url", "URL")):
        if is_url(body.get(field)):
            return [{"href": body[field], "text": text}]
    return []


def _console_url(host: str | None) -> str | None:
    if not host:
        return None
    url = host if "://" in host else f"https://{host}"
    return url if is_url(url) else None
