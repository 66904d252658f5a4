"""Send test alerts: a few at once to one integration, and PagerDuty's answer to each (spec 1).

They are no notifications and no part of a failure ratio. The activity log has no line of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.outcome import Tested
from wallarm_notify.pagerduty.request import test_alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class Target:
    """The region and key that test alerts are sent to, and the alerts."""

    region: str
    key: IntegrationKey
    alerts: Sequence[Mapping[str, Any]]


Send: TypeAlias = "Callable[[Mapping[str, Any], Target], Answer]"
"""What sends one test alert and returns the answer."""


def send_test_alerts(ctx: Context, scope: Scope, integration_id: int, send: Send) -> list[Tested]:
    """Send test alerts to a stored integration; return the answers. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> Target:
        stored = tx.lock_integration(scope, integration_id)
        if stored is None:
            raise NotFound(f"There is no integration {integration_id}.")
        return _target(ctx, tx, stored.client_id, stored.region, tx.integration_key(stored))

    return _sent(ctx.store.transact(work), send)


def send_test_alerts_unsaved(
    ctx: Context, scope: Scope, client_id: int, region: str, key: IntegrationKey, *, send: Send
) -> list[Tested]:
    """Send test alerts by a key that is not saved; return the answers. Raise NotFound, Unavailable."""
    scope.check(client_id)
    return _sent(ctx.store.transact(lambda tx: _target(ctx, tx, client_id, region, key)), send)


def _target(
    ctx: Context, tx: Transaction, client_id: int, region: str, key: IntegrationKey
) -> Target:
    client = Client.of(client_id, *tx.client(client_id), default_cloud=ctx.settings.cloud)
    alerts = test_alerts(client, tx.now)
    tx.note_grants(key, len(alerts))
    return Target(region, key, alerts)


def _sent(target: Target, send: Send) -> list[Tested]:
    """Send all alerts at once, so that three that hang take no longer than one."""
    with ThreadPoolExecutor(len(target.alerts), "test") as pool:
        answers = list(pool.map(lambda alert: send(alert, target), target.alerts))
    return [
        Tested(str(alert["payload"]["summary"]), answer)
        for alert, answer in zip(target.alerts, answers, strict=True)
    ]
