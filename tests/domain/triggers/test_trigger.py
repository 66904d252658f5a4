"""Thresholds, criteria and the identity of firings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from build import NOON, an_event_for, criteria_of

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.firing import Firing, endpoint_of, fired
from wallarm_notify.domain.triggers.trigger import (
    Threshold,
    Trigger,
    check_threshold,
    default_name,
    period_words,
)

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("period", "permitted"),
    [
        (timedelta(0), False),
        (timedelta(milliseconds=999), False),
        (SECOND, True),
        (timedelta(seconds=1.5), False),
        (timedelta(days=30), True),
        (timedelta(days=30) + SECOND, False),
        (-SECOND, False),
    ],
)
def test_a_period_is_whole_seconds_up_to_30_days(period: timedelta, *, permitted: bool) -> None:
    if permitted:
        assert check_threshold(0, period) == Threshold(0, period)
    else:
        with pytest.raises(Refused, match="threshold: the period is 1 second to 30 days"):
            check_threshold(0, period)


@pytest.mark.parametrize(
    ("count", "permitted"), [(-1, False), (0, True), (10**12, True), (10**12 + 1, False)]
)
def test_a_count_is_not_negative(count: int, *, permitted: bool) -> None:
    if permitted:
        assert check_threshold(count, SECOND).count == count
    else:
        with pytest.raises(Refused, match=f"threshold: the count is .* not {count}"):
            check_threshold(count, SECOND)


@pytest.mark.parametrize("condition", Condition)
def test_a_threshold_stands_exactly_where_something_is_counted(condition: Condition) -> None:
    counts = condition.terms.counted is not None
    criteria_of(condition, threshold="1 in 1h" if counts else None)
    sentence = "needs one, as '30 in 1h'" if counts else "takes none; it fires on each event"
    with pytest.raises(Refused, match=f"threshold: {condition} {sentence}"):
        criteria_of(condition, threshold=None if counts else "1 in 1h")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("30", "threshold: «30» is none; give it as '30 in 1h' or"),
        ("30 in", "threshold: «30 in» is none"),
        ("many in 1h", "threshold: «many in 1h» is none"),
        ("1.5 in 1h", "threshold: «1.5 in 1h» is none"),
        ("-1 in 1h", "threshold: the count is a whole number from 0"),
        ("1 in 0", "threshold: the period is 1 second to 30 days"),
        ("1 in 31d", "threshold: the period is 1 second to 30 days"),
        ("1 in 1.5s", "threshold: «1.5s» is no duration"),
        ("1 in an hour", "threshold: «an hour» is no duration"),
    ],
)
def test_a_threshold_that_will_not_do_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        criteria_of("attacks_exceeded", threshold=text)
    assert str(refusal.value).startswith(sentence)


def test_a_threshold_in_json_has_keys_that_programs_may_rely_on() -> None:
    threshold = Threshold(30, timedelta(hours=1))
    assert threshold.fields == {"count": 30, "period": 3600, "operator": "gt"}


@pytest.mark.parametrize(
    ("condition", "threshold", "words"),
    [
        ("attacks_exceeded", "30 in 1h", "more than 30 in 1 hour"),
        ("hits_exceeded", "0 in 90s", "more than 0 in 1 minute 30 seconds"),
        ("user_created", None, "each event"),
    ],
)
def test_criteria_say_what_they_fire_on(condition: str, threshold: str | None, words: str) -> None:
    assert criteria_of(condition, threshold=threshold).fires_on == words


def test_two_filters_of_which_no_event_can_pass_both_are_refused() -> None:
    with pytest.raises(Refused, match="filter attack_type: give its values in one filter"):
        criteria_of("attacks_exceeded", "attack_type=sqli", "attack_type=xss", threshold="1 in 1h")
    both = criteria_of("api_structure_changed", "pii=email", "pii=phone")
    assert len(both.filters) == 2
    neither = ("pool!=3", "pool!=4", "pool=5")
    assert len(criteria_of("attacks_exceeded", *neither, threshold="1 in 1h").filters) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (3600, "1 hour"),
        (7200, "2 hours"),
        (86_400, "1 day"),
        (2_592_000, "30 days"),
        (90_061, "1 day 1 hour 1 minute 1 second"),
    ],
)
def test_periods_in_words(seconds: int, words: str) -> None:
    assert period_words(timedelta(seconds=seconds)) == words


def a_trigger(number: int) -> Trigger:
    return Trigger(
        id=number,
        client_id=1,
        name="Users",
        comment="",
        enabled=True,
        criteria=criteria_of("user_created"),
        integration_ids=(1,),
        version=1,
        created_at=NOON,
        created_by="Ann",
    )


def test_a_trigger_and_an_event_are_one_firing() -> None:
    event, other = an_event_for("user_created"), an_event_for("user_created")
    ids = [
        fired(a_trigger(n), e, count=1, window=None, event_ids=()).id
        for n, e in ((1, event), (1, event), (2, event), (1, other))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_firing_keeps_what_its_trigger_was_like() -> None:
    trigger = replace(a_trigger(3), client_id=5, name="New admins", integration_ids=(4, 9))
    event = an_event_for("user_created", id="4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60")
    window = Window(NOON, NOON + SECOND)
    assert fired(trigger, event, count=31, window=window, event_ids=[event.id]) == Firing(
        id=UUID("9c57d9be-4b62-5719-a4f7-bf374fbb91d6"),
        trigger_id=3,
        trigger_name="New admins",
        client_id=5,
        criteria=trigger.criteria,
        integration_ids=(4, 9),
        event_id=event.id,
        count=31,
        window=window,
        event_ids=(event.id,),
    )


@pytest.mark.parametrize(("counted", "kept"), [(0, 0), (1, 1), (100, 100), (101, 100)])
def test_a_firing_keeps_the_ids_of_a_hundred_events(counted: int, kept: int) -> None:
    ids = [UUID(int=n) for n in range(counted)]
    firing = fired(
        a_trigger(1), an_event_for("user_created"), count=counted, window=None, event_ids=ids
    )
    assert firing.event_ids == tuple(ids[:kept])


def test_the_origin_of_a_firings_notifications_names_its_trigger() -> None:
    event = an_event_for("user_created")
    assert fired(a_trigger(3), event, count=1, window=None, event_ids=()).origin == "trigger:3"


def test_a_rogue_endpoint_is_the_same_thing_in_every_release() -> None:
    """Another one for an endpoint that is known would alert for it anew."""
    endpoint = an_event_for("rogue_api_detected")
    shouted = an_event_for("rogue_api_detected", method="get", host=" Shop.EXAMPLE.com ")
    known = "a7786b85ac00571327c1af9218c2fe703a41f73cef030d432712e113f24d8fd2"
    assert endpoint_of(endpoint).hex() == endpoint_of(shouted).hex() == known


def test_a_rogue_endpoint_is_method_host_path_and_kind_and_nothing_else() -> None:
    one = an_event_for("rogue_api_detected")
    same = an_event_for("rogue_api_detected", application_id=3, specification_id=9, link="x")
    assert endpoint_of(one) == endpoint_of(same)
    parts = {"method": "PUT", "host": "x", "path": "/x", "kind": "orphan"}
    others = {endpoint_of(an_event_for("rogue_api_detected", **{k: v})) for k, v in parts.items()}
    shifted = an_event_for("rogue_api_detected", host="shop.example.co", path="m/users")
    assert len(others | {endpoint_of(one), endpoint_of(shifted)}) == 6


def test_the_default_name() -> None:
    assert default_name("Ann", NOON) == "New trigger by Ann, 2026-03-01"
