"""The words in which people read states."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.state_words import state_words


@pytest.mark.parametrize(
    ("state", "attempts_made", "words"),
    [
        (State.PENDING, 0, "Waiting"),
        (State.RETRYING, 7, "Retrying (7 of 17)"),
        (State.RETRYING, None, "Retrying"),
        (State.DELIVERED, 1, "Accepted by PagerDuty"),
        (State.FAILED, 17, "Not accepted after 17 attempts"),
        (State.FAILED, 1, "Not accepted after 1 attempt"),
        (State.FAILED, 0, "Not accepted"),
        (State.FAILED, None, "Not accepted"),
        (State.CANCELLED, 3, "Cancelled"),
        (State.SKIPPED, 0, "Not sent (integration was off)"),
    ],
)
def test_each_state_is_put_into_words(state: State, attempts_made: int | None, words: str) -> None:
    assert state_words(state, attempts_made) == words


def test_a_closing_notification_has_fewer_attempts() -> None:
    assert state_words(State.RETRYING, 2, 6) == "Retrying (2 of 6)"
