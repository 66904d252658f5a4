"""The counters of the failure ratio, held against the attempts that they count."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import DOWN, REFUSED, TAKEN, a_key, an_answer, an_attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.health import COUNTED, Cell, Counts, Policy, counts_of_attempt, minute_of
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.outcome import Answer, FailureReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from build import Bench

MINUTE = timedelta(minutes=1)


@pytest.fixture
def unlimited(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


def counters(bench: Bench) -> dict[Cell, Counts]:
    return {
        Cell(row["integration_id"], row["generation"], row["minute"]): Counts(
            **{name: row[name] for name in COUNTED}
        )
        for row in bench.sql("SELECT * FROM health_minutes")
    }


def counted_in_attempts(bench: Bench) -> dict[Cell, Counts]:
    """Return what the counters should be, added up one attempt at a time."""
    cells: dict[Cell, Counts] = defaultdict(Counts)
    for a in bench.sql("SELECT * FROM attempts WHERE generation IS NOT NULL"):
        reason = None if a["error"] is None else FailureReason(a["error"])
        cells[Cell(a["integration_id"], a["generation"], minute_of(a["at"]))] += counts_of_attempt(
            a["at"], reason
        )
    return dict(cells)


def test_counters_move_with_the_attempts_and_know_their_classes(bench: Bench) -> None:
    integration = bench.integration()
    answers = [
        an_answer(500),
        an_answer(429),
        an_answer(400),
        an_answer(302),
        an_answer(None),
        TAKEN,
    ]
    bench.attempted(integration, *((timedelta(), answer) for answer in answers))
    ((cell, counts),) = counters(bench).items()
    assert (cell.integration_id, cell.generation) == (integration, 0)
    by_class = (counts.server, counts.throttled, counts.client, counts.other, counts.network)
    assert by_class == (1, 1, 1, 1, 1)
    assert (counts.attempts, counts.failed, counts.excusable) == (6, 5, 3)


def test_an_attempt_recorded_twice_counts_once(bench: Bench) -> None:
    bench.integration()
    claim = bench.claim(bench.made())
    attempt = an_attempt(claim.sendings[0], claim, REFUSED)
    bench.record([attempt])
    bench.record([attempt, attempt])
    assert sum(c.attempts for c in counters(bench).values()) == 1


def test_an_integrations_last_notification_does_not_count_nor_does_its_replay_count_for_it(
    bench: Bench,
) -> None:
    integration = bench.integration(subscribe=("system",))
    bench.disable_integration(integration, user="Ann", reason="a test")
    (last,) = bench.publisher.ids()
    for _ in range(6):
        bench.make_due()
        bench.sent([last], DOWN)
    assert counters(bench) == {}
    assert bench.value("SELECT count(*) FROM attempts WHERE generation IS NULL") == 6
    bench.enable_integration(integration)
    bench.replayed(last)
    bench.sent([last], DOWN)
    assert [(c.generation, n.failed) for c, n in counters(bench).items()] == [(1, 1)]


def test_what_was_claimed_before_a_clean_window_counts_in_the_old_one(bench: Bench) -> None:
    integration = bench.integration()
    changes: tuple[Callable[[], Any], ...] = (
        lambda: bench.update_integration(integration, IntegrationChange(key=a_key())),
        lambda: bench.update_integration(integration, IntegrationChange(region="eu")),
        lambda: (
            bench.disable_integration(integration, user="Ann", reason="a test"),
            bench.enable_integration(integration),
        ),
    )
    for generation, change in enumerate(changes):
        claim = bench.claim(bench.made())
        change()
        bench.record([an_attempt(claim.sendings[0], claim, REFUSED)])
        assert {c.generation for c in counters(bench)} == set(range(generation + 1))
    assert bench.value("SELECT generation FROM integrations") == len(changes)


def test_the_same_key_and_region_again_are_no_clean_window(bench: Bench) -> None:
    key = a_key()
    integration = bench.integration(key)
    bench.update_integration(integration, IntegrationChange(name="On call", region="us", key=key))
    assert bench.value("SELECT generation FROM integrations") == 0


def test_counters_leave_with_the_window_and_others_stay(bench: Bench) -> None:
    integration = bench.integration()
    window = Policy().window
    # Half a minute of slack on both sides: the window begins with a whole minute.
    bench.attempted(
        integration, (window + 2 * MINUTE, REFUSED), (window - MINUTE, REFUSED), (MINUTE, TAKEN)
    )
    bench.prune()
    assert sum(c.attempts for c in counters(bench).values()) == 2
    assert bench.value("SELECT count(*) FROM attempts") == 3


Answers = st.sampled_from([TAKEN, REFUSED, DOWN, an_answer(429), an_answer(301), an_answer(None)])
Step = st.one_of(
    st.tuples(st.just("attempt"), st.integers(0, 2), Answers, st.integers(0, 180)),
    st.tuples(st.sampled_from(["enable", "new key", "late"]), st.integers(0, 2)),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(Step, max_size=12))
def test_whatever_happens_counters_equal_the_attempts(
    unlimited: Bench, steps: list[tuple[Any, ...]]
) -> None:
    bench = unlimited
    bench.sql(
        "TRUNCATE integrations, notifications, attempts, health_minutes, events, counts RESTART IDENTITY"
    )
    ours = [bench.integration(client_id=n + 1) for n in range(3)]
    late: list[Any] = []
    for what, which, *rest in steps:
        integration, client = ours[which], which + 1
        match what:
            case "attempt":
                answer, ago = rest
                bench.attempted(integration, (ago * timedelta(seconds=1), answer), client_id=client)
            case "enable":
                bench.disable_integration(integration, user="Ann", reason="a test")
                bench.enable_integration(integration)
            case "new key":
                bench.update_integration(integration, IntegrationChange(key=a_key()))
            case "late":
                claim = bench.claim(bench.made(client_id=client))
                late += [an_attempt(s, claim, REFUSED) for s in claim.sendings]
    bench.record(late)
    bench.record([replace(a, answer=Answer(202)) for a in late])
    assert counters(bench) == counted_in_attempts(bench)
    for integration in ours:
        assert window_by_counters(bench, integration) == window_by_attempts(bench, integration)


def window_by_counters(bench: Bench, integration: int) -> Counts:
    generation = bench.value("SELECT generation FROM integrations WHERE id = :i", i=integration)
    found = bench.store.transact(lambda tx: tx.candidate(integration, generation, Policy()))
    assert found is not None
    return found.window.all


def window_by_attempts(bench: Bench, integration: int) -> Counts:
    return bench.store.transact(lambda tx: tx.window_of(integration, Policy(), tx.now)).all
