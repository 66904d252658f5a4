"""Coverage in sentences: each hole by its name and its cause, each way by whom it leads to and how much."""

from __future__ import annotations

import pytest
from build import criteria_of

from wallarm_notify.domain.coverage import KINDS, Coverage, blocks, coverage_of
from wallarm_notify.domain.coverage_words import (
    hole_sentences,
    idle_sentences,
    part_sentence,
    way_words,
)
from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule


def an_integration(number: int = 3, *subscriptions: str, enabled: bool = True) -> IntegrationRule:
    return IntegrationRule(number, "SOC", "us", subscriptions, enabled, None, None, None)


def a_trigger(
    condition: str,
    *filters: str,
    named: tuple[int, ...] = (3,),
    threshold: str | None = None,
    enabled: bool = True,
) -> TriggerRule:
    criteria = criteria_of(condition, *filters, threshold=threshold)
    return TriggerRule(7, "Flood", enabled, criteria, named, 1)


def covered(*rules: IntegrationRule | TriggerRule) -> Coverage:
    integrations = tuple(r for r in rules if isinstance(r, IntegrationRule))
    triggers = tuple(r for r in rules if isinstance(r, TriggerRule))
    return coverage_of(1, Rules(1, None, None, integrations, triggers))


ALL_BUT_TRIGGERS_ONLY = tuple(map(str, Subscription))

OF_ATTACKS = ("attacks_exceeded", "hits_exceeded", "api_structure_changed", "rogue_api_detected")


def sentence_about(found: Coverage, noun: str) -> str:
    """Return the one sentence about holes that names ``noun``."""
    (sentence,) = (one for one in hole_sentences(found) if noun in one)
    return sentence


def test_of_nothing_at_all_holes_are_named_by_family_and_by_what_lacks() -> None:
    assert hole_sentences(covered(an_integration())) == [
        (
            "Nobody is told of users, integrations, applications and specifications, rules and triggers or security "
            "issues: no integration subscribes to «System related», «Rules and triggers changed» or "
            "«Security issues of any risk»."
        ),
        (
            "Nobody is told of attacks, hits, incidents, changes of the API, denylisted IP addresses or rogue APIs: no "
            "trigger looks at them."
        ),
    ]


def test_a_single_hole_is_a_sentence_of_its_own() -> None:
    others = [
        a_trigger(c, threshold="0 in 1h" if c.endswith("exceeded") else None)
        for c in (*OF_ATTACKS, "blacklist_ip_added")
    ]
    found = covered(an_integration(3, *ALL_BUT_TRIGGERS_ONLY), *others)
    assert hole_sentences(found) == ["Nobody is told of incidents: no trigger looks at them."]


def test_risks_that_nobody_subscribes_to_are_named_together() -> None:
    some = [s for s in ALL_BUT_TRIGGERS_ONLY if not s.endswith(("_low", "_info"))]
    assert sentence_about(covered(an_integration(3, *some)), "risk") == (
        "Nobody is told of security issues of low or info risk: no integration subscribes to "
        "«Low risk» or «Info risk»."
    )


