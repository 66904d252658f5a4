"""Take in ahead: events kept apart for their time are routed once it has come near enough (spec 2)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import TooMuch
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.event import Event
    from wallarm_notify.services.context import Context

log = logging.getLogger(__name__)

AT_ONCE: Final = 500
"""At most so many events are read and routed at once."""

AT_ONCE_BYTES: Final = 4_000_000
"""At most so many bytes of events are read at once: a worker's memory holds them several times."""

WORKS_FOR: Final = 2.0
"""Seconds after which a run begins no further batch; the next run goes on."""


def take_in_ahead(ctx: Context) -> int:
    """Route the events kept apart whose time has come; return how many. Raise Unavailable.

    Two runs at once, or one that is killed, harm nothing.
    """
    until = ctx.clock() + WORKS_FOR
    routed = 0
    while True:
        events = ctx.store.transact(lambda tx: tx.no_longer_ahead(AT_ONCE, AT_ONCE_BYTES))
        if not events:
            return routed
        went_well = _take_in(ctx, events)
        routed += len(events)
        if not went_well or ctx.clock() >= until:
            return routed


def _take_in(ctx: Context, events: Sequence[Event]) -> bool:
    """Route ``events``; return whether none of them has to be tried again."""
    went_well = True
    try:
        ingest(ctx, events, (), takes_in_ahead=True)
    except TooMuch:
        # One of them is too much for the database: it must not keep the others from coming in.
        for event in events:
            try:
                ingest(ctx, [event], (), takes_in_ahead=True)
            except TooMuch as error:
                log.error("ahead.not_taken_in", extra={"event": event.id, "error": str(error)})  # noqa: TRY400 - it says all
                went_well = False
    return went_well
