"""Triggers as sentences."""

from __future__ import annotations

import pytest
from build import criteria_of

from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.filters import FILTERS
from wallarm_notify.domain.triggers.sentence import sentence_of, sentence_words


def words(
    condition: str, *filters: str, threshold: str | None = None, to: tuple[str, ...] = ("SOC",)
) -> str:
    criteria = criteria_of(condition, *filters, threshold=threshold)
    return sentence_words(sentence_of(criteria, to, {3: "Shop"}))


@pytest.mark.parametrize(
    ("condition", "filters", "threshold", "expected"),
    [
        (
            *("attacks_exceeded", ["attack_type=sqli"], "30 in 1h"),
            "When more than 30 attacks of type SQLi within 1 hour, tell SOC.",
        ),
        (
            *("attacks_exceeded", ["domain=a.example.com,b.example.com", "pool=3"], "1 in 90s"),
            (
                "When more than 1 attack on a.example.com or b.example.com in application Shop "
                "within 1 minute 30 seconds, tell SOC."
            ),
        ),
        (
            *("hits_exceeded", ["ip_address!=203.0.113.7", "response_status=5xx"], "1000 in 1d"),
            "When more than 1,000 hits from any address but 203.0.113.7 answered with 5xx within 1 day, tell SOC.",
        ),
        (
            *("incidents_exceeded", ["target!=server", "pool=-1"], "0 in 1m"),
            (
                "When more than 0 incidents against anything but the server in application Default "
                "within 1 minute, tell SOC."
            ),
        ),
        (
            "api_structure_changed",
            ["pii=email"],
            None,
            "When the API changes with sensitive data email, tell SOC.",
        ),
        (
            *(
                "api_structure_changed",
                ["change_type=added,excluded", "domain=a.example.com"],
                None,
            ),
            "When an endpoint of the API is added or unused on a.example.com, tell SOC.",
        ),
        ("blacklist_ip_added", [], None, "When an IP address is denylisted, tell SOC."),
        (
            *("rogue_api_detected", [], None),
            "When a shadow or zombie endpoint is found for the first time, tell SOC.",
        ),
        (
            *("rogue_api_detected", ["deviation_type=orphan", "api_spec_ids=shop-v2"], None),
            "When an orphan endpoint is found for the first time by specification shop-v2, tell SOC.",
        ),
        (
            "user_created",
            ["user_role=admin"],
            None,
            "When a user is added with the role Administrator, tell SOC.",
        ),
    ],
)
def test_a_trigger_reads_as_what_it_does(
    condition: str, filters: list[str], threshold: str | None, expected: str
) -> None:
    assert words(condition, *filters, threshold=threshold) == expected


def test_many_values_and_integrations_are_counted() -> None:
    shown = words(
        *("attacks_exceeded", "response_status=401,402,403,404,405,406,407"),
        threshold="1 in 1h",
        to=("A", "B", "C", "D", "E", "F"),
    )
    assert "answered with 401, 402, 403, 404, 405 or 2 more within" in shown
    assert shown.endswith("tell A, B, C, D, E and 1 other.")
    assert words("blacklist_ip_added", to=()).endswith("tell nobody yet.")


def test_every_filter_of_every_condition_reads() -> None:
    values = {name: kind.choices[0] if kind.choices else "7" for name, kind in FILTERS.items()}
    values["ip_address"] = "203.0.113.7"
    for condition in Condition:
        threshold = "1 in 1h" if condition.terms.counted else None
        for name in condition.terms.filters:
            assert words(condition, f"{name}={values[name]}", threshold=threshold).endswith(".")


def test_what_somebody_chose_stands_out() -> None:
    parts = sentence_of(criteria_of("attacks_exceeded", "pool=4", threshold="2 in 1h"), ["SOC"])
    assert [part.text for part in parts if part.is_chosen] == ["2 attacks", "4", "1 hour", "SOC"]
