"""Whether a notification waits for a grant of the rate limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from build import NOON

from wallarm_notify.domain.awaited_grant import awaited_grant
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.views import ShownNotification

SECOND = timedelta(seconds=1)
ANSWERED = NOON - 3 * SECOND


def shown(**fields: Any) -> ShownNotification:
    """Return an open notification that is due half a minute after noon, when it was read."""
    usual: dict[str, Any] = {
        "state": State.PENDING,
        "next_attempt_at": NOON + 30 * SECOND,
        "is_ahead": True,
        "attempts_made": 0,
        "last_status_code": None,
        "last_error": None,
    }
    return ShownNotification(
        id=1,
        client_id=1,
        event_id=uuid4(),
        firing_id=None,
        event_type="user.created",
        origin="card",
        integration_id=1,
        run=1,
        created_at=NOON,
        finished_at=None,
        end_reason=None,
        **{**usual, **fields},
    )


def retrying(due: datetime, status: int | None, attempts: int = 1, **fields: Any) -> Any:
    return shown(
        state=State.RETRYING,
        next_attempt_at=due,
        attempts_made=attempts,
        last_status_code=status,
        last_answered_at=ANSWERED,
        **fields,
    )


@pytest.mark.parametrize(
    ("notification", "waits"),
    [
        pytest.param(shown(), True, id="a first attempt that is due later"),
        pytest.param(shown(is_ahead=False), False, id="a first attempt that is due"),
        pytest.param(shown(closing=True), False, id="the closing one, which waits for the others"),
        pytest.param(
            shown(state=State.DELIVERED, next_attempt_at=None), False, id="one that has ended"
        ),
        pytest.param(retrying(ANSWERED + SECOND, 400), False, id="due after its wait"),
        pytest.param(retrying(ANSWERED + 2 * SECOND, 400), False, id="a second after it at most"),
        pytest.param(retrying(ANSWERED + 2.1 * SECOND, 400), True, id="due later than its wait"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, None), True, id="later, after no answer"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, None, 4), False, id="within a longer wait"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, 429), False, id="429, which may have asked"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, 503), False, id="503, which may have asked"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, 499), True, id="499, which asks for nothing"),
        pytest.param(retrying(ANSWERED + 9 * SECOND, 404, is_ahead=False), False, id="due by now"),
    ],
)
def test_who_waits_for_a_grant(notification: ShownNotification, *, waits: bool) -> None:
    expected = notification.next_attempt_at if waits else None
    assert awaited_grant(notification, scale=1.0) == expected


def test_waits_that_are_shortened_are_compared_as_such() -> None:
    due = ANSWERED + 3 * SECOND
    notification = retrying(due, 400, attempts=2)  # its wait is 3 s
    assert awaited_grant(notification, scale=1.0) is None
    assert awaited_grant(notification, scale=0.1) == due
