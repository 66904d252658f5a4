"""The only place where the parts of a process meet."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from threading import RLock
from typing import Any, Self, TypeVar, overload

from wallarm_notify.domain.client import CLOUDS
from wallarm_notify.domain.clock import AheadTally
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.outcome import Answer
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import RequestSettings, request_with
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sender.in_flight import Dispatch, InFlight
from wallarm_notify.sender.recorder import Recorder
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.services.context import Context, ServiceSettings
from wallarm_notify.services.measure import Measurements, measure
from wallarm_notify.services.send_test_alerts import Target
from wallarm_notify.settings import Settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import make_engine
from wallarm_notify.store.encryption import KeyCipher

T = TypeVar("T")

log = logging.getLogger(__name__)

_making = RLock()


class made_once(cached_property[T]):  # noqa: N801 - it is used like the one it is made of
    """A ``cached_property`` of which threads that ask for it at once get the same."""

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object, owner: type | None = None) -> Self | T:
        """The value; from the second time on Python finds it in the instance, and does not come here."""
        with _making:
            return super().__get__(instance, owner)


@dataclass(frozen=True)
class Wiring:
    """Everything a process of ours is made of, each part made at its first use.

    Make one in each process, after the fork. A ``keyless`` one handles no integration keys and
    needs no WALLARM_NOTIFY_SECRET_KEYS. One that ``checks_first`` checks the database at its first use, as
    a process has to that does not do so at its start.
    """

    settings: Settings
    keyless: bool = False
    delivers: bool = False
    checks_first: bool = False

    @made_once
    def store(self) -> Store:
        """The database, with keys."""
        if self.keyless:
            return self.plain_store
        cipher = KeyCipher(self.settings.fernet_keys())
        return Store(make_engine(self.settings.database()), cipher, checks_first=self.checks_first)

    @made_once
    def plain_store(self) -> Store:
        """The database for what handles no keys: it needs no WALLARM_NOTIFY_SECRET_KEYS."""
        engine = make_engine(self.settings.database(), pool_size=0)
        return Store(engine, checks_first=self.checks_first)

    @made_once
    def context(self) -> Context:
        """What use cases are given."""
        return Context(self.store, self._publisher, service_settings_of(self.settings))

    @made_once
    def _publisher(self) -> Any:
        """The broker. Celery is imported only where messages are sent."""
        from wallarm_notify.broker.app import app  # noqa: PLC0415 - see above
        from wallarm_notify.broker.publisher import CeleryPublisher  # noqa: PLC0415 - see above

        return CeleryPublisher(app)

    @made_once
    def dispatcher(self) -> Dispatcher:
        """What sends this process's claims, and the recorder behind it."""
        # First what may fail: a recorder has a thread, which would be left behind.
        client: HttpClient[Dispatch] = HttpClient(http_settings_of(self.settings))
        in_flight = InFlight()
        recorder = Recorder(in_flight, self.context, RetryBuffer(self._publisher))
        return Dispatcher(client, request_settings_of(self.settings), in_flight, recorder)

    @property
    def inline_dispatcher(self) -> Dispatcher | None:
        """What sends first attempts of what this process routes; None: others send them."""
        if not self.delivers:
            return None
        try:
            return self.dispatcher
        except Exception:  # whatever keeps them from being sent here, they are to be stored
            log.exception("ingest.no_dispatcher")
            return None

    @made_once
    def ahead_tally(self) -> AheadTally:
        """How many of the last minute's events, as this process counts them, were ahead of the database's clock."""
        return AheadTally()

    @made_once
    def policy(self) -> Policy:
        """When an integration is switched off."""
        return policy_of(self.settings)

    def figures(self) -> Measurements:
        """What a monitoring system asks for."""
        return measure(self.plain_store)

    def send_test_alert(self, alert: Mapping[str, Any], target: Target) -> Answer:
        """One test alert."""
        settings = request_settings_of(self.settings)
        with HttpClient[None](http_settings_of(self.settings)) as client:
            return client.post(request_with(alert, target.key, target.region, settings))


def http_settings_of(settings: Settings) -> HttpSettings:
    """The settings that every request to PagerDuty goes by."""
    return HttpSettings(
        connect_timeout=settings.connect_timeout,
        request_timeout=settings.request_timeout,
        ca_file=settings.trusted(),
    )


def request_settings_of(settings: Settings) -> RequestSettings:
    """The settings that what is sent depends on."""
    return RequestSettings(
        events_urls={region: settings.pagerduty_url(region) for region in REGIONS},
        console_urls={cloud: settings.console_host(cloud) for cloud in CLOUDS},
        cloud=settings.cloud,
    )


def service_settings_of(settings: Settings) -> ServiceSettings:
    """The settings that use cases go by."""
    return ServiceSettings(
        grace=settings.grace,
        lease=settings.lease,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        retry_time_scale=settings.retry_time_scale,
        rejected_per_day=settings.rejected_per_day,
        retention=timedelta(days=settings.retention_days),
        sweep_interval=timedelta(seconds=settings.sweep_seconds),
        review_interval=timedelta(seconds=settings.review_seconds),
        prune_interval=timedelta(seconds=settings.prune_seconds),
        policy=policy_of(settings),
        cloud=settings.cloud,
    )


def policy_of(settings: Settings) -> Policy:
    """The settings that the review goes by."""
    span = timedelta(seconds=settings.failure_min_span) * settings.retry_time_scale
    return Policy(
        ratio=settings.failure_ratio,
        window=timedelta(seconds=settings.failure_window),
        min_attempts=settings.failure_min_attempts,
        min_span=span,
        outage_guard=settings.outage_guard,
    )
