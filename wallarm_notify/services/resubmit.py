"""Resubmit: a rejected event (dead letter) is taken in after all, as it is or mended (spec 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.routing import route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


class _StillRejected(Refused):
    """The refusal of an event that routing rejected again: the transaction is rolled back."""


def rejected_body(ctx: Context, scope: Scope, rejected_id: int) -> str:
    """Return the text of a rejected event. Raise NotFound, Unavailable.

    Raise Refused where it is cut, or the event was re-submitted already.
    """
    row = ctx.store.transact(lambda tx: _standing(tx, scope, rejected_id))
    if row["cut"]:
        raise Refused(
            f"Of rejected event {rejected_id} only the first 64 kB were kept.",
            hint=Hint(Todo.GIVE_WHOLE_EVENT),
        )
    return str(row["body_text"])


def resubmit_event(
    ctx: Context, actor: Actor, scope: Scope, rejected_id: int, event: Event
) -> Routed:
    """Take in ``event`` in place of a rejected one, in one transaction; return what became of it.

    The ledger's ``received`` stays as it is. Raise NotFound, Refused, Unavailable.
    """

    def work(tx: Transaction) -> Routed:
        row = _standing(tx, scope, rejected_id)
        scope.check(event.client_id)
        tx.mark_resubmitted(rejected_id, event.id)
        log_changes(tx, actor, _change_of(rejected_id, event))
        routed = route(tx, [replace(event, sent_by=row["sent_by"])], (), ctx)
        if routed.duplicates:
            raise _StillRejected(
                f"Event {event.id} was taken in before with this very body; rejected event "
                f"{rejected_id} stays as it is."
            )
        if not routed.matched + routed.unmatched:
            raise _StillRejected(
                f"Event {event.id} cannot be taken in now: its time is more than 5 minutes ahead, or another "
                f"event has this id. Rejected event {rejected_id} stays as it is.",
                hint=Hint(Todo.MEND),
            )
        # Out of rejected, and in again as an event: received does not move.
        tx.count({"rejected": -1, "received": -1})
        return routed

    routed = ctx.store.transact(work)
    ctx.publisher.publish(messages(routed.pending, routed.now))
    return routed


def _change_of(rejected_id: int, event: Event) -> Change:
    return Change(
        *(Action.RESUBMITTED, ObjectType.REJECTED_EVENT, event.client_id, rejected_id),
        after={"event_id": str(event.id)},
    )


def _standing(tx: Transaction, scope: Scope, rejected_id: int) -> Mapping[str, Any]:
    row = tx.lock_rejected(scope, rejected_id)
    if row is None:
        raise NotFound(f"There is no rejected event {rejected_id}.", hint=Hint(Todo.SEE_REJECTED))
    if row["resubmitted_as"] is not None:
        raise Refused(
            f"Rejected event {rejected_id} was re-submitted already, as event {row['resubmitted_as']}."
        )
    return row
