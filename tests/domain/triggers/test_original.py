"""Triggers in the words of Wallarm's own API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.triggers.condition import Condition, Filter
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.triggers.original import (
    SentFilter,
    SentThreshold,
    criteria_of,
    integrations_of,
)
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold


def test_what_nobody_chose_is_the_default_or_nothing() -> None:
    sent = [SentFilter("pool", "", [3]), SentFilter("domain", "", [])]
    assert criteria_of("hits_exceeded", sent, SentThreshold(5, 60, "")) == Criteria(
        Condition.HITS_EXCEEDED,
        (Filter("pool", Operator.EQ, (3,)),),
        Threshold(5, timedelta(minutes=1)),
    )


def test_a_threshold_may_be_a_filter_and_the_other_one_goes_before() -> None:
    among = SentFilter("threshold", "gt", [{"count": 1, "period": 3600}])
    found = criteria_of("hits_exceeded", [among], None)
    assert (found.filters, found.threshold) == ((), Threshold(1, timedelta(hours=1)))
    found = criteria_of("hits_exceeded", [among], SentThreshold(2, 60, "gt"))
    assert found.threshold == Threshold(2, timedelta(minutes=1))


@pytest.mark.parametrize(
    "value", [5, {}, {"count": "1", "period": 1}, {"count": True, "period": 1}]
)
def test_a_threshold_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(Refused) as refused:
        criteria_of("hits_exceeded", [SentFilter("threshold", "gt", [value])], None)
    assert refused.value.field == "threshold"


@pytest.mark.parametrize(
    "sent",
    [
        SentThreshold(1, 0, "gt"),
        SentThreshold(1, -5, "gt"),
        SentThreshold(1, 10**30, "gt"),
        SentThreshold(-1, 60, "gt"),
        SentThreshold(1, 60, "lt"),
    ],
)
def test_a_threshold_that_is_not_permitted_is_refused(sent: SentThreshold) -> None:
    with pytest.raises(Refused) as refused:
        criteria_of("hits_exceeded", [], sent)
    assert refused.value.field == "threshold"


def test_a_filter_without_values_has_to_be_one_that_the_condition_takes() -> None:
    with pytest.raises(Refused, match="permitted are user_role"):
        criteria_of("user_created", [SentFilter("pool", "", [])], None)


def test_a_condition_that_needs_a_threshold_is_refused_without() -> None:
    with pytest.raises(Refused, match="needs one"):
        criteria_of("hits_exceeded", [], None)


def test_several_notifications_are_taken_together() -> None:
    sent = [("send_notification", [5, 3]), ("send_notification", [3, 8])]
    assert integrations_of(sent) == (5, 3, 8)
    assert integrations_of([]) == ()


def test_another_action_is_refused_with_the_one_that_there_is() -> None:
    with pytest.raises(Refused, match="permitted are send_notification") as refused:
        integrations_of([("block_ips", [])])
    assert refused.value.field == "actions"
