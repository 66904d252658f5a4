"""Testing an integration: a few test alerts at once, and PagerDuty's answer to each (spec 1)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.outcome import Tested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Target:
    """Where test alerts go."""

    client: Client
    region: str
    key: IntegrationKey
    now: datetime


class Testing:
    """Sends test alerts synchronously; they are no notifications and count in no ratio."""

    def __init__(
        self,
        store: Store,
        *,
        default_cloud: str,
        alerts: Callable[[Client, datetime], Sequence[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any], Target], Answer],
    ) -> None:
        self._store = store
        self._default_cloud = default_cloud
        self._alerts = alerts
        self._send = send

    def saved(self, integration_id: int) -> list[Tested]:
        """Tests an integration that is stored. Raises NotFound, Unavailable."""

        def work(tx: Transaction) -> Target:
            stored = tx.lock_integration(integration_id)
            if stored is None:
                raise NotFound(f"There is no integration {integration_id}.")
            key = tx.integration_key(stored)
            return self._target(tx, stored.client_id, stored.region, key)

        return self._test(self._store.transact(work))

    def unsaved(self, client_id: int, region: str, key: IntegrationKey) -> list[Tested]:
        """Tests a key before it is saved. Raises Unavailable."""
        return self._test(self._store.transact(lambda tx: self._target(tx, client_id, region, key)))

    def _target(self, tx: Transaction, client_id: int, region: str, key: IntegrationKey) -> Target:
        name, cloud, partner = tx.client(client_id)
        client = Client.of(client_id, name, cloud, partner, default_cloud=self._default_cloud)
        tx.note_grants(key, len(self._alerts(client, tx.now)))
        return Target(client, region, key, tx.now)

    def _test(self, target: Target) -> list[Tested]:
        """All at once, so that three that hang take no longer than one."""
        alerts = self._alerts(target.client, target.now)
        with ThreadPoolExecutor(len(alerts), "test") as pool:
            answers = list(pool.map(lambda alert: self._send(alert, target), alerts))
        return [
            Tested(str(alert["payload"]["summary"]), answer)
            for alert, answer in zip(alerts, answers, strict=True)
        ]
