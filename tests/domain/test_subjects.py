"""What events are about: each type has values by which people know it, and they are found by these alone."""

from __future__ import annotations

from typing import get_args

import pytest
from build import TRIGGER_EVENTS, a_user_event, an_attack, an_event, an_event_for

from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.domain.subjects import FIELDS, fields_of, is_about, subjects_of, words_of
from wallarm_notify.schemas.catalogue import AnyEvent

MODELS = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(AnyEvent)[0])
}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_each_type_is_known_by_a_required_field_and_by_fields_of_its_own_alone(
    event_type: str,
) -> None:
    fields = MODELS[event_type].model_fields
    named = fields_of(event_type)
    # Of applications only one that is renamed had another name.
    assert {f.name for f in named} - {"previous_name"} <= set(fields)
    assert any(f.sought and fields[f.name].is_required() for f in named if f.name in fields)
    assert {f.name for f in named} <= set(FIELDS)


@pytest.mark.parametrize(
    ("event_type", "field"),
    [
        (event_type, name)
        for event_type, model in MODELS.items()
        for name in model.model_fields
        if name.endswith("_id") and name not in ("client_id", "application_id", "template_id")
    ],
)
def test_each_id_of_what_an_event_is_about_can_be_looked_for(event_type: str, field: str) -> None:
    assert field in {f.name for f in fields_of(event_type) if f.sought}


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("7", True),
        ("07", False),
        ("Vulnerable version of nginx", True),
        ("vulnerable version of nginx", False),
        ("Vulnerable version", False),
        ("shop.example.com", True),
        ("SHOP.Example.com", True),
        ("shop.example.co", False),
        ("high", False),
        ("", False),
        ("ana@example.com", True),
        ("ANA@example.com", True),
        ("Ana", True),
        ("ana", False),
        ("12", True),
    ],
)
def test_a_value_is_found_whole_and_but_for_the_case_of_hosts_and_addresses(
    sought: str, found: bool
) -> None:
    event = an_event(
        host="Shop.example.com", actor={"id": 12, "name": "Ana", "email": "Ana@Example.com"}
    )
    assert is_about(event, sought) is found


@pytest.mark.parametrize(
    ("stored", "sought", "found"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("2001:db8::7", "2001:0DB8:0:0::7", True),
        ("203.0.113.70", "203.0.113.7", False),
        ("an attacker's text", "an attacker's text", True),
    ],
)
def test_an_address_is_found_in_whatever_form_it_is_written(
    stored: str, sought: str, found: bool
) -> None:
    assert is_about(an_attack(ip=stored), sought) is found


def test_words_say_what_an_event_is_about() -> None:
    assert words_of(an_event(host="shop.example.com")) == (
        "Vulnerable version of nginx, shop.example.com, issue 7"
    )
    assert words_of(a_user_event(actor={"name": "Bob"})) == "ann@example.com, Ann, by Bob"
    assert words_of(a_user_event(actor={"name": "Bob", "email": "b@c.d"})).endswith(", by b@c.d")
    assert words_of(an_attack(ip="203.0.113.7")) == "xss, 203.0.113.7, attack a"


@pytest.mark.parametrize(
    "condition", ["api_structure_changed", "blacklist_ip_added", "user_created"]
)
def test_what_is_shown_alone_is_not_looked_for(condition: str) -> None:
    event = an_event_for(condition)
    for subject in subjects_of(event):
        assert is_about(event, subject.text) is subject.field.sought
    assert set(TRIGGER_EVENTS[event.type].values()) & {s.text for s in subjects_of(event)}


@pytest.mark.parametrize("actor", [None, {}, {"email": None, "name": ""}])
def test_an_actor_of_whom_nothing_is_known_says_nothing(actor: object) -> None:
    assert words_of(a_user_event(actor=actor)) == "ann@example.com, Ann"
