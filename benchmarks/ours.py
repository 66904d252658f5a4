"""This pipeline, as it is run to be measured: its workers, its events, and its ledger at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from benchmarks.sink import title
from benchmarks.stage import Stage, Void, until
from wallarm_notify.services.ledger import draw_up

QUEUES: Final = "events,celery,notifications,upkeep"


@contextmanager
def at_work(stage: Stage, events: int) -> Iterator[None]:
    """Our workers and beat, ready; they end when nothing is open any more.

    Raises Void where the ledger does not balance then, or another number than ``events`` was received.
    """
    before = stage.counted("received")
    workers = [
        stage.start_worker("first", "tasks", QUEUES),
        stage.start_worker("retries", "tasks", "retries"),
        stage.start("beat", ["-m", "celery", "-A", "tasks", "beat", "-l", "INFO"]),
    ]
    beat = stage.folder / "beat.log"
    until(lambda: "Starting" in beat.read_text() or None, 60, "beat to be ready")
    try:
        yield
        until(lambda: stage.open_notifications() == 0 or None, 60, "the last record")
    finally:
        stage.end(*workers)
    ledger = draw_up(stage.wiring.store)
    if ledger.findings or ledger.received - before != events:
        raise Void(
            f"the ledger does not balance: {ledger.received - before} received of {events}, "
            f"{ledger.findings}"
        )


def event(n: int, client: int) -> dict[str, Any]:
    """The ``n``-th event, of the client: a security issue, which its integration subscribes to."""
    return {
        "id": str(uuid4()),
        "client_id": client,
        "type": "security_issue.detected",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "issue_id": str(n),
        "title": title(),
        "risk": "high",
    }
