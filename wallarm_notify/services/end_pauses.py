"""End pauses: what was disabled until a time that has come is enabled (spec 1 and 3).

Beat's SWEEP calls it. The time is the database's; where nobody looked when it came, the next run does it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import NotifyError, Unavailable
from wallarm_notify.services.manage_integrations import end_pause_of_integration
from wallarm_notify.services.manage_triggers import end_pause_of_trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.services.context import Context

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW: Final = 3
"""After so many the run ends: the database is away, and each further one would wait for it."""

AT_ONCE: Final = 500
"""At most so many integrations, and so many triggers, are enabled by a run; the next run goes on."""


def end_pauses(ctx: Context) -> int:
    """Enable the integrations and triggers whose pause is over; return how many.

    Each is a transaction of its own, which looks again. Two runs at once, or one that is killed, harm nothing.
    Raise Unavailable where the database was not there for several in a row.
    """
    integrations, triggers = ctx.store.transact(lambda tx: tx.pauses_over(AT_ONCE))
    ends: list[tuple[str, int, Callable[[Context, int], bool]]] = [
        *(("integration", i, end_pause_of_integration) for i in integrations),
        *(("trigger", t, end_pause_of_trigger) for t in triggers),
    ]
    enabled = failures = 0
    for kind, number, end in ends:
        try:
            ended = end(ctx, number)
            failures = 0
        except NotifyError as error:
            failures += isinstance(error, Unavailable)
            log.error("pause.not_ended", extra={kind: number, "error": str(error)})  # noqa: TRY400 - it says all
            if failures == FAILURES_IN_A_ROW:
                raise
            continue
        if ended:
            log.info("pause.ended", extra={kind: number})
            enabled += 1
    return enabled
