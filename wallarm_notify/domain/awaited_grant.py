"""Whether a notification waits for a grant of the rate limit, as people see it (spec 5)."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.retry import wait_after
from wallarm_notify.domain.views import ShownNotification

LATER: Final = timedelta(seconds=1)
"""How much later than its wait an attempt is due at least if it waits for a grant."""


def awaited_grant(n: ShownNotification, *, scale: float) -> datetime | None:
    """Return about when a notification gets its grant; None: it waits for none, as far as anybody knows.

    A first attempt is due at once, unless it found no grant. A later one is due after its wait, or at the time
    that an answer asked for: after one that may have asked, nobody knows. ``scale`` multiplies the waits.
    """
    if n.next_attempt_at is None or not n.is_ahead:
        return None
    if n.state is State.PENDING:
        return None if n.closing else n.next_attempt_at
    wait = wait_after(n.attempts_made, closing=n.closing, scale=scale)
    if n.last_answered_at is None or wait is None or _may_ask(n.last_status_code):
        return None
    is_later = n.next_attempt_at - n.last_answered_at > wait + LATER
    return n.next_attempt_at if is_later else None


def _may_ask(status: int | None) -> bool:
    """Return whether an answer with this status may carry a ``Retry-After``."""
    if status is None:
        return False
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return status == HTTPStatus.TOO_MANY_REQUESTS or not is_refusal
