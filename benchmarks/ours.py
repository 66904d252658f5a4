"""This pipeline, as it is run to be measured: its workers, its events, and its ledger at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from benchmarks.sink import title
from benchmarks.stack import CORES, BenchmarkStack, Void
from wallarm_notify.devstack.processes import end, wait_until
from wallarm_notify.devstack.stack import PATIENCE, READY_SECONDS
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.ledger import recount

QUEUES: Final = "events,celery,notifications,upkeep"


@contextmanager
def at_work(stack: BenchmarkStack, events: int) -> Iterator[None]:
    """Start our workers and beat; end them when nothing is open any more.

    Raise Void where the ledger does not balance then, or another number than ``events`` was received.
    """
    before = stack.counted("received")
    workers = [
        stack.start_worker("-Q", QUEUES, name="first", concurrency=CORES),
        stack.start_worker("-Q", "retries", name="retries", concurrency=CORES),
        stack.start_beat(name="beat"),
    ]
    workers[-1].wait_for("Starting", READY_SECONDS)
    try:
        yield
        wait_until(lambda: stack.open_notifications() == 0, 60, "the last record")
    finally:
        end(workers, PATIENCE)
    ledger = recount(stack.wiring.context, EVERY_CLIENT)
    # Of a retention below an hour the attempts of that hour are gone, and their counters are not.
    findings = [
        finding
        for finding in ledger.findings
        if not ("minutes of the last hour" in finding and stack.settings.retention_days < 1 / 24)
    ]
    if findings or ledger.received - before != events:
        raise Void(
            f"the ledger does not balance: {ledger.received - before} received of {events}, "
            f"{findings}"
        )


def event(n: int, client: int) -> dict[str, Any]:
    """Return the ``n``-th event, a security issue of the client, which its integration subscribes to."""
    return {
        "id": str(uuid4()),
        "client_id": client,
        "type": "security_issue.detected",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "issue_id": str(n),
        "title": title(),
        "risk": "high",
    }
