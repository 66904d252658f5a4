"""Drills: what they send and take, what is kept of them, and whom the schedule drills when."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, FailingStore, a_key, an_answer

from wallarm_notify.domain.drill import WITHIN, next_after
from wallarm_notify.domain.errors import NotFound, Refused, Unavailable
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.services.drill import (
    CHECK,
    MOST,
    NAME,
    SLICE,
    WHOLE,
    DrillsRun,
    drill,
    run_drills,
)
from wallarm_notify.services.measure import measure
from wallarm_notify.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.integration import Integration, IntegrationKey
    from wallarm_notify.domain.outcome import Answer

HOURS = timedelta(hours=6)
TABLES = ("notifications", "attempts", "health_minutes", "activity")
UNKNOWN = an_answer(400, response="Invalid routing key")


class Sender:
    """What answers resolves: by the region, else with 202."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.sent: list[tuple[str, str, IntegrationKey, timedelta]] = []

    def __call__(
        self, dedup_key: str, region: str, key: IntegrationKey, within: timedelta
    ) -> Answer:
        self.sent.append((dedup_key, region, key, within))
        return self.answers.get(region, an_answer(202))


def shown(bench: Bench, number: int) -> Integration:
    found = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, number))
    assert found is not None
    return found


def ran(bench: Bench, send: Sender, *, hours: timedelta = HOURS) -> DrillsRun:
    """Do one run of the schedule, as if the last one had been a minute ago."""
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - interval '1 minute'")
    return run_drills(bench.with_settings(drill_interval=hours), send)


def later(bench: Bench, by: timedelta) -> None:
    """Move all that is kept of drills and runs into the past."""
    bench.sql(
        """UPDATE drills SET first_at = first_at - :by, began_at = began_at - :by,
               answered_at = answered_at - :by, proven_at = proven_at - :by""",
        by=by,
    )
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - :by", by=by)


def granted(bench: Bench) -> int:
    """Return how many grants all keys had."""
    sent = bench.value(
        """SELECT coalesce(sum(CAST(one ->> 1 AS int)), 0) FROM rate_limits,
           jsonb_array_elements(coalesce(grants -> 'sent', '[]')) AS one"""
    )
    return int(sent)


def test_a_drill_goes_the_way_of_alerts_under_a_fresh_dedup_key_and_is_kept(bench: Bench) -> None:
    key, send = a_key(), Sender()
    number = bench.integration(key, region="eu")
    assert shown(bench, number).proven_at is None
    for _ in range(2):
        assert drill(bench.ctx, EVERY_CLIENT, number, send).passed
    assert {(region, by) for _, region, by, _ in send.sent} == {("eu", key)}
    assert len({dedup_key for dedup_key, *_ in send.sent}) == 2
    found = shown(bench, number)
    assert found.last_drill is not None
    assert found.last_drill.passed
    assert found.proven_at is not None


def test_a_drill_is_no_notification_and_no_attempt_and_takes_one_turn(bench: Bench) -> None:
    number = bench.integration()
    before = {t: bench.value(f"SELECT count(*) FROM {t}") for t in TABLES}
    drill(bench.ctx, EVERY_CLIENT, number, Sender(us=an_answer(500)))
    assert granted(bench) == 1
    after = {t: bench.value(f"SELECT count(*) FROM {t}") for t in before}
    assert before == after


def test_without_a_free_turn_a_drill_is_refused_and_sends_nothing(
    make_bench: Callable[..., Bench],
) -> None:
    bench, send = make_bench(rate_limit=1), Sender()
    number = bench.integration()
    drill(bench.ctx, EVERY_CLIENT, number, send)
    with pytest.raises(Refused, match="no turn free"):
        drill(bench.ctx, EVERY_CLIENT, number, send)
    assert len(send.sent) == 1


