"""Whether it is a region of PagerDuty that fails: the edges of how many, of which keys, for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from build import NOON

from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.outage import (
    Hour,
    Outage,
    SmallOutage,
    is_in_outage,
    outages_of,
    small_outage,
)

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("explained", "attempts"), [(1, 1), (3, 5), (12, 20), (12, 19), (600, 1000), (1, 0)]
)
def test_an_integration_is_in_outage_from_exactly_60_per_cent_and_never_without_attempts(
    explained: int, attempts: int
) -> None:
    assert is_in_outage(attempts, explained) is (attempts > 0)
    assert not is_in_outage(attempts, explained - 1)


def hours(
    affected: int, well: int = 0, *, keys: int | None = None, region: str = "eu"
) -> list[Hour]:
    """The last hour of integrations in outage and others that just are not; of a key each unless told."""
    number = affected + well
    return [
        Hour(region, b"%d" % (n % (keys or number)), 5, 3 if n < affected else 2)
        for n in range(number)
    ]


KNOWN = SmallOutage(NOON, NOON)


@pytest.mark.parametrize(
    ("attempted", "affected", "on"),
    [
        pytest.param(0, 0, False, id="nobody"),
        pytest.param(9, 8, False, id="all but one of nine are too few"),
        pytest.param(10, 10, True, id="all of ten"),
        pytest.param(10, 5, True, id="half of ten"),
        pytest.param(10, 4, False, id="less than half"),
        pytest.param(11, 5, False, id="just under half"),
        pytest.param(11, 6, True, id="just over half"),
        pytest.param(1000, 500, True, id="half of many"),
        pytest.param(1001, 500, False, id="just under half of many"),
    ],
)
@pytest.mark.parametrize("keys", [1, None])
def test_it_is_an_outage_where_at_least_half_of_at_least_10_attempted_are_in_outage(
    attempted: int, affected: int, keys: int | None, *, on: bool
) -> None:
    others = [Hour("eu", b"idle", 0, 0)] * 20
    outage = outages_of([*others, *hours(affected, attempted - affected, keys=keys)])["eu"]
    assert (outage.attempted, outage.affected) == (attempted, affected)
    assert outage.is_wide is on
    for late in (timedelta(), 3 * HOUR):
        assert outage.is_on(KNOWN, NOON + late) is on
        assert outage.is_on(None, NOON + late) is on


@pytest.mark.parametrize(
    ("affected", "well", "keys", "small"),
    [
        pytest.param(0, 0, None, False, id="nobody"),
        pytest.param(1, 0, None, False, id="a single one"),
        pytest.param(2, 0, None, False, id="two"),
        pytest.param(3, 0, None, True, id="three"),
        pytest.param(3, 0, 2, False, id="three of two keys"),
        pytest.param(3, 0, 1, False, id="three of one key"),
        pytest.param(9, 0, 3, True, id="nine of three keys"),
        pytest.param(9, 0, 2, False, id="nine of two keys"),
        pytest.param(9, 0, None, True, id="nine"),
        pytest.param(3, 1, None, False, id="one of four is well"),
        pytest.param(8, 1, None, False, id="one of nine is well"),
        pytest.param(10, 0, None, False, id="ten are no few"),
        pytest.param(4, 6, None, False, id="less than half of ten"),
    ],
)
def test_of_fewer_than_10_all_must_be_in_outage_and_be_3_of_3_keys(
    affected: int, well: int, keys: int | None, *, small: bool
) -> None:
    outage = outages_of(hours(affected, well, keys=keys))["eu"]
    assert outage.looks_small is small
    assert outage.is_on(KNOWN, NOON) is (small or outage.is_wide)


@pytest.mark.parametrize(
    ("later", "on"),
    [
        (timedelta(), True),
        (119 * MINUTE, True),
        (120 * MINUTE, True),
        (120 * MINUTE + MICROSECOND, False),
        (121 * MINUTE, False),
        (24 * HOUR, False),
    ],
)
def test_so_few_are_believed_for_two_hours_at_the_most(later: timedelta, *, on: bool) -> None:
    outage = outages_of(hours(3))["eu"]
    assert outage.is_on(KNOWN, NOON + later) is on
    assert not outage.is_on(None, NOON + later)


WINDOW = Policy().window


@pytest.mark.parametrize(
    ("before", "affected", "well", "after"),
    [
        pytest.param(None, 3, 0, SmallOutage(NOON, NOON), id="it begins"),
        pytest.param(None, 2, 0, None, id="too few begin none"),
        pytest.param(None, 10, 0, None, id="a wide one is none"),
        pytest.param(
            SmallOutage(NOON - HOUR, NOON - MINUTE), 3, 0, SmallOutage(NOON - HOUR, NOON), id="on"
        ),
        pytest.param(
            SmallOutage(NOON - HOUR, NOON - MINUTE), 3, 1, None, id="somebody is well: over"
        ),
        pytest.param(SmallOutage(NOON - HOUR, NOON - MINUTE), 0, 1, None, id="and alone"),
        pytest.param(
            SmallOutage(NOON - 5 * HOUR, NOON - 3 * HOUR), 0, 0,
            SmallOutage(NOON - 5 * HOUR, NOON - 3 * HOUR), id="silence ends none",
        ),
        pytest.param(
            SmallOutage(NOON - 5 * HOUR, NOON - 3 * HOUR), 2, 0,
            SmallOutage(NOON - 5 * HOUR, NOON - 3 * HOUR), id="nor do two that fail",
        ),
        pytest.param(
            SmallOutage(NOON - 5 * HOUR, NOON - 3 * HOUR), 3, 0,
            SmallOutage(NOON - 5 * HOUR, NOON), id="after a silence it is the same",
        ),
        pytest.param(
            SmallOutage(NOON - 14 * HOUR, NOON - WINDOW), 3, 0,
            SmallOutage(NOON - 14 * HOUR, NOON), id="after a whole window too",
        ),
        pytest.param(
            SmallOutage(NOON - 14 * HOUR, NOON - WINDOW - MICROSECOND), 3, 0,
            SmallOutage(NOON, NOON), id="after more than that it is another",
        ),
    ],
)  # fmt: skip
def test_a_small_outage_is_the_same_until_somebody_is_well(
    before: SmallOutage | None, affected: int, well: int, after: SmallOutage | None
) -> None:
    hour = outages_of(hours(affected, well))["eu"]
    assert small_outage(before, hour, NOON, WINDOW) == after


def test_a_small_outage_that_was_over_is_another_one_after_an_hour_of_silence() -> None:
    fails = outages_of([Hour("eu", b"%d" % n, 5, 5) for n in range(3)])["eu"]
    over = outages_of([Hour("eu", b"%d" % n, 5, 4, taken=n == 0) for n in range(3)])["eu"]
    known = small_outage(None, over, NOON, WINDOW)
    assert known is not None
    assert over.is_on(known, NOON), "the hour looks like one"
    # While anything of that hour is looked at, more of the same is the same.
    again = small_outage(known, fails, NOON + 5 * MINUTE, WINDOW)
    assert again == SmallOutage(NOON, NOON + 5 * MINUTE)
    later = NOON + 5 * MINUTE + MICROSECOND
    assert small_outage(known, fails, later, WINDOW) == SmallOutage(later, later)
    # Whom PagerDuty takes something from now and then has no two hours each time.
    for n in range(4 * 60):
        known = small_outage(known, over if n % 2 else fails, NOON + n * MINUTE, WINDOW)
    assert known is not None
    assert known.began_at == NOON


def test_each_region_is_evaluated_by_itself() -> None:
    found = outages_of([*hours(10), *hours(0, 15, region="us")])
    assert found == {"us": Outage(15, 0, 15), "eu": Outage(10, 10, 10)}
    assert [found[region].is_wide for region in ("us", "eu")] == [False, True]
    assert outages_of([]) == {"us": Outage(), "eu": Outage()}


def test_an_integration_with_one_attempt_in_the_hour_is_one_of_those_attempted() -> None:
    found = outages_of(
        [Hour("us", b"1", 1, 1)] * 5 + [Hour("us", b"2", 1, 0)] * 5 + [Hour("us", b"3", 0, 0)]
    )
    assert found["us"] == Outage(10, 5, 2)
