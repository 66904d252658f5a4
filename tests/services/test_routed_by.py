"""By which version of its client's rules an event was routed, whatever changes meanwhile (engine 25)."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, a_rejection, an_event, an_event_for
from meanwhile import overlapping

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.rules import rules_at
from wallarm_notify.services.take_in_ahead import take_in_ahead
from wallarm_notify.store.rules import RUNS, RulesQueries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from wallarm_notify.domain.event import Event
    from wallarm_notify.store import Store

OFF = "UPDATE integrations SET enabled = false, disablings = disablings + 1 WHERE id = :id"
ON = "UPDATE integrations SET enabled = true WHERE id = :id"
TRIGGER_OFF = "UPDATE triggers SET enabled = false WHERE id = :id"
TRIGGER_ON = "UPDATE triggers SET enabled = true WHERE id = :id"


def change(bench: Bench, *changes: tuple[str, int], client_id: int = 1) -> int:
    """Make changes of a client's rules in one transaction; return the version that it makes."""

    def work(tx: Any) -> None:
        for statement, number in changes:
            tx._do(statement, id=number)
        tx.raise_rules_version(client_id)

    bench.store.transact(work)
    return version(bench, client_id)


def version(bench: Bench, client_id: int = 1) -> int:
    """Return the version of a client's rules that stands."""
    number: int = bench.value(
        "SELECT coalesce(max(version), 0) FROM rules_versions WHERE client_id = :id", id=client_id
    )
    return number


def routed_by(bench: Bench) -> dict[UUID, int | None]:
    """Return the version that each event names, less those of our own."""
    rows = bench.sql(
        "SELECT id, rules_version FROM events WHERE CAST(type AS text) NOT LIKE 'trigger.%'"
    )
    return {row["id"]: row["rules_version"] for row in rows}


def outcome(bench: Bench) -> dict[str, str]:
    """Return what was made of the one event there is: the states of its notifications by origin."""
    rows = bench.sql("SELECT trigger_id, state FROM notifications")
    return {"trigger" if row["trigger_id"] else "card": row["state"] for row in rows}


class Before:
    """A store in whose transactions somebody else commits something before a query, the first ``times`` times."""

    def __init__(
        self, store: Store, query: str, happens: Callable[[], object], *, times: int = 1
    ) -> None:
        self._store = store
        self._query = query
        self._happens = happens
        self._left = times
        self.runs = 0

    def transact(self, work: Callable[[Any], Any]) -> Any:
        def run(tx: Any) -> Any:
            self.runs += 1
            whole = getattr(tx, self._query)

            def query(*asked: Any) -> Any:
                if self._left > 0:
                    self._left -= 1
                    self._happens()
                return whole(*asked)

            setattr(tx, self._query, query)
            return work(tx)

        return self._store.transact(run)


def ingest_while(
    bench: Bench, query: str, happens: Callable[[], object], *events: Event, times: int = 1
) -> int:
    """Route ``events`` while something ``happens`` before a query of it; return how often it was begun."""
    store: Any = Before(bench.store, query, happens, times=times)
    ingest(replace(bench.ctx, store=store), events, ())
    runs: int = store.runs
    return runs


@pytest.fixture
def target(bench: Bench) -> int:
    """An integration of client 1 that is notified of new users by its card and by a trigger."""
    return bench.integration(subscribe=("system",))


@pytest.fixture
def trigger(bench: Bench, target: int) -> int:
    """A trigger that fires on each new user."""
    return bench.trigger(target, condition="user_created").id


# Without anybody in between.


def test_an_event_names_the_version_of_its_own_clients_rules(bench: Bench) -> None:
    bench.integration(client_id=1)
    change(bench, client_id=1)
    bench.integration(client_id=2)
    for _ in range(3):
        change(bench, client_id=2)
    one, two = an_event(client_id=1), an_event(client_id=2)
    bench.ingest(one, two)
    assert version(bench, 1) != version(bench, 2)
    assert routed_by(bench) == {one.id: version(bench, 1), two.id: version(bench, 2)}


