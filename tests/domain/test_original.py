"""Integrations in the words of Wallarm's own API."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.integration import IntegrationKey, KeyMask
from wallarm_notify.domain.original import (
    changed_key_of,
    check_type,
    key_of,
    region_of,
    subscriptions_of,
)

KEY = "KnownSecretKey0123456789abcdefXY"
RISKS = [f"security_issue_{risk}" for risk in ("critical", "high", "medium", "low", "info")]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("system", ["system"]),
        ("rules_and_triggers", ["rules_and_triggers"]),
        *((risk, [risk]) for risk in RISKS),
        ("security_issue", RISKS),
        ("vuln", RISKS),
        ("vuln_high", RISKS[:2]),
        ("vuln_medium", RISKS[2:3]),
        ("vuln_low", RISKS[3:]),
    ],
)
def test_a_word_that_is_on_stands_for_what_it_means_now(word: str, meant: list[str]) -> None:
    assert list(subscriptions_of([(word, True)])) == meant
    assert subscriptions_of([(word, False)]) == ()


def test_a_word_of_any_system_may_be_off() -> None:
    assert subscriptions_of([("siem", False), ("report_daily", False), ("", False)]) == ()


@pytest.mark.parametrize("word", ["siem", "hit", "scope"])
def test_hits_are_refused_with_the_way_that_they_have(word: str) -> None:
    with pytest.raises(Refused, match="by a trigger") as refused:
        subscriptions_of([(word, True)])
    assert refused.value.field == "events"


def test_an_unknown_word_that_is_on_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Refused, match="permitted are system, rules_and_triggers") as refused:
        subscriptions_of([("report_daily", True)])
    assert refused.value.field == "events"


def test_what_is_named_twice_is_on_where_it_is_on_once() -> None:
    assert subscriptions_of([("system", True), ("system", False)]) == ("system",)


def test_the_mask_that_was_read_is_no_new_key() -> None:
    assert changed_key_of("…efXY") == KeyMask("…efXY")
    assert changed_key_of(KEY) == IntegrationKey(KEY)


@pytest.mark.parametrize("target", ["…0000", "", KEY[:-1], 5, None, [KEY], {"key": KEY}])
def test_what_is_no_key_is_refused_and_not_repeated(target: object) -> None:
    with pytest.raises(Refused) as refused:
        key_of(target)
    assert refused.value.field == "target"
    assert KEY[:-1] not in str(refused.value)


@pytest.mark.parametrize(
    "target", ["…", "…ef", "…efXYZ", " …efXY", "…efXY ", "…ef Y", f"…{KEY}", "...efXY", "…ef\nY"]
)
def test_what_is_no_mask_as_it_is_shown_is_read_as_a_key(target: str) -> None:
    with pytest.raises(Refused) as refused:
        changed_key_of(target)
    assert refused.value.field == "target"
    assert KEY not in str(refused.value)


def test_another_system_is_refused() -> None:
    check_type("pager_duty")
    with pytest.raises(Refused, match="only pager_duty"):
        check_type("slack")


def test_the_region_follows_from_the_cloud() -> None:
    assert [region_of(cloud) for cloud in ("us", "eu", "me")] == ["us", "eu", "us"]
