"""Crash points in a worker: ``celery -A tasks worker -I chaos.armed``, armed by an environment variable.

Nothing in the product knows of them. This module wraps the steps of a worker's way and, where one is
armed, ends the process there with SIGKILL, its whole worker with it, or waits until the test has done
something to the rest of the world.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.pagerduty.client import HttpClient, Response

VARIABLE: Final = "CHAOS_POINTS"
"""Variables: a JSON list of {point, action, times}, and the folder where points that were met are noted."""

FOLDER: Final = "CHAOS_FOLDER"

POINTS: Final = (
    "ingest.begun",
    "ingest.before_commit",
    "ingest.committed",
    "ingest.published",
    "claim.begun",
    "claim.before_commit",
    "claim.committed",
    "dispatcher.handed",
    "send.begun",
    "send.answered",
    "record.before_commit",
    "record.committed",
    "record.published",
)
"""Every crash point, in the order of the steps."""

ACTIONS: Final = ("kill_child", "kill_worker", "pause")

LONGEST_PAUSE: Final = 120.0

_folder = Path(os.environ.get(FOLDER, "."))
_armed = {one["point"]: one for one in json.loads(os.environ.get(VARIABLE, "[]"))}


def point(name: str) -> None:
    """Do what is armed at ``name``, as often as it says, in whichever process comes first."""
    one = _armed.get(name)
    if one is None or not _may(name, one["times"]):
        return
    match one["action"]:
        case "kill_child":
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_worker":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        case "pause":
            deadline = time.monotonic() + LONGEST_PAUSE
            while not (_folder / "go-on").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            (_folder / f"left.{name}").touch()


def _may(name: str, times: int) -> bool:
    """Return whether it is still to happen: each time is a file that only one process can make."""
    for number in range(times):
        with suppress(FileExistsError):
            (_folder / f"met.{name}.{number}").touch(exist_ok=False)
            return True
    return False


_now = threading.local()
"""``step`` is what this thread is doing: ``ingest`` or ``record``."""


def _wrap(owner: Any, name: str, before: str | None = None, after: str | None = None) -> None:
    """Make crash points before and after a function, or method, of ``owner``."""
    whole = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            point(before)
        result = whole(*args, **kwargs)
        if after is not None:
            point(after)
        return result

    setattr(owner, name, wrapped)


def _wrap_wait(owner: Any, name: str) -> None:
    """Make a crash point where answers have come, before anything is done with them."""
    whole = owner.wait

    def wait(self: HttpClient[Any], seconds: float | None = None) -> list[Response[Any]]:
        responses: list[Response[Any]] = whole(self, seconds)
        if responses:
            point(name)
        return responses

    owner.wait = wait


def _wrap_step(owner: Any, name: str, step: str) -> None:
    """Set ``step`` during a function, or method, of ``owner``, for what is published in it."""
    whole = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _now.step = step
        try:
            return whole(*args, **kwargs)
        finally:
            _now.step = None

    setattr(owner, name, wrapped)


def _wrap_publish(owner: Any) -> None:
    """Make crash points before and after a publish, which follows the commit of a step."""
    whole = owner.publish

    def publish(self: Any, messages: Sequence[Any]) -> None:
        step = getattr(_now, "step", None)
        if step is not None:
            point(f"{step}.committed")
        whole(self, messages)
        if step is not None:
            point(f"{step}.published")

    owner.publish = publish


def _arm() -> None:
    # In a worker alone: the tests read the names of the points, and have no broker's URL for Celery's app.
    from tasks import delivery, routing  # noqa: PLC0415
    from wallarm_notify.broker.publisher import CeleryPublisher  # noqa: PLC0415
    from wallarm_notify.pagerduty.client import HttpClient  # noqa: PLC0415
    from wallarm_notify.sender import recorder  # noqa: PLC0415
    from wallarm_notify.sender.dispatcher import Dispatcher  # noqa: PLC0415
    from wallarm_notify.sender.retry_buffer import RetryBuffer  # noqa: PLC0415
    from wallarm_notify.services import claim, ingest, record  # noqa: PLC0415

    _wrap_step(routing, "ingest_events", "ingest")
    _wrap(routing, "ingest_events", before="ingest.begun")
    _wrap(ingest, "route", after="ingest.before_commit")
    _wrap(delivery, "claim", before="claim.begun", after="claim.committed")
    _wrap(claim, "_take", after="claim.before_commit")
    _wrap(record, "write_down", after="record.before_commit")
    _wrap(Dispatcher, "dispatch", before="dispatcher.handed")
    _wrap(HttpClient, "begin", before="send.begun")
    _wrap_wait(HttpClient, "send.answered")
    # What follows from a record is enqueued in it, or when it has gathered.
    _wrap_step(recorder, "record_attempts", "record")
    _wrap_step(RetryBuffer, "publish", "record")
    _wrap_publish(CeleryPublisher)


if _armed:
    _arm()
