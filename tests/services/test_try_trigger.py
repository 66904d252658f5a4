"""A trial on the newest events fires where a whole simulation does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from build import Bench, an_event_for, criteria_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.trigger import unsaved
from wallarm_notify.services import try_trigger as trying
from wallarm_notify.services.simulate_trigger import simulate_trigger
from wallarm_notify.services.try_trigger import try_trigger

if TYPE_CHECKING:
    import pytest

    from wallarm_notify.domain.triggers.trigger import Criteria


def simulated(bench: Bench, criteria: Criteria) -> list[datetime]:
    now = datetime.now(UTC)
    done = simulate_trigger(
        *(bench.ctx, EVERY_CLIENT, unsaved(1, criteria, now)),
        since=now - timedelta(days=1),
        until=now + timedelta(minutes=1),
        progress=lambda _share: None,
    )
    return [one.at for one in done.firings]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    offsets=st.lists(st.integers(0, 300), min_size=1, max_size=40),
    size=st.integers(1, 9),
    limit=st.integers(0, 3),
)
def test_it_fires_where_a_simulation_does(
    bench: Bench, offsets: list[int], size: int, limit: int
) -> None:
    bench.sql("DELETE FROM events")
    start = datetime.now(UTC) - timedelta(minutes=10)
    stream = [an_event_for("attacks_exceeded", start + timedelta(seconds=n)) for n in offsets]
    for first in range(0, len(stream), size):
        bench.ingest(*stream[first : first + size])
    found = try_trigger(
        *(bench.ctx, EVERY_CLIENT, 1),
        criteria_of("attacks_exceeded", threshold=f"{limit} in 1m"),
        (limit, limit + 2),
    )
    assert found.is_whole
    for one in (limit, limit + 2):
        criteria = criteria_of("attacks_exceeded", threshold=f"{one} in 1m")
        assert list(found.firings[one]) == simulated(bench, criteria)


def test_only_so_many_of_the_newest_events_are_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_EVENTS", 5)
    for _ in range(4):
        bench.ingest(an_event_for("blacklist_ip_added"), an_event_for("attacks_exceeded"))
    found = try_trigger(bench.ctx, EVERY_CLIENT, 1, criteria_of("blacklist_ip_added"), ())
    assert not found.is_whole
    assert found.matched in (2, 3)
    assert found.since == bench.value(
        "SELECT received_at FROM events ORDER BY no DESC OFFSET 4 LIMIT 1"
    )
    monkeypatch.setattr(trying, "MOST_EVENTS", 9)
    assert try_trigger(bench.ctx, EVERY_CLIENT, 1, criteria_of("blacklist_ip_added"), ()).is_whole


def test_what_came_before_those_days_is_left_out(bench: Bench) -> None:
    bench.ingest(an_event_for("blacklist_ip_added"))
    bench.sql("UPDATE events SET received_at = now() - interval '8 days'")
    bench.ingest(an_event_for("blacklist_ip_added"))
    found = try_trigger(bench.ctx, EVERY_CLIENT, 1, criteria_of("blacklist_ip_added"), ())
    assert (found.matched, found.is_whole) == (1, True)


def test_a_long_body_counts_as_the_whole_does(bench: Bench) -> None:
    long = {"note": "x" * 5000, "sensitive_data": ["Email"], "host": "Shop.example.com"}
    bench.ingest(an_event_for("api_structure_changed", application_id=7, **long))
    criteria = criteria_of(
        *("api_structure_changed", "pii=email", "domain=shop.example.com", "pool=7"),
        "change_type=added",
    )
    assert try_trigger(bench.ctx, EVERY_CLIENT, 1, criteria, ()).matched == 1
