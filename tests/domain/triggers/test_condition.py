"""Conditions and filters: what each permits, what it refuses, and which events pass it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from build import NOON, an_event_for, criteria_of
from hypothesis import given
from hypothesis import strategies as st

from domain.triggers.test_trigger import a_trigger
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EVENT_TYPES, Event, Severity
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.triggers.attack_types import ATTACK_TYPES
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import (
    CONDITIONS_OF,
    MOST_VALUES,
    TERMS,
    Condition,
    read_condition,
    read_filter,
)
from wallarm_notify.domain.triggers.filters import FILTERS, Operator
from wallarm_notify.domain.triggers.firing import endpoint_of, fired
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import render
from wallarm_notify.sandbox.events import alert_errors, read_body
from wallarm_notify.schemas.read import read_event

# As spec 3 has it.
TABLE = {
    "attacks_exceeded": (
        True,
        "attack_type pool ip_address domain response_status target",
        Severity.WARNING,
    ),
    "hits_exceeded": (True, "attack_type pool ip_address domain response_status", Severity.WARNING),
    "incidents_exceeded": (
        True,
        "attack_type pool ip_address domain response_status target",
        Severity.CRITICAL,
    ),
    "api_structure_changed": (False, "pool domain change_type pii", Severity.INFO),
    "blacklist_ip_added": (False, "pool", Severity.WARNING),
    "rogue_api_detected": (False, "pool domain deviation_type api_spec_ids", Severity.WARNING),
    "user_created": (False, "user_role", Severity.INFO),
}
EQUALITY_ONLY = {"change_type", "pii", "deviation_type", "api_spec_ids", "user_role"}
THRESHOLD = "0 in 1h"


def test_the_conditions_are_those_of_the_spec() -> None:
    assert {
        str(c): (t.counted is not None, " ".join(t.filters), t.severity) for c, t in TERMS.items()
    } == TABLE
    assert {f for f, kind in FILTERS.items() if kind.operators == (Operator.EQ,)} == EQUALITY_ONLY


def test_each_type_that_triggers_look_at_has_one_condition() -> None:
    only_triggers = {
        n
        for n, t in EVENT_TYPES.items()
        if t.subscription is None and n != "security_issue.detected"
    }
    assert set(CONDITIONS_OF) == only_triggers | {"user.created"}
    assert sorted(CONDITIONS_OF.values()) == sorted(Condition)


def passes(condition: str, filters: list[str], fields: dict[str, Any]) -> bool:
    threshold = THRESHOLD if TABLE[condition][0] else None
    criteria = criteria_of(condition, *filters, threshold=threshold)
    return criteria.matcher()(an_event_for(condition, **fields))


@pytest.mark.parametrize(
    ("condition", "one", "fields", "expected"),
    [
        ("attacks_exceeded", "attack_type=sqli,xss", {"attack_type": "xss"}, True),
        ("attacks_exceeded", "attack_type=sqli,xss", {"attack_type": "XSS"}, True),
        ("attacks_exceeded", "attack_type=sqli", {"attack_type": "xss"}, False),
        ("attacks_exceeded", "attack_type!=sqli", {"attack_type": "something new"}, True),
        ("attacks_exceeded", "attack_type=graphql_attacks", {"attack_type": "gql_depth"}, True),
        ("attacks_exceeded", "attack_type!=graphql_attacks", {"attack_type": "gql_depth"}, False),
        ("attacks_exceeded", "attack_type=gql_depth", {"attack_type": "graphql_attacks"}, False),
        ("attacks_exceeded", "attack_type=Enum", {"attack_type": "enum"}, True),
        ("attacks_exceeded", "pool=3,4", {"application_id": 4}, True),
        ("attacks_exceeded", "pool=3", {"application_id": 4}, False),
        ("attacks_exceeded", "pool=-1", {}, True),
        ("attacks_exceeded", "pool=-1", {"application_id": None}, True),
        ("attacks_exceeded", "pool=-1", {"application_id": -1}, True),
        ("attacks_exceeded", "pool!=-1", {}, False),
        ("attacks_exceeded", "pool!=3", {}, True),
        ("attacks_exceeded", "ip_address=203.0.113.7", {"ip": "203.0.113.7"}, True),
        ("attacks_exceeded", "ip_address=203.0.113.7", {"ip": "::ffff:203.0.113.7"}, True),
        ("attacks_exceeded", "ip_address=2001:db8::1", {"ip": "2001:0DB8:0::0001"}, True),
        ("attacks_exceeded", "ip_address=203.0.113.7", {"ip": "no address"}, False),
        ("attacks_exceeded", "ip_address=203.0.113.7", {}, False),
        ("attacks_exceeded", "ip_address!=203.0.113.7", {}, True),
        ("attacks_exceeded", "ip_address!=203.0.113.7", {"ip": "203.0.113.7"}, False),
        ("attacks_exceeded", "domain=Shop.example.com", {"host": "shop.EXAMPLE.com"}, True),
        ("attacks_exceeded", "domain=example.com", {"host": "shop.example.com"}, False),
        ("attacks_exceeded", "domain!=example.com", {"host": None}, True),
        ("attacks_exceeded", "response_status=5xx", {"response_status": 503}, True),
        ("attacks_exceeded", "response_status=404,5xx", {"response_status": 404}, True),
        ("attacks_exceeded", "response_status=5xx", {"response_status": 404}, False),
        ("attacks_exceeded", "response_status!=5xx", {"response_status": 503}, False),
        ("attacks_exceeded", "response_status!=5xx", {}, True),
        ("attacks_exceeded", "target=server,client", {"target": "client"}, True),
        ("attacks_exceeded", "target=server", {}, False),
        ("attacks_exceeded", "target!=server", {}, True),
        ("api_structure_changed", "change_type=excluded", {"change_type": "unused"}, True),
        ("api_structure_changed", "change_type=added,changed", {"change_type": "unused"}, False),
        ("api_structure_changed", "pii=email", {"sensitive_data": ["phone", "Email"]}, True),
        ("api_structure_changed", "pii=email,SSN", {"sensitive_data": ["phone"]}, False),
        ("api_structure_changed", "pii=email", {}, False),
        ("blacklist_ip_added", "pool=8", {"application_id": 8}, True),
        ("rogue_api_detected", "deviation_type=orphan", {"kind": "orphan"}, True),
        ("rogue_api_detected", "deviation_type=orphan", {"kind": "shadow"}, False),
        ("rogue_api_detected", "pool=-1", {"kind": "orphan"}, False),
        ("rogue_api_detected", "pool=-1", {"kind": "zombie"}, True),
        ("rogue_api_detected", "api_spec_ids=12", {"specification_id": 12}, True),
        ("rogue_api_detected", "api_spec_ids=12", {"specification_id": "12"}, True),
        ("rogue_api_detected", "api_spec_ids=12", {}, False),
        ("rogue_api_detected", "api_spec_ids=None", {}, False),
        ("rogue_api_detected", "api_spec_ids=v1,7", {"specification_id": "v1"}, True),
        ("attacks_exceeded", "attack_type!=xss", {"attack_type": " XSS\n"}, False),
        ("attacks_exceeded", "domain=example.com", {"host": " Example.com"}, True),
        ("attacks_exceeded", "pool=0", {"application_id": 0}, True),
        ("api_structure_changed", "pii=email", {"sensitive_data": ["email "]}, True),
        ("user_created", "user_role=admin", {"user_role": "admin "}, True),
        ("user_created", "user_role=admin,analytic", {"user_role": "admin"}, True),
        ("user_created", "user_role=admin", {"user_role": "Robot"}, False),
        ("user_created", "user_role=Robot", {"user_role": "robot"}, True),
        ("user_created", "user_role=administrator", {"user_role": "admin"}, True),
        ("user_created", "user_role=Read Only", {"user_role": "auditor"}, True),
    ],
)
def test_which_events_pass(
    condition: str, one: str, fields: dict[str, Any], *, expected: bool
) -> None:
    assert passes(condition, [one], fields) is expected


@pytest.mark.parametrize(
    ("condition", "fields", "counted"),
    [
        ("attacks_exceeded", {"experimental": True}, False),
        ("attacks_exceeded", {"experimental": False}, True),
        ("attacks_exceeded", {"experimental": None}, True),
        ("attacks_exceeded", {"in_sample": False}, True),
        ("hits_exceeded", {}, True),
        ("hits_exceeded", {"experimental": True}, False),
        ("hits_exceeded", {"experimental": False, "in_sample": True}, True),
        ("hits_exceeded", {"in_sample": False}, False),
        ("hits_exceeded", {"in_sample": None}, True),
        ("incidents_exceeded", {"experimental": True, "in_sample": False}, True),
        ("user_created", {"experimental": True}, True),
    ],
)
def test_no_experimental_attack_or_hit_counts_and_no_hit_outside_of_the_sample(
    condition: str, fields: dict[str, Any], *, counted: bool
) -> None:
    assert passes(condition, [], fields) is counted


def test_filters_combine_with_and() -> None:
    both = ["attack_type=xss", "pool!=3"]
    assert passes("attacks_exceeded", both, {"application_id": 4})
    assert not passes("attacks_exceeded", both, {"application_id": 3})
    assert not passes("attacks_exceeded", both, {"attack_type": "rce"})


@pytest.mark.parametrize(
    ("kind", "expected"), [("shadow", True), ("zombie", True), ("orphan", False)]
)
def test_without_a_filter_of_its_kind_an_orphan_does_not_fire(kind: str, *, expected: bool) -> None:
    assert passes("rogue_api_detected", [], {"kind": kind}) is expected


@pytest.mark.parametrize(
    ("condition", "one", "sentence"),
    [
        (
            "attacks_exceeded",
            "url=/",
            (
                "filter: attacks_exceeded takes no «url»; permitted are attack_type, pool, ip_address, domain, "
                "response_status, target."
            ),
        ),
        (
            "hits_exceeded",
            "target=server",
            (
                "filter: hits_exceeded takes no «target»; permitted are attack_type, pool, ip_address, domain, "
                "response_status."
            ),
        ),
        (
            "user_created",
            "pool=1",
            "filter: user_created takes no «pool»; permitted are user_role.",
        ),
        (
            "api_structure_changed",
            "change_type!=added",
            "filter change_type: there is no operator «ne» for it; permitted: eq.",
        ),
        (
            "api_structure_changed",
            "change_type=unused",
            "filter change_type: «unused» will not do; permitted are added, changed, excluded.",
        ),
        (
            "attacks_exceeded",
            "target=everything",
            "filter target: «everything» will not do; permitted are server, client, database.",
        ),
        (
            "attacks_exceeded",
            "pool=shop",
            (
                "filter pool: «shop» will not do; give ids of applications, whole numbers; -1 is the "
                "default one."
            ),
        ),
        ("attacks_exceeded", "pool=-2", "filter pool: «-2» will not do"),
        (
            "attacks_exceeded",
            "pool=1.5",
            "filter pool: «1.5» will not do; give ids of applications",
        ),
        (
            "attacks_exceeded",
            "ip_address=10.0.0.0/8",
            "filter ip_address: «10.0.0.0/8» will not do; give single IP addresses",
        ),
        (
            "attacks_exceeded",
            "domain=https://example.com/",
            "filter domain: «https://example.com/» will not do; give whole hosts",
        ),
        (
            "attacks_exceeded",
            "response_status=6x",
            "filter response_status: «6x» will not do; give status codes from 100 to 599",
        ),
        ("attacks_exceeded", "response_status=99", "filter response_status: «99» will not do"),
        (
            "attacks_exceeded",
            "attack_type=all",
            "filter attack_type: «all» will not do; permitted are sqli",
        ),
        ("attacks_exceeded", "attack_type=", "filter attack_type: «» will not do"),
        (
            "rogue_api_detected",
            "api_spec_ids=",
            "filter api_spec_ids: «» will not do; give a text.",
        ),
        ("attacks_exceeded", "domain=*.example.com", "filter domain: «*.example.com» will not do"),
        ("user_created", "user_role= ", "filter user_role: «» will not do; give a text."),
        ("attacks_exceeded", "attack_type", "filter: «attack_type» is none; give it as"),
        ("attacks_exceeded", "attack_type>xss", "filter: «attack_type>xss» is none; give it as"),
    ],
)
def test_what_is_not_permitted_is_refused_with_what_is(
    condition: str, one: str, sentence: str
) -> None:
    threshold = THRESHOLD if TABLE[condition][0] else None
    with pytest.raises(Refused) as refusal:
        criteria_of(condition, one, threshold=threshold)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    "template", ["vector_attack", "bruteforce_started", "", "ATTACKS_EXCEEDED"]
)
def test_other_template_ids_are_refused_with_those_that_notify(template: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_condition(template)
    assert str(refusal.value) == (
        f"condition: «{template}» is none of those that notify; permitted are {', '.join(TABLE)}."
    )


def test_seven_filters_are_refused_and_six_are_not() -> None:
    many = [f"ip_address!=203.0.113.{n}" for n in range(7)]
    assert len(criteria_of("attacks_exceeded", *many[:6], threshold=THRESHOLD).filters) == 6
    with pytest.raises(Refused, match="a trigger has at most 6, not 7"):
        criteria_of("attacks_exceeded", *many, threshold=THRESHOLD)


@pytest.mark.parametrize(("number", "refused"), [(0, True), (1, False), (100, False), (101, True)])
def test_a_filter_has_1_to_100_values(number: int, *, refused: bool) -> None:
    values = list(range(1, number + 1))
    if refused:
        with pytest.raises(Refused, match=f"give 1 to {MOST_VALUES} values, not {number}"):
            read_filter(Condition.HITS_EXCEEDED, "pool", "eq", values)
    else:
        read = read_filter(Condition.HITS_EXCEEDED, "pool", "eq", values)
        assert read.values == tuple(values)


@pytest.mark.parametrize("value", [99, 600, 0, -1, "099", "600", "0xx", "6xx", "9xx", "5x", "5xxx"])
def test_a_response_status_that_no_server_answers_is_refused(value: object) -> None:
    with pytest.raises(Refused, match=r"filter response_status: .* from 100 to 599, or classes"):
        read_filter(Condition.HITS_EXCEEDED, "response_status", "eq", [value])


@pytest.mark.parametrize(
    ("value", "kept"), [(100, 100), (599, 599), ("404", 404), ("1xx", "1xx"), (" 5XX ", "5xx")]
)
def test_a_response_status_is_a_code_or_a_class_of_codes(value: object, kept: object) -> None:
    assert read_filter(Condition.HITS_EXCEEDED, "response_status", "eq", [value]).values == (kept,)


@pytest.mark.parametrize("value", [True, None, 1.5, [], {}, "1.5", 10**30])
@pytest.mark.parametrize("filter_id", sorted(FILTERS))
def test_values_of_a_wrong_kind_are_refused_and_never_break(filter_id: str, value: object) -> None:
    condition = next(c for c in Condition if filter_id in c.terms.filters)
    if isinstance(value, str) and filter_id in ("pii", "user_role", "domain", "api_spec_ids"):
        assert read_filter(condition, filter_id, "eq", [value]).values == (value,)
        return
    with pytest.raises(Refused, match=f"filter {filter_id}: "):
        read_filter(condition, filter_id, "eq", [value])


@pytest.mark.parametrize(
    ("filter_id", "value", "kept"),
    [
        ("pool", -1, -1),
        ("pool", 2**63 - 1, 2**63 - 1),
        ("pool", " 8 ", 8),
        ("api_spec_ids", -(2**63), -(2**63)),
        ("api_spec_ids", 2**63 - 1, 2**63 - 1),
        ("api_spec_ids", 0, 0),
        ("api_spec_ids", " 12 ", 12),
        ("api_spec_ids", "9" * 18, 10**18 - 1),
        ("api_spec_ids", "9" * 19, "9" * 19),
        ("api_spec_ids", "0", "0"),
        ("api_spec_ids", "012", "012"),
        ("api_spec_ids", "-12", "-12"),
        ("pii", "x" * 255, "x" * 255),
        ("domain", "X" * 255, "x" * 255),
        ("response_status", 100, 100),
        ("response_status", "599", 599),
    ],
)
def test_a_value_at_the_edge_of_what_is_permitted_is_kept(
    filter_id: str, value: object, kept: object
) -> None:
    condition = next(c for c in Condition if filter_id in c.terms.filters)
    (read,) = read_filter(condition, filter_id, "eq", [value]).values
    assert (read, type(read)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("filter_id", "value"),
    [
        ("pool", -2),
        ("pool", 2**63),
        ("pool", str(2**63)),
        ("api_spec_ids", -(2**63) - 1),
        ("api_spec_ids", 2**63),
        ("pii", "x" * 256),
        ("response_status", 99),
        ("response_status", 1000),
        ("response_status", "0xx"),
    ],
)
def test_a_value_just_beyond_it_is_refused(filter_id: str, value: object) -> None:
    condition = next(c for c in Condition if filter_id in c.terms.filters)
    with pytest.raises(Refused, match=f"filter {filter_id}: «{value}» will not do; give "):
        read_filter(condition, filter_id, "eq", [value])


@pytest.mark.parametrize(
    ("filter_id", "permitted"), [("response_status", "eq, ne"), ("change_type", "eq")]
)
def test_an_unknown_operator_is_refused_with_those_there_are(
    filter_id: str, permitted: str
) -> None:
    condition = next(c for c in Condition if filter_id in c.terms.filters)
    with pytest.raises(Refused, match=rf"no operator «gt» for it; permitted: {permitted}\.$"):
        read_filter(condition, filter_id, "gt", ["500"])


def test_values_are_kept_as_json_has_them_and_once() -> None:
    read = read_filter(Condition.ATTACKS_EXCEEDED, "response_status", "eq", ["404", 404, "5XX"])
    assert read.values == (404, "5xx")


@pytest.mark.parametrize(
    ("condition", "one", "words"),
    [
        ("attacks_exceeded", "attack_type=sqli,xss", "Attack type: SQLi, XSS"),
        (
            "attacks_exceeded",
            "attack_type!=mass_assignment",
            "Attack type: any but Mass assignment",
        ),
        ("attacks_exceeded", "pool=-1,3", "Application: default, 3"),
        ("incidents_exceeded", "target=server,database", "Target: server, database"),
        ("api_structure_changed", "change_type=excluded", "Change type: unused"),
        ("user_created", "user_role=auditor,Robot", "User role: Read Only, Robot"),
    ],
)
def test_clauses_in_words(condition: str, one: str, words: str) -> None:
    threshold = THRESHOLD if TABLE[condition][0] else None
    assert criteria_of(condition, one, threshold=threshold).clauses == (words,)


def test_attack_types_stand_once_each() -> None:
    assert len(set(ATTACK_TYPES)) == len(ATTACK_TYPES) > 40


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ONE_OF_EACH = {
    "attack_type": "attack_type=graphql_attacks",
    "pool": "pool!=-1",
    "ip_address": "ip_address=::1",
    "domain": "domain!=example.com",
    "response_status": "response_status=5xx",
    "target": "target!=server",
    "change_type": "change_type=excluded",
    "pii": "pii=email",
    "deviation_type": "deviation_type=orphan",
    "api_spec_ids": "api_spec_ids=7",
    "user_role": "user_role=admin",
}


@given(st.sampled_from(Condition), st.data())
def test_no_accepted_event_is_too_odd_for_filters_firings_and_alerts(
    condition: Condition, data: st.DataObject
) -> None:
    sound = an_event_for(condition)
    words = {name for name in WORDS if name in sound.body}
    odd = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(words), VISIBLE)))
    optional = data.draw(st.fixed_dictionaries({}, optional=OPTIONAL))
    event = read_event({**sound.body, **optional, **odd})
    assert isinstance(event, Event), event.reason
    threshold = THRESHOLD if condition.terms.counted else None
    for filters in ([], [ONE_OF_EACH[one] for one in condition.terms.filters]):
        trigger = replace(
            a_trigger(1), criteria=criteria_of(condition, *filters, threshold=threshold)
        )
        assert trigger.criteria.matcher()(event) in (True, False)
    if condition is Condition.ROGUE_API_DETECTED:
        assert len(endpoint_of(event)) == 32
    window = Window(NOON, NOON) if threshold else None
    firing = fired(trigger, event, count=1, window=window, event_ids=(event.id,))
    body = render(event, CLIENT, dedup_key="d", console_host="console.example.com", firing=firing)
    read = read_body(encode(body, KEY))
    assert read is not None
    assert alert_errors(read, KEY.reveal()) == []


VISIBLE = TEXTS.filter(lambda text: text.strip())
WORDS = (
    "attack_type",
    "method",
    "host",
    "path",
    "ip",
    "reason",
    "user_name",
    "user_email",
    "user_role",
)
OPTIONAL = {
    "application_id": st.none() | st.integers(-(2**63), 2**63 - 1),
    "application_name": st.none() | TEXTS,
    "response_status": st.none() | st.integers(0, 999),
    "target": st.none() | st.sampled_from(["server", "client", "database"]),
    "experimental": st.none() | st.booleans(),
    "in_sample": st.none() | st.booleans(),
    "sensitive_data": st.none() | st.lists(TEXTS, max_size=3),
    "changed_parameters": st.none() | st.lists(VALUES, max_size=3),
    "link": st.none() | TEXTS,
    "expires_at": st.none() | st.just("2026-03-01t09:30:00.5-11:30"),
    "specification_id": st.none() | st.integers(-(2**63), 2**63 - 1) | VISIBLE,
    "specification_title": st.none() | TEXTS,
    "unknown": VALUES,
}
CLIENT = Client(1, "Client 1", "us", "Wallarm")
KEY = IntegrationKey("0123456789abcdef0123456789ABCDEF")
