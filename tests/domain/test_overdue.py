"""Whom SWEEP publishes: one of each slow integration, and nobody's backlog before another's."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from build import GRACE, NOON
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.overdue import AT_ONCE, FEW, Backlog, Share, is_long_overdue, shares_of

SECOND = timedelta(seconds=1)
ROOM = {True: True, False: True}
NO_ROOM = {True: False, False: False}


def a_backlog(
    number: int,
    *,
    first: bool = True,
    due: int = 16,
    slow: bool = False,
    bulkhead_taken: bool = False,
) -> Backlog:
    """One whose head has been due for so many seconds."""
    due_at = NOON - due * SECOND
    return Backlog(number, first, due_at, due_at + GRACE, slow, bulkhead_taken)


def shares(
    *backlogs: Backlog, room: dict[bool, bool] = ROOM, run: int = 0, again: bool = False
) -> list[Share]:
    return shares_of(backlogs, room, now=NOON, grace=GRACE, run=run, again=again)


def test_nobody_with_anything_overdue_gets_anything() -> None:
    assert shares() == []


def test_a_slow_integration_gets_one_and_takes_nothing_from_the_others() -> None:
    slow = [a_backlog(n, slow=True) for n in range(10, 15)]
    healthy = [a_backlog(1), a_backlog(2, first=False)]
    assert Counter(shares(*healthy, *slow)) == Counter(
        [Share(1, True, AT_ONCE // 2), Share(2, False, AT_ONCE // 2)]
        + [Share(n, True, 1) for n in range(10, 15)]
    )


def test_a_slow_integration_gets_one_in_all_for_what_waited_longest() -> None:
    young, old = a_backlog(1, slow=True, due=20), a_backlog(1, slow=True, first=False, due=30)
    assert shares(young, old) == [Share(1, False, 1)]
    assert shares(young, old, room={True: True, False: False}) == [Share(1, True, 1)]


def test_a_slow_integration_gets_none_while_its_bulkhead_is_taken_nor_again_in_the_same_run() -> (
    None
):
    assert shares(a_backlog(1, slow=True, bulkhead_taken=True)) == []
    assert shares(a_backlog(1, slow=True), again=True) == []


@pytest.mark.parametrize(
    ("due", "looked_at", "is_it"),
    [
        (60, 0, True),
        (59, 0, False),
        (15, 0, False),
        # By when SWEEP was to look: a quarter of a minute after it was due.
        (0, 45, True),
        (0, 44, False),
        # It was published a while ago.
        (300, -1, True),
    ],
)
def test_long_overdue_is_what_was_due_a_minute_ago(
    due: int, looked_at: int, *, is_it: bool
) -> None:
    assert is_long_overdue(NOON - due * SECOND, NOON - looked_at * SECOND, NOON, GRACE) is is_it


@pytest.mark.parametrize(
    ("due", "room", "again", "found"),
    [
        (59, NO_ROOM, False, []),
        (60, NO_ROOM, False, [Share(1, True, FEW)]),
        (60, NO_ROOM, True, []),
        (60, {True: False, False: True}, False, [Share(1, True, FEW)]),
        (60, {True: True, False: False}, True, [Share(1, True, AT_ONCE)]),
        (16, ROOM, True, [Share(1, True, AT_ONCE)]),
    ],
)
def test_into_a_long_queue_goes_what_is_long_overdue_a_few_in_a_run(
    due: int, room: dict[bool, bool], found: list[Share], *, again: bool
) -> None:
    assert shares(a_backlog(1, due=due), room=room, again=again) == found


@pytest.mark.parametrize("room", [ROOM, NO_ROOM], ids=["short", "long"])
@pytest.mark.parametrize("slow", [False, True])
def test_where_they_are_too_many_each_run_goes_on_where_the_last_one_stopped(
    room: dict[bool, bool], *, slow: bool
) -> None:
    limit = AT_ONCE if room[True] else FEW
    everybody = [a_backlog(n, due=90, slow=slow) for n in range(3 * limit + 7)]
    served: set[int] = set()
    for run in range(4711, 4715):
        found = shares(*everybody, room=room, run=run)
        assert {s.most for s in found} == {1}
        assert len(found) == limit
        served |= {s.integration_id for s in found}
    assert len(served) == len(everybody)


BACKLOGS = st.builds(
    a_backlog,
    st.integers(1, 400),
    first=st.booleans(),
    due=st.integers(16, 100),
    slow=st.booleans(),
    bulkhead_taken=st.booleans(),
)


@given(
    backlogs=st.lists(BACKLOGS, max_size=600, unique_by=lambda b: (b.integration_id, b.first)),
    first=st.booleans(),
    retries=st.booleans(),
    run=st.integers(0, 10**9),
)
def test_a_healthy_integration_is_served_whatever_waits_beside_it_and_never_too_many(
    backlogs: list[Backlog], run: int, *, first: bool, retries: bool
) -> None:
    room = {True: first, False: retries}
    found = shares(*backlogs, room=room, run=run)
    by_queue = {True: 0, False: 0}
    for share in found:
        assert share.most >= 1
        by_queue[share.first] += share.most
    for queue, short in room.items():
        assert by_queue[queue] <= (2 * AT_ONCE if short else 2 * FEW)
    healthy = {(b.integration_id, b.first) for b in backlogs if not b.slow and room[b.first]}
    got = {(s.integration_id, s.first) for s in found}
    if len(healthy) <= AT_ONCE:
        assert healthy <= got
