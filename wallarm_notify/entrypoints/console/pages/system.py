"""System: whether alerts are delivered, and how what delivers them keeps up."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.integration import REGIONS
from wallarm_notify.domain.lateness import BOUNDS_MS, Lateness
from wallarm_notify.domain.operation import LATELY, SHOWN, Operation
from wallarm_notify.domain.readiness import GONE_AFTER, LATE_AFTER, QueueLength
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import bars
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited
from wallarm_notify.services.diagnose import diagnose_stored
from wallarm_notify.services.operation import show_operation
from wallarm_notify.task_names import (
    DEFAULT_QUEUE,
    EVENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    QUEUES,
    RETRIES_QUEUE,
    UPKEEP_QUEUE,
)

router = APIRouter(route_class=PageRoute)

USES: Final[Mapping[str, str]] = {
    EVENTS_QUEUE: "Events from producers",
    DEFAULT_QUEUE: "Events from producers that name no queue",
    NOTIFICATIONS_QUEUE: "First attempts",
    RETRIES_QUEUE: "Retries",
    UPKEEP_QUEUE: "Beat's tasks, replays and computations",
}
"""What is in each queue."""

BOUNDS: Final = (1_000, 15_000, 60_000, 240_000)
"""The bounds of lateness that are shown, in milliseconds."""

CYCLES: Final = ("First attempts", "Cycle 1", "Cycle 2", "Cycle 3")
"""The cycles in words: lateness counts first attempts as cycle 0."""


@router.get("/system")
@needs(Thing.INFRASTRUCTURE, Verb.VIEW)
def show(visit: Visited) -> Response:
    """Show how the installation works now; to htmx that part alone."""
    readiness = visit.console.parts.readiness.show()
    operation = show_operation(visit.pages, visit.scope)
    found = diagnose_stored(visit.pages, visit.scope, QUEUES, readiness.broker)
    minutes = operation.minutes
    highest = max((one.attempts for one in minutes), default=0)
    values: dict[str, Any] = {
        "readiness": readiness,
        "operation": operation,
        "found": found,
        "queues": _queues(operation),
        "uses": USES,
        "taken_by": _taken_by(operation),
        "gone_before": operation.now - GONE_AFTER,
        "late_after": LATE_AFTER,
        "lately": LATELY,
        "shown": SHOWN,
        "regions": REGIONS,
        "lateness": [(CYCLES[one.cycle], one, _shares(one)) for one in operation.lateness],
        "bounds": [timedelta(milliseconds=bound) for bound in BOUNDS],
        "attempts": bars([one.attempts for one in minutes], highest=highest),
        "failed": bars([one.failed for one in minutes], highest=highest),
    }
    if visit.request.headers.get("hx-request") == "true":
        return visit.part("system.html", "now", **values)
    return visit.page("system.html", **values)


def share_words(part: int, whole: int) -> str:
    """Return a share in per cent, rounded down: ``99.9 %`` of a thousand that lack one."""
    if part >= whole:
        return "100 %"
    tenths = 1000 * part // whole
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def _shares(late: Lateness) -> list[str]:
    """Return which share of a cycle's attempts keeps each of the bounds; empty ones where there are no attempts."""
    if not late.attempts:
        return ["" for _ in BOUNDS]
    return [share_words(late.within[BOUNDS_MS.index(bound)], late.attempts) for bound in BOUNDS]


def _queues(operation: Operation) -> Sequence[tuple[str, QueueLength | None]]:
    """Return every queue in its order, with what was measured of it; those that we do not know come last."""
    measured = {one.queue: one for one in operation.queues}
    names = [*QUEUES, *(name for name in measured if name not in QUEUES)]
    return [(name, measured.get(name)) for name in names]


def _taken_by(operation: Operation) -> dict[str, int]:
    """Return how many living nodes take from each queue."""
    living = [one for one in operation.nodes if operation.now - one.seen_at <= GONE_AFTER]
    return {queue: sum(queue in one.queues for one in living) for queue in QUEUES}
