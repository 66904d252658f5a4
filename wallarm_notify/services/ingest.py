"""Ingest: events and rejections are stored and routed, a transaction for each part (spec 2, engine 4)."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.batches import gap_between, messages
from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.errors import BadRow, TooMuch, Unavailable
from wallarm_notify.domain.event import Wrong
from wallarm_notify.services.inline_dispatch import hand_over, room_of
from wallarm_notify.services.routing import TooMuchOfOneClient, conflict, route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from wallarm_notify.domain.clock import AheadTally
    from wallarm_notify.domain.errors import NotifyError
    from wallarm_notify.domain.event import Event, Rejection
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.services.context import Context
    from wallarm_notify.services.ports import Dispatcher

log = logging.getLogger(__name__)

SLICE: Final = 1000
"""At most so many events are routed in one transaction (spec 2)."""


def ingest(
    ctx: Context,
    events: Sequence[Event],
    rejections: Sequence[Rejection],
    *,
    dispatcher: Dispatcher | None = None,
    tally: AheadTally | None = None,
    takes_in_ahead: bool = False,
    task_id: UUID | None = None,
) -> list[Routed]:
    """Route ``events`` and keep ``rejections``, a transaction for each part; publish after each commit.

    ``dispatcher`` is that of this process, where it delivers: it is given first attempts that it has room
    for. ``tally`` counts, over all calls, how many events are ahead of the database's clock.
    ``takes_in_ahead``: these events were kept apart for their time, which has come. ``task_id`` is the watched task
    that takes them in, for people who look for what an attempt was made by.

    An event that the database refuses is found by halving, and kept as rejected. Raise Unavailable: parts
    that were committed before it stay, and to repeat the call is harmless.
    """
    parts = deque(_slices(events, rejections))
    results = []
    while parts:
        part = parts.popleft()
        try:
            routed = _route(
                ctx, part, dispatcher, tally, takes_in_ahead=takes_in_ahead, task_id=task_id
            )
        except (BadRow, Unavailable) as error:
            parts.extendleft(reversed(_smaller(part, error)))
            continue
        except Exception as error:  # a fault of ours must not lose the batch (engine 4)
            log.exception("ingest.fault")
            parts.extendleft(reversed(_smaller(part, BadRow(f"internal error: {error!r}"))))
            continue
        if tally is not None:
            at = ctx.clock()
            tally.add(len(part.events), routed.early, at)
            _report_clock(tally, routed.now, at)
        gap = gap_between(ctx.settings.rate_limit_per_minute)
        ctx.publisher.publish(messages(routed.pending, routed.now, gap=gap))
        results.append(routed)
    return results


@dataclass(frozen=True, slots=True)
class Part:
    """What is routed in one transaction."""

    events: Sequence[Event]
    rejections: Sequence[Rejection] = ()


def _slices(events: Sequence[Event], rejections: Sequence[Rejection]) -> list[Part]:
    first, *others = range(0, max(len(events), 1), SLICE)
    return [
        Part(events[first : first + SLICE], rejections),
        *(Part(events[start : start + SLICE]) for start in others),
    ]


def _smaller(part: Part, error: NotifyError) -> list[Part]:
    """Return the parts to try in place of ``part``. Raise Unavailable where there is none.

    A single event that the database refuses becomes a rejection, and a rejection that it refuses a plain one.
    """
    events, rejections = part.events, part.rejections
    if isinstance(error, TooMuchOfOneClient):
        others = [e for e in events if e.client_id != error.client_id]
        of_client = [e for e in events if e.client_id == error.client_id]
        return [Part(others, rejections), Part(of_client)]
    if isinstance(error, TooMuch):
        if len(events) + bool(rejections) < 2:  # noqa: PLR2004 - there is nothing to part
            raise error
    elif isinstance(error, Unavailable):
        raise error
    if rejections and events:
        return [Part((), rejections), Part(events)]
    if len(events) > 1:
        middle = len(events) // 2
        return [Part(events[:middle]), Part(events[middle:])]
    if len(events) == 1:
        return [Part((), [_refused(events[0], error)])]
    if len(rejections) > 1:
        middle = len(rejections) // 2
        return [Part((), rejections[:middle]), Part((), rejections[middle:])]
    if len(rejections) == 1 and rejections[0] != (plain := _plainly(rejections[0])):
        return [Part((), [plain])]
    raise Unavailable(f"A rejected event cannot be kept: {error}")


def _refused(event: Event, error: NotifyError) -> Rejection:
    refused = conflict(event, canonical(event.body))
    return replace(refused, reason=str(error), wrong=Wrong.DATABASE)


def _route(
    ctx: Context,
    part: Part,
    dispatcher: Dispatcher | None,
    tally: AheadTally | None,
    *,
    takes_in_ahead: bool,
    task_id: UUID | None,
) -> Routed:
    """Route ``part`` and hand over what it claimed; where claiming goes wrong, route it without."""

    def run(room: Mapping[int, int]) -> Routed:
        return ctx.store.transact(
            lambda tx: route(
                tx,
                part.events,
                part.rejections,
                ctx,
                room=room,
                tally=tally,
                takes_in_ahead=takes_in_ahead,
            )
        )

    room = room_of(dispatcher, {e.client_id for e in part.events})
    if not room:
        return run(room)
    try:
        routed = run(room)
    except TooMuchOfOneClient:
        raise
    except (BadRow, TooMuch) as error:
        log.warning("ingest.runs_again_without_claim", extra={"error": str(error)})
        return run({})
    except Unavailable:
        raise
    except Exception:
        log.exception("ingest.runs_again_without_claim")
        return run({})
    hand_over(dispatcher, routed.claim and replace(routed.claim, task_id=task_id))
    return routed


def _report_clock(tally: AheadTally, now: datetime, at: float) -> None:
    """Log, now and then, that the database's clock is behind that of most events."""
    if tally.is_database_behind and tally.may_complain(at):
        log.error(
            "database.clock_behind",
            extra={
                "database_time": now.isoformat(),
                "ahead": tally.ahead,
                "events": tally.number,
                "hint": "most events of the last minute are more than 5 minutes ahead of the database's clock: "
                "set that clock; until then they are kept apart (wallarm-notify events ahead)",
            },
        )


def _plainly(rejection: Rejection) -> Rejection:
    """Return ``rejection`` without anything that a database might refuse."""
    reason = rejection.reason.encode("ascii", "backslashreplace").decode().replace("\0", "")
    text = rejection.text.encode("ascii", "backslashreplace").decode()
    return replace(
        rejection, reason=reason, text=text, event_id=None, client_id=None, type=None, sent_by=None
    )
