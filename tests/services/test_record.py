from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, an_answer, an_attempt
from meanwhile import overlapping

from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from wallarm_notify.domain.outcome import Answer

DELIVERED, FAILED = an_answer(202), an_answer(500)


def sleep_through_waits(bench: Bench, number: int) -> None:
    """Let one notification fail so often."""
    (notification_id,) = (row["id"] for row in bench.sql("SELECT id FROM notifications"))
    for _ in range(number):
        bench.make_due()
        assert len(bench.sent([notification_id], FAILED)) == 1


def test_a_2xx_delivers_and_a_failure_is_enqueued_again_with_its_wait(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    claim = bench.claim(ids)
    bench.publisher.taken()
    good, bad = claim.sendings
    bench.record([an_attempt(good, claim), an_attempt(bad, claim, FAILED)])
    assert bench.states() == {"delivered": 1, "retrying": 1}
    (message,) = bench.publisher.taken()
    assert (message.ids, message.first) == ((bad.notification.id,), False)
    assert message.countdown is not None
    assert timedelta(seconds=0.9) < message.countdown <= timedelta(seconds=1.5)
    assert bench.ledger().findings == []


def test_waits_count_from_the_answer(bench: Bench) -> None:
    bench.integration()
    (sending,) = (claim := bench.claim(bench.made())).sendings
    bench.record([an_attempt(sending, claim, FAILED, took=12)])
    after = bench.notification(sending.notification.id)
    assert after.due_at == claim.now + timedelta(seconds=12 + 1)
    assert after.recheck_at == after.due_at + timedelta(seconds=15)


def test_every_attempt_is_kept_with_what_came_of_it(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    bench.sent(ids, an_answer(503, response="try later"))
    bench.make_due()
    bench.sent(ids, an_answer(None, response="connection reset"), took=2.5)
    bench.make_due()
    bench.sent(ids)
    rows = bench.sql("SELECT * FROM attempts ORDER BY fence")
    assert [(r["fence"], r["run"], r["number"]) for r in rows] == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]
    assert [(r["status_code"], r["error"]) for r in rows] == [
        (503, "http_5xx"),
        (None, "reset"),
        (202, None),
    ]
    assert rows[1]["duration_ms"] == 2500
    assert rows[0]["response"] == "try later"


def test_after_17_failures_it_has_failed_and_the_log_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    integration = bench.integration()
    (notification_id,) = bench.made()
    sleep_through_waits(bench, 16)
    assert bench.states() == {"retrying": 1}
    sleep_through_waits(bench, 1)
    assert bench.states() == {"failed": 1}
    n = bench.notification(notification_id)
    assert (n.attempts_made, n.fence, n.end_reason) == (17, 17, None)
    assert bench.value("SELECT count(*) FROM attempts") == 17
    (record,) = [r for r in caplog.records if r.message == "notification.failed"]
    assert record.levelno == logging.ERROR
    assert vars(record)["integration"] == integration
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    assert shown is not None
    assert shown.failed_24h == 1
    assert bench.ledger().findings == []


def test_a_stale_failure_is_kept_as_an_attempt_and_changes_nothing(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    stale = bench.claim(ids)
    bench.end_leases()
    current = bench.claim(ids)
    before = bench.notification(ids[0])
    bench.record([an_attempt(stale.sendings[0], stale, FAILED)])
    assert bench.notification(ids[0]) == before
    assert bench.value("SELECT count(*) FROM attempts") == 1
    bench.record([an_attempt(current.sendings[0], current, FAILED)])
    assert bench.notification(ids[0]).attempts_made == 1
    assert bench.value("SELECT count(*) FROM attempts") == 2
    assert bench.ledger().findings == []


def test_a_late_2xx_delivers_under_any_fencing_token(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    stale = bench.claim(ids)
    bench.end_leases()
    current = bench.claim(ids)
    bench.record([an_attempt(stale.sendings[0], stale, DELIVERED)])
    assert bench.states() == {"delivered": 1}
    bench.record([an_attempt(current.sendings[0], current, FAILED)])
    assert bench.states() == {"delivered": 1}
    assert bench.value("SELECT count(*) FROM attempts") == 2
    assert bench.ledger().findings == []


def test_a_late_2xx_delivers_what_was_cancelled_meanwhile(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made()
    claim = bench.claim(ids)
    bench.end_leases()
    bench.disable_integration(integration, user="Ann", reason="")
    assert bench.states() == {"cancelled": 1}
    bench.record([an_attempt(claim.sendings[0], claim)])
    assert bench.states() == {"delivered": 1}
    assert bench.ledger().findings == []


@pytest.mark.parametrize("status", [500, 202])
def test_a_late_answer_of_before_a_replay_does_not_count_in_the_new_run(
    bench: Bench, status: int
) -> None:
    integration = bench.integration()
    ids = bench.made()
    claim = bench.claim(ids)
    bench.end_leases()
    bench.disable_integration(integration, user="Ann", reason="")
    bench.enable_integration(integration)
    bench.replayed(*ids)
    bench.record([an_attempt(claim.sendings[0], claim, an_answer(status))])
    assert bench.notification(ids[0]).attempts_made == 0
    assert bench.states() == ({"delivered": 1} if status == 202 else {"pending": 1})
    assert bench.ledger().findings == []


def test_the_same_record_twice_changes_nothing(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    attempts = bench.sent(ids, FAILED)
    before = bench.notification(ids[0])
    bench.publisher.taken()
    bench.record(attempts)
    bench.record(attempts * 2)
    assert bench.notification(ids[0]) == before
    assert bench.publisher.taken() == []
    assert bench.value("SELECT count(*) FROM attempts") == 1


def test_an_attempt_that_stands_twice_in_a_record_counts_once(bench: Bench) -> None:
    bench.integration()
    (sending,) = (claim := bench.claim(bench.made())).sendings
    bench.record([an_attempt(sending, claim, FAILED)] * 2)
    assert bench.notification(sending.notification.id).attempts_made == 1
    assert bench.value("SELECT sum(failed) FROM health_minutes") == 1
    assert bench.ledger().findings == []


def test_an_attempt_of_nothing_we_know_is_no_trouble(bench: Bench) -> None:
    bench.integration()
    ids = bench.made()
    claim = bench.claim(ids)
    attempt = an_attempt(claim.sendings[0], claim)
    bench.sql("DELETE FROM notifications")
    bench.record([attempt])


@pytest.mark.parametrize("answer", [DELIVERED, FAILED])
def test_an_answer_to_another_notification_of_the_same_id_and_claim_changes_nothing(
    bench: Bench, answer: Answer
) -> None:
    """A standby that was promoted without the last notifications gives their ids once more."""
    bench.integration()
    (sending,) = (claim := bench.claim(bench.made())).sendings
    before = bench.notification(sending.notification.id)
    attempt = an_attempt(sending, claim, answer)
    bench.record([replace(attempt, dedup_start=attempt.dedup_start - 1)])
    assert bench.notification(sending.notification.id) == before
    assert bench.sql("SELECT * FROM attempts") == []
    bench.record([an_attempt(sending, claim)])
    assert bench.states() == {"delivered": 1}
    assert bench.ledger().findings == []


@pytest.mark.parametrize("of_another", [DELIVERED, FAILED])
@pytest.mark.parametrize("comes_first", [True, False])
@pytest.mark.parametrize(("own", "state"), [(DELIVERED, "delivered"), (FAILED, "retrying")])
def test_an_answer_to_another_notification_takes_no_place_of_the_own_one_beside_it(
    bench: Bench, own: Answer, state: str, of_another: Answer, *, comes_first: bool
) -> None:
    """One batch of the recorder has both where the database was away between the two."""
    bench.integration()
    (sending,) = (claim := bench.claim(bench.made())).sendings
    genuine = an_attempt(sending, claim, own)
    stale = an_attempt(sending, claim, of_another)
    stale = replace(stale, dedup_start=stale.dedup_start + 1)
    bench.record([stale, genuine] if comes_first else [genuine, stale])
    assert bench.states() == {state: 1}
    assert [a["status_code"] for a in bench.sql("SELECT status_code FROM attempts")] == [own.status]
    assert bench.value("SELECT sum(attempts) FROM health_minutes") == 1
    assert bench.ledger().findings == []


@pytest.mark.parametrize("first", ["the 2xx", "the failure"])
def test_of_two_answers_recorded_at_once_a_2xx_delivers(bench: Bench, first: str) -> None:
    bench.integration()
    ids = bench.made()
    stale = bench.claim(ids)
    bench.end_leases()
    current = bench.claim(ids)
    one, two = (
        an_attempt(claim.sendings[0], claim, answer)
        for claim, answer in ((stale, DELIVERED), (current, FAILED))
    )
    if first == "the failure":
        one, two = two, one
    overlapping(bench, lambda first: first.record([one]), lambda: bench.record([two]))
    assert bench.states() == {"delivered": 1}
    assert bench.value("SELECT count(*) FROM attempts") == 2
    assert bench.ledger().findings == []


def test_answers_alike_are_stored_once_and_shown_with_each_attempt(bench: Bench) -> None:
    bench.integration()
    (notification_id,) = bench.made()
    answers = [
        an_answer(500, response=text) for text in ("down", "down", "busy", "down", "", "busy")
    ]
    for answer in answers:
        bench.make_due()
        bench.sent([notification_id], answer)
    rows = bench.sql("SELECT fence, same_as, response FROM attempts ORDER BY fence")
    assert [(row["same_as"], row["response"]) for row in rows] == [
        (0, "down"), (1, ""), (0, "busy"), (1, ""), (0, ""), (3, ""),
    ]  # fmt: skip
    shown = bench.store.transact(lambda tx: tx.notification(EVERY_CLIENT, notification_id))
    assert shown is not None
    assert [a.response for a in shown.attempts] == [a.response for a in answers]


def test_an_answer_that_was_recorded_late_does_not_change_what_others_refer_to(
    bench: Bench,
) -> None:
    bench.integration()
    (notification_id,) = bench.made()
    late = bench.claim([notification_id])
    bench.sql("UPDATE notifications SET lease_until = now(), recheck_at = now()")
    for text in ("down", "down"):
        bench.make_due()
        bench.sent([notification_id], an_answer(500, response=text))
    bench.record([an_attempt(late.sendings[0], late, an_answer(500, response="first"))])
    shown = bench.store.transact(lambda tx: tx.notification(EVERY_CLIENT, notification_id))
    assert shown is not None
    assert [a.response for a in shown.attempts] == ["first", "down", "down"]
    assert bench.ledger().findings == []