@pytest.mark.parametrize("event", [an_event(), an_event_for("attacks_exceeded")])
def test_an_event_of_a_client_that_never_had_rules_names_version_0(
    bench: Bench, event: Event
) -> None:
    bench.ingest(event)
    assert routed_by(bench) == {event.id: 0}


def test_an_event_that_only_triggers_look_at_names_its_version_too(bench: Bench) -> None:
    bench.trigger(threshold="5 in 1h")
    now = change(bench)
    event = an_event_for("attacks_exceeded")
    bench.ingest(event)
    assert routed_by(bench) == {event.id: now}


def test_a_later_version_changes_nothing_in_events_that_are_there(bench: Bench) -> None:
    bench.integration()
    before = change(bench)
    event = an_event()
    bench.ingest(event)
    change(bench)
    bench.ingest(event)
    assert routed_by(bench) == {event.id: before}


def test_an_event_of_our_own_names_the_version_that_its_cause_leaves(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    change(bench)
    bench.disable_integration(integration, user="Ann", reason="")
    assert set(routed_by(bench).values()) == {version(bench)}


def test_an_event_kept_apart_is_routed_by_the_rules_of_when_it_is_taken_in(bench: Bench) -> None:
    integration = bench.integration()
    at = bench.value("SELECT now()") + timedelta(hours=1)
    event = an_event(occurred_at=at.isoformat())
    bench.ingest(event)
    later = change(bench, (OFF, integration))
    bench.sql("UPDATE events_ahead SET occurred_at = now()")
    take_in_ahead(bench.ctx)
    assert routed_by(bench) == {event.id: later}
    assert bench.states() == {"skipped": 1}


def test_a_rejected_event_names_the_version_that_stands_when_it_is_taken_in(bench: Bench) -> None:
    bench.integration()
    bench.ingest(rejections=[a_rejection()])
    later = change(bench)
    event = an_event()
    bench.resubmit_event(bench.value("SELECT id FROM rejected"), event)
    assert routed_by(bench) == {event.id: later}


# With somebody in between, who commits.


@pytest.mark.parametrize(
    ("query", "runs", "is_later"),
    [
        pytest.param("subscribers_of", 1, True, id="before the integrations are read"),
        pytest.param("insert_events", 2, True, id="before the event is stored"),
        pytest.param("triggers_of", 2, True, id="before the triggers are read"),
        pytest.param("subscribers_by_id", 2, True, id="before the triggers' integrations are read"),
        pytest.param("moved_rules", 2, True, id="when all is read"),
        pytest.param("insert_notifications", 1, False, id="when all is decided"),
    ],
)
@pytest.mark.parametrize("which", ["the integration", "the trigger", "both"])
def test_an_event_is_routed_by_the_very_rules_it_names(
    bench: Bench, trigger: int, query: str, runs: int, which: str, *, is_later: bool
) -> None:
    target = bench.value("SELECT id FROM integrations")
    changes = {
        "the integration": [(OFF, target)],
        "the trigger": [(TRIGGER_OFF, trigger)],
        "both": [(OFF, target), (TRIGGER_OFF, trigger)],
    }[which]
    before = change(bench)
    event = an_event_for("user_created")
    assert ingest_while(bench, query, lambda: change(bench, *changes), event) == runs
    assert version(bench) > before
    assert routed_by(bench) == {event.id: version(bench) if is_later else before}
    assert outcome(bench) == by_the_rules(bench, event)
    assert bench.ledger().findings == []


def by_the_rules(bench: Bench, event: Event) -> Mapping[str, str]:
    """Return what the version that ``event`` names makes of it: see ``outcome``."""
    number = routed_by(bench)[event.id]
    assert number is not None
    rules = rules_at(bench.ctx, EVERY_CLIENT, 1, number)
    (integration,), (trigger,) = rules.integrations, rules.triggers
    state = "pending" if integration.enabled else "skipped"
    return {"card": state} | ({"trigger": state} if trigger.enabled else {})


def test_an_automatic_disabling_in_between_is_seen_by_card_and_trigger_alike(
    bench: Bench, target: int, trigger: int
) -> None:
    def disabled() -> None:
        def work(tx: Any) -> None:
            tx.lock_integration(EVERY_CLIENT, target)
            tx.switch_off(target, by="failure ratio", reason="it failed")
            tx.raise_rules_version(1)

        bench.store.transact(work)

    event = an_event_for("user_created")
    assert ingest_while(bench, "subscribers_by_id", disabled, event) == 2
    assert routed_by(bench) == {event.id: version(bench)}
    assert outcome(bench) == {"card": "skipped", "trigger": "skipped"}
    assert bench.firings(trigger)


def test_a_first_rule_in_between_is_noticed(bench: Bench) -> None:
    event = an_event_for("user_created")

    def first_rules() -> None:
        bench.trigger(condition="user_created")
        change(bench)

    assert ingest_while(bench, "triggers_of", first_rules, event) == 2
    assert routed_by(bench) == {event.id: version(bench)}
    assert list(outcome(bench)) == ["trigger"]


def test_an_event_that_no_trigger_looks_at_waits_for_no_change(bench: Bench) -> None:
    integration = bench.integration()
    before = change(bench)
    event = an_event()
    assert (
        ingest_while(bench, "insert_events", lambda: change(bench, (OFF, integration)), event) == 1
    )
    assert routed_by(bench) == {event.id: before}
    assert bench.states() == {"pending": 1}


def test_a_change_of_another_clients_rules_in_between_is_no_matter(
    bench: Bench, trigger: int
) -> None:
    assert trigger
    before = change(bench)
    event = an_event_for("user_created")
    assert ingest_while(bench, "triggers_of", lambda: change(bench, client_id=2), event) == 1
    assert routed_by(bench) == {event.id: before}


def test_a_change_in_between_that_is_rolled_back_is_no_matter(
    bench: Bench, target: int, trigger: int
) -> None:
    assert trigger
    before = change(bench)

    def rolled_back() -> None:
        def work(tx: Any) -> None:
            tx._do(OFF, id=target)
            tx.raise_rules_version(1)
            raise ValueError("changed its mind")

        with pytest.raises(ValueError, match="changed its mind"):
            bench.store.transact(work)

    event = an_event_for("user_created")
    assert ingest_while(bench, "triggers_of", rolled_back, event) == 1
    assert routed_by(bench) == {event.id: before}
    assert outcome(bench) == {"card": "pending", "trigger": "pending"}


@pytest.mark.parametrize(
    "statement", [TRIGGER_OFF, "UPDATE triggers SET name = 'B' WHERE id = :id"]
)
def test_a_batch_that_waited_for_a_change_of_its_trigger_names_the_version_it_makes(
    bench: Bench, statement: str
) -> None:
    trigger = bench.trigger(threshold="0 in 1h").id
    before = change(bench)
    event = an_event_for("attacks_exceeded")

    def first(held: Bench) -> None:
        def work(tx: Any) -> None:
            tx._do(statement, id=trigger)
            tx.raise_rules_version(1)

        held.store.transact(work)

    routed = overlapping(bench, first, lambda: bench.ingest(event))
    assert version(bench) > before
    assert routed_by(bench) == {event.id: version(bench)}
    assert routed.fired == (statement is not TRIGGER_OFF)
    assert [f.trigger_name for f in bench.firings(trigger)] == ["B"] * routed.fired
    assert bench.ledger().findings == []


def test_where_rules_change_all_the_time_the_event_is_stored_with_the_later_version(
    bench: Bench, target: int, trigger: int, caplog: pytest.LogCaptureFixture
) -> None:
    switches = iter([OFF, ON] * 10)
    user, issue, other = (
        an_event_for("user_created"),
        an_event(),
        an_event_for("user_created", client_id=2),
    )
    seen: list[int] = []

    def changed() -> None:
        seen.append(version(bench))
        change(bench, (next(switches), target))

    with caplog.at_level(logging.INFO):
        runs = ingest_while(bench, "triggers_of", changed, user, issue, other, times=100)
    assert runs == RUNS == len(seen)
    # What only cards are asked of names what it was routed by.
    assert routed_by(bench) == {user.id: seen[-1] + 1, issue.id: seen[-1], other.id: 0}
    assert [f.event_id for f in bench.firings(trigger)] == [user.id]
    assert bench.ledger().findings == []
    assert caplog.messages == []


def test_a_transaction_that_was_run_again_for_other_reasons_does_not_begin_more_often(
    bench: Bench, trigger: int
) -> None:
    assert trigger
    store = Before(bench.store, "moved_rules", lambda: change(bench), times=100)
    runs = 0

    def work(tx: Any) -> None:
        nonlocal runs
        runs += 1
        if runs < RUNS:
            tx._do("SET LOCAL lock_timeout = 1")
            tx._do("LOCK TABLE upkeep_runs")
        tx.moved_rules({1: 0})

    def locked(tx: Any) -> None:
        tx._do("LOCK TABLE upkeep_runs")
        store.transact(work)

    bench.store.transact(locked)
    assert runs == RUNS


def test_events_that_are_routed_again_are_compared_with_the_clock_once(
    bench: Bench, trigger: int
) -> None:
    assert trigger
    store: Any = Before(bench.store, "moved_rules", lambda: change(bench), times=100)
    at = bench.value("SELECT now()") + timedelta(hours=25)
    events = [*(an_event_for("user_created") for _ in range(3)), an_event(occurred_at=str(at))]
    ingest(replace(bench.ctx, store=store), events, (), tally=bench.tally)
    assert store.runs == RUNS
    assert (bench.tally.number, bench.tally.ahead) == (4, 1)


def test_under_changes_that_come_all_the_time_every_event_is_explained_by_the_rules_it_names(
    bench: Bench, target: int, trigger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: set[int] = set()
    settle = RulesQueries.set_rules_versions

    def note(queries: RulesQueries, versions: Mapping[int, int]) -> None:
        settled.update(versions)
        settle(queries, versions)

    monkeypatch.setattr(RulesQueries, "set_rules_versions", note)
    change(bench)
    is_over = False

    def administrator() -> None:
        choose = random.Random(7)
        while not is_over:
            which = choose.choice([[(OFF, ON)], [(TRIGGER_OFF, TRIGGER_ON)], "both"])
            pairs = [(OFF, ON), (TRIGGER_OFF, TRIGGER_ON)] if which == "both" else which
            change(bench, *((choose.choice(p), target if p[0] is OFF else trigger) for p in pairs))
            time.sleep(choose.uniform(0, 0.02))

    events = [an_event_for("user_created") for _ in range(150)]
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(administrator)
        try:
            for event in events:
                ingest(bench.ctx, [event], ())
        finally:
            is_over = True
        changing.result(10)
    numbers = {row["id"]: row["no"] for row in bench.sql("SELECT id, no FROM events")}
    made: dict[int, dict[str, str]] = {numbers[e.id]: {} for e in events}
    for row in bench.sql("SELECT event_no, trigger_id, state FROM notifications"):
        made[row["event_no"]]["trigger" if row["trigger_id"] else "card"] = row["state"]
    names = Counter(routed_by(bench).values())
    assert len(names) > 10
    wrong = [
        e
        for e in events
        if numbers[e.id] not in settled and made[numbers[e.id]] != by_the_rules(bench, e)
    ]
    assert wrong == []
    assert len(settled) < len(events) / 2