def test_with_the_rate_limit_off_no_turn_is_asked_for(make_bench: Callable[..., Bench]) -> None:
    bench, send = make_bench(rate_limit=0), Sender()
    number = bench.integration()
    for _ in range(3):
        drill(bench.ctx, EVERY_CLIENT, number, send)
    assert (len(send.sent), granted(bench)) == (3, 0)


def test_an_unknown_key_is_tried_in_the_other_region(bench: Bench) -> None:
    number = bench.integration()
    here, nowhere = Sender(us=UNKNOWN), Sender(us=UNKNOWN, eu=UNKNOWN)
    done = drill(bench.ctx, EVERY_CLIENT, number, here)
    assert (done.passed, done.other_region) == (False, "eu")
    assert [region for _, region, *_ in here.sent] == ["us", "eu"]
    assert here.sent[1][3] <= WHOLE
    assert drill(bench.ctx, EVERY_CLIENT, number, nowhere).other_region is None


@pytest.mark.parametrize("status", [500, 429, None])
def test_the_other_region_is_not_tried_for_other_failures(bench: Bench, status: int | None) -> None:
    send = Sender(us=an_answer(status))
    done = drill(bench.ctx, EVERY_CLIENT, bench.integration(), send)
    assert (done.passed, done.other_region, len(send.sent)) == (False, None, 1)


def test_a_failed_drill_leaves_the_last_proof_as_it_was(bench: Bench) -> None:
    number = bench.integration()
    drill(bench.ctx, EVERY_CLIENT, number, Sender())
    proven = shown(bench, number).proven_at
    drill(bench.ctx, EVERY_CLIENT, number, Sender(us=an_answer(503)))
    found = shown(bench, number)
    assert found.last_drill is not None
    assert (found.proven_at, found.last_drill.status_code) == (proven, 503)


@pytest.mark.parametrize("change", [IntegrationChange(region="eu"), IntegrationChange(key=a_key())])
def test_under_another_key_or_region_nothing_is_proven(
    bench: Bench, change: IntegrationChange
) -> None:
    number = bench.integration()
    drill(bench.ctx, EVERY_CLIENT, number, Sender())
    bench.update_integration(number, change)
    assert (shown(bench, number).proven_at, shown(bench, number).last_drill) == (None, None)
    drill(bench.ctx, EVERY_CLIENT, number, Sender(us=UNKNOWN, eu=UNKNOWN))
    assert shown(bench, number).proven_at is None


def test_an_answer_to_a_drill_by_a_former_key_proves_nothing(bench: Bench) -> None:
    number = bench.integration()

    class Meanwhile(Sender):
        def __call__(self, *given: object) -> Answer:
            bench.update_integration(number, IntegrationChange(key=a_key()))
            return an_answer(202)

    drill(bench.ctx, EVERY_CLIENT, number, Meanwhile())
    assert shown(bench, number).proven_at is None


class Overtaken(Sender):
    """What sends a resolve during which a newer drill of the integration has the answer ``newer``."""

    def __init__(self, bench: Bench, number: int, newer: Answer, older: Answer) -> None:
        super().__init__(us=older)
        self._bench, self._number, self._newer = bench, number, Sender(us=newer)

    def __call__(
        self, dedup_key: str, region: str, key: IntegrationKey, within: timedelta
    ) -> Answer:
        drill(self._bench.ctx, EVERY_CLIENT, self._number, self._newer)
        return super().__call__(dedup_key, region, key, within)


def test_a_late_failure_of_an_older_drill_leaves_the_newer_ones_result(bench: Bench) -> None:
    number = bench.integration()
    send = Overtaken(bench, number, newer=an_answer(202), older=an_answer(503, response="busy"))
    drill(bench.ctx, EVERY_CLIENT, number, send)
    found = shown(bench, number)
    assert found.last_drill is not None
    assert (found.last_drill.status_code, found.last_drill.error) == (202, None)
    assert bench.value("SELECT response FROM drills") == an_answer(202).response


