from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from build import NOON, a_key, a_notification, an_event

from wallarm_notify.domain.candidate import Candidate, Triage, may_be_sent_at_once, triage
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import Notification, State
from wallarm_notify.domain.sending import Payload

SECOND = timedelta(seconds=1)

ENDED = (State.DELIVERED, State.FAILED, State.CANCELLED, State.SKIPPED)

KEY = a_key()


def a_candidate(*, readable: bool = True, **given: Any) -> Candidate[Notification]:
    names = {f.name for f in fields(Notification)}
    own = {name: given.pop(name) for name in list(given) if name in names}
    payload = Payload(an_event(), None, "card", "us", KEY if readable else None, None, None, None)
    state = {"enabled": True, "disablings": 0, "generation": 0, "slow": False, "fingerprint": b"f"}
    theirs = {
        name.removeprefix("integration_"): value
        for name, value in given.items()
        if name.removeprefix("integration_") in state
    }
    return Candidate(a_notification(**own), **{**state, **theirs}, payload=payload)


def fate(candidate: Candidate[Notification], *others: Candidate[Notification]) -> str:
    """In which heap of the triage a candidate landed."""
    found = triage([candidate, *others], NOON)
    heaps = {name: getattr(found, name) for name in Triage.__slots__}
    mine = [
        name for name, heap in heaps.items() if candidate in heap or candidate.notification in heap
    ]
    return mine[0] if mine else "left out"


@pytest.mark.parametrize(
    ("candidate", "heap"),
    [
        pytest.param(a_candidate(), "ready", id="due just now"),
        pytest.param(a_candidate(due_at=NOON + SECOND / 1000), "early", id="due in a moment"),
        pytest.param(a_candidate(lease_until=NOON + SECOND), "left out", id="leased"),
        pytest.param(a_candidate(lease_until=NOON), "ready", id="lease just over"),
        pytest.param(a_candidate(state=State.RETRYING), "ready", id="retrying"),
        pytest.param(a_candidate(enabled=False), "cancel", id="disabled"),
        pytest.param(
            a_candidate(integration_disablings=1), "cancel", id="disabled and enabled since"
        ),
        pytest.param(a_candidate(fingerprint=None), "cancel", id="key wiped"),
        pytest.param(
            a_candidate(enabled=False, due_at=NOON + SECOND), "cancel", id="disabled and early"
        ),
        pytest.param(
            a_candidate(enabled=False, lease_until=NOON + SECOND),
            "left out",
            id="disabled while a worker is on it",
        ),
        pytest.param(
            a_candidate(closing=True, enabled=False, disablings=2, integration_disablings=2),
            "ready",
            id="last notification of a disabled one",
        ),
        pytest.param(
            a_candidate(closing=True, enabled=True, integration_disablings=1),
            "cancel",
            id="last notification of an earlier disabling",
        ),
        pytest.param(
            a_candidate(closing=True, enabled=False, fingerprint=None),
            "cancel",
            id="last notification with its key wiped",
        ),
        pytest.param(a_candidate(readable=False), "unreadable", id="key unreadable"),
        pytest.param(a_candidate(readable=False, slow=True), "unreadable", id="and slow"),
        pytest.param(
            a_candidate(readable=False, due_at=NOON + SECOND),
            "early",
            id="key unreadable and early",
        ),
        pytest.param(
            a_candidate(readable=False, enabled=False), "cancel", id="key unreadable and disabled"
        ),
        pytest.param(a_candidate(lost_claims=9), "ready", id="nine lost claims, by itself"),
        pytest.param(a_candidate(lost_claims=10), "lost", id="ten lost claims"),
        pytest.param(a_candidate(lost_claims=10, enabled=False), "cancel", id="lost and disabled"),
        *(pytest.param(a_candidate(state=s), "left out", id=f"ended: {s}") for s in ENDED),
    ],
)
def test_a_notification_of_a_message_is(candidate: Candidate[Notification], heap: str) -> None:
    assert fate(candidate) == heap


@pytest.mark.parametrize(
    ("lost_claims", "heap"), [(0, "ready"), (1, "ready"), (2, "alone"), (9, "alone"), (10, "lost")]
)
def test_after_two_lost_claims_it_travels_alone(lost_claims: int, heap: str) -> None:
    assert fate(a_candidate(lost_claims=lost_claims), a_candidate(id=2)) == heap


def test_notifications_that_have_ended_do_not_count_as_others_in_the_message() -> None:
    assert fate(a_candidate(lost_claims=2), a_candidate(id=2, state=State.FAILED)) == "ready"


@pytest.mark.parametrize(
    ("candidate", "heap"),
    [
        (a_candidate(due_at=NOON + SECOND, link=2), "early"),
        (a_candidate(due_at=NOON + SECOND, link=3), "left out"),
        (a_candidate(due_at=NOON + SECOND, link=1), "left out"),
        (a_candidate(link=3), "ready"),
        (a_candidate(link=3, lost_claims=2), "left out"),
        (a_candidate(link=2, lost_claims=2), "alone"),
        (a_candidate(link=3, lost_claims=10), "lost"),
        (a_candidate(link=3, enabled=False, due_at=NOON + SECOND), "cancel"),
        (a_candidate(id=2, due_at=NOON + SECOND, link=3), "early"),
    ],
)
def test_what_another_message_carries_by_now_is_not_enqueued_again(
    candidate: Candidate[Notification], heap: str
) -> None:
    found = triage([candidate, a_candidate(id=9)], NOON, {1: 2, 9: 0})
    heaps = {name: getattr(found, name) for name in Triage.__slots__}
    mine = {
        name for name, held in heaps.items() if candidate in held or candidate.notification in held
    }
    assert mine == ({heap} if heap != "left out" else set())


def test_one_that_a_worker_is_on_holds_nobody_back() -> None:
    leased = a_candidate(id=1, lease_until=NOON + SECOND)
    found = triage([leased, a_candidate(id=2)], NOON)
    assert [c.notification.id for c in found.ready] == [2]


def test_the_most_severe_go_first_then_the_oldest() -> None:
    order = [
        (5, Severity.INFO),
        (4, Severity.CRITICAL),
        (3, Severity.WARNING),
        (2, Severity.INFO),
        (1, Severity.CRITICAL),
        (6, Severity.ERROR),
    ]
    found = triage([a_candidate(id=i, severity=s) for i, s in order], NOON)
    assert [c.notification.id for c in found.ready] == [1, 4, 6, 3, 2, 5]


@pytest.mark.parametrize(
    ("given", "may"),
    [
        ({}, True),
        ({"slow": True}, False),
        ({"readable": False}, False),
        ({"enabled": False}, False),
        ({"integration_disablings": 1}, False),
        ({"fingerprint": None}, False),
        ({"generation": 3}, True),
    ],
)
def test_who_is_off_slow_or_of_a_key_that_cannot_be_read_is_not_sent_at_once(
    given: dict[str, Any], *, may: bool
) -> None:
    assert may_be_sent_at_once(a_candidate(**given)) is may
