"""Crash points in a worker: ``celery -A tasks worker -I chaos.armed``, armed by an environment variable.

Nothing in the product knows of them. This module wraps the steps of a worker's way and, where one is
armed, ends the process there with SIGKILL, its whole worker with it, or waits until the test has done
something to the rest of the world.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.services import deliver, route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.pagerduty.client import Response

VARIABLE: Final = "CHAOS_POINTS"
"""A JSON list of {point, action, times}, and the folder where what was met is noted down."""

FOLDER: Final = "CHAOS_FOLDER"

POINTS: Final = (
    "ingest.begun",
    "ingest.before_commit",
    "ingest.committed",
    "ingest.rung",
    "claim.begun",
    "claim.before_commit",
    "claim.committed",
    "courier.handed",
    "send.begun",
    "send.answered",
    "record.before_commit",
    "record.committed",
    "record.rung",
)
"""Every step of the way, in its order."""

ACTIONS: Final = ("kill_child", "kill_worker", "pause")

LONGEST_PAUSE: Final = 20.0

_folder = Path(os.environ.get(FOLDER, "."))
_armed = {one["point"]: one for one in json.loads(os.environ.get(VARIABLE, "[]"))}


def point(name: str) -> None:
    """Does what is armed at ``name``, as often as it says, whatever process comes first."""
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
    """Whether it is still to happen: each time is a file that only one process can make."""
    for number in range(times):
        with suppress(FileExistsError):
            (_folder / f"met.{name}.{number}").touch(exist_ok=False)
            return True
    return False


class PointedBell:
    """A doorbell that marks what comes before and after it."""

    def __init__(self, bell: Any, before: str, after: str) -> None:
        self._bell = bell
        self._before = before
        self._after = after

    def ring(self, messages: Sequence[Any]) -> None:
        point(self._before)
        self._bell.ring(messages)
        point(self._after)


def _wrap(owner: Any, name: str, before: str | None = None, after: str | None = None) -> None:
    """Marks the points around a function, or method, of ``owner``."""
    whole = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            point(before)
        result = whole(*args, **kwargs)
        if after is not None:
            point(after)
        return result

    setattr(owner, name, wrapped)


def _wrap_wait(name: str) -> None:
    """Marks where answers have come, before anything is done with them."""
    whole = HttpClient.wait

    def wait(self: HttpClient[Any], seconds: float | None = None) -> list[Response[Any]]:
        responses = whole(self, seconds)
        if responses:
            point(name)
        return responses

    HttpClient.wait = wait  # type: ignore[method-assign]


def _give_pointed_bell(owner: Any, before: str, after: str) -> None:
    """Lets ``owner``'s instances ring a doorbell that marks its points."""
    whole = owner.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        pointed = (PointedBell(a, before, after) if hasattr(a, "ring") else a for a in args)
        whole(self, *pointed, **kwargs)

    owner.__init__ = init


if _armed:
    _wrap(route.Router, "ingest", before="ingest.begun")
    _wrap(route, "route", after="ingest.before_commit")
    _wrap(deliver.Delivery, "claim", before="claim.begun", after="claim.committed")
    _wrap(deliver, "take", after="claim.before_commit")
    _wrap(deliver, "write_down", after="record.before_commit")
    _wrap(Dispatcher, "dispatch", before="courier.handed")
    _wrap(HttpClient, "begin", before="send.begun")
    _wrap_wait("send.answered")
    _give_pointed_bell(route.Router, "ingest.committed", "ingest.rung")
    # What follows from a record is enqueued with it, or when it has been buffered for a while.
    _give_pointed_bell(RetryBuffer, "record.committed", "record.rung")