def test_types_that_a_trigger_takes_are_left_out_of_their_familys_hole() -> None:
    found = covered(an_integration(), a_trigger("user_created"))
    assert "deleted users, changed roles" in sentence_about(found, "deleted users")
    assert not any("new users" in one for one in hole_sentences(found))


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([an_integration(enabled=False), a_trigger("blacklist_ip_added")], "SOC (3) is disabled"),
        (
            [an_integration(), a_trigger("blacklist_ip_added", enabled=False)],
            "trigger Flood (7) is disabled",
        ),
        (
            [an_integration(), a_trigger("blacklist_ip_added", named=())],
            "trigger Flood (7) has no integration",
        ),
        (
            [an_integration(), a_trigger("blacklist_ip_added", "pool=3", "pool!=3")],
            "no event can pass the filters of trigger Flood (7)",
        ),
        (
            [an_integration(enabled=False), a_trigger("blacklist_ip_added", enabled=False)],
            "trigger Flood (7) is disabled; SOC (3) is disabled",
        ),
    ],
)
def test_a_hole_that_a_rule_would_fill_says_what_is_in_its_way(
    rules: list[IntegrationRule | TriggerRule], why: str
) -> None:
    assert sentence_about(covered(*rules), "denylisted") == (
        f"Nobody is told of denylisted IP addresses: {why}."
    )


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (a_trigger("user_created"), "SOC (3): each, by trigger Flood (7)"),
        (
            a_trigger("api_structure_changed", "domain=shop.example.com", "pii=card,token"),
            (
                "SOC (3): each, by trigger Flood (7), only where domain is shop.example.com and "
                "sensitive data is card or token"
            ),
        ),
        (
            a_trigger("attacks_exceeded", "ip_address!=203.0.113.7", threshold="30 in 1h"),
            "SOC (3): more than 30 in 1 hour, by trigger Flood (7), only where IP address is not 203.0.113.7",
        ),
        (
            a_trigger("attacks_exceeded", "pool=1,2,3,4,5,6,7", threshold="0 in 90s"),
            (
                "SOC (3): more than 0 in 1 minute 30 seconds, by trigger Flood (7), only where application is 1 or 2 "
                "or 3 or 4 or 5 or one of 2 more"
            ),
        ),
        (
            a_trigger("rogue_api_detected"),
            "SOC (3): each endpoint once, by trigger Flood (7), only where type of rogue API is shadow or zombie",
        ),
        (
            a_trigger("rogue_api_detected", "deviation_type=orphan"),
            "SOC (3): each endpoint once, by trigger Flood (7), only where type of rogue API is orphan",
        ),
        (
            a_trigger("user_created", named=()),
            "nobody by trigger Flood (7), as the trigger has no integration",
        ),
        (
            a_trigger("user_created", enabled=False),
            "SOC (3): nothing by trigger Flood (7), as the trigger is disabled",
        ),
    ],
)
def test_a_way_says_who_is_notified_of_how_much_by_what_and_only_where(
    trigger: TriggerRule, words: str
) -> None:
    found = covered(an_integration(), trigger)
    (one,) = (c for c in found.kinds if c.ways)
    assert [way_words(way) for way in one.ways] == [words]


def test_a_subscriber_is_notified_of_each_and_a_disabled_one_of_nothing() -> None:
    found = covered(
        an_integration(3, "security_issue_low"), an_integration(4, "security_issue_low")
    )
    off = covered(an_integration(3, "security_issue_low", enabled=False))
    assert [way_words(w) for c in found.kinds for w in c.ways] == ["SOC (3): each", "SOC (4): each"]
    assert [way_words(w) for c in off.kinds for w in c.ways] == [
        "SOC (3): nothing, as the integration is disabled"
    ]


def test_what_is_notified_in_part_is_named_and_what_a_subscriber_gets_whole_is_not() -> None:
    counted = a_trigger("incidents_exceeded", threshold="0 in 1h")
    narrow = a_trigger("user_created", "user_role=admin")
    assert part_sentence(covered(an_integration(), counted, narrow)) == (
        "Only some are told: new users and incidents."
    )
    assert part_sentence(covered(an_integration(3, "system"), narrow)) is None


def test_an_integration_that_nothing_leads_to_is_named() -> None:
    found = covered(an_integration(3), an_integration(4, "system"), an_integration(5))
    assert [one.split(" is told")[0] for one in idle_sentences(found)] == ["SOC (3)", "SOC (5)"]
    assert idle_sentences(covered(an_integration(3), a_trigger("user_created"))) == []


def test_blocks_hold_every_kind_once_in_order_and_only_what_is_treated_alike() -> None:
    found = covered(an_integration(3, "security_issue_low"), a_trigger("user_created"))
    together = blocks(found)
    assert [one.kind for block in together for one in block] == list(KINDS)
    for block in together:
        assert len({(one.ways, one.kind.family) for one in block}) == 1
    assert [len(block) for block in together] == [1, 9, 6, 3, 1, 1, 6]
