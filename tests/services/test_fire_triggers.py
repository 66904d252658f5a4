"""Triggers over a real database: what fires, what is counted, and that it is exact."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from build import Bench, a_rejection, an_event_for, crossings_worked_out, eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meanwhile import overlapping

from services.test_ingest import statements
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.cells import cell_of, quiet_of, window_of
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import TriggerChange
from wallarm_notify.entrypoints.cli.criteria import read_filters, read_threshold
from wallarm_notify.services.ingest import ingest
from wallarm_notify.store.rules import RUNS

if TYPE_CHECKING:
    from wallarm_notify.domain.event import Event
    from wallarm_notify.domain.routed import Routed
    from wallarm_notify.domain.triggers.trigger import Trigger

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def attacks(number: int, at: datetime | None = None, **fields: Any) -> list[Event]:
    moment = at or now()
    return [an_event_for("attacks_exceeded", moment, **fields) for _ in range(number)]


def cells(bench: Bench, trigger: Trigger) -> dict[int, int]:
    rows = bench.sql(
        """SELECT cell, count FROM trigger_cells
           WHERE trigger_id = :id AND version = (SELECT version FROM triggers WHERE id = :id)""",
        id=trigger.id,
    )
    return {row["cell"]: row["count"] for row in rows}


def test_the_31st_event_fires_and_the_30th_does_not(bench: Bench) -> None:
    trigger = bench.trigger(threshold="30 in 1h")
    moment = now()
    assert bench.ingest(*attacks(30, moment)).fired == 0
    (last,) = attacks(1, moment)
    routed = bench.ingest(last)
    assert (routed.fired, routed.matched, len(routed.pending)) == (1, 1, 1)
    (firing,) = bench.firings(trigger)
    assert (firing.count, firing.event_id) == (31, last.id)
    assert firing.window == window_of(cell_of(moment, HOUR), HOUR)
    assert len(set(firing.event_ids)) == 31
    assert firing.event_ids[0] == last.id
    assert bench.ledger().findings == []


def test_a_count_of_0_fires_on_the_first(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1s")
    assert bench.ingest(*attacks(1)).fired == 1
    assert [f.count for f in bench.firings(trigger)] == [1]


def test_a_firing_makes_one_notification_for_each_integration_of_the_trigger(bench: Bench) -> None:
    on, off = bench.integration(subscribe=()), bench.integration(enabled=False)
    bench.integration()
    trigger = bench.trigger(on, off, threshold="0 in 1h")
    routed = bench.ingest(*attacks(1))
    assert [n.integration_id for n in routed.pending] == [on]
    assert routed.skipped == 1
    rows = bench.sql(
        """SELECT n.integration_id, n.trigger_id, n.state, f.id AS firing_id, n.severity
           FROM notifications n JOIN firings f USING (event_no, trigger_id) ORDER BY 1"""
    )
    (firing,) = bench.firings(trigger)
    assert [(r["integration_id"], r["state"]) for r in rows] == [(on, "pending"), (off, "skipped")]
    assert {(r["trigger_id"], r["firing_id"], r["severity"]) for r in rows} == {
        (trigger.id, firing.id, 1)
    }
    assert bench.publisher.ids() == [routed.pending[0].id]
    assert bench.ledger().findings == []


def test_an_event_may_match_a_card_and_a_trigger_and_is_matched_once(bench: Bench) -> None:
    both = bench.integration(subscribe=("system",))
    bench.trigger(both, condition="user_created")
    routed = bench.ingest(an_event_for("user_created"))
    assert (routed.matched, routed.unmatched, len(routed.pending)) == (1, 0, 2)
    assert bench.value("SELECT fan_out FROM events WHERE type = 'user.created'") == 2
    assert bench.ledger().findings == []


def test_what_is_counted_without_firing_is_unmatched(bench: Bench) -> None:
    bench.trigger(threshold="5 in 1h")
    routed = bench.ingest(*attacks(3))
    assert (routed.matched, routed.unmatched, routed.pending) == (0, 3, ())
    assert bench.ledger().findings == []


def test_a_trigger_without_integrations_fires_and_notifies_nobody(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    trigger = bench.trigger(integration, threshold="0 in 1h")
    bench.delete_integration(integration, user="Ann", reason="")
    routed = bench.ingest(*attacks(1))
    assert (routed.fired, routed.unmatched, routed.pending) == (1, 1, ())
    assert len(bench.firings(trigger)) == 1
    assert bench.ledger().findings == []


@pytest.mark.parametrize("how", ["same call", "again", "half and half"])
def test_a_redelivered_event_is_counted_once(bench: Bench, how: str) -> None:
    trigger = bench.trigger(threshold="9 in 1h")
    events = attacks(9)
    if how == "same call":
        bench.ingest(*events, *events)
    elif how == "again":
        bench.ingest(*events)
        bench.ingest(*events)
    else:
        bench.ingest(*events[:5])
        bench.ingest(*events[3:])
    assert bench.firings(trigger) == []
    assert sum(cells(bench, trigger).values()) == 9


@pytest.mark.parametrize(
    ("condition", "fields", "counted"),
    [
        ("attacks_exceeded", {"experimental": True}, False),
        ("attacks_exceeded", {"experimental": None}, True),
        ("hits_exceeded", {"experimental": True}, False),
        ("hits_exceeded", {"in_sample": False}, False),
        ("hits_exceeded", {"in_sample": None}, True),
        ("hits_exceeded", {}, True),
        ("incidents_exceeded", {"experimental": True}, True),
    ],
)
def test_experimental_and_unsampled_ones_are_never_counted(
    bench: Bench, condition: str, fields: dict[str, Any], *, counted: bool
) -> None:
    bench.trigger(condition=condition, threshold="0 in 1h")
    assert bench.ingest(an_event_for(condition, **fields)).fired == int(counted)


@pytest.mark.parametrize(
    ("beyond", "counted"), [(timedelta(minutes=-1), True), (timedelta(minutes=1), False)]
)
def test_older_than_the_period_and_a_day_is_stored_and_not_counted(
    bench: Bench, beyond: timedelta, *, counted: bool
) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    routed = bench.ingest(*attacks(1, now() - timedelta(hours=25) - beyond))
    assert (routed.fired, routed.matched + routed.unmatched) == (int(counted), 1)
    assert bool(cells(bench, trigger)) is counted


def test_only_the_clients_own_enabled_triggers_look(bench: Bench) -> None:
    bench.trigger(threshold="0 in 1h", client_id=2)
    off = bench.trigger(threshold="0 in 1h", enabled=False)
    gone = bench.trigger(threshold="0 in 1h")
    bench.delete_trigger(gone.id, user="Ann")
    assert bench.ingest(*attacks(2)).fired == 0
    assert cells(bench, off) == {}


@pytest.mark.parametrize("how", ["criteria", "enabling"])
def test_a_change_of_criteria_and_enabling_start_counting_afresh(bench: Bench, how: str) -> None:
    trigger = bench.trigger(threshold="3 in 1h")
    moment = now()
    bench.ingest(*attacks(3, moment))
    if how == "criteria":
        other = replace(trigger.criteria.threshold, count=2)  # type: ignore[type-var]  # it has one
        bench.update_trigger(trigger.id, TriggerChange(threshold=other), user="Ann")
    else:
        bench.disable_trigger(trigger.id, user="Ann")
        bench.ingest(*attacks(3, moment))
        bench.enable_trigger(trigger.id, user="Ann")
    needed = 3 if how == "criteria" else 4
    assert bench.ingest(*attacks(needed - 1, moment - HOUR)).fired == 0
    assert bench.ingest(*attacks(1, moment - HOUR)).fired == 1


def test_another_name_or_integration_goes_on_counting(bench: Bench) -> None:
    trigger = bench.trigger(threshold="3 in 1h")
    bench.ingest(*attacks(3))
    other = bench.integration(subscribe=())
    change = TriggerChange(name="Another", comment="!", integration_ids=(other,))
    bench.update_trigger(trigger.id, change, user="Ann")
    routed = bench.ingest(*attacks(1))
    assert [n.integration_id for n in routed.pending] == [other]
    assert [f.trigger_name for f in bench.firings(trigger)] == ["Another"]


def test_a_rogue_endpoint_fires_once_for_each_trigger_kind_and_place(bench: Bench) -> None:
    one, two = (bench.trigger(condition="rogue_api_detected") for _ in range(2))
    found = an_event_for("rogue_api_detected")
    same = [
        an_event_for("rogue_api_detected", method="get"),
        an_event_for("rogue_api_detected", host="Shop.Example.COM", application_id=7),
    ]
    others = [
        an_event_for("rogue_api_detected", method="POST"),
        an_event_for("rogue_api_detected", host="b.example.com"),
        an_event_for("rogue_api_detected", path="/Users"),
        an_event_for("rogue_api_detected", kind="zombie"),
    ]
    orphan = an_event_for("rogue_api_detected", kind="orphan")
    assert bench.ingest(found, same[0]).fired == 2
    assert bench.ingest(same[1], *others, orphan).fired == 8
    assert bench.ingest(*(replace(e, id=UUID(int=e.id.int ^ 1)) for e in others)).fired == 0
    assert len(bench.firings(one)) == len(bench.firings(two)) == 5
    assert bench.ledger().findings == []


def test_every_event_fires_where_there_is_nothing_to_count(bench: Bench) -> None:
    trigger = bench.trigger(condition="blacklist_ip_added")
    assert bench.ingest(*(an_event_for("blacklist_ip_added") for _ in range(3))).fired == 3
    firings = bench.firings(trigger)
    assert {(f.count, f.window, len(f.event_ids)) for f in firings} == {(1, None, 1)}


def test_a_firing_names_a_hundred_of_more_events_and_the_one_that_met_it(bench: Bench) -> None:
    trigger = bench.trigger(threshold="250 in 1h")
    moment = now()
    early = attacks(120, moment - timedelta(minutes=30))
    late = attacks(131, moment)
    bench.ingest(*early)
    bench.ingest(*late[:60])
    bench.ingest(*late[60:])
    (firing,) = bench.firings(trigger)
    assert firing.count == 251
    assert len(set(firing.event_ids)) == 100
    assert firing.event_ids[0] == firing.event_id
    assert set(firing.event_ids) <= {e.id for e in (*early, *late)}


def test_a_cell_keeps_the_ids_of_a_hundred_events_and_no_more(bench: Bench) -> None:
    bench.trigger(threshold="5000 in 30d")
    for _ in range(4):
        bench.ingest(*attacks(70, now()))
    assert bench.value("SELECT max(cardinality(event_ids)) FROM trigger_cells") <= 100


def test_as_many_statements_for_many_events_and_triggers_as_for_one(bench: Bench) -> None:
    integration = bench.integration(subscribe=())

    def triggers(number: int) -> None:
        for _ in range(number):
            bench.trigger(integration, threshold="0 in 1s")
            bench.trigger(integration, condition="rogue_api_detected")

    triggers(1)

    def batch(number: int) -> list[Event]:
        moment = now() - timedelta(hours=2 * number - 1, minutes=2 * number)
        return [
            event
            for n in range(number)
            for event in (
                an_event_for("attacks_exceeded", moment + timedelta(hours=2 * n)),
                an_event_for("rogue_api_detected", path=f"/{n} of {number}"),
            )
        ]

    with statements(bench) as for_one:
        assert bench.ingest(*batch(1)).fired == 2
    triggers(9)
    with statements(bench) as for_many:
        assert bench.ingest(*batch(12)).fired == 240
    assert len(for_many) == len(for_one) <= 17


def test_what_is_counted_already_costs_nothing(bench: Bench) -> None:
    """The plan reads cells by key, whatever the table holds."""
    trigger = bench.trigger(threshold="1000000 in 30d")
    bench.ingest(*attacks(1))
    bench.sql(
        """INSERT INTO trigger_cells SELECT t, v, c, 1, false, '{}', now() + interval '1 day'
           FROM generate_series(1, 20) t, generate_series(5, 6) v, generate_series(1, 1000) c"""
    )
    bench.sql("ANALYZE trigger_cells")
    with statements(bench) as sent:
        bench.ingest(*attacks(1))
    (reading,) = [s for s in sent if "LATERAL" in s]
    assert "UNION ALL" in reading
    plan = "\n".join(
        str(row["QUERY PLAN"])
        for row in bench.sql(
            "EXPLAIN SELECT * FROM unnest(ARRAY[1,2]) r CROSS JOIN LATERAL (SELECT * FROM trigger_cells s"
            " WHERE s.trigger_id = r AND s.version = 1 AND s.cell BETWEEN 5 AND 100) c"
        )
    )
    assert "Seq Scan on trigger_cells" not in plan
    assert sum(cells(bench, trigger).values()) == 2


def test_too_many_notifications_of_firings_are_made_in_parts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.MOST_NOTIFICATIONS", 5)
    trigger = bench.trigger(
        *(bench.integration() for _ in range(3)), condition="blacklist_ip_added"
    )
    results = ingest(bench.ctx, [an_event_for("blacklist_ip_added") for _ in range(4)], [])
    assert [len(r.pending) for r in results] == [3] * 4
    assert len(bench.firings(trigger)) == 4
    assert bench.ledger().findings == []


def test_a_batch_that_counts_for_too_many_triggers_is_counted_in_parts_and_exactly(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.MOST_NOTIFICATIONS", 10)
    integration = bench.integration(subscribe=())
    made = [bench.trigger(integration, threshold="15 in 1h") for _ in range(3)]
    results = ingest(bench.ctx, attacks(16, now()), [])
    assert len(results) > 1
    assert [[f.count for f in bench.firings(t)] for t in made] == [[16]] * 3
    assert bench.ledger().findings == []


def test_what_is_too_much_is_known_before_anything_is_locked_or_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.services.routing.MOST_NOTIFICATIONS", 10)
    bench.trigger(*(bench.integration() for _ in range(6)), condition="blacklist_ip_added")
    bench.trigger(threshold="0 in 1h")
    events = [an_event_for("blacklist_ip_added") for _ in range(2)]
    with statements(bench) as sent:
        ingest(bench.ctx, [*events, *attacks(2)], [])
    assert sum("INSERT INTO firings" in s for s in sent) == 3
    assert bench.ledger().findings == []


def test_a_transaction_writes_its_counters_once_and_last(bench: Bench) -> None:
    gone = bench.integration(subscribe=("system",))
    bench.integration(subscribe=("rules_and_triggers",))
    bench.trigger(gone, threshold="0 in 1h")
    bench.ingest(rejections=[a_rejection()])
    number = bench.value("SELECT id FROM rejected")
    for act in (
        lambda: bench.ingest(*attacks(1)),
        lambda: bench.resubmit_event(number, an_event_for("attacks_exceeded")),
        lambda: bench.delete_integration(gone, user="Ann", reason=""),
    ):
        with statements(bench) as sent:
            act()
        first = [s for s in sent if "INSERT INTO counts" in s or "INSERT INTO events" in s]
        counting = [("counts" in s) for s in first]
        # The second transaction of a deletion cancels what waits, which moves counters too.
        cancels = any("FOR UPDATE OF n SKIP LOCKED" in s for s in sent)
        assert counting == sorted(counting)
        assert 1 <= counting.count(True) <= 1 + cancels


# Many at once.


def at_once(bench: Bench, batches: list[list[Event]], workers: int = 4) -> None:
    """Ingest ``batches`` by several workers at a time."""
    start = threading.Barrier(min(workers, len(batches)))

    def work(mine: list[list[Event]]) -> None:
        start.wait(10)
        for batch in mine:
            bench.ingest(*batch)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, [batches[n::workers] for n in range(min(workers, len(batches)))]))


def test_workers_that_count_for_one_trigger_fire_it_exactly_once(bench: Bench) -> None:
    trigger = bench.trigger(threshold="99 in 1h")
    events = attacks(100, now())
    at_once(bench, [events[n : n + 5] for n in range(0, 100, 5)] * 2)
    (firing,) = bench.firings(trigger)
    assert firing.count == 100
    assert sorted(firing.event_ids) == sorted(e.id for e in events)
    assert bench.ledger().findings == []


def test_batches_over_the_same_triggers_in_any_order_never_deadlock(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    made = [
        bench.trigger(integration, condition=condition, threshold="7 in 1h")
        for condition in ("attacks_exceeded", "hits_exceeded", "incidents_exceeded") * 3
    ]
    moment = now()
    kinds = ["attacks_exceeded", "hits_exceeded", "incidents_exceeded"]
    batches = [
        [an_event_for(kind, moment) for kind in random.sample(kinds, 3) for _ in range(3)]
        for _ in range(24)
    ]
    before = deadlocks(bench)
    at_once(bench, batches, workers=6)
    assert deadlocks(bench) == before
    assert [[f.count for f in bench.firings(t)] for t in made] == [[8]] * 9
    assert bench.ledger().findings == []


def deadlocks(bench: Bench) -> int:
    bench.sql("SELECT pg_stat_force_next_flush()")
    return int(
        bench.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    )


def test_a_rogue_endpoint_found_by_several_workers_fires_once(bench: Bench) -> None:
    trigger = bench.trigger(condition="rogue_api_detected")
    batches = [
        [an_event_for("rogue_api_detected", path=f"/{n}") for n in random.sample(range(20), 20)]
        for _ in range(8)
    ]
    at_once(bench, batches)
    assert len(bench.firings(trigger)) == 20
    assert bench.ledger().findings == []


def test_batches_that_share_no_trigger_do_not_wait_for_each_other(bench: Bench) -> None:
    held = bench.trigger(threshold="0 in 1h")
    bench.trigger(threshold="0 in 1h", client_id=2)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT FROM triggers WHERE id = {held.id} FOR UPDATE")
        assert bench.ingest(*attacks(1, client_id=2)).fired == 1
        # Nor does what passes none of its filters.
        assert bench.ingest(*attacks(1, experimental=True)).fired == 0


@pytest.mark.parametrize("runs", [0, RUNS], ids=["in its last run", "in its first run"])
def test_a_trigger_changed_while_a_batch_waits_for_it_counts_by_what_it_is_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    monkeypatch.setattr("wallarm_notify.store.rules.RUNS", runs)
    trigger = bench.trigger(filters=["attack_type=xss"], threshold="0 in 1h")
    with ThreadPoolExecutor(1) as pool, bench.engine.connect() as connection:
        connection.exec_driver_sql(
            f"""UPDATE triggers SET version = 2,
                filters = '[{{"id": "attack_type", "operator": "eq", "values": ["sqli"]}}]' WHERE id = {trigger.id}"""
        )
        waiting = pool.submit(
            bench.ingest,
            *attacks(1, attack_type="xss"),
            *attacks(1, attack_type="xss"),
            *attacks(1, attack_type="sqli"),
        )
        wait_for_lock(bench)
        connection.commit()
        assert waiting.result(10).fired == 1
    (firing,) = bench.firings(trigger)
    assert (firing.count, firing.criteria.clauses) == (1, ("Attack type: SQLi",))
    assert bench.value("SELECT counted FROM events WHERE fan_out = 1")
    assert bench.ledger().findings == []


def changed_meanwhile(bench: Bench, trigger: Trigger, *events: Event, **change: Any) -> Routed:
    """Return what becomes of a batch that waits for a transaction that changes ``trigger``."""
    return overlapping(
        bench,
        lambda first: first.update_trigger(trigger.id, TriggerChange(**change), user="Ann"),
        lambda: bench.ingest(*events),
    )


def test_with_other_filters_meanwhile_what_passes_those_is_counted_and_fires(bench: Bench) -> None:
    trigger = bench.trigger(filters=["attack_type=xss"], threshold="0 in 1h")
    moment = now()
    before = attacks(2, moment, attack_type="xss")
    (passes,) = attacks(1, moment, attack_type="sqli")
    filters = read_filters(Condition.ATTACKS_EXCEEDED, ["attack_type=sqli"])
    assert changed_meanwhile(bench, trigger, *before, passes, filters=filters).fired == 1
    (firing,) = bench.firings(trigger)
    assert (firing.event_id, firing.event_ids) == (passes.id, (passes.id,))
    assert cells(bench, trigger) == {cell_of(moment, HOUR): 1}
    assert bench.ledger().findings == []


def test_with_another_period_meanwhile_events_are_counted_in_its_cells_and_late_by_it(
    bench: Bench,
) -> None:
    trigger = bench.trigger(threshold="1 in 7d")
    moment = now()
    late, fresh = attacks(2, moment - timedelta(days=2)), attacks(2, moment)
    shorter = read_threshold("1 in 1h")
    assert changed_meanwhile(bench, trigger, *late, *fresh, threshold=shorter).fired == 1
    (firing,) = bench.firings(trigger)
    assert (firing.count, firing.window) == (2, window_of(cell_of(moment, HOUR), HOUR))
    assert set(firing.event_ids) == {e.id for e in fresh}
    assert cells(bench, trigger) == {cell_of(moment, HOUR): 2}


@pytest.mark.parametrize(("before", "after", "fired"), [("9", "1", 1), ("1", "9", 0)])
def test_with_another_count_meanwhile_that_decides(
    bench: Bench, before: str, after: str, fired: int
) -> None:
    trigger = bench.trigger(threshold=f"{before} in 1h")
    other = read_threshold(f"{after} in 1h")
    assert changed_meanwhile(bench, trigger, *attacks(2, now()), threshold=other).fired == fired
    assert sum(cells(bench, trigger).values()) == 2


@pytest.mark.parametrize(
    ("condition", "counted"), [("hits_exceeded", 1), ("blacklist_ip_added", 0)]
)
def test_with_another_condition_meanwhile_what_that_looks_at_fires_and_nothing_else_is_counted(
    bench: Bench, condition: str, counted: int
) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    other = an_event_for(condition)
    criteria: dict[str, Any] = {"condition": Condition(condition)}
    routed = changed_meanwhile(bench, trigger, *attacks(2), other, **criteria)
    assert (routed.fired, routed.matched + routed.unmatched) == (1, 3)
    assert [f.event_id for f in bench.firings(trigger)] == [other.id]
    assert sum(cells(bench, trigger).values()) == counted
    assert bench.ledger().findings == []


def test_with_other_integrations_meanwhile_those_are_notified(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    other = bench.integration(subscribe=())
    routed = changed_meanwhile(bench, trigger, *attacks(1), integration_ids=(other,), name="Other")
    assert [n.integration_id for n in routed.pending] == [other]
    assert [f.trigger_name for f in bench.firings(trigger)] == ["Other"]


def test_a_trigger_disabled_while_a_batch_waits_for_it_does_not_fire(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h")
    with ThreadPoolExecutor(1) as pool, bench.engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE triggers SET enabled = false WHERE id = {trigger.id}")
        waiting = pool.submit(bench.ingest, *attacks(1))
        wait_for_lock(bench)
        connection.commit()
        assert waiting.result(10).fired == 0
    assert cells(bench, trigger) == {}


def wait_for_lock(bench: Bench) -> None:
    eventually(
        lambda: bench.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        )
    )


# Random streams.

offsets = st.lists(st.integers(0, 200), min_size=1, max_size=40)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_batches_with_duplicates_fire_as_the_spec_says(
    bench: Bench, data: st.DataObject
) -> None:
    seconds = data.draw(st.sampled_from([30, 60, 3600]))
    limit = data.draw(st.integers(0, 4))
    trigger = bench.trigger(threshold=f"{limit} in {seconds}s")
    period = timedelta(seconds=seconds)
    start = now() - 10 * period
    stream = [
        an_event_for("attacks_exceeded", start + period * offset / 60)
        for offset in data.draw(offsets)
    ]
    order = data.draw(st.permutations(stream + stream[::3]))
    counts: Counter[int] = Counter()
    ends: list[int] = []
    wanted: list[tuple[UUID, int]] = []
    seen: set[UUID] = set()
    size = data.draw(st.integers(1, 12))
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        bench.ingest(*batch)
        new = {e.id: e for e in batch if e.id not in seen}
        seen |= new.keys()
        applied = sorted(new.values(), key=lambda e: (e.occurred_at, e.id))
        held = [cell_of(e.occurred_at, period) for e in applied]
        found = crossings_worked_out(held, counts, ends, limit, quiet_of(period))
        wanted += [(applied[one.position].id, one.count) for one in found]
        ends += [one.end for one in found]
        counts.update(held)
    firings = bench.firings(trigger)
    assert sorted((f.event_id, f.count) for f in firings) == sorted(wanted)
    assert sorted(str(f.window) for f in firings) == sorted(
        str(window_of(end, period)) for end in ends
    )
    assert cells(bench, trigger) == counts
    for f in firings:
        assert len(f.event_ids) == len(set(f.event_ids)) == min(f.count, 100)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_concurrent_random_batches_miss_no_window_and_fire_none_twice(
    bench: Bench, data: st.DataObject
) -> None:
    limit = data.draw(st.integers(0, 4))
    trigger = bench.trigger(threshold=f"{limit} in 60s")
    period = timedelta(seconds=60)
    start = now() - 10 * period
    stream = [
        an_event_for("attacks_exceeded", start + period * offset / 60)
        for offset in data.draw(offsets)
    ]
    order = data.draw(st.permutations(stream + stream[::2]))
    at_once(bench, [order[n : n + 4] for n in range(0, len(order), 4)])
    counts = Counter(cell_of(e.occurred_at, period) for e in stream)
    assert cells(bench, trigger) == counts
    by_end = {cell_of(f.window.end, period) - 1: f for f in bench.firings(trigger) if f.window}
    totals = {end: sum(n for cell, n in counts.items() if end - 60 < cell <= end) for end in counts}
    ends = sorted(by_end)
    assert all(b - a >= 60 for a, b in itertools.pairwise(ends))
    for end, total in totals.items():
        assert end not in by_end or limit < by_end[end].count <= total
        assert total <= limit or any(abs(end - one) < 60 for one in ends)
    assert bench.ledger().findings == []


def test_replayed_firings_keep_their_identity(bench: Bench) -> None:
    bench.trigger(threshold="0 in 1h")
    (made,) = bench.ingest(*attacks(1)).pending
    before = bench.store.transact(lambda tx: tx.notification(EVERY_CLIENT, made.id))
    bench.sql("UPDATE notifications SET state = 'failed', finished_at = now(), recheck_at = NULL")
    bench.replayed(made.id)
    after = bench.store.transact(lambda tx: tx.notification(EVERY_CLIENT, made.id))
    assert before is not None
    assert after is not None
    assert (after.state, after.run) == (State.PENDING, 2)
    assert after.dedup_key == before.dedup_key
    assert after.firing_id == before.firing_id is not None
    assert after.event_id is None
