"""The page of the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from measured import everything

from reference.markdown import code, filled, page
from wallarm_notify.entrypoints.metrics import registry_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric

INTRODUCTION: Final = """
What `wallarm-notify metrics` and `/metrics` of the API have ([who may see it](../operations.md#flower-and-metrics)).
The figures are read from the database at each scrape. What only grows was counted in the transaction that stored it:
it is exact across workers, restarts and messages that come twice.
"""


def metrics_page() -> str:
    """Return the page: each metric with its type, its labels and what it says."""
    lines = sorted(map(_line, registry_of(everything).collect()))
    return page("Metrics", INTRODUCTION, ["\n".join(lines)])


def _line(family: Metric) -> str:
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    kind = f"{family.type}, by {code(labels)}" if labels else family.type
    return filled(f"- `{name}` ({kind}): {family.documentation}", indent="  ")
