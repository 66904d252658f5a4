"""How long a replay takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wallarm_notify.domain.replay_job import at_the_rate_limit


@pytest.mark.parametrize(
    ("number", "per_minute", "seconds"),
    [(0, 120, 0), (1, 120, 1), (120, 120, 60), (121, 120, 61), (5000, 0, 0), (7, 60, 7)],
)
def test_a_replay_takes_as_long_as_its_requests_need_at_the_rate_limit(
    number: int, per_minute: int, seconds: int
) -> None:
    assert at_the_rate_limit(number, per_minute) == timedelta(seconds=seconds)
