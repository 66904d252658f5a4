from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import REPLAYABLE
from wallarm_notify.domain.unsent import Age, Unsent, UnsentGroup, offered_of

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
BROKE = datetime(2026, 2, 27, 12, 0, tzinfo=UTC)

groups = st.lists(
    st.builds(
        UnsentGroup,
        st.sampled_from(REPLAYABLE),
        st.sampled_from(Severity),
        st.sampled_from(Age),
        st.integers(1, 1000),
    )
)


@given(groups)
def test_each_one_is_counted_once_by_state_and_once_by_severity_and_age(
    found: list[UnsentGroup],
) -> None:
    unsent = Unsent(BROKE, NOW, found)
    cells = [unsent.number_of(severity, age) for severity in Severity for age in Age]
    assert sum(cells) == sum(unsent.counts.values()) == unsent.total


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("age", Age)
def test_what_is_critical_or_an_error_and_at_most_a_day_old_is_offered_first(
    severity: Severity, age: Age
) -> None:
    unsent = Unsent(BROKE, NOW, [UnsentGroup(REPLAYABLE[0], severity, age, 7)])
    is_offered = severity >= Severity.ERROR and age is not Age.OLDER
    assert unsent.offered == (7 if is_offered else 0)


def test_the_offer_means_what_was_counted() -> None:
    wanted = offered_of(3, Unsent(BROKE, NOW, []))
    assert (wanted.integration_id, wanted.states, wanted.event_type) == (3, REPLAYABLE, None)
    assert (wanted.since, wanted.ended_since) == (NOW - timedelta(hours=24), BROKE)
    assert set(wanted.severities) == {Severity.CRITICAL, Severity.ERROR}
