"""A policy over recorded attempts comes to what reviews would have come to, minute by minute."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from build import DOWN, NOON, REFUSED, TAKEN, a_key, spread
from hypothesis import given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.health import (
    MINUTE,
    Cell,
    Counts,
    Policy,
    Window,
    counts_of_attempt,
    evaluate,
    minute_of,
)
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.outage import (
    OUTAGE_WINDOW,
    Hour,
    Place,
    SmallOutage,
    outages_of,
    small_outage,
)
from wallarm_notify.domain.outcome import FailureReason
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.simulate import Replayed, simulate

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from build import Bench

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

At = tuple[int, int, FailureReason | None]
"""An attempt: the integration, seconds since noon, and why it failed."""


PLACES = {i: Place("eu" if i > 10 else "us", b"%d" % (i % 13)) for i in range(1, 16)}
"""Ten integrations of one region, five of the other, two of which share a key."""


def by_brute_force(policy: Policy, attempts: list[At], minutes: int) -> dict[int, datetime]:
    """Return when each integration is first switched off, counting everything again at every minute."""
    off: dict[int, datetime] = {}
    down: set[tuple[str, datetime]] = set()  # the minutes of outages
    small: dict[str, SmallOutage | None] = {}
    for n in range(1, minutes + 1):
        now = NOON + n * MINUTE
        past = [
            (i, NOON + timedelta(seconds=s), counts_of_attempt(NOON + timedelta(seconds=s), r))
            for i, s, r in attempts
            if s < n * 60
        ]
        hour: dict[int, Counts] = defaultdict(Counts)
        for i, at, counts in past:
            if at >= now - OUTAGE_WINDOW:
                hour[i] += counts
        outages = set()
        found = outages_of(
            Hour(
                PLACES[i].region,
                PLACES[i].key,
                c.attempts,
                c.excusable,
                taken=not c.last_attempt_failed,
            )
            for i, c in hour.items()
        )
        for region, one in found.items():
            small[region] = small_outage(small.get(region), one, now, policy.window)
            if policy.outage_guard and one.is_on(small[region], now):
                outages.add(region)
                # The hour that was looked at, and the minute until the next review.
                down |= {(region, now - k * MINUTE) for k in range(61)}
        for i in {i for i, _, _ in past} - set(off):
            parts = {False: Counts(), True: Counts()}
            for whose, at, counts in past:
                if whose == i and at >= now - policy.window:
                    parts[(PLACES[i].region, minute_of(at)) in down] += counts
            window = Window(parts[False], parts[True], PLACES[i].region in outages)
            if evaluate(window, policy).disables:
                off[i] = now
    return off


REASONS = [None, FailureReason.CLIENT, FailureReason.SERVER, FailureReason.TIMEOUT]
Attempts = st.lists(
    st.tuples(st.integers(1, 15), st.integers(0, 3 * 3600 - 1), st.sampled_from(REASONS)),
    max_size=120,
)
Policies = st.builds(
    Policy,
    ratio=st.sampled_from([Decimal(40), Decimal(60), Decimal(100)]),
    window=st.sampled_from([10 * MINUTE, HOUR, 2 * HOUR]),
    min_attempts=st.sampled_from([0, 3]),
    min_span=st.sampled_from([timedelta(), 5 * MINUTE]),
    outage_guard=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(policy=Policies, attempts=Attempts)
def test_a_simulation_switches_off_what_reviews_would_have_and_when(
    policy: Policy, attempts: list[At]
) -> None:
    minutes = 200
    replayed = Replayed(policy, PLACES)
    off: dict[int, datetime] = {}
    for n in range(minutes):
        minute = NOON + n * MINUTE
        cells: dict[Cell, Counts] = {}
        for i, second, reason in attempts:
            if second // 60 == n:
                cell = Cell(i, 0, minute)
                at = NOON + timedelta(seconds=second)
                cells[cell] = cells.get(cell, Counts()) + counts_of_attempt(at, reason)
        replayed.take(minute, cells.items())
        off |= {i: minute + MINUTE for i, _, _ in replayed.review(minute + MINUTE)}
    assert off == by_brute_force(policy, attempts, minutes)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


def failing(bench: Bench, *, until: timedelta = timedelta(minutes=2), client_id: int = 1) -> int:
    """Return an integration whose 17 attempts of an hour failed."""
    integration = bench.integration(client_id=client_id, name="On call")
    bench.attempted(integration, *spread(17, REFUSED, until=until), client_id=client_id)
    return integration


def run(bench: Bench, since: timedelta = DAY, **policy: Any) -> Any:
    start = bench.value("SELECT now()") - since
    return simulate(bench.ctx, EVERY_CLIENT, replace(Policy(), **policy), start)


def test_it_says_who_when_and_with_which_figures(bench: Bench) -> None:
    integration = failing(bench)
    healthy = bench.integration(client_id=2)
    bench.attempted(healthy, (MINUTE * 5, TAKEN), client_id=2)
    done = run(bench)
    (decision,) = done.decisions
    assert (decision.integration_id, decision.client_id, decision.name) == (
        integration,
        1,
        "On call",
    )
    assert (decision.decision.counts.attempts, decision.decision.counts.failed) == (17, 17)
    last = bench.value("SELECT max(at) FROM attempts WHERE integration_id = :i", i=integration)
    assert timedelta() <= decision.at - last <= MINUTE
    assert (done.integrations, done.attempts) == (2, 18)
    assert (decision.healed_at, decision.healed_soon) == (None, False)


def test_another_policy_comes_to_another_end(bench: Bench) -> None:
    failing(bench)
    assert run(bench, min_attempts=18).decisions == []
    (sooner,) = run(bench, min_attempts=5, min_span=10 * MINUTE).decisions
    assert sooner.decision.counts.attempts == 5


@pytest.mark.parametrize(
    ("later", "soon"), [(timedelta(minutes=50), True), (timedelta(minutes=53), False)]
)
def test_an_integration_that_got_through_within_one_schedule_healed_soon(
    bench: Bench, later: timedelta, *, soon: bool
) -> None:
    integration = failing(bench, until=2 * HOUR)
    bench.attempted(integration, (2 * HOUR - later, TAKEN))
    (decision,) = run(bench).decisions
    assert decision.healed_at is not None
    assert decision.healed_soon is soon


def test_a_clean_window_is_evaluated_by_itself(bench: Bench) -> None:
    integration = failing(bench, until=3 * HOUR)
    bench.update_integration(integration, IntegrationChange(key=a_key()))
    bench.attempted(integration, *[(MINUTE * (60 - n), REFUSED) for n in range(16)])
    assert len(run(bench).decisions) == 1
    bench.attempted(integration, (MINUTE, REFUSED))
    assert [v.integration_id for v in run(bench).decisions] == [integration] * 2


def test_what_was_over_the_line_before_the_time_asked_for_shows_at_its_beginning(
    bench: Bench,
) -> None:
    failing(bench, until=3 * HOUR)
    (decision,) = run(bench, since=HOUR).decisions
    assert abs(bench.value("SELECT now()") - HOUR - decision.at) <= 2 * MINUTE
    assert run(bench, since=HOUR, window=2 * HOUR).decisions == []


def test_an_outage_is_left_out_of_the_past_too(bench: Bench) -> None:
    for client in range(1, 11):
        integration = bench.integration(client_id=client)
        history = [(3 * HOUR - MINUTE * 4 * n, DOWN) for n in range(17)]
        bench.attempted(integration, *history, client_id=client)
    assert run(bench).decisions == []
    assert len(run(bench, outage_guard=False).decisions) == 10


def test_an_outage_of_one_region_is_left_out_of_its_past_alone(bench: Bench) -> None:
    for client, region in enumerate(["eu"] * 10 + ["us"] * 2, 1):
        integration = bench.integration(client_id=client, region=region)
        history = [(3 * HOUR - MINUTE * 4 * n, DOWN) for n in range(17)]
        bench.attempted(integration, *history, client_id=client)
    assert sorted(v.client_id for v in run(bench).decisions) == [11, 12]


def test_progress_goes_from_nothing_to_all(bench: Bench) -> None:
    shares: list[float] = []
    simulate(bench.ctx, EVERY_CLIENT, Policy(), bench.value("SELECT now()") - DAY, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) >= 2
