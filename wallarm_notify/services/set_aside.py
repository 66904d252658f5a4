"""Try again: calls that were set aside, as workers died of them, are enqueued each hour (dead letters)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.set_aside import AGAIN_IN

if TYPE_CHECKING:
    from wallarm_notify.services.context import Context

AT_ONCE: Final = 10
"""At most so many are tried again in one run; the next run goes on."""


def try_again(ctx: Context) -> int:
    """Enqueue calls that were set aside, or tried last, an hour ago; return how many. Raise Unavailable.

    A call that the broker does not take is due again in an hour, as is one that another worker dies of.
    """
    tried = 0
    for _ in range(AT_ONCE):
        due = ctx.store.transact(lambda tx: tx.due_set_aside(AGAIN_IN))
        if due is None:
            break
        tried += ctx.publisher.enqueue(due.call)
    return tried
