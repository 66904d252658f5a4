"""Metrics in Prometheus's text form, read from the database at each scrape."""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.lateness import BOUNDS_MS
from wallarm_notify.domain.traffic import TOOK_BOUNDS_MS, Traffic
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
    yield from _of_drills(figures)
    yield _of_lateness(figures)
    yield from _of_queues(figures)
    yield from _of_traffic(figures.traffic)
    yield _counter(
        "events_rejected_not_kept",
        "Rejected events that were not kept, as too many of their client were that day; of no type.",
        None,
        {"": figures.not_kept},
    )
    yield _gauge("calls_set_aside", "Calls that workers died of.", None, {"": figures.set_aside})
    yield _gauge(
        "messages_undecodable",
        "Messages of the last hour that could not be decoded.",
        None,
        {"": figures.undecodable},
    )
    yield from _of_notifications(figures)
    yield from _of_processes(figures)


def _of_lateness(figures: Measurements) -> Metric:
    late = HistogramMetricFamily(
        f"{PREFIX}attempt_lateness_seconds",
        "How much later than it was due an attempt began; cycle 0 is of first attempts.",
        labels=["cycle"],
    )
    for one in figures.lateness:
        bounds = (*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf")
        buckets = list(zip(bounds, (*one.within, one.attempts), strict=True))
        late.add_metric([str(one.cycle)], buckets, one.total.total_seconds())
    return late


def _of_queues(figures: Measurements) -> Iterator[Metric]:
    messages = GaugeMetricFamily(
        f"{PREFIX}queue_messages", "Messages that wait in a queue of the broker.", labels=["queue"]
    )
    waiting = GaugeMetricFamily(
        f"{PREFIX}queue_waiting_seconds",
        "How long a queue of the broker was not seen empty: what waits came or was handed back since.",
        labels=["queue"],
    )
    for one in figures.queues:
        messages.add_metric([one.queue], one.messages)
        waiting.add_metric([one.queue], one.waiting.total_seconds())
    yield messages
    yield waiting


def _of_traffic(traffic: Traffic) -> Iterator[Metric]:
    for name, numbers, what in (
        ("events", traffic.events, "Events that were taken in."),
        ("events_matched", traffic.matched, "Events of which notifications were made."),
    ):
        yield _counter(name, what, "type", numbers)
    rejected = CounterMetricFamily(
        f"{PREFIX}events_rejected",
        "Events that were rejected, by what is wrong with them; type unknown: of no known one.",
        labels=["type", "reason"],
    )
    for (kind, wrong), number in traffic.rejected.items():
        rejected.add_metric([kind, wrong], number)
    yield rejected
    yield _counter(
        "events_rejected_by_sender",
        "Events that were rejected, by who sent them: a token or user of the API, or task: a Celery client.",
        "sender",
        traffic.rejected_from,
    )
    yield _counter(
        "rate_limit_waits",
        "Times that a notification was told to wait for its turn by the rate limit of its key.",
        None,
        {"": traffic.waits},
    )
    yield CounterMetricFamily(
        f"{PREFIX}rate_limit_wait_seconds",
        "How long these waits are together.",
        value=traffic.waited.total_seconds(),
    )
    yield _counter(
        "attempts",
        "Requests to PagerDuty: accepted, or why not (network: no answer, server: 5xx, throttled: 429, client: 4xx).",
        "answer",
        traffic.attempts,
    )
    took = HistogramMetricFamily(
        f"{PREFIX}attempt_seconds", "How long requests to PagerDuty took.", labels=[]
    )
    bounds = (*(str(bound / 1000) for bound in TOOK_BOUNDS_MS), "+Inf")
    buckets = list(zip(bounds, (*traffic.took.within, traffic.took.attempts), strict=True))
    took.add_metric([], buckets, traffic.took.total.total_seconds())
    yield took
    yield _counter("swept", "Notifications that SWEEP enqueued again.", None, {"": traffic.swept})


def _of_notifications(figures: Measurements) -> Iterator[Metric]:
    yield _counter("notifications", "Notifications that were made.", None, {"": figures.made})
    yield _gauge(
        "notifications_stored",
        "Notifications that are stored, by their state.",
        "state",
        figures.states,
    )
    yield _gauge(
        "overdue_seconds",
        "How long the delivery is overdue that is so for longest.",
        None,
        {"": figures.overdue.total_seconds()},
    )
    yield _gauge(
        "feeds_quiet",
        "Clients of which no event came for twice as long as ever in the week before; doctor names some.",
        None,
        {"": figures.quiet},
    )
    yield _gauge(
        "integrations_slow",
        "Integrations for which PagerDuty answers slowly: one request at a time.",
        None,
        {"": figures.slow},
    )
    yield _gauge(
        "integration_failed_ratio",
        "The share of failed attempts of the last hour, of the ten worst of those above a half.",
        "integration",
        figures.failing,
    )
    yield _gauge(
        "integration_rate_limited_seconds",
        "For how long an integration's last alert waits for the rate limit, of the ten longest above a minute.",
        "integration",
        {number: wait.total_seconds() for number, wait in figures.rate_limited.items()},
    )


def _of_processes(figures: Measurements) -> Iterator[Metric]:
    yield _gauge(
        "queue_consumers",
        "Workers' nodes that take from a queue and were seen within a minute.",
        "queue",
        figures.consumers,
    )
    yield _gauge(
        "node_seen_seconds",
        "How long ago a worker's node was seen; it is forgotten after a day.",
        "node",
        {node: ago.total_seconds() for node, ago in figures.nodes.items()},
    )
    yield _gauge(
        "beat_run_seconds",
        "How long ago a task of beat began.",
        "task",
        {name: ago.total_seconds() for name, ago in figures.runs.items()},
    )


def _counter(
    name: str, what: str, label: str | None, numbers: Mapping[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(PREFIX + name, what, labels=[] if label is None else [label])
    for value, number in numbers.items():
        family.add_metric([] if label is None else [value], number)
    return family


def _gauge(
    name: str, what: str, label: str | None, numbers: Mapping[Any, float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, what, labels=[] if label is None else [label])
    for value, number in numbers.items():
        family.add_metric([] if label is None else [str(value)], number)
    return family


def _of_drills(figures: Measurements) -> Iterator[Metric]:
    if figures.oldest_proof is not None:
        oldest = GaugeMetricFamily(
            f"{PREFIX}oldest_proof_seconds",
            "How long ago that enabled integration was proven by a drill whose last proof is oldest.",
        )
        oldest.add_metric([], figures.oldest_proof.total_seconds())
        yield oldest
    failed = GaugeMetricFamily(
        f"{PREFIX}drills_failed", "Enabled integrations that failed their last drill."
    )
    failed.add_metric([], figures.drills_failed)
    yield failed
