"""Send test alerts: a few at once to one integration, and PagerDuty's answer to each (spec 1).

They are no notifications and no part of a failure ratio. The activity log has no line of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.drill import is_unknown_key
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.outcome import Tested
from wallarm_notify.pagerduty.request import test_alerts
from wallarm_notify.services.drill import WHOLE, region_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.summary_form import SummaryForm
    from wallarm_notify.services.context import Context
    from wallarm_notify.services.drill import SendResolve
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class Target:
    """The region and key that test alerts are sent to, and the alerts."""

    region: str
    key: IntegrationKey
    alerts: Sequence[Mapping[str, Any]]


Send: TypeAlias = "Callable[[Mapping[str, Any], Target], Answer]"
"""What sends one test alert and returns the answer."""

NUMBER: Final = 3
"""So many test alerts are sent."""

FOLLOW_UP: Final = timedelta(seconds=5)
"""What follows the answers (closing, the other region) may take so long, however little of the 20 s is left."""


@dataclass(frozen=True, slots=True)
class AlertsTested:
    """The answers to test alerts, and what followed.

    ``other_region`` takes the key where this one does not know it; None: no such. ``closed`` is how many of the alerts
    PagerDuty took a ``resolve`` for; None: that was not asked for. ``opened`` has the dedup keys of all that it took.
    """

    answers: Sequence[Tested]
    other_region: str | None = None
    closed: int | None = None
    opened: Sequence[str] = ()

    @property
    def passed(self) -> int:
        """How many PagerDuty took."""
        return sum(one.passed for one in self.answers)


@dataclass(frozen=True, slots=True)
class Ways:
    """How a test sends and closes alerts; ``announce`` is called before anything is sent.

    With ``closes`` what PagerDuty took is closed after all answers.
    """

    send: Send
    send_resolve: SendResolve
    announce: Callable[[Target], None] = lambda _: None
    closes: bool = False


def send_test_alerts(ctx: Context, scope: Scope, integration_id: int, ways: Ways) -> AlertsTested:
    """Send test alerts to a stored integration; return the answers. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> Target:
        stored = tx.lock_integration(scope, integration_id)
        if stored is None:
            raise NotFound(f"There is no integration {integration_id}.")
        key = tx.integration_key(stored)
        return _target(
            ctx, tx, stored.client_id, stored.region, key, form=stored.summary, ways=ways
        )

    return _sent(ctx, ctx.store.transact(work), ways)


def send_test_alerts_unsaved(
    ctx: Context, scope: Scope, client_id: int, region: str, key: IntegrationKey, *, ways: Ways
) -> AlertsTested:
    """Send test alerts by a key that is not saved; return the answers. Raise NotFound, Unavailable."""
    scope.check(client_id)
    form = ctx.settings.summary

    def work(tx: Transaction) -> Target:
        return _target(ctx, tx, client_id, region, key, form=form, ways=ways)

    return _sent(ctx, ctx.store.transact(work), ways)


def close_test_alerts(
    ctx: Context, scope: Scope, integration_id: int, dedup_keys: Sequence[str], send: SendResolve
) -> int:
    """Close alerts that a test of a stored integration opened; return how many. Raise NotFound, Unavailable."""

    def work(tx: Transaction) -> tuple[str, IntegrationKey]:
        stored = tx.lock_integration(scope, integration_id)
        if stored is None:
            raise NotFound(f"There is no integration {integration_id}.")
        key = tx.integration_key(stored)
        tx.note_grants(key, len(dedup_keys))
        return stored.region, key

    return _closed(*ctx.store.transact(work), dedup_keys, send)


def close_test_alerts_unsaved(
    ctx: Context, region: str, key: IntegrationKey, dedup_keys: Sequence[str], send: SendResolve
) -> int:
    """Close alerts that were opened by a key that is not saved; return how many. Raise Unavailable."""
    ctx.store.transact(lambda tx: tx.note_grants(key, len(dedup_keys)))
    return _closed(region, key, dedup_keys, send)


def _closed(region: str, key: IntegrationKey, dedup_keys: Sequence[str], send: SendResolve) -> int:
    with ThreadPoolExecutor(NUMBER, "close") as pool:
        return sum(
            answer.reason is None
            for answer in pool.map(lambda one: send(one, region, key, WHOLE), dedup_keys)
        )


def _target(
    ctx: Context,
    tx: Transaction,
    client_id: int,
    region: str,
    key: IntegrationKey,
    *,
    form: SummaryForm,
    ways: Ways,
) -> Target:
    client = Client.of(client_id, *tx.client(client_id), default_cloud=ctx.settings.cloud)
    alerts = test_alerts(client, tx.now, form)
    tx.note_grants(key, len(alerts) * (2 if ways.closes else 1))
    return Target(region, key, alerts)


def _sent(ctx: Context, target: Target, ways: Ways) -> AlertsTested:
    """Send all alerts at once, so that three that hang take no longer than one; then do what follows."""
    ways.announce(target)
    began = ctx.clock()
    with ThreadPoolExecutor(len(target.alerts), "test") as pool:
        answers = list(pool.map(lambda alert: ways.send(alert, target), target.alerts))
        left = max(WHOLE - timedelta(seconds=ctx.clock() - began), FOLLOW_UP)
        other, closed = None, None
        if any(map(is_unknown_key, answers)):
            other = region_of_key(target.region, target.key, ways.send_resolve, left)
        if ways.closes:
            taken = [
                a for a, answer in zip(target.alerts, answers, strict=True) if not answer.reason
            ]
            closing = pool.map(
                lambda a: ways.send_resolve(a["dedup_key"], target.region, target.key, left), taken
            )
            closed = sum(answer.reason is None for answer in closing)
    tested = [
        Tested(str(alert["payload"]["summary"]), answer)
        for alert, answer in zip(target.alerts, answers, strict=True)
    ]
    opened = [
        str(alert["dedup_key"])
        for alert, one in zip(target.alerts, tested, strict=True)
        if one.passed
    ]
    return AlertsTested(tested, other, closed, opened)
