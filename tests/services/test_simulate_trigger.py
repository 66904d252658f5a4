"""A simulated trigger fires where the real one did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from build import NOON, Bench, an_event_for, criteria_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.services import simulate_trigger as simulating
from wallarm_notify.services.simulate_trigger import simulate_trigger

if TYPE_CHECKING:
    from uuid import UUID

    import pytest

    from wallarm_notify.domain.simulation import TriggerSimulation


def unsaved(condition: str, *filters: str, threshold: str | None = None) -> Trigger:
    return Trigger(
        id=0,
        client_id=1,
        name="",
        comment="",
        enabled=True,
        criteria=criteria_of(condition, *filters, threshold=threshold),
        integration_ids=(),
        version=0,
        created_at=NOON,
        created_by="Ann",
    )


def simulated(
    bench: Bench, trigger: Trigger, *, since: datetime | None = None, until: datetime | None = None
) -> TriggerSimulation:
    now = datetime.now(UTC)
    return simulate_trigger(
        bench.ctx,
        EVERY_CLIENT,
        trigger,
        since=since or now - timedelta(days=1),
        until=until or now + timedelta(minutes=1),
        progress=lambda _share: None,
    )


def firings_of(done: TriggerSimulation) -> list[tuple[UUID, int, str]]:
    return [(o.firing.event_id, o.firing.count, str(o.firing.window)) for o in done.firings]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_it_fires_where_the_real_one_did(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    offsets = data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=40))
    limit, size = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 9))
    monkeypatch.setattr(simulating, "AT_ONCE", data.draw(st.integers(1, 50)))
    bench.sql("UPDATE triggers SET enabled = false")
    trigger = bench.trigger(filters=["pool=7"], threshold=f"{limit} in 1m")
    since = bench.value("SELECT clock_timestamp()")
    start = datetime.now(UTC) - timedelta(minutes=10)
    stream = [
        an_event_for("attacks_exceeded", start + timedelta(seconds=n), application_id=7)
        for n in offsets
    ]
    others = [an_event_for("attacks_exceeded", start, application_id=8) for _ in stream[::4]]
    for first in range(0, len(stream), size):
        bench.ingest(*stream[first : first + size], *others[first : first + 1])
    real = bench.firings(trigger)
    done = simulated(bench, trigger, since=since)
    assert sorted(firings_of(done)) == sorted((f.event_id, f.count, str(f.window)) for f in real)
    assert {(o.firing.id, o.firing.event_ids) for o in done.firings} == {
        (f.id, f.event_ids) for f in real
    }
    assert done.matched == len(stream)


def test_one_that_is_not_saved_runs_over_what_is_stored_and_changes_nothing(bench: Bench) -> None:
    bench.ingest(*(an_event_for("attacks_exceeded") for _ in range(5)))
    before = bench.ledger()
    done = simulated(bench, unsaved("attacks_exceeded", threshold="3 in 1h"))
    assert (done.events, done.matched) == (5, 5)
    assert [o.firing.count for o in done.firings] == [4]
    assert bench.ledger() == before
    for table in ("trigger_cells", "firings", "notifications"):
        assert bench.value(f"SELECT count(*) FROM {table}") == 0


def test_a_rogue_endpoint_would_fire_once(bench: Bench) -> None:
    for _ in range(2):
        bench.ingest(*(an_event_for("rogue_api_detected", path=f"/{n}") for n in range(3)))
    done = simulated(bench, unsaved("rogue_api_detected"))
    assert (done.events, len(done.firings)) == (6, 3)


def test_only_the_time_range_counts_from_its_beginning_to_before_its_end(bench: Bench) -> None:
    bench.ingest(*(an_event_for("blacklist_ip_added") for _ in range(3)))
    at = bench.value("SELECT DISTINCT received_at FROM events")
    trigger, moment = unsaved("blacklist_ip_added"), timedelta(microseconds=1)
    assert simulated(bench, trigger, since=at).events == 3
    assert simulated(bench, trigger, since=at + moment).events == 0
    assert simulated(bench, trigger, until=at).events == 0
    assert simulated(bench, trigger, until=at + moment).events == 3


def test_what_came_in_too_late_would_not_have_counted(bench: Bench) -> None:
    old = datetime.now(UTC) - timedelta(hours=26)
    bench.ingest(an_event_for("attacks_exceeded", old))
    done = simulated(bench, unsaved("attacks_exceeded", threshold="0 in 1h"))
    assert (done.matched, done.firings) == (1, [])


def test_progress_goes_from_nothing_to_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "AT_ONCE", 2)
    for _ in range(5):
        bench.ingest(an_event_for("blacklist_ip_added"))
    shares: list[float] = []
    now = datetime.now(UTC)
    trigger = unsaved("blacklist_ip_added")
    simulate_trigger(
        bench.ctx,
        EVERY_CLIENT,
        trigger,
        since=now - timedelta(minutes=1),
        until=now,
        progress=shares.append,
    )
    assert shares == sorted(shares)
    assert len(shares) == 3
    assert shares[-1] == 1
