"""Attendance: whoever runs tells in its log of queues that nobody takes from.

It is read without a scope: it says nothing of any client.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wallarm_notify.domain.attendance import (
    Attendance,
    Change,
    Look,
    attendance_after,
)
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.readiness import HEARTBEAT

if TYPE_CHECKING:
    from collections.abc import Collection
    from threading import Event

    from wallarm_notify.domain.attendance import Notice
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)


class Watch:
    """What one process of a node sees of ``queues``, those that somebody has to take from."""

    def __init__(self, ctx: Context, queues: Collection[str]) -> None:
        self._ctx = ctx
        self._queues = queues
        self._known = Attendance()

    def look(self) -> None:
        """Look once, and log what there is to log. It raises nothing: the next look may do better."""
        try:
            seen = self._ctx.store.transact(_look)
        except NotifyError:
            return  # readiness says that the database is away
        except Exception:
            log.exception("attendance.failed")
            return
        self._known, notices = attendance_after(self._known, seen, self._queues)
        for notice in notices:
            _log(notice)


def watch_until(ended: Event, ctx: Context, queues: Collection[str]) -> None:
    """Look every ``HEARTBEAT`` until ``ended``; for processes that note no heartbeats of their own."""
    watch = Watch(ctx, queues)
    while not ended.wait(HEARTBEAT.total_seconds()):
        watch.look()


def _look(tx: Transaction) -> Look:
    return Look(tx.now, tx.nodes(), tx.queue_lengths())


def _log(notice: Notice) -> None:
    fields = {
        "queue": notice.queue,
        "seconds": round(notice.time.total_seconds()),
        "messages": notice.messages,
    }
    todo = {"todo": f"start a worker: celery -A tasks worker -Q {notice.queue}"}
    match notice.change:
        case Change.UNATTENDED:
            log.error("queue.unattended", extra=fields | todo)
        case Change.STILL_UNATTENDED:
            log.error("queue.still_unattended", extra=fields | todo)
        case Change.ATTENDED:
            log.info("queue.attended", extra=fields)
