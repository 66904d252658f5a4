"""Note feeds: once a minute SWEEP notes when events of each client came (``domain.feed``)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

NAME: Final = "feeds"
EVERY: Final = timedelta(minutes=1)

OVERLAP: Final = timedelta(seconds=15)
"""An event that came may be seen so much later: its transaction was still open when others were noted."""

AT_MOST: Final = timedelta(minutes=10)
"""Where nobody has noted for longer, what came before is left out, so that it is never too much to read."""


def note_feeds(ctx: Context) -> bool:
    """Note what came since the last run; return whether it was time for that. Raise Unavailable."""

    def work(tx: Transaction) -> bool:
        noted_at = tx.last_run(NAME)
        if not tx.may_run(NAME, EVERY):
            return False
        since = AT_MOST if noted_at is None else tx.now - noted_at + OVERLAP
        tx.note_feeds(min(max(since, OVERLAP), AT_MOST))
        return True

    return ctx.store.transact(work)