def test_a_late_success_of_an_older_drill_is_a_proof_and_not_the_last_result(bench: Bench) -> None:
    number = bench.integration()
    send = Overtaken(bench, number, newer=an_answer(503), older=an_answer(202))
    assert drill(bench.ctx, EVERY_CLIENT, number, send).passed
    found = shown(bench, number)
    assert found.last_drill is not None
    assert (found.last_drill.status_code, found.last_drill.error) == (503, "http_5xx")
    assert found.proven_at is not None


def test_an_older_drills_answer_is_not_that_of_one_under_way(bench: Bench) -> None:
    number = bench.integration()

    def begun(*_: object) -> Answer:
        bench.store.transact(lambda tx: tx.begin_drill(tx.lock_integration(EVERY_CLIENT, number)))  # type: ignore[arg-type]  # it is there
        return an_answer(503)

    drill(bench.ctx, EVERY_CLIENT, number, begun)
    assert shown(bench, number).last_drill is None


def test_nothing_is_kept_of_a_deleted_integrations_drills(bench: Bench) -> None:
    number = bench.integration()
    drill(bench.ctx, EVERY_CLIENT, number, Sender())
    bench.delete_integration(number)
    assert bench.value("SELECT count(*) FROM drills") == 0


def test_what_is_anothers_is_not_drilled(bench: Bench) -> None:
    number, send = bench.integration(client_id=2), Sender()
    with pytest.raises(NotFound, match=f"There is no integration {number}"):
        drill(bench.ctx, only([1]), number, send)
    assert send.sent == []


# The schedule.


def test_without_an_interval_the_schedule_does_nothing(bench: Bench) -> None:
    bench.integration()
    send = Sender()
    assert run_drills(bench.ctx, send) == DrillsRun()
    assert send.sent == []


def test_the_schedule_drills_enabled_integrations_once_an_interval(bench: Bench) -> None:
    first, second = bench.integration(), bench.integration()
    off = bench.integration()
    bench.disable_integration(off)
    send = Sender()
    assert ran(bench, send) == DrillsRun(proven=2)
    assert ran(bench, send).proven == 0
    later(bench, HOURS)
    drill(bench.ctx, EVERY_CLIENT, first, send)
    assert ran(bench, send).proven == 1
    assert shown(bench, second).proven_at is not None
    assert shown(bench, off).last_drill is None


@pytest.mark.parametrize("status", [500, 429, 403, None])
def test_a_drill_that_failed_for_another_reason_than_its_key_is_done_again_soon(
    bench: Bench, status: int | None
) -> None:
    number, sooner = bench.integration(), next_after(HOURS, settled=False)
    assert ran(bench, Sender(us=an_answer(status))).failed == 1
    later(bench, sooner - timedelta(minutes=2))
    assert ran(bench, Sender()) == DrillsRun()
    later(bench, timedelta(minutes=2))
    assert ran(bench, Sender()).proven == 1
    assert shown(bench, number).proven_at is not None


def test_a_key_that_pagerduty_does_not_know_is_drilled_again_at_the_interval(bench: Bench) -> None:
    bench.integration()
    assert ran(bench, Sender(us=UNKNOWN)).failed == 1
    later(bench, HOURS - timedelta(minutes=5))
    assert ran(bench, Sender()) == DrillsRun()
    later(bench, timedelta(minutes=5))
    assert ran(bench, Sender()).proven == 1


def test_a_drill_whose_process_died_before_its_answer_is_done_again_soon(bench: Bench) -> None:
    number = bench.integration()
    bench.store.transact(lambda tx: tx.begin_drill(tx.lock_integration(EVERY_CLIENT, number)))  # type: ignore[arg-type]  # it is there
    assert ran(bench, Sender()).proven == 0
    later(bench, next_after(HOURS, settled=False))
    assert ran(bench, Sender()).proven == 1


