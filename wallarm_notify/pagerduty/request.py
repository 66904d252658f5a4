"""The request of a notification: its event or firing rendered as the body of a POST (spec 4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from wallarm_notify.domain.alert_identity import dedup_key as dedup_key_of
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.sending import Sending
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.pagerduty.encode import SOURCE, encode, is_url
from wallarm_notify.pagerduty.event_alerts import alert_of, line_of
from wallarm_notify.pagerduty.firing_alerts import VIEW_EVENTS, alert_of_firing, events_link

TEST_PREFIX: Final = "[Test message] "

ENQUEUE_PATH: Final = "/v2/enqueue"

_CONSOLE: Final = "Wallarm Console"


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
    none.
    """

    events_urls: Mapping[str, str]
    console_urls: Mapping[str, str | None]
    cloud: str


def request_of(sending: Sending, settings: RequestSettings) -> Request:
    """Return the request for a claimed notification: its bytes are equal in every attempt (spec 4).

    Raise ValueError for an event that is only counted, KeyError for an unknown region.
    """
    payload = sending.payload
    client = Client.of(
        payload.event.client_id,
        payload.client_name,
        payload.cloud,
        payload.partner_name,
        default_cloud=settings.cloud,
    )
    body = render(
        payload.event,
        client,
        firing=payload.firing,
        dedup_key=dedup_key_of(
            payload.occurrence, payload.origin, sending.notification.integration_id
        ),
        console_host=settings.console_urls.get(client.cloud),
    )
    return request_with(body, sending.key, payload.region, settings)


def request_with(
    body: Mapping[str, Any], key: IntegrationKey, region: str, settings: RequestSettings
) -> Request:
    """Return the request that sends ``body``, which has no key yet, to the host of a region."""
    return Request(settings.events_urls[region] + ENQUEUE_PATH, encode(body, key), key)


def render(
    event: Event,
    client: Client,
    *,
    dedup_key: str,
    console_host: str | None,
    firing: Firing | None = None,
    prefix: str = "",
) -> dict[str, Any]:
    """Return the body of an alert, without the routing key (spec 4).

    The alert is of ``event`` itself, or of the ``firing`` that the event caused. ``console_host`` is the
    host or URL of the console of the client's cloud; None: alerts have no link to it. ``prefix`` goes
    before the summary, as ``TEST_PREFIX``. Raise ValueError for an event that is only counted.
    """
    kind = EVENT_TYPES[event.type]
    console = _console_url(console_host)
    alert = alert_of(event) if firing is None else alert_of_firing(firing, event, console)
    severity = event.severity if firing is None else firing.criteria.condition.terms.severity
    origin = "" if firing is None else "Trigger: "
    cloud = client.cloud.upper()
    occurrence = {"event_id": str(event.id)} if firing is None else {"firing_id": str(firing.id)}
    payload: dict[str, Any] = {
        "summary": f"{prefix}[{client.partner_name}] {origin}{alert.headline or kind.headline}",
        "source": SOURCE,
        "severity": severity.word,
        "timestamp": event.occurred_at.astimezone(UTC).isoformat(),
        "component": alert.component,
        "group": alert.group,
        "class": kind.notification_type,
        "custom_details": {
            "client_name": client.name,
            "cloud": cloud,
            "notification_type": kind.notification_type,
            **occurrence,
            "description": _description(
                kind.notification_type, (*alert.lines, *alert.notes), client.name, cloud
            ),
            **alert.details,
        },
    }
    body: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {name: value for name, value in payload.items() if value is not None},
        "links": _links(event, firing, console),
    }
    if console:
        body |= {"client": _CONSOLE, "client_url": console}
    return body


def test_alerts(client: Client, now: datetime) -> list[dict[str, Any]]:
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
    link = events_link(firing, console)
    return [{"href": link, "text": VIEW_EVENTS}] if link else []


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
