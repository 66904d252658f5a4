"""The answer to why an event was or was not notified, in the words that people read: one golden for each reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from build import NOON, an_event, an_event_for, criteria_of

from domain.test_why_rules import an_integration_rule
from wallarm_notify.domain.event import EVENT_TYPES, Subscription
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.rules import TriggerRule
from wallarm_notify.domain.subscription_words import SUBSCRIPTION_WORDS
from wallarm_notify.domain.views import ShownNotification
from wallarm_notify.domain.why import Absent, Cause, Line, Reason, Why
from wallarm_notify.domain.why_words import (
    NOUNS,
    absence_words,
    after_acceptance,
    answer_of,
    line_words,
    name_of,
    other_words,
)

AT: Final = NOON + timedelta(minutes=2, seconds=4)
WHEN: Final = "2026-03-01 12:02:04Z"
DAY: Final = timedelta(days=1)
EVENT_ID: Final = UUID("7b0c6a52-0001-4000-8000-00000000000a")
FIRING_ID: Final = UUID("7b0c6a52-0002-4000-8000-00000000000a")

SOC = an_integration_rule(1, name="SOC")
NIGHT = an_integration_rule(2, name="Night")
FLOOD = TriggerRule(
    3, "Flood", True, criteria_of("attacks_exceeded", threshold="30 in 1h"), (1,), 1
)


def of_card(*causes: Cause, rule: Any = SOC, **fields: Any) -> Line:
    return Line(rule, None, causes, **fields)


def of_trigger(*causes: Cause, **fields: Any) -> Line:
    return Line(None, FLOOD, causes, **fields)


def why_of(*lines: Line, **fields: Any) -> Why:
    made = Why(an_event(id=str(EVENT_ID), risk="low"), NOON, 4, True, lines)
    return replace(made, **fields)


ATTACK: Final = an_event_for("attacks_exceeded", NOON)


def a_shown_notification(state: State, **fields: Any) -> ShownNotification:
    made = ShownNotification(
        id=17, client_id=1, event_id=EVENT_ID, firing_id=None, event_type="security_issue.detected",
        origin="card", integration_id=1, state=state, run=1, attempts_made=1, next_attempt_at=None,
        created_at=NOON, finished_at=AT, end_reason=None, last_status_code=202, last_error=None,
    )  # fmt: skip
    return replace(made, **fields)


LINES: dict[Reason, tuple[Line, str]] = {
    Reason.ACCEPTED: (
        of_card(Cause(Reason.ACCEPTED, at=AT, count=202)),
        "was accepted by PagerDuty at 12:02:04Z (202)",
    ),
    Reason.WAITING: (of_card(Cause(Reason.WAITING, until=AT)), "waits for its turn"),
    Reason.RETRYING: (
        of_card(Cause(Reason.RETRYING, count=7, limit=17, until=AT, note="503")),
        "is being retried (7 of 17, last answer 503, next at 12:02:04Z)",
    ),
    Reason.FAILED: (
        of_card(Cause(Reason.FAILED, count=17, limit=17, at=AT, note="timeout")),
        "was not accepted after 17 attempts (last answer timeout)",
    ),
    Reason.CANCELLED: (
        of_card(Cause(Reason.CANCELLED, at=AT, by="ana", note="night")),
        "was cancelled at 12:02:04Z: it was disabled by ana (night)",
    ),
    Reason.SKIPPED: (
        of_card(Cause(Reason.SKIPPED, at=NOON - DAY, by="ana@example.com")),
        "was disabled by ana@example.com at 2026-02-28 12:00:00Z",
    ),
    Reason.NOT_SUBSCRIBED: (
        of_card(Cause(Reason.NOT_SUBSCRIBED, wanted="security_issue_low")),
        "does not subscribe to Low risk",
    ),
    Reason.NEEDS_TRIGGER: (
        of_card(Cause(Reason.NEEDS_TRIGGER), Cause(Reason.INTEGRATION_OFF, by="ana")),
        "is notified of security issues by triggers alone",
    ),
    Reason.OTHER_TYPE: (
        of_trigger(Cause(Reason.OTHER_TYPE, wanted="attack.detected"), Cause(Reason.TRIGGER_OFF)),
        "looks at attacks, not at security issues",
    ),
    Reason.FILTER: (
        of_trigger(
            Cause(Reason.FILTER, filter="attack_type", wanted="Attack type: SQLi", found="XSS")
        ),
        "wants Attack type: SQLi (the event has XSS)",
    ),
    Reason.TRIGGER_OFF: (
        of_trigger(Cause(Reason.TRIGGER_OFF, by="ana", at=NOON)),
        "was disabled by ana at 12:00:00Z",
    ),
    Reason.INTEGRATION_OFF: (
        of_trigger(Cause(Reason.INTEGRATION_OFF, by="ana", at=NOON)),
        "notifies only what is off: it was disabled by ana at 12:00:00Z",
    ),
    Reason.NO_INTEGRATIONS: (of_trigger(Cause(Reason.NO_INTEGRATIONS)), "names no integration"),
    Reason.EXPERIMENTAL: (
        of_trigger(Cause(Reason.EXPERIMENTAL)),
        "does not count it: it is marked experimental",
    ),
    Reason.UNSAMPLED: (
        of_trigger(Cause(Reason.UNSAMPLED)),
        "does not count it: the hit was not saved in the sample",
    ),
    Reason.LATE: (
        of_trigger(Cause(Reason.LATE, at=NOON - 3 * DAY)),
        "does not count it: 2026-02-26 12:00:00Z is longer ago than its period and a day",
    ),
    Reason.COUNTED: (
        of_trigger(Cause(Reason.COUNTED, count=3, limit=30, note="30 in 1 hour")),
        "has counted 3 of the more than 30 in 1 hour that it fires for",
    ),
    Reason.QUIET: (
        of_trigger(Cause(Reason.QUIET, until=AT, note="30 in 1 hour")),
        "has fired and is quiet until 12:02:04Z",
    ),
    Reason.COUNTED_IN_FIRING: (
        of_trigger(
            Cause(
                Reason.COUNTED_IN_FIRING,
                at=AT,
                firing_id=FIRING_ID,
                note="SOC: Accepted by PagerDuty",
            )
        ),
        "counted it and fired at 12:02:04Z (SOC: Accepted by PagerDuty)",
    ),
    Reason.ENDPOINT_BEFORE: (
        of_trigger(Cause(Reason.ENDPOINT_BEFORE)),
        "has fired for this endpoint before",
    ),
    Reason.CREATED: (
        of_card(Cause(Reason.CREATED, at=AT)),
        "was created only at 12:02:04Z",
    ),
    Reason.CHANGED: (of_card(Cause(Reason.CHANGED)), "was changed while the event came"),
    Reason.DELETED: (
        of_card(Cause(Reason.DELETED, at=AT)),
        "was deleted at 12:02:04Z",
    ),
}

ABSENCES: dict[Reason, tuple[Cause, str]] = {
    Reason.AHEAD: (
        Cause(Reason.AHEAD, until=AT),
        f"Nobody was paged yet: it is kept apart until {WHEN}, as its time is ahead of the database's clock.",
    ),
    Reason.CONFLICT: (
        Cause(Reason.CONFLICT, at=AT, number=5, note="conflict: the first stands."),
        "Nobody was paged: it was rejected at 2026-03-01 12:02:04Z, as number 5: conflict: the first stands.",
    ),
    Reason.REJECTED: (
        Cause(Reason.REJECTED, at=AT, number=5, note="title: must not be blank."),
        "Nobody was paged: it was rejected at 2026-03-01 12:02:04Z, as number 5: title: must not be blank.",
    ),
    Reason.UNDECODABLE: (
        Cause(Reason.UNDECODABLE, at=AT, number=5, note="it is no JSON."),
        "Nobody was paged: its id is in message 5 of 2026-03-01 12:02:04Z, which could not be decoded: it is no JSON.",
    ),
    Reason.SET_ASIDE: (
        Cause(Reason.SET_ASIDE, at=AT, number=5),
        f"Nobody was paged: its id is in call 5, which was set aside at {WHEN} because workers died of it.",
    ),
    Reason.OTHER_CLIENT: (
        Cause(Reason.OTHER_CLIENT, number=2),
        "No event of this id is client 1's, but client 2 has one.",
    ),
    Reason.NOT_HERE: (
        Cause(Reason.NOT_HERE),
        (
            f"No event {EVENT_ID} of client 1 is here: it was never taken in, or is not kept any more; "
            "nor was it rejected."
        ),
    ),
}


def test_each_reason_has_a_golden_here() -> None:
    assert {*LINES, *ABSENCES} == set(Reason)


@pytest.mark.parametrize(("line", "words"), LINES.values(), ids=LINES)
def test_a_reason_is_put_into_words(line: Line, words: str) -> None:
    assert line_words(line, why_of(line)) == words


@pytest.mark.parametrize(("cause", "words"), ABSENCES.values(), ids=ABSENCES)
def test_what_is_known_of_an_id_is_put_into_words(cause: Cause, words: str) -> None:
    assert absence_words(absent_of(cause))[0] == words


def absent_of(*causes: Cause) -> Absent:
    return Absent(1, EVENT_ID, causes, 90 * DAY, 7 * DAY)


def test_what_else_is_known_of_an_id_follows_the_answer() -> None:
    causes = [Cause(Reason.SET_ASIDE, at=AT, number=5), Cause(Reason.OTHER_CLIENT, number=2)]
    assert absence_words(absent_of(*causes))[1:] == ["Also: client 2 has one."]


def test_where_nothing_is_known_how_long_things_are_kept_is_stated() -> None:
    assert absence_words(absent_of(Cause(Reason.NOT_HERE)))[1] == (
        "By the settings of now, events are kept until 90 d after their last notification ended; those of which "
        "nothing was made, and that no trigger counted, for 7 d; rejected ones for 90 d."
    )


def test_each_type_of_events_and_each_subscription_has_words() -> None:
    assert set(NOUNS) == set(EVENT_TYPES)
    assert set(SUBSCRIPTION_WORDS) == set(Subscription)


@pytest.mark.parametrize(
    ("lines", "fields", "answer"),
    [
        pytest.param(
            [
                of_card(Cause(Reason.NOT_SUBSCRIBED, wanted="security_issue_low")),
                of_card(Cause(Reason.SKIPPED, by="ana@example.com", at=NOON), rule=NIGHT),
                of_trigger(Cause(Reason.OTHER_TYPE, wanted="attack.detected")),
            ],
            {},
            "Nobody was paged: Night was disabled by ana@example.com at 12:00:00Z, "
            "SOC does not subscribe to Low risk.",
            id="nobody",
        ),
        pytest.param(
            [
                of_card(Cause(Reason.ACCEPTED, at=AT, count=202)),
                of_card(Cause(Reason.FAILED, count=17, limit=17, note="400"), rule=NIGHT),
                of_card(Cause(Reason.NOT_SUBSCRIBED, wanted="system")),
            ],
            {},
            "PagerDuty accepted it for SOC at 12:02:04Z; "
            "Night was not accepted after 17 attempts (last answer 400).",
            id="one of two",
        ),
        pytest.param(
            [of_card(Cause(Reason.ACCEPTED, at=AT)) for _ in range(5)],
            {},
            "PagerDuty accepted it for SOC at 12:02:04Z, SOC at 12:02:04Z, SOC at 12:02:04Z and 2 more.",
            id="many accepted",
        ),
        pytest.param(
            [
                of_card(Cause(Reason.WAITING)),
                of_card(Cause(Reason.RETRYING, count=7, limit=17, note="503"), rule=NIGHT),
            ],
            {},
            "Nobody was paged yet: SOC waits for its turn, Night is being retried (7 of 17, last answer 503).",
            id="on its way",
        ),
        pytest.param(
            [of_card(Cause(Reason.NOT_SUBSCRIBED, wanted="system")) for _ in range(5)],
            {},
            "Nobody was paged: SOC does not subscribe to System related, SOC does not subscribe to System related, "
            "SOC does not subscribe to System related, and 2 more, see below.",
            id="many did not",
        ),
        pytest.param(
            [],
            {},
            "Nobody was paged: client 1 had no integrations and no triggers.",
            id="nothing there",
        ),
        pytest.param(
            [of_card(Cause(Reason.NEEDS_TRIGGER))],
            {"event": ATTACK},
            "Nobody was paged: attacks reach nobody without a trigger.",
            id="no trigger",
        ),
        pytest.param(
            [
                of_card(Cause(Reason.NEEDS_TRIGGER)),
                of_trigger(Cause(Reason.OTHER_TYPE, wanted="hit.detected")),
            ],
            {"event": ATTACK},
            "Nobody was paged: attacks reach nobody without a trigger, and no trigger looks at them.",
            id="only other triggers",
        ),
        pytest.param(
            [of_trigger(Cause(Reason.OTHER_TYPE, wanted="hit.detected"))],
            {"event": ATTACK},
            "Nobody was paged: no trigger looks at attacks.",
            id="only other triggers and no integration",
        ),
        pytest.param(
            [of_trigger(Cause(Reason.OTHER_TYPE, wanted="hit.detected"))],
            {},
            "Nobody was paged: client 1 had no integrations, and no trigger looks at security issues.",
            id="a card's event and no integration",
        ),
        pytest.param(
            [
                of_card(Cause(Reason.NEEDS_TRIGGER)),
                of_trigger(Cause(Reason.COUNTED, count=3, limit=30, note="30 in 1 hour")),
            ],
            {"event": ATTACK},
            "Nobody was paged: trigger Flood has counted 3 of the more than 30 in 1 hour that it fires for.",
            id="counted",
        ),
        pytest.param(
            [of_trigger(Cause(Reason.COUNTED_IN_FIRING, at=AT, note="SOC: Waiting"))],
            {"event": ATTACK},
            "No alert of its own: trigger Flood counted it and fired at 12:02:04Z (SOC: Waiting).",
            id="counted in a later firing",
        ),
    ],
)
def test_the_answer_is_one_sentence(lines: list[Line], fields: dict[str, Any], answer: str) -> None:
    assert answer_of(why_of(*lines, **fields)) == answer


def test_the_notification_of_a_trigger_is_named_by_both() -> None:
    assert name_of(Line(SOC, FLOOD, (Cause(Reason.WAITING),))) == "SOC, by trigger Flood"


def test_all_that_stood_in_the_way_is_in_the_words_and_what_was_deleted_since_says_so() -> None:
    line = of_card(
        Cause(Reason.NOT_SUBSCRIBED, wanted="system"),
        Cause(Reason.INTEGRATION_OFF, by="ana", at=NOON),
        deleted_at=AT,
    )
    assert line_words(line, why_of(line)) == (
        "does not subscribe to System related; was disabled by ana at 12:00:00Z; deleted at 12:02:04Z"
    )


def test_by_the_rules_of_now_a_difference_is_a_change_since() -> None:
    line = of_card(Cause(Reason.CHANGED))
    assert line_words(line, why_of(line, as_they_were=False)) == (
        "was changed since: by today's rules it would be notified"
    )


def test_after_an_acceptance_what_cannot_be_known_here_is_stated() -> None:
    shown = a_shown_notification(State.DELIVERED)
    accepted = of_card(Cause(Reason.ACCEPTED, at=AT, count=202), notification=shown)
    waiting = of_card(Cause(Reason.WAITING), notification=a_shown_notification(State.PENDING))
    assert after_acceptance(why_of(accepted, waiting)) == [
        (
            "PagerDuty accepted it at 12:02:04Z (202). If no phone rang, look there for dedup key "
            f"{shown.dedup_key}: nobody on call, low urgency, maintenance, an orchestration rule, or an incident "
            "already open."
        )
    ]


def test_of_several_acceptances_each_names_whose_it_is() -> None:
    accepted = [
        of_card(
            Cause(Reason.ACCEPTED, at=AT),
            rule=rule,
            notification=a_shown_notification(State.DELIVERED, integration_id=rule.id),
        )
        for rule in (SOC, NIGHT)
    ]
    beginnings = [one.split(". If ")[0] for one in after_acceptance(why_of(*accepted))]
    assert beginnings == [
        "PagerDuty accepted it for SOC at 12:02:04Z",
        "PagerDuty accepted it for Night at 12:02:04Z",
    ]


def test_what_came_under_the_id_of_an_event_that_stands_is_shown_beside_it() -> None:
    other = Cause(Reason.CONFLICT, at=AT, number=5, note="conflict: the first stands.")
    assert other_words(why_of(others=[other])) == [
        (
            "Of another event under this id: it was rejected at 2026-03-01 12:02:04Z, as number 5: "
            "conflict: the first stands."
        )
    ]