def test_two_runs_at_once_drill_once(bench: Bench) -> None:
    bench.integration()
    ctx, send = bench.with_settings(drill_interval=HOURS), Sender()
    assert run_drills(ctx, send).ran
    assert not run_drills(ctx, send).ran
    assert len(send.sent) == 1


def test_a_run_begins_no_further_slice_after_its_time_and_the_next_one_goes_on(
    bench: Bench,
) -> None:
    for _ in range(SLICE + 3):
        bench.integration()
    ctx, send = bench.with_settings(drill_interval=HOURS), Sender()
    assert run_drills(ctx, send, works_for=timedelta()).proven == SLICE
    assert ran(bench, send).proven == 3
    assert MOST > SLICE


def test_one_without_a_free_turn_is_tried_by_the_next_run(make_bench: Callable[..., Bench]) -> None:
    bench, send, key = make_bench(rate_limit=1), Sender(), a_key()
    bench.integration(key)
    bench.integration(key)
    assert (ran(bench, send).words, ran(bench, send).waiting) == (
        "1 integration proven, 0 failed, 1 not drilled now",
        1,
    )
    bench.sql("UPDATE rate_limits SET grants = '{}'")
    assert ran(bench, send).proven == 1


def test_one_whose_key_cannot_be_decrypted_keeps_no_other_from_its_drill(bench: Bench) -> None:
    locked_up = bench.integration()
    bench.integration()
    bench.sql("UPDATE integrations SET key_token = 'x' WHERE id = :id", id=locked_up)
    assert ran(bench, Sender()).proven == 1


BLOCKED = {
    "without a free turn": """UPDATE rate_limits SET grants = jsonb_build_object('sent', jsonb_build_array(
            jsonb_build_array(extract(epoch FROM now()), 1)))
        WHERE key_fingerprint = (SELECT key_fingerprint FROM integrations WHERE id = :id)""",
    "whose keys cannot be decrypted": """UPDATE integrations SET key_token = 'x'
        WHERE key_fingerprint = (SELECT key_fingerprint FROM integrations WHERE id = :id)""",
}
"""What keeps the integrations that have the key of one of them from being drilled."""


