"""Celery's request of a task that is to know whether somebody watches tasks, as in Flower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from celery.worker.request import Request

if TYPE_CHECKING:
    from celery.app.task import Context

_IS_WATCHED: Final = "wallarm_notify_is_watched"
"""The field of a request by which the worker tells its process that somebody may watch tasks."""


def are_watched(eventer: Any) -> bool:
    """Return whether a worker sends events of tasks: with ``-E``, or because a monitor asked for them."""
    return bool(eventer and eventer.enabled and (not eventer.groups or "task" in eventer.groups))


class WatchedRequest(Request):
    """A request that lets its task know whether somebody may watch it."""

    def __init__(self, message: Any, **given: Any) -> None:
        super().__init__(message, **given)
        # Asked once: a monitor may ask for events while the task waits for its time.
        self._is_watched = are_watched(given.get("eventer"))
        # What a sender says of it is not read.
        self.request_dict[_IS_WATCHED] = self._is_watched


def is_watched(request: Context) -> bool:
    """Return whether somebody may watch the task of ``request``, in the process that runs it."""
    return bool(request.get(_IS_WATCHED))


def watched_id(request: Context) -> UUID | None:
    """Return the id of the task of ``request``; None: nobody watches, or its producer gave it no UUID."""
    try:
        return UUID(str(request.id)) if is_watched(request) else None
    except ValueError:
        return None
