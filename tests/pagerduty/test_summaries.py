"""What a phone shows of each alert, in three forms; the table is held against spec 4."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, a_firing, an_event, sample
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.pagerduty.encode import encode
from wallarm_notify.pagerduty.request import TEST_PREFIX, render
from wallarm_notify.pagerduty.summaries import brief_of, late_prefix
from wallarm_notify.pagerduty.texts import changes_of

if TYPE_CHECKING:
    from wallarm_notify.domain.triggers.firing import Firing

CLIENT = Client(1, "TestCompany", "us", "Wallarm")
KEY = IntegrationKey("0123456789abcdef0123456789ABCDEF")
RENDERED = [
    name
    for name, kind in EVENT_TYPES.items()
    if kind.subscription is not None or name == "security_issue.detected"
]
DISABLED = {"integration_id": 3, "integration_name": "SOC"}
ENDPOINT = {"method": "GET", "host": "shop.example.com", "path": "/users"}
PERSON = {"user_name": "Ana", "user_email": "ana@example.com", "user_role": "analytic"}


def issue(**fields: Any) -> Event:
    return an_event(
        **{
            "title": "SQL injection",
            "risk": "critical",
            "host": "shop.example.com",
            "path": "/api/login",
            **fields,
        }
    )


def summary(event: Event, form: SummaryForm, firing: Firing | None = None) -> str:
    body = render(event, CLIENT, dedup_key="d", console_host=None, firing=firing, form=form)
    return str(body["payload"]["summary"])


@pytest.mark.parametrize(
    ("fields", "brief"),
    [
        ({"type": "user.created", **PERSON}, "New user: ana@example.com (Analyst)"),
        ({"type": "user.deleted", **PERSON}, "User deleted: ana@example.com (Analyst)"),
        (
            {
                "type": "user.role_changed",
                **PERSON,
                "user_role": "admin",
                "previous_role": "analytic",
            },
            "Role changed: ana@example.com Analyst → Administrator",
        ),
        (
            {"type": "integration.disabled", **DISABLED, "reason": "maintenance"},
            "Integration disabled: SOC (maintenance)",
        ),
        ({"type": "integration.deleted", **DISABLED}, "Integration deleted: SOC"),
        (
            {
                "type": "integration.auto_disabled",
                **DISABLED,
                "failure_ratio": 0.61,
                "attempts": 340,
                "failed": 207,
            },
            "Integration disabled automatically: SOC (61 % of 340 attempts failed)",
        ),
        (
            {"type": "application.created", "application_id": 7, "application_name": "Shop"},
            "New application: Shop (ID 7)",
        ),
        (
            {"type": "application.deleted", "application_id": 7, "application_name": "Shop"},
            "Application deleted: Shop (ID 7)",
        ),
        (
            {
                "type": "application.renamed",
                "application_id": 7,
                "application_name": "Shop",
                "previous_name": "Store",
            },
            "Application renamed: Store → Shop",
        ),
        (
            {
                "type": "specification.update_failed",
                "specification_id": "1",
                "specification_title": "Billing",
                "error": "404 Not Found",
            },
            "Specification not updated: Billing (404 Not Found)",
        ),
        ({"type": "rule.created", "rule_id": 7}, "New rule: rule 7"),
        (
            {
                "type": "rule.updated",
                "rule_id": 7,
                "name": "Block admin",
                "changes": {"mode": {"from": "monitoring", "to": "blocking"}},
            },
            "Rule changed: Block admin (mode: monitoring → blocking)",
        ),
        (
            {"type": "rule.deleted", "rule_id": 7, "name": "Block admin", "rule_type": "vpatch"},
            "Rule deleted: Block admin (vpatch)",
        ),
        ({"type": "trigger.created", "trigger_id": 1, "name": "Flood"}, "New trigger: Flood"),
        (
            {
                "type": "trigger.updated",
                "trigger_id": 1,
                "name": "Flood",
                "changes": {"enabled": {"before": True, "after": False}, "comment": {}},
            },
            "Trigger changed: Flood (enabled: yes → no, comment)",
        ),
        ({"type": "trigger.deleted", "trigger_id": 1, "name": "Flood"}, "Trigger deleted: Flood"),
        (
            {"type": "api.changed", "change_type": "added", **ENDPOINT},
            "New endpoint: GET shop.example.com/users",
        ),
        (
            {"type": "api.changed", "change_type": "unused", **ENDPOINT},
            "Unused endpoint: GET shop.example.com/users",
        ),
        (
            {"type": "ip.denylisted", "ip": "203.0.113.7", "reason": "Produces many attacks"},
            "IP denylisted: 203.0.113.7 (Produces many attacks)",
        ),
        (
            {"type": "rogue_api.detected", "kind": "shadow", **ENDPOINT},
            "Shadow endpoint: GET shop.example.com/users",
        ),
        (
            {"type": "rogue_api.detected", "kind": "orphan", **ENDPOINT},
            "Orphan endpoint: GET shop.example.com/users",
        ),
    ],
)
def test_a_brief_says_what_happened_to_what(fields: dict[str, Any], brief: str) -> None:
    event = an_event(**{"title": None, "issue_id": None, "risk": None, **fields})
    assert summary(event, SummaryForm.BRIEF) == f"[Wallarm] {brief}"


@pytest.mark.parametrize(
    ("fields", "brief"),
    [
        ({}, "Critical issue: SQL injection at shop.example.com/api/login"),
        ({"risk": "info"}, "Info issue: SQL injection at shop.example.com/api/login"),
        (
            {"reopened": True},
            "Critical issue re-opened: SQL injection at shop.example.com/api/login",
        ),
        ({"host": None, "path": None}, "Critical issue: SQL injection"),
        ({"path": "/"}, "Critical issue: SQL injection at shop.example.com"),
        ({"path": None, "port": 8443}, "Critical issue: SQL injection at shop.example.com:8443"),
        (
            {"host": None, "path": None, "url": "https://ana:pw@x.example.com/a?b=1"},
            "Critical issue: SQL injection at x.example.com/a",
        ),
        (
            {"title": "Improper neutralization of special elements used in an SQL command"},
            "Critical issue: Improper neutralization… at shop.example.com/api/login",
        ),
        (
            {"path": f"/{'a' * 80}"},
            f"Critical issue: SQL injection at shop.example.com/{'a' * 58}…",
        ),
    ],
)
def test_a_brief_of_an_issue_says_its_risk_its_title_and_its_place(
    fields: dict[str, Any], brief: str
) -> None:
    assert brief_of(issue(**fields), None).text == brief


def test_five_different_issues_read_as_five_in_the_first_60_characters() -> None:
    five = [
        issue(),
        issue(host="example.com", path="/cart"),
        issue(host="example.com", path="/login"),
        issue(title="Cross-site scripting"),
        issue(reopened=True),
    ]
    assert len({summary(one, SummaryForm.BRIEF)[:60] for one in five}) == 5


@pytest.mark.parametrize("event_type", RENDERED)
def test_the_original_says_what_kind_of_thing_happened_and_full_says_both(event_type: str) -> None:
    event = sample(event_type)
    original = summary(event, SummaryForm.ORIGINAL)
    full = summary(event, SummaryForm.FULL)
    brief = brief_of(event, None)
    assert full == f"{original}: {brief.what}"
    assert summary(event, SummaryForm.BRIEF) == f"[Wallarm] {brief.text}"


def test_a_trigger_that_counts_says_its_name_first() -> None:
    event, firing = a_firing()
    assert summary(event, SummaryForm.BRIEF, firing) == (
        "[Wallarm] SQLi flood: more than 30 attacks in 1 hour"
    )
    assert summary(event, SummaryForm.ORIGINAL, firing) == (
        "[Wallarm] Trigger: The number of detected attacks exceeded the threshold"
    )
    assert summary(event, SummaryForm.FULL, firing) == (
        "[Wallarm] Trigger: The number of detected attacks exceeded the threshold: "
        "SQLi flood: more than 30 attacks in 1 hour"
    )


def test_a_re_opened_issue_says_so_but_for_the_original_form_which_rules_match_on() -> None:
    body = render(issue(reopened=True), CLIENT, dedup_key="d", console_host=None)
    assert body["payload"]["summary"] == "[Wallarm] New security issue detected"
    details = body["payload"]["custom_details"]
    assert details["headline"] == "Security issue was re-opened"
    assert details["security_issue"]["reopened"] is True
    assert "Security issue was re-opened in your system." in details["description"]
    assert summary(issue(reopened=True), SummaryForm.FULL) == (
        "[Wallarm] Security issue was re-opened: SQL injection at shop.example.com/api/login"
    )


@pytest.mark.parametrize("event_type", RENDERED)
def test_the_originals_headline_is_in_the_details_and_opens_the_text(event_type: str) -> None:
    body = render(sample(event_type), CLIENT, dedup_key="d", console_host=None)
    details = body["payload"]["custom_details"]
    assert body["payload"]["summary"] == f"[Wallarm] {details['headline']}"
    first = f"Notification type: {details['notification_type']}\n\n{details['headline']}\n\n"
    assert details["description"].startswith(first)


def test_an_attackers_text_cannot_turn_a_summary_around_or_add_a_line() -> None:
    event = issue(title="a\u202eb\nc\x1b[31m", host="x\r\ny.example.com", path="/\u200bz")
    body = render(event, CLIENT, dedup_key="d", console_host=None, form=SummaryForm.BRIEF)
    sent = encode(body, KEY).decode()
    assert "Critical issue: ab c[31m at x y.example.com/z" in sent


@pytest.mark.parametrize(
    ("run", "age", "prefix"),
    [
        (1, timedelta(days=3), ""),
        (2, timedelta(hours=24), ""),
        (2, timedelta(hours=24, seconds=1), "[Late 1 d] "),
        (2, timedelta(days=2, hours=5), "[Late 2 d] "),
        (3, timedelta(minutes=-4), ""),
    ],
)
def test_a_replay_older_than_24_hours_says_how_late_it_is(
    run: int, age: timedelta, prefix: str
) -> None:
    assert late_prefix(run, age) == prefix


def test_a_prefix_comes_first() -> None:
    body = render(
        issue(),
        CLIENT,
        dedup_key="d",
        console_host=None,
        prefix=TEST_PREFIX,
        form=SummaryForm.BRIEF,
    )
    assert body["payload"]["summary"].startswith("[Test message] [Wallarm] Critical issue: ")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, {}, "none → none"),
        (
            {"count": 30, "period": 3600},
            {"count": 5, "period": 90, "operator": "gt"},
            "30 in 1 hour → 5 in 1 minute 30 seconds",
        ),
        (None, {"count": 1, "period": 10**30}, f"none → count: 1, period: {10**30}"),
        ([], [{"id": "attack_type", "operator": "eq", "values": ["sqli", "xss"]}], "none → attack_type is sqli, xss"),
        (
            [{"id": "pool", "operator": "ne", "values": [3]}],
            [{"id": "pool", "operator": "eq", "values": [3]}, {"id": "x", "operator": "gt", "values": []}],
            "pool is not 3 → pool is 3; x gt none",
        ),
        ({"a": 1, "b": {}}, [{"c": [1, 2]}, "d"], "a: 1, b → c: 1, 2; d"),
        ([1], [1, 2], "1 → 1, 2"),
        (False, 0, "no → 0"),
    ],
)  # fmt: skip
def test_a_change_of_what_is_no_plain_value_is_shown_in_words(
    before: Any, after: Any, words: str
) -> None:
    body = {"changes": {"it": {"before": before, "after": after}}}
    assert changes_of(body) == f"it: {words}"


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=90),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["from", "to", "before", "after", "x"]), inner)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_whatever_has_changed_it_is_one_line(changes: dict[str, Any]) -> None:
    event = Event(
        an_event().id,
        1,
        "rule.updated",
        NOON,
        {"rule_id": 7, "name": "Block admin", "changes": changes},
        b"",
    )
    text = brief_of(event, None).text
    assert text.startswith("Rule changed: Block admin")
    assert len(text.splitlines()) == 1
    assert len(text) < 200