@pytest.mark.parametrize("blocking", BLOCKED.values(), ids=BLOCKED)
def test_any_number_of_integrations_that_cannot_be_drilled_keep_no_other_from_its_drill(
    make_bench: Callable[..., Bench], blocking: str
) -> None:
    bench, send = make_bench(rate_limit=1), Sender()
    first = bench.integration()
    bench.sql(
        """INSERT INTO integrations (client_id, name, region, key_token, key_fingerprint, key_last4, subscriptions,
               enabled) SELECT client_id, name, region, key_token, key_fingerprint, key_last4, subscriptions, enabled
           FROM integrations, generate_series(1, :more) WHERE id = :id""",
        more=MOST + 1,
        id=first,
    )
    last = bench.integration(a_key())
    for _ in range((MOST + 2) // SLICE + 1):
        bench.sql(blocking, id=first)
        ran(bench, send)
        if send.sent:
            break
    assert shown(bench, last).proven_at is not None
    assert len(send.sent) == 1


def test_each_run_goes_on_behind_the_last_one_and_round_again(bench: Bench) -> None:
    ids = [bench.integration() for _ in range(SLICE + 2)]
    ctx, send = bench.with_settings(drill_interval=HOURS), Sender()
    run_drills(ctx, send, works_for=timedelta())
    later(bench, HOURS)
    run_drills(ctx, send, works_for=timedelta())
    drilled = [
        row["integration_id"]
        for row in bench.sql(
            "SELECT integration_id FROM drills ORDER BY began_at DESC LIMIT :n", n=SLICE
        )
    ]
    assert sorted(drilled) == sorted(ids[SLICE:] + ids[: SLICE - 2])


class CountingStore(Store):
    """A store that counts how many transactions are open at once, at most, and now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self.open = self.most = 0

    def transact(self, work: Callable[[Any], Any]) -> Any:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            return self._store.transact(work)
        finally:
            with self._lock:
                self.open -= 1


def test_drills_hold_no_connection_while_they_wait_and_one_at_most_besides(bench: Bench) -> None:
    for _ in range(SLICE):
        bench.integration()
    store, everyone = CountingStore(bench.store), Barrier(SLICE, timeout=30)
    opened: list[int] = []

    def send(*_: object) -> Answer:
        everyone.wait()  # all are under way at once
        opened.append(store.open)
        everyone.wait()
        return an_answer(202)

    ctx = replace(bench.with_settings(drill_interval=HOURS), store=store)
    assert run_drills(ctx, send).proven == SLICE
    assert opened == [0] * SLICE
    assert store.most == 1


def test_where_the_database_goes_away_a_run_does_not_wait_for_it_at_each(bench: Bench) -> None:
    for _ in range(SLICE):
        bench.integration()
    failing = FailingStore(bench.store, "lock_integration", Unavailable("away"))
    seconds = count(step=WITHIN.total_seconds())
    ctx = replace(
        bench.with_settings(drill_interval=HOURS), store=failing, clock=lambda: next(seconds)
    )
    assert run_drills(ctx, Sender()).waiting == SLICE
    assert len(failing.asked) == 1


def errors(caplog: pytest.LogCaptureFixture) -> list[int]:
    """Return the integrations that errors of the log name as not proven."""
    return [
        r.__dict__["integration"]
        for r in caplog.records
        if (r.levelno, r.msg) == (logging.ERROR, "integration.not_proven")
    ]


def test_a_proof_older_than_two_intervals_is_an_error_once_an_interval(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    number, well = bench.integration(region="eu"), bench.integration()
    never = bench.integration(region="eu")
    send, down = Sender(), Sender(eu=an_answer(503))
    for one in (number, well):
        drill(bench.ctx, EVERY_CLIENT, one, send)
    later(bench, HOURS)
    ran(bench, down)
    assert errors(caplog) == []
    later(bench, HOURS)
    assert ran(bench, down).overdue == 1
    ran(bench, down)
    assert errors(caplog) == [number]
    later(bench, HOURS)
    ran(bench, down)
    assert errors(caplog) == [number, number, never]
    assert shown(bench, well).proven_at is not None


def test_figures_have_the_oldest_proof_of_enabled_integrations_and_the_failed_ones(
    bench: Bench,
) -> None:
    assert measure(bench.ctx, EVERY_CLIENT).oldest_proof is None
    old, off, failed = (bench.integration() for _ in range(3))
    for number in (off, old):
        drill(bench.ctx, EVERY_CLIENT, number, Sender())
        later(bench, HOURS)
    bench.disable_integration(off)
    drill(bench.ctx, EVERY_CLIENT, failed, Sender(us=an_answer(503)))
    found = measure(bench.ctx, EVERY_CLIENT)
    assert found.oldest_proof is not None
    assert HOURS <= found.oldest_proof < HOURS + timedelta(minutes=5)
    assert found.drills_failed == 1


def test_drills_whose_times_lie_ahead_after_the_clock_was_set_back_are_due(bench: Bench) -> None:
    number = bench.integration()
    drill(bench.ctx, EVERY_CLIENT, number, Sender())
    assert bench.store.transact(lambda tx: tx.due_for_drill(HOURS, 9)) == []
    later(bench, -2 * HOURS)
    assert bench.store.transact(lambda tx: tx.due_for_drill(HOURS, 9)) == [number]


def test_runs_have_names_of_their_own(bench: Bench) -> None:
    ran(bench, Sender())
    names = {row["name"] for row in bench.sql("SELECT name FROM upkeep_runs")}
    assert names == {NAME, CHECK}
    assert isinstance(bench.value("SELECT max(began_at) FROM upkeep_runs"), datetime)
