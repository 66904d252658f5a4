"""``events.ingest``: producers' events come in. The tasks never end by an exception (engine 4)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Task

from tasks.process import wiring
from wallarm_notify import task_names
from wallarm_notify.broker.app import app
from wallarm_notify.broker.ingest_request import IngestRequest
from wallarm_notify.broker.retry_in_place import retry_in_place
from wallarm_notify.broker.watched_request import watched_id
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.routed import Routed
from wallarm_notify.schemas.call_text import read_calls_or_texts
from wallarm_notify.schemas.read import read_call
from wallarm_notify.services.ingest import ingest as ingest_events


@app.task(
    name=task_names.INGEST,
    bind=True,
    typing=False,
    Request=IngestRequest,
    acks_on_failure_or_timeout=False,
)
def ingest(self: Task, *args: Any, **kwargs: Any) -> str:  # type: ignore[type-arg]  # generic in the types alone
    """Store and route a list of events; events that cannot be taken in are kept as rejected."""
    events, rejections = read_call(args, kwargs, self.request.get("origin"))
    return _take_in(events, rejections, watched_id(self.request))


@app.task(
    name=task_names.INGEST_CALLS,
    bind=True,
    Request=IngestRequest,
    acks_on_failure_or_timeout=False,
)
def ingest_calls(self: Task, calls: list[Any], origins: list[str | None] | None = None) -> str:  # type: ignore[type-arg]  # see above
    """Store and route the events of several calls of ``events.ingest`` at once: see ``broker.batching``.

    ``origins`` are their producers, as these name themselves. A single call that cannot be decoded as a whole
    comes here too: see ``schemas.call_text``.
    """
    events, rejections = read_calls_or_texts(calls, origins or [self.request.get("origin")])
    return _take_in(events, rejections, watched_id(self.request))


def _take_in(events: Sequence[Event], rejections: Sequence[Rejection], task_id: UUID | None) -> str:
    results = retry_in_place(lambda: _take_in_once(events, rejections, task_id))
    return "; ".join(result.words for result in results)


def _take_in_once(
    events: Sequence[Event], rejections: Sequence[Rejection], task_id: UUID | None
) -> list[Routed]:
    parts = wiring()
    return ingest_events(
        parts.context,
        events,
        rejections,
        dispatcher=parts.inline_dispatcher,
        tally=parts.ahead_tally,
        task_id=task_id,
    )
