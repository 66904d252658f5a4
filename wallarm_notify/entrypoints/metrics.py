"""Metrics in Prometheus's text form, read from the database at each scrape."""

import socket
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.hosts import UNKNOWN, KnownHosts
from wallarm_notify.services.measure import Measurements

PREFIX = "wallarm_notify_"


class FiguresCollector(Collector):
    """A collector that reads the figures at every scrape; only ``up`` is left if the database is away."""

    def __init__(self, figures: Callable[[], Measurements]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        try:
            figures = self._figures()
        except Unavailable:
            figures = None
        up = GaugeMetricFamily(f"{PREFIX}up", "1 while the database answers.")
        up.add_metric([], float(figures is not None))
        yield up
        if figures is not None:
            yield from _of(figures)


def registry_of(figures: Callable[[], Measurements]) -> CollectorRegistry:
    """Return a registry with this system's metrics and no others."""
    registry = CollectorRegistry()
    registry.register(FiguresCollector(figures))
    return registry


def exposition(figures: Callable[[], Measurements]) -> str:
    """Return the metrics as one page of text."""
    return generate_latest(registry_of(figures)).decode()


class MetricsServer(ThreadingMixIn, WSGIServer):
    """A server of the metrics at ``address`` for requests with a known host name.

    It listens once it is made. Raise OSError if it cannot, or UnicodeError for an invalid address.
    """

    daemon_threads = True

    def __init__(
        self, address: str, port: int, figures: Callable[[], Measurements], hosts: KnownHosts
    ) -> None:
        family, *_, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__((str(place[0]), port), _Quiet)
        page = make_wsgi_app(registry_of(figures))

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if hosts.know(environ.get("HTTP_HOST")):
                answered: Iterable[bytes] = page(environ, start_response)
                return answered
            start_response(
                "421 Misdirected Request", [("Content-Type", "text/plain; charset=utf-8")]
            )
            return [UNKNOWN.encode()]

        self.set_app(answer)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Log nothing."""


def _of(figures: Measurements) -> Iterator[Metric]:
    warnings = CounterMetricFamily(
        f"{PREFIX}failure_ratio_warnings",
        "Times that an integration's failure ratio rose over this many per cent.",
        labels=["level"],
    )
    for level, number in figures.warnings.items():
        warnings.add_metric([str(level)], number)
    yield warnings
    off = CounterMetricFamily(
        f"{PREFIX}integrations_auto_disabled", "Integrations that were disabled automatically."
    )
    off.add_metric([], figures.auto_disabled)
    yield off
    fired = CounterMetricFamily(f"{PREFIX}trigger_firings", "Times that a trigger fired.")
    fired.add_metric([], figures.fired)
    yield fired
    integrations = GaugeMetricFamily(
        f"{PREFIX}integrations", "Integrations by their switch.", labels=["state"]
    )
    integrations.add_metric(["enabled"], figures.enabled)
    integrations.add_metric(["disabled"], figures.disabled)
    yield integrations
    outage = GaugeMetricFamily(
        f"{PREFIX}pagerduty_outage",
        "1 while a region of PagerDuty is down for its integrations; the log says which.",
    )
    outage.add_metric([], float(figures.outage))
    yield outage
    lag = GaugeMetricFamily(
        f"{PREFIX}prune_lag_seconds",
        "How long the oldest event that PRUNE has to look at is past its retention; it grows where PRUNE is behind.",
    )
    lag.add_metric([], figures.prune_lag.total_seconds())
    yield lag
