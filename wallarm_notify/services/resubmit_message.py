"""Resubmit: events of undecodable messages, and of calls set aside, are taken in after all (spec 2).

Both are dead letters that were never counted as received, so their events count like any that come.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.event import Event, Rejection
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of kept messages: what one is called, and what is done with it.

    ``standing`` locks and returns a message; it raises NotFound, and Refused where it was re-submitted
    already. ``mark`` notes down that it was.
    """

    words: str
    object_type: ObjectType
    standing: Callable[[Transaction, Scope, int], Mapping[str, Any]]
    mark: Callable[[Transaction, int], None]


def message_body(ctx: Context, scope: Scope, kept: Kept, message_id: int) -> bytes:
    """Return the body of a kept message. Raise NotFound, Unavailable.

    Raise Refused where it is cut, or the message was re-submitted already.
    """
    row = ctx.store.transact(lambda tx: kept.standing(tx, scope, message_id))
    if row["cut"]:
        raise Refused(
            f"Of {kept.words} {message_id} only the first 64 kB of {row['bytes']} bytes were kept.",
            hint=Hint(Todo.GIVE_WHOLE_MESSAGE),
        )
    return bytes(row["body"])


def resubmit_message(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    kept: Kept,
    message_id: int,
    *,
    events: Sequence[Event],
    rejections: Sequence[Rejection],
) -> list[Routed]:
    """Take in the events of a kept message, then mark it; its invalid events are rejected.

    To do it again in between is harmless. The message belongs to no client, and its events to any. Raise
    NotFound, Unavailable, and Refused where no event is valid: then nothing has changed.
    """
    row = ctx.store.transact(lambda tx: kept.standing(tx, scope, message_id))
    if not events:
        why = (
            f"No event of it is valid: {rejections[0].reason}"
            if rejections
            else "It holds no event."
        )
        raise Refused(f"{why} The {kept.words} {message_id} stays as it is.", hint=Hint(Todo.MEND))
    sent_by = row.get("sent_by")
    routed = ingest(
        ctx,
        [replace(event, sent_by=sent_by) for event in events],
        [replace(rejection, sent_by=sent_by) for rejection in rejections],
    )

    def mark(tx: Transaction) -> None:
        kept.standing(tx, scope, message_id)
        kept.mark(tx, message_id)
        taken_in = {"events": len(events), "rejected": len(rejections)}
        change = Change(Action.RESUBMITTED, kept.object_type, object_id=message_id, after=taken_in)
        log_changes(tx, actor, change)

    ctx.store.transact(mark)
    return routed


def _undecodable(tx: Transaction, scope: Scope, message_id: int) -> Mapping[str, Any]:
    row = tx.lock_undecodable(scope, message_id)
    if row is None:
        raise NotFound(
            f"There is no undecodable message {message_id}.", hint=Hint(Todo.SEE_UNDECODABLE)
        )
    if row["resubmitted_at"] is not None:
        raise Refused(
            f"Undecodable message {message_id} was re-submitted already, at "
            f"{row['resubmitted_at']:%Y-%m-%d %H:%M:%S %Z}."
        )
    return row


def _set_aside(tx: Transaction, scope: Scope, call_id: int) -> Mapping[str, Any]:
    kept = tx.lock_set_aside(scope, call_id)
    if kept is None:
        raise NotFound(f"No call {call_id} is set aside.", hint=Hint(Todo.SEE_SET_ASIDE))
    sent_by = json.loads(kept.call.headers).get("origin")
    return {"cut": False, "body": kept.call.body, "sent_by": sent_by}


UNDECODABLE: Final = Kept(
    "undecodable message",
    ObjectType.UNDECODABLE_MESSAGE,
    _undecodable,
    lambda tx, message_id: tx.mark_undecodable_resubmitted(message_id),
)
SET_ASIDE: Final = Kept(
    "call set aside",
    ObjectType.SET_ASIDE_CALL,
    _set_aside,
    lambda tx, call_id: tx.forget_set_aside(call_id),
)
