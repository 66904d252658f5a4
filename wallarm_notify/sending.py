"""The requests to PagerDuty that a process makes, by its settings."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from wallarm_notify.domain.client import CLOUDS
from wallarm_notify.domain.integration import REGIONS, IntegrationKey
from wallarm_notify.domain.outcome import Answer
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import RequestSettings, request_to_resolve, request_with
from wallarm_notify.services.send_test_alerts import Target
from wallarm_notify.settings import Settings


def send_test_alert(settings: Settings, alert: Mapping[str, Any], target: Target) -> Answer:
    """Send one test alert to ``target``; return the answer."""
    with HttpClient[None](http_settings_of(settings)) as client:
        return client.post(
            request_with(alert, target.key, target.region, request_settings_of(settings))
        )


def send_resolve(
    settings: Settings, dedup_key: str, region: str, key: IntegrationKey, within: timedelta
) -> Answer:
    """Send a ``resolve`` to a region's host, as alerts are sent, but within this time; return the answer."""
    request = request_to_resolve(dedup_key, key, region, request_settings_of(settings))
    http = http_settings_of(settings)
    whole = min(http.request_timeout, within.total_seconds())
    shorter = replace(http, request_timeout=whole, connect_timeout=min(http.connect_timeout, whole))
    with HttpClient[None](shorter) as client:
        return client.post(request)


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
        public_url=settings.public_base,
    )
