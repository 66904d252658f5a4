"""What is kept of a result, and what is asked for comes back from its document."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from build import criteria_of
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.computation import bounded
from wallarm_notify.domain.health import Policy, check_span
from wallarm_notify.schemas.documents import computations
from wallarm_notify.schemas.documents.health import policy_document
from wallarm_notify.schemas.documents.triggers import criteria_document


@pytest.mark.parametrize(
    ("items", "kept", "left_out"), [(0, 0, 0), (2, 2, 0), (3, 3, 0), (4, 3, 1), (9, 3, 6)]
)
def test_a_result_has_its_first_items(items: int, kept: int, left_out: int) -> None:
    document = {"items": list(range(items)), "events": 1}
    assert bounded(document, 3) == ({"items": list(range(kept)), "events": 1}, left_out)


def test_a_result_without_items_is_whole() -> None:
    assert bounded({"at": 1}, 3) == ({"at": 1}, 0)


@given(
    ratio=st.decimals(Decimal("0.01"), 100, places=2),
    window=st.integers(1, 10_080),
    attempts=st.integers(0, 1_000_000),
    span=st.integers(0, 604_800),
    guard=st.booleans(),
)
def test_a_policy_comes_back_from_its_document(
    ratio: Decimal, window: int, attempts: int, span: int, guard: bool
) -> None:
    policy = Policy(ratio, timedelta(minutes=window), attempts, timedelta(seconds=span), guard)
    assert computations.policy_of(policy_document(policy)) == policy


@pytest.mark.parametrize(
    ("condition", "filters", "threshold"),
    [
        ("user_created", (), None),
        ("attacks_exceeded", (), "30 in 1h"),
        ("attacks_exceeded", ("attack_type=sqli,xss", "pool!=3"), "0 in 1s"),
    ],
)
def test_criteria_come_back_from_their_document(
    condition: str, filters: tuple[str, ...], threshold: str | None
) -> None:
    criteria = criteria_of(condition, *filters, threshold=threshold)
    assert computations.criteria_of(criteria_document(criteria)) == criteria


def test_a_span_fits_into_its_window() -> None:
    hour = timedelta(hours=1)
    check_span(Policy(window=hour, min_span=hour), "span")
    with pytest.raises(Exception, match=r"span: 1 h 1 s do not fit into a window of 1 h"):
        check_span(Policy(window=hour, min_span=hour + timedelta(seconds=1)), "span")
