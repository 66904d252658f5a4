"""Calls that are set aside, as workers died of them: SWEEP tries them again each hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.set_aside import AGAIN_IN

if TYPE_CHECKING:
    from wallarm_notify.services.context import Context

AT_ONCE: Final = 10
"""So many are tried again in one run at most; the next goes on."""


def try_again(ctx: Context) -> int:
    """Enqueue what was set aside an hour ago, or tried then for the last time; return how many. Raises Unavailable.

    One that the broker does not take is due in an hour again, as is one that another worker dies of.
    """
    tried = 0
    for _ in range(AT_ONCE):
        due = ctx.store.transact(lambda tx: tx.due_set_aside(AGAIN_IN))
        if due is None:
            break
        tried += ctx.publisher.enqueue(due.call)
    return tried
