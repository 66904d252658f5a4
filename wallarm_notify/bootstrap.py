"""Composition: the only place where the parts of a process are put together."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from threading import Lock
from typing import Any, Final

from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.client import CLOUDS
from wallarm_notify.domain.clock import AheadTally
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.outcome import Answer
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import RequestSettings, request_with
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sender.in_flight import Dispatch, InFlight
from wallarm_notify.sender.recorder import Recorder
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.services.context import Context, ServiceSettings
from wallarm_notify.services.ports import Publisher
from wallarm_notify.services.send_test_alerts import Target
from wallarm_notify.settings import Settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import make_engine
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE, RETRIES_QUEUE

_POOL_SIZE: Final = 4
"""How many connections to the database a server's process keeps open."""

_DELIVERING: Final = frozenset({NOTIFICATIONS_QUEUE, RETRIES_QUEUE})

log = logging.getLogger(__name__)


def context_of(settings: Settings, *, keyless: bool = False, pooled: bool = False) -> Context:
    """Return the context of this process's use cases. Raise SettingsError.

    The context of a server is ``pooled``: its connections stay open, and all of it is made at once, after the
    fork. That of a command connects for each transaction, checks the database before the first, and imports
    Celery only where a message is sent. A ``keyless`` one handles no integration keys and needs no
    WALLARM_NOTIFY_SECRET_KEYS.
    """
    cipher = None if keyless else KeyCipher(settings.fernet_keys())
    engine = make_engine(settings.database(), pool_size=_POOL_SIZE if pooled else 0)
    store = Store(engine, cipher, checks_first=not pooled)
    publisher = _celery_publisher() if pooled else _LatePublisher()
    return Context(store, publisher, service_settings_of(settings))


def sender_of(ctx: Context, settings: Settings) -> Dispatcher:
    """Return the dispatcher of a process, which sends its claims; a recorder stores the outcomes."""
    # What may fail is made first: a recorder has a thread, which would be left behind.
    client: HttpClient[Dispatch] = HttpClient(http_settings_of(settings))
    in_flight = InFlight()
    recorder = Recorder(in_flight, ctx, RetryBuffer(ctx.publisher))
    return Dispatcher(client, request_settings_of(settings), in_flight, recorder)


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

    def enqueue(self, call: TriedCall) -> bool:
        """See ``services.ports.Publisher``."""
        return self._publisher.enqueue(call)


class Wiring:
    """The settings of a process, and the context that it gives to use cases."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context

    @property
    def store(self) -> Store:
        """The database."""
        return self.context.store

    def send_test_alert(self, alert: Mapping[str, Any], target: Target) -> Answer:
        """Send one test alert to ``target``; return the answer."""
        settings = request_settings_of(self.settings)
        with HttpClient[None](http_settings_of(self.settings)) as client:
            return client.post(request_with(alert, target.key, target.region, settings))


class WorkerParts(Wiring):
    """What a worker's process is made of, by the queues that it takes from.

    Each process has its own, made after the fork.
    """

    def __init__(self, settings: Settings, queues: Collection[str]) -> None:
        super().__init__(settings, context_of(settings, pooled=True))
        self.ahead_tally = AheadTally()
        """How many of the last minute's events, as this process counts them, were ahead of the database's clock."""
        self._sends_what_it_routes = NOTIFICATIONS_QUEUE in queues
        self._dispatcher: Dispatcher | None = None
        self._making = Lock()
        if not _DELIVERING.isdisjoint(queues):
            with suppress(Exception):  # what needs it tries again, and raises
                self.dispatcher  # noqa: B018 - it is made by asking for it

    @property
    def dispatcher(self) -> Dispatcher:
        """What sends this process's claims; raises whatever keeps it from being made."""
        with self._making:
            if self._dispatcher is None:
                self._dispatcher = sender_of(self.context, self.settings)
            return self._dispatcher

    @property
    def inline_dispatcher(self) -> Dispatcher | None:
        """What sends first attempts of what this process routes; None: other processes send them."""
        if not self._sends_what_it_routes:
            return None
        try:
            return self.dispatcher
        except Exception:  # events are to be stored, whatever keeps them from being sent here
            log.exception("ingest.no_dispatcher")
            return None

    def drain(self, seconds: float) -> None:
        """Wait at most so many ``seconds`` for requests under way to end and be recorded."""
        if self._dispatcher is not None:
            self._dispatcher.drain(seconds)


def http_settings_of(settings: Settings) -> HttpSettings:
    """Return the timeouts and the CA file of requests to PagerDuty."""
    return HttpSettings(
        connect_timeout=settings.connect_timeout,
        request_timeout=settings.request_timeout,
        ca_file=settings.trusted(),
    )


def request_settings_of(settings: Settings) -> RequestSettings:
    """Return the settings by which a request is made: hosts of PagerDuty and of the console, and the cloud."""
    return RequestSettings(
        events_urls={region: settings.pagerduty_url(region) for region in REGIONS},
        console_urls={cloud: settings.console_host(cloud) for cloud in CLOUDS},
        cloud=settings.cloud,
    )


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
