"""Previews: where an event would end on each way that the rules have for it, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from build import an_event, an_event_for

from domain.test_coverage_words import a_trigger, an_integration
from wallarm_notify.domain.preview import End, Previewed, preview_of
from wallarm_notify.domain.preview_words import end_words, sentence_of
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule


def previewed(event: Any, *rules: IntegrationRule | TriggerRule) -> list[Previewed]:
    integrations = tuple(r for r in rules if isinstance(r, IntegrationRule))
    triggers = tuple(r for r in rules if isinstance(r, TriggerRule))
    return list(preview_of(event, Rules(1, None, None, integrations, triggers)))


FLOOD = a_trigger("attacks_exceeded", "domain=shop.example.com", threshold="30 in 1h")
HERE = {"host": "shop.example.com"}


@pytest.mark.parametrize(
    ("rules", "fields", "end", "words"),
    [
        (
            [an_integration(), FLOOD],
            HERE,
            End.COUNTED,
            "SOC (3) is told by trigger Flood (7) once there are more than 30 in 1 hour: this one counts.",
        ),
        (
            [an_integration(), FLOOD],
            {"host": "other.example.com"},
            End.FILTERED,
            "SOC (3) is not told by trigger Flood (7), which looks only where domain is shop.example.com.",
        ),
        (
            [an_integration(), FLOOD],
            {**HERE, "experimental": True},
            End.NOT_COUNTED,
            "SOC (3) is not told by trigger Flood (7): what is experimental, or outside the sample, is not counted.",
        ),
        (
            [an_integration(enabled=False), FLOOD],
            HERE,
            End.SKIPPED,
            (
                "SOC (3) is not told by trigger Flood (7): the integration is disabled; what would be sent is "
                "recorded as skipped."
            ),
        ),
        (
            [an_integration(), replace(FLOOD, enabled=False)],
            HERE,
            End.TRIGGER_DISABLED,
            "SOC (3) is not told by trigger Flood (7): the trigger is disabled.",
        ),
        (
            [replace(FLOOD, integration_ids=())],
            HERE,
            End.NO_INTEGRATION,
            "Nobody is told by trigger Flood (7): the trigger has no integration.",
        ),
    ],
)
def test_each_way_of_an_attack_has_an_end_and_a_sentence_for_it(
    rules: list[IntegrationRule | TriggerRule], fields: dict[str, Any], end: End, words: str
) -> None:
    event = an_event_for("attacks_exceeded", **fields)
    (one,) = previewed(event, *rules)
    assert (one.end, end_words(one, event)) == (end, words)
    assert one.has_alert is (end is End.COUNTED)
    assert (one.firing is not None) is one.has_alert


def test_a_counted_event_shows_the_firing_that_exceeds_the_threshold() -> None:
    event = an_event_for("attacks_exceeded", **HERE)
    (one,) = previewed(event, an_integration(), FLOOD)
    assert one.firing is not None
    assert one.firing.window is not None
    assert one.firing.count == 31
    assert one.firing.window.start <= event.occurred_at < one.firing.window.end


def test_a_subscriber_and_a_trigger_are_two_ways_to_one_integration() -> None:
    event = an_event_for("user_created")
    found = previewed(event, an_integration(3, "system"), a_trigger("user_created"))
    assert [end_words(one, event) for one in found] == [
        "SOC (3) is told: it subscribes to system.",
        "SOC (3) is told by trigger Flood (7).",
    ]
    assert sentence_of(found) == "SOC (3) would be told."


def test_a_rogue_endpoint_may_have_fired_before() -> None:
    event = an_event_for("rogue_api_detected")
    (one,) = previewed(event, an_integration(), a_trigger("rogue_api_detected"))
    assert end_words(one, event).endswith("unless it has fired for this endpoint before.")


def test_the_first_sentence_names_who_is_notified_now_and_whom_it_counts_for() -> None:
    event = an_event_for("attacks_exceeded", **HERE)
    assert sentence_of([]) == "Nobody would be told."
    assert sentence_of(previewed(event, an_integration(), FLOOD)) == (
        "Nobody would be told. It counts towards telling SOC (3)."
    )


def test_a_risk_that_is_not_subscribed_to_has_no_way() -> None:
    assert previewed(an_event(risk="low"), an_integration(3, "security_issue_high")) == []
