"""Composition: the only place where the parts of a process are put together."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.outcome import Answer
from wallarm_notify.domain.sending import ShownSending
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.pagerduty.request import (
    shown_alert,
)
from wallarm_notify.services.context import Context, ServiceSettings
from wallarm_notify.services.ports import Publisher
from wallarm_notify.services.send_test_alerts import Target
from wallarm_notify.settings import Settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import Connections, Unpooled
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE, RETRIES_QUEUE

_POOL_SIZE: Final = 4
"""How many connections to the database a server's process keeps open."""

_DELIVERING: Final = frozenset({NOTIFICATIONS_QUEUE, RETRIES_QUEUE})

_EVENTS_SECONDS: Final = 2.0
"""How long a process that ends waits for its last events of tasks."""

log = logging.getLogger(__name__)


def context_of(
    settings: Settings,
    *,
    keyless: bool = False,
    pooled: bool = False,
    connections: int = _POOL_SIZE,
) -> Context:
    """Return the context of this process's use cases. Raise SettingsError.

    The context of a server is ``pooled``: so many ``connections`` stay open, and all of it is made at once, after
    the fork. That of a command connects for each transaction and checks the database before the first. It imports
    no SQLAlchemy, and Celery and what makes requests only where something is sent: people wait for it. A
    ``keyless`` one handles no integration keys and needs no WALLARM_NOTIFY_SECRET_KEYS.
    """
    cipher = None if keyless else KeyCipher(settings.fernet_keys())
    url = settings.database()
    store = Store(
        _pool(url, connections) if pooled else Unpooled(url), cipher, checks_first=not pooled
    )
    publisher = _celery_publisher() if pooled else _LatePublisher()
    return Context(store, publisher, service_settings_of(settings))


def _pool(url: str, connections: int) -> Connections:
    from wallarm_notify.store.pool import Pool  # noqa: PLC0415 - SQLAlchemy, only in servers

    return Pool(url, connections)


def _celery_publisher() -> Publisher:
    from wallarm_notify.broker.app import app  # noqa: PLC0415 - Celery, only where messages are sent
    from wallarm_notify.broker.publisher import CeleryPublisher  # noqa: PLC0415 - see above

    return CeleryPublisher(app)


class _LatePublisher:
    """The publisher of a command, which is made for the first message: most commands send none."""

    @cached_property
    def _publisher(self) -> Publisher:
        return _celery_publisher()

    def publish(self, messages: Sequence[Message]) -> None:
        """See ``services.ports.Publisher``."""
        if messages:
            self._publisher.publish(messages)

    def length(self, *, first: bool) -> int | None:
        """See ``services.ports.Publisher``."""
        return self._publisher.length(first=first)

    def lengths(self) -> Mapping[str, int]:
        """See ``services.ports.Publisher``."""
        return self._publisher.lengths()

    def enqueue(self, call: TriedCall) -> bool:
        """See ``services.ports.Publisher``."""
        return self._publisher.enqueue(call)

    def request_replays(self) -> None:
        """See ``services.ports.Publisher``."""
        self._publisher.request_replays()


class Wiring:
    """The settings of a process, and the context that it gives to use cases."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context

    @property
    def store(self) -> Store:
        """The database."""
        return self.context.store

    def shown_alert(self, shown: ShownSending) -> dict[str, Any]:
        """Return the alert that a notification is sent as, with its key masked."""
        from wallarm_notify.sending import request_settings_of  # noqa: PLC0415 - see context_of

        return shown_alert(shown, request_settings_of(self.settings))

    def send_test_alert(self, alert: Mapping[str, Any], target: Target) -> Answer:
        """Send one test alert to ``target``; return the answer."""
        from wallarm_notify.sending import send_test_alert  # noqa: PLC0415 - see context_of

        return send_test_alert(self.settings, alert, target)

    def send_resolve(
        self, dedup_key: str, region: str, key: IntegrationKey, within: timedelta
    ) -> Answer:
        """Send a ``resolve`` to a region's host, as alerts are sent, but within this time; return the answer."""
        from wallarm_notify.sending import send_resolve  # noqa: PLC0415 - see context_of

        return send_resolve(self.settings, dedup_key, region, key, within)


def service_settings_of(settings: Settings) -> ServiceSettings:
    """Return the settings of the use cases."""
    return ServiceSettings(
        grace=settings.grace,
        lease=settings.lease,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        retry_time_scale=settings.retry_time_scale,
        rejected_per_day=settings.rejected_per_day,
        retention=timedelta(days=settings.retention_days),
        unmatched_retention=None
        if settings.unmatched_retention_days is None
        else timedelta(days=settings.unmatched_retention_days),
        sweep_interval=timedelta(seconds=settings.sweep_seconds),
        review_interval=timedelta(seconds=settings.review_seconds),
        prune_interval=timedelta(seconds=settings.prune_seconds),
        policy=policy_of(settings),
        cloud=settings.cloud,
        summary=SummaryForm(settings.summary),
        drill_interval=timedelta(hours=settings.drill_hours) if settings.drill_hours else None,
    )


def policy_of(settings: Settings) -> Policy:
    """Return the policy of the review; ``min_span`` is scaled like the waits between attempts."""
    span = timedelta(seconds=settings.failure_min_span) * settings.retry_time_scale
    return Policy(
        ratio=settings.failure_ratio,
        window=timedelta(seconds=settings.failure_window),
        min_attempts=settings.failure_min_attempts,
        min_span=span,
        outage_guard=settings.outage_guard,
    )
