"""Metrics in Prometheus' text form, made of what the database holds at the moment of asking."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.services.measure import Figures

PREFIX = "wallarm_notify_"


class FiguresCollector(Collector):
    """Asks for the figures at every scrape; where the database is away only ``up`` is left."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        try:
            figures = self._figures()
        except Unavailable:
            figures = None
        up = GaugeMetricFamily(f"{PREFIX}up", "1 while the database answers.")
        up.add_metric([], float(figures is not None))
        yield up
        if figures is not None:
            yield from _of(figures)


def registry_of(figures: Callable[[], Figures]) -> CollectorRegistry:
    """A registry with nothing but our metrics."""
    registry = CollectorRegistry()
    registry.register(FiguresCollector(figures))
    return registry


def exposition(figures: Callable[[], Figures]) -> str:
    """The metrics as one page of text."""
    return generate_latest(registry_of(figures)).decode()


def _of(figures: Figures) -> Iterator[Metric]:
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
        "1 while PagerDuty is down for at least half of the integrations.",
    )
    outage.add_metric([], float(figures.outage))
    yield outage
