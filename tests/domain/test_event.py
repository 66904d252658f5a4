from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from build import NOON, an_event

from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.domain.event import (
    EVENT_TYPES,
    SECURITY_ISSUES,
    Event,
    Severity,
    Subscription,
    is_ahead,
    is_too_far_ahead,
)
from wallarm_notify.domain.roles import ROLE_NAMES, role_name

# Spec 2 and 4, written out: type, subscription, notification type, severity.
SPEC = """
user.created                 system              create_user             info
user.deleted                 system              delete_user             info
user.role_changed            system              update_user             info
integration.disabled         system              disable_integration     info
integration.deleted          system              delete_integration      info
integration.auto_disabled    system              integration_broken      warning
application.created          system              create_application      info
application.deleted          system              delete_application      info
application.renamed          system              update_application      info
specification.update_failed  system              api_spec_update_failed  warning
rule.created                 rules_and_triggers  rule_create             info
rule.updated                 rules_and_triggers  rule_update             info
rule.deleted                 rules_and_triggers  rule_delete             info
trigger.created              rules_and_triggers  trigger_create          info
trigger.updated              rules_and_triggers  trigger_update          info
trigger.deleted              rules_and_triggers  trigger_delete          info
attack.detected              -                   attacks_exceeded        warning
hit.detected                 -                   attacks_exceeded        warning
incident.detected            -                   incidents_exceeded      critical
api.changed                  -                   api_structure_changed   info
ip.denylisted                -                   ip_blocked              warning
rogue_api.detected           -                   api_comparison_result   warning
"""
ROWS = [line.split() for line in SPEC.strip().splitlines()]

HEADLINES = {
    "user.created": "New user was added to the company account",
    "user.deleted": "User was deleted from the company account",
    "user.role_changed": "User role was changed",
    "integration.disabled": "Integration was disabled",
    "integration.deleted": "Integration was deleted",
    "integration.auto_disabled": "Integration was disabled automatically",
    "application.created": "Application was created",
    "application.deleted": "Application was deleted",
    "application.renamed": "Application was renamed",
    "specification.update_failed": "Specification could not be updated",
    "rule.created": "Rule was created",
    "rule.updated": "Rule was changed",
    "rule.deleted": "Rule was deleted",
    "trigger.created": "Trigger was created",
    "trigger.updated": "Trigger was changed",
    "trigger.deleted": "Trigger was deleted",
    "security_issue.detected": "New security issue detected",
    "attack.detected": "",
    "hit.detected": "",
    "incident.detected": "",
    "api.changed": "A new endpoint has been discovered in your API",
    "ip.denylisted": "New IP address was denylisted",
    "rogue_api.detected": "A new shadow endpoint has been discovered in your API",
}


def of_type(name: str, **body: str) -> Event:
    return Event(uuid4(), 1, name, NOON, body, b"")


@pytest.mark.parametrize(
    ("name", "subscription", "notification_type"),
    [row[:3] for row in ROWS],
    ids=[r[0] for r in ROWS],
)
def test_an_event_has_the_subscription_and_notification_type_of_the_table(
    name: str, subscription: str, notification_type: str
) -> None:
    wanted = None if subscription == "-" else Subscription(subscription)
    assert of_type(name).subscription is wanted
    assert EVENT_TYPES[name].notification_type == notification_type


# The severities of what only triggers use are those of their firings.
@pytest.mark.parametrize(
    ("name", "severity"),
    [(row[0], row[3]) for row in ROWS if row[1] != "-"],
)
def test_an_event_has_the_severity_of_the_table(name: str, severity: str) -> None:
    assert of_type(name).severity.word == severity


@pytest.mark.parametrize(
    ("risk", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("high", Severity.ERROR),
        ("medium", Severity.WARNING),
        ("low", Severity.INFO),
        ("info", Severity.INFO),
    ],
)
def test_a_security_issue_goes_by_its_risk(risk: str, severity: Severity) -> None:
    issue = of_type("security_issue.detected", risk=risk)
    assert issue.subscription == f"security_issue_{risk}"
    assert issue.severity is severity


def test_every_type_has_its_headline() -> None:
    assert {name: t.headline for name, t in EVENT_TYPES.items()} == HEADLINES


def test_security_issue_stands_for_five() -> None:
    risks = ("critical", "high", "medium", "low", "info")
    assert tuple(f"security_issue_{risk}" for risk in risks) == SECURITY_ISSUES


def test_severities_are_pagerdutys_in_order() -> None:
    assert [s.word for s in sorted(Severity)] == ["info", "warning", "error", "critical"]


@pytest.mark.parametrize(
    ("ahead", "waits", "refused"),
    [
        pytest.param(timedelta(days=-4000), False, False, id="long ago"),
        pytest.param(timedelta(minutes=5), False, False, id="exactly 5 minutes"),
        pytest.param(timedelta(minutes=5, microseconds=1), True, False, id="a microsecond more"),
        pytest.param(timedelta(hours=24), True, False, id="exactly 24 hours"),
        pytest.param(timedelta(hours=24, microseconds=1), True, True, id="and a microsecond"),
    ],
)
def test_from_5_minutes_ahead_on_an_event_waits_for_a_day_at_most(
    ahead: timedelta, *, waits: bool, refused: bool
) -> None:
    event = an_event(occurred_at=(NOON + ahead).isoformat())
    assert (is_ahead(event, NOON), is_too_far_ahead(event, NOON)) == (waits, refused)


def test_a_dedup_key_is_one_per_occurrence_origin_and_integration() -> None:
    occurrence = str(uuid4())
    keys = {
        dedup_key(o, origin, i)
        for o in (occurrence, str(uuid4()))
        for origin in ("card", "trigger:1", "trigger:11")
        for i in (1, 11)
    }
    assert len(keys) == 12
    assert all(len(key) == 64 for key in keys)
    assert dedup_key(occurrence, "card", 1) == dedup_key(occurrence, "card", 1)
    assert dedup_key("a", "b,1", 2) != dedup_key('a","b', "1", 2)


def test_a_dedup_key_is_the_same_in_every_release() -> None:
    """Another one for a notification that was sent before would page twice."""
    assert dedup_key("4f9a1c52-7d0e-4d8a-9a52-0c3b8e5d1f60", "card", 7) == (
        "0255b4b422935053c07f83b8e28f6747f36041ffdb402ea9632b23560573ff66"
    )


def test_known_roles_have_names_and_others_are_their_own() -> None:
    assert len(ROLE_NAMES) == 9
    assert role_name("admin") == "Administrator"
    assert role_name("a role of their own") == "a role of their own"
