"""The three cycles of retries, as Celery countdowns, on real parts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object, eventually

from e2e.system import System, pairs, sandbox_times
from wallarm_notify.domain.retry import ATTEMPTS, WAITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.integration import IntegrationKey


@pytest.mark.timing
def test_retries_keep_their_waits_while_a_flood_is_rate_limited(
    make_system: Callable[..., System],
) -> None:
    """The two run together as both mostly wait: one after the other they would take two minutes."""
    system = make_system(rate_limit_per_minute=600)
    storm, failing = a_key(), a_key()
    system.integration(storm)
    system.integration(failing, client_id=2)
    system.sandbox.set_faults(
        [{"key": failing.reveal(), "kind": "status", "status": 503}], rate_limit=720
    )
    system.start_worker()
    system.start_beat()
    system.emit(*(an_event_object(title=f"Issue {n}") for n in range(900)))
    eventually(lambda: len(system.sandbox.alerts(storm.reveal())) >= 600, 30, "the first 600")
    system.emit(an_event_object(client_id=2))
    eventually(lambda: len(sandbox_times(system.sandbox, failing)) >= 11, 85, "eleven attempts")
    eventually(lambda: len(system.sandbox.alerts(storm.reveal())) == 900, 60, "all of the storm")
    the_waits_were_kept(sandbox_times(system.sandbox, failing)[:11])
    the_flood_kept_the_rate_limit(system, storm)
    assert system.ledger().findings == []


def the_waits_were_kept(times: list[float]) -> None:
    reserved = [wait.total_seconds() for wait in WAITS[:10]]
    assert reserved == [1, 3, 5, 10, 10, 0, 1, 3, 5, 30]
    late = [gap - wait for gap, wait in zip(pairs(times), reserved, strict=True)]
    assert min(late) >= 0, late
    assert max(late) < 1, late


def the_flood_kept_the_rate_limit(system: System, key: IntegrationKey) -> None:
    requests = system.sandbox.requests(key.reveal(), brief=True)
    assert {r["status"] for r in requests} == {202}
    times = sorted(r["at_epoch"] for r in requests)
    most = max(sum(1 for t in times if s <= t < s + 60) for s in times)
    assert most <= 600


def test_a_notification_that_never_gets_through_fails_after_seventeen_attempts(
    system: System,
) -> None:
    key = a_key()
    system.integration(key)
    system.sandbox.set_faults([{"kind": "status", "status": 503, "body": "out of order"}])
    system.start_worker()
    system.start_beat()
    system.emit(an_event_object())
    system.wait_for_states(60, failed=1)
    shown = system.show(system.notifications()[0].id)
    assert [a.number for a in shown.attempts] == list(range(1, ATTEMPTS + 1))
    assert {(a.run, a.status_code, a.error, a.response) for a in shown.attempts} == {
        (1, 503, "http_5xx", "out of order")
    }
    gaps = list(pairs(sandbox_times(system.sandbox, key)))
    assert all(
        gap >= wait.total_seconds() * 0.002 for gap, wait in zip(gaps, WAITS, strict=True)
    ), gaps
    sent = {r["body"]["dedup_key"] for r in system.sandbox.requests()}
    assert sent == {shown.dedup_key}
    assert system.ledger().findings == []


def test_a_failed_notification_is_replayed_under_the_same_dedup_key(system: System) -> None:
    key = a_key()
    integration = system.integration(key)
    system.sandbox.set_faults([{"kind": "status", "status": 500, "times": ATTEMPTS}])
    system.start_worker()
    system.start_beat()
    system.emit(an_event_object())
    system.wait_for_states(60, failed=1)
    system.replay_notifications([system.notifications()[0].id])
    system.wait_for_states(60, delivered=1)
    shown = system.show(system.notifications()[0].id)
    assert shown.run == 2
    assert [(a.run, a.number) for a in shown.attempts] == [
        *itertools.product([1], range(1, ATTEMPTS + 1)),
        (2, 1),
    ]
    (alert,) = system.sandbox.alerts(key.reveal())
    assert (alert["dedup_key"], alert["notifications"]) == (shown.dedup_key, 1)
    assert shown.integration_id == integration


@pytest.mark.timing
def test_a_longer_retry_after_is_honoured(system: System) -> None:
    key = a_key()
    system.integration(key)
    system.sandbox.set_faults(
        [{"kind": "status", "status": 429, "retry_after": 3, "times": 1}],
    )
    system.start_worker()
    system.emit(an_event_object())
    system.wait_for_states(15, delivered=1)
    (gap,) = pairs(sandbox_times(system.sandbox, key))
    assert 3 <= gap < 4
    assert [a.error for a in system.show(system.notifications()[0].id).attempts] == [
        "http_429",
        None,
    ]
