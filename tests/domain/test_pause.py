from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.pause import LONGEST, check_end, is_over, reason_with_end, words_of

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("end", [None, NOW + timedelta(microseconds=1), NOW + LONGEST])
def test_a_disabling_may_end_at_a_time_to_come_within_a_year_or_never(end: datetime | None) -> None:
    check_end(end, NOW)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (NOW, "2026-03-01 09:30 UTC is past; it is 2026-03-01 09:30 UTC. Give a time to come, or"),
        (NOW - SECOND, "2026-03-01 09:29:59 UTC is past; it is 2026-03-01 09:30 UTC. Give a time"),
        (NOW + LONGEST + SECOND, "2027-03-02 09:30:01 UTC is more than a year ahead; give none to"),
    ],
)
def test_a_time_that_no_disabling_can_end_at_is_refused_with_a_sentence(
    end: datetime, sentence: str
) -> None:
    with pytest.raises(Refused) as caught:
        check_end(end, NOW)
    assert str(caught.value).startswith(f"until: {sentence} ")
    assert str(caught.value).endswith("none to disable for good.")


@pytest.mark.parametrize(
    ("enabled", "until", "over"),
    [
        (False, NOW, True),
        (False, NOW - LONGEST, True),
        (False, NOW + SECOND, False),
        (False, None, False),
        (True, NOW - SECOND, False),
    ],
)
def test_a_pause_is_over_when_its_time_has_come(
    *, enabled: bool, until: datetime | None, over: bool
) -> None:
    assert is_over(enabled=enabled, until=until, now=NOW) is over


def test_subscribers_read_until_when_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert words_of(NOW.astimezone(tokyo)) == "2026-03-01 09:30 UTC"
    assert (
        reason_with_end("maintenance", NOW + SECOND)
        == "maintenance (until 2026-03-01 09:30:01 UTC)"
    )
    assert reason_with_end("key leaked", None) == "key leaked"
