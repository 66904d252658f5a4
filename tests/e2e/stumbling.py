"""A worker in which Celery fails for batch messages: ``celery -A tasks worker -I e2e.stumbling``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.worker.consumer import Consumer

from wallarm_notify.task_names import INGEST_CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

_whole = Consumer.create_task_handler


def _create_task_handler(self: Consumer, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
    receive = _whole(self, *args, **kwargs)

    def stumble(message: Any) -> None:
        if message.headers["task"] == INGEST_CALLS:
            raise RuntimeError("no task for so many")
        receive(message)

    return stumble


Consumer.create_task_handler = _create_task_handler  # type: ignore[method-assign]
