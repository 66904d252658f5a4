"""Preview events: who would be told by the rules of now, and the alerts.

Nothing is stored and nothing sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.preview import Glances, Previewed, preview_of
from wallarm_notify.domain.rules import Rules
from wallarm_notify.domain.sending import Payload, ShownSending
from wallarm_notify.pagerduty.glances import glances_of
from wallarm_notify.services.name_applications import name_applications

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class PreviewedAlert:
    """An alert as it would be sent, but without its key, and its first words."""

    body: Mapping[str, Any]
    glances: Glances


@dataclass(frozen=True, slots=True)
class PreviewedEvent:
    """An event, and each way that the rules have for it, with the alert of the way."""

    event: Event
    ways: Sequence[tuple[Previewed, PreviewedAlert | None]]

    @property
    def shown(self) -> list[tuple[Previewed, tuple[Mapping[str, Any], Glances] | None]]:
        """The ways, each with the body of its alert and its first words, as its document has them."""
        return [
            (way, None if alert is None else (alert.body, alert.glances))
            for way, alert in self.ways
        ]


def preview_events(
    ctx: Context,
    scope: Scope,
    events: Sequence[Event],
    render: Callable[[ShownSending], dict[str, Any]],
) -> list[PreviewedEvent]:
    """Return what would become of ``events``. Raise NotFound for a client outside ``scope``, Unavailable.

    ``render`` makes the alert that a notification is sent as.
    """
    clients = sorted({event.client_id for event in events})
    for client_id in clients:
        scope.check(client_id)

    def work(tx: Transaction) -> dict[int, tuple[Rules, tuple[str | None, str | None, str | None]]]:
        return {c: (tx.standing_rules(scope, c) or Rules(0), tx.client(c)) for c in clients}

    known = ctx.store.transact(work)
    found = [
        [
            (one, _sending(one, event, known[event.client_id][1]))
            for one in preview_of(event, known[event.client_id][0])
        ]
        for event in events
    ]
    payloads = [sending.payload for ways in found for _, sending in ways if sending is not None]
    named = iter(ctx.store.transact(lambda tx: name_applications(tx, payloads)))
    return [
        PreviewedEvent(
            event,
            [
                (one, None if sending is None else _alert(sending, next(named), render))
                for one, sending in ways
            ],
        )
        for event, ways in zip(events, found, strict=True)
    ]


def _sending(
    one: Previewed, event: Event, client: tuple[str | None, str | None, str | None]
) -> ShownSending | None:
    """Return what would be sent by one way; None where nothing is."""
    integration = one.way.integration
    if not one.has_alert or integration is None:
        return None
    name, cloud, partner_name = client
    payload = Payload(
        event=event,
        firing=one.firing,
        origin="card" if one.firing is None else one.firing.origin,
        region=integration.region,
        key=None,
        client_name=name,
        cloud=cloud,
        partner_name=partner_name,
        summary=integration.summary,
    )
    return ShownSending(
        notification_id=0,
        run=1,
        due_at=event.occurred_at,
        integration_id=integration.id,
        payload=payload,
        masked_key=None,
    )


def _alert(
    sending: ShownSending, payload: Payload, render: Callable[[ShownSending], dict[str, Any]]
) -> PreviewedAlert:
    """Return the alert of what would be sent, with a payload that names what can be named."""
    alert = render(replace(sending, payload=payload))
    body = {field: value for field, value in alert.items() if field != "routing_key"}
    return PreviewedAlert(body, glances_of(body))
