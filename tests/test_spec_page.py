"""The tables of docs/spec.md are what the program does."""

from __future__ import annotations

import re
from typing import Final

from documents import DOCS, code, read, table

from wallarm_notify.domain.event import EVENT_TYPES, Subscription
from wallarm_notify.domain.retry import CYCLES
from wallarm_notify.domain.triggers.condition import TERMS, Condition
from wallarm_notify.schemas.catalogue import json_schema

SPEC: Final = read(DOCS / "spec.md")

EVENTS: Final = {code(row[0])[0]: row for row in table(SPEC, "type")}

OF_ALL: Final = {"id", "client_id", "type", "occurred_at", "actor"}
"""The fields that every event has."""


def fields(event_type: str) -> dict[str, bool]:
    """The fields that the page gives a type, and whether each is required."""
    found: dict[str, bool] = {}
    for one in re.split(r", (?:and )?", re.sub(r" \([^)]*\)", "", EVENTS[event_type][4])):
        if one.startswith("as "):
            found |= fields(code(one)[0])
        elif one == "the others of an attack":
            found |= {name: False for name in fields("attack.detected") if "attack_" not in name}
        else:
            found[one.strip("*")] = one.startswith("**")
    return found


def fields_taken(event_type: str) -> dict[str, bool]:
    schema = json_schema()
    name = schema["discriminator"]["mapping"][event_type].removeprefix("#/$defs/")
    model = schema["$defs"][name]
    return {
        field: field in model["required"] for field in model["properties"] if field not in OF_ALL
    }


def test_each_type_of_event_has_the_fields_that_the_page_gives_it() -> None:
    assert {name: fields(name) for name in EVENTS} == {
        name: fields_taken(name) for name in EVENT_TYPES
    }


def test_each_type_of_event_has_the_subscription_and_words_that_the_page_gives_it() -> None:
    for name, (_, subscription, notification_type, headline, _) in EVENTS.items():
        kind = EVENT_TYPES[name]
        assert code(notification_type) == [kind.notification_type]
        assert headline == kind.headline or headline.startswith(f"{kind.headline} (or: ")
        if kind.subscription is not None:
            assert subscription == kind.subscription
        elif name == "security_issue.detected":
            assert subscription == "security_issue_&lt;risk&gt;"
        else:
            assert subscription == "triggers only"


def test_each_condition_has_the_filters_that_the_page_gives_it() -> None:
    documented = {code(row[0])[0]: row[1:] for row in table(SPEC, "condition")}
    assert list(documented) == list(Condition)
    attacks = documented["attacks_exceeded"][1].split(", ")
    same = {
        "the same as attacks": attacks,
        "the same without target": [name for name in attacks if name != "target"],
    }
    for name, (fires, filters) in documented.items():
        terms = TERMS[Condition(name)]
        assert tuple(same.get(filters) or filters.split(", ")) == terms.filters
        assert fires.startswith("over a threshold" if terms.counted else "on each event")


def test_the_waits_of_the_cycles_are_those_of_the_page() -> None:
    units = {"seconds": 1, "minutes": 60}
    documented = [row[1].rsplit(" ", 1) for row in table(SPEC, "cycle")]
    assert [
        tuple(int(wait) * units[unit] for wait in waits.split(", ")) for waits, unit in documented
    ] == [tuple(int(wait.total_seconds()) for wait in cycle) for cycle in CYCLES]


def test_the_subscriptions_are_those_of_the_page() -> None:
    (sentence,) = re.findall(r"\*\*Subscriptions\*\* are (.+?)\.", SPEC, re.DOTALL)
    assert code(sentence) == list(Subscription)
