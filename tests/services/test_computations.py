"""Computations come to what the use cases come to at once, whatever becomes of workers and of whoever asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from build import REFUSED, Bench, FailingStore, an_event_for, criteria_of, eventually, spread
from meanwhile import EndingWith

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.computation import DEATHS, Computation, Kind
from wallarm_notify.domain.errors import NotFound, Refused, Unavailable
from wallarm_notify.domain.health import Policy
from wallarm_notify.domain.replay_job import JobState
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.schemas.documents.computations import result_text
from wallarm_notify.schemas.documents.health import explanation_document, simulation_document
from wallarm_notify.schemas.documents.triggers import trigger_simulation_document
from wallarm_notify.services import computations
from wallarm_notify.services.computations import (
    cancel_computation,
    create_explanation,
    create_policy_simulation,
    create_trigger_simulation,
    is_any_computation_idle,
    list_computations,
    show_computation,
    work_on_computations,
)
from wallarm_notify.services.explain import explain
from wallarm_notify.services.simulate import simulate
from wallarm_notify.services.simulate_trigger import simulate_trigger
from wallarm_notify.store import computations as store_of_computations
from wallarm_notify.worker_parts import Computing

if TYPE_CHECKING:
    from collections.abc import Callable

ANA = Actor("Ana", Role.ADMINISTRATOR, Source.API)
OPS = Actor("Ops", Role.OPERATOR, Source.API)
HOUR = timedelta(hours=1)
TRIED = Policy(ratio=Decimal("33.5"), window=2 * HOUR, min_attempts=3, min_span=timedelta(0))


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers note at every step how far they are."""
    monkeypatch.setattr(computations, "NOTED_EVERY", -HOUR)


def explained(bench: Bench, client_id: int = 1) -> Computation:
    return create_explanation(
        bench.ctx, ANA, only([client_id]), bench.integration(client_id=client_id)
    )


def trigger_tried(bench: Bench, events: int = 1, threshold: int | None = None) -> Computation:
    """Ask when a trigger would have fired on so many events that came."""
    condition = "user_created" if threshold is None else "attacks_exceeded"
    for _ in range(events):
        bench.ingest(an_event_for(condition))
    terms = None if threshold is None else f"{threshold} in 1h"
    return create_trigger_simulation(
        *(bench.ctx, ANA, 1, criteria_of(condition, threshold=terms)),
        trigger_id=None,
        since=datetime.now(UTC) - HOUR,
        until=None,
    )


def shown(bench: Bench, one: Computation) -> Computation:
    return show_computation(bench.ctx, EVERY_CLIENT, one.id)


def begun(bench: Bench) -> Computation | None:
    return bench.store.transact(lambda tx: tx.begin_computation())


def loses_its_worker(bench: Bench) -> None:
    bench.sql("UPDATE computations SET worked_at = worked_at - interval '361 s'")


# What it comes to.


def test_an_explanation_comes_to_what_the_page_shows(bench: Bench) -> None:
    made = explained(bench)
    assert (made.kind, made.client_id, made.actor) == (Kind.EXPLAIN, 1, ANA)
    assert (made.state, made.words) == (JobState.WAITING, "It waits for a worker.")
    assert bench.publisher.replays_requested == 1
    assert work_on_computations(bench.ctx) == 1
    done = shown(bench, made)
    assert (done.state, done.percent, done.words) == (JobState.DONE, 100, "It is done.")
    assert done.ended_at is not None
    at_once = explanation_document(explain(bench.ctx, only([1]), made.asked["integration_id"]))
    assert done.result is not None
    assert done.result.keys() == at_once.keys()
    assert done.result["policy"] == at_once["policy"]


def test_a_policy_comes_to_what_it_comes_to_at_once_over_all_clients(bench: Bench) -> None:
    for client_id, number in ((1, 17), (2, 18)):
        integration = bench.integration(client_id=client_id)
        bench.attempted(integration, *spread(number, REFUSED), client_id=client_id)
    since = bench.value("SELECT now()") - 24 * HOUR
    made = create_policy_simulation(bench.ctx, OPS, TRIED, since)
    work_on_computations(bench.ctx)
    at_once = simulation_document(simulate(bench.ctx, EVERY_CLIENT, TRIED, since))
    done = shown(bench, made)
    assert done.result is not None
    assert len(done.result["items"]) == 2
    assert {**done.result, "until": 0} == {**json.loads(result_text(at_once)), "until": 0}


def test_a_trigger_comes_to_what_it_comes_to_at_once(bench: Bench) -> None:
    stored = bench.trigger(condition="user_created")
    for _ in range(3):
        bench.ingest(an_event_for("user_created"))
    since, until = datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR
    made = create_trigger_simulation(
        *(bench.ctx, ANA, 1, stored.criteria), trigger_id=stored.id, since=since, until=until
    )
    work_on_computations(bench.ctx)
    at_once = simulate_trigger(
        *(bench.ctx, only([1]), stored), since=since, until=until, progress=lambda _: None
    )
    done = shown(bench, made)
    document = json.loads(result_text(trigger_simulation_document(at_once, stored.id)))
    assert (done.result, done.left_out) == (document, 0)
    assert len(document["items"]) == 3


def test_counted_criteria_are_kept_with_filters_and_threshold(bench: Bench) -> None:
    made = trigger_tried(bench, events=4, threshold=2)
    work_on_computations(bench.ctx)
    result = shown(bench, made).result
    assert result is not None
    assert result["threshold"] == {"count": 2, "period": 3600, "operator": "gt"}
    assert (result["events"], len(result["items"])) == (4, 1)


def test_of_many_firings_the_first_are_kept_and_the_others_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computations, "MOST_ITEMS", 2)
    made = trigger_tried(bench, events=5)
    work_on_computations(bench.ctx)
    done = shown(bench, made)
    assert done.result is not None
    assert (len(done.result["items"]), done.left_out) == (2, 3)


def test_of_more_events_than_a_worker_holds_it_fails_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computations, "MOST_EVENTS", 2)
    made = trigger_tried(bench, events=3)
    work_on_computations(bench.ctx)
    failed = shown(bench, made)
    assert (failed.state, failed.result) == (JobState.FAILED, None)
    assert failed.problem == "since: more than 2 events match; give a later time."


def test_what_takes_too_long_fails_and_says_so(bench: Bench) -> None:
    made = trigger_tried(bench)
    clock = iter(range(0, 10_000, 601))
    work_on_computations(replace(bench.ctx, clock=lambda: float(next(clock))))
    assert shown(bench, made).problem == "It was not done within 10 min; ask for a shorter time."


def test_a_fault_of_ours_ends_it_and_not_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = explained(bench), explained(bench, 2)
    bench.sql("UPDATE computations SET asked = '{}' WHERE id = :id", id=first.id)
    assert work_on_computations(bench.ctx) == 2
    assert (shown(bench, first).state, shown(bench, second).state) == (
        JobState.FAILED,
        JobState.DONE,
    )


# Several workers.


def test_two_workers_never_have_one_computation(bench: Bench) -> None:
    explained(bench)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: begun(bench), range(4)))
    assert sum(one is not None for one in found) == 1


def test_so_many_run_at_once_as_leave_workers_to_alerts(bench: Bench) -> None:
    for client_id in (1, 2, 3):
        explained(bench, client_id)
    with ThreadPoolExecutor(4) as pool:
        found = [one for one in pool.map(lambda _: begun(bench), range(4)) if one is not None]
    assert sorted(one.client_id or 0 for one in found) == [1, 2]
    first, _ = found
    bench.store.transact(lambda tx: tx.end_computation(first.id, first.fence, JobState.DONE))
    assert work_on_computations(bench.ctx) == 1


def test_where_its_worker_dies_another_one_begins_it_anew(bench: Bench) -> None:
    made = trigger_tried(bench)
    dead = begun(bench)
    assert dead is not None
    assert not is_any_computation_idle(bench.ctx)
    assert work_on_computations(bench.ctx) == 0
    loses_its_worker(bench)
    assert is_any_computation_idle(bench.ctx)
    assert work_on_computations(bench.ctx) == 1
    assert shown(bench, made).state is JobState.DONE


@pytest.mark.usefixtures("noting")
def test_a_worker_that_was_taken_for_dead_stops_and_changes_nothing(bench: Bench) -> None:
    made = trigger_tried(bench)
    others: list[Computation | None] = []

    def goes_on() -> bool:
        # Asked before it is begun, and then at each step.
        if shown(bench, made).state is JobState.RUNNING and not others:
            loses_its_worker(bench)
            others.append(begun(bench))
        return True

    work_on_computations(bench.ctx, goes_on)
    (other,) = others
    assert other is not None
    now = shown(bench, made)
    assert (now.state, now.fence, now.result) == (JobState.RUNNING, other.fence, None)
    late = bench.store.transact(
        lambda tx: tx.end_computation(made.id, other.fence - 1, JobState.DONE, result="{}")
    )
    assert not late
    assert bench.store.transact(lambda tx: tx.end_computation(made.id, other.fence, JobState.DONE))


def test_what_workers_die_of_fails_after_the_third(bench: Bench) -> None:
    made = explained(bench)
    for _ in range(DEATHS):
        assert begun(bench) is not None
        loses_its_worker(bench)
    assert work_on_computations(bench.ctx) == 1
    failed = shown(bench, made)
    assert failed.state is JobState.FAILED
    assert (failed.problem or "").startswith("3 workers ended while they were on it")


def test_a_worker_that_ends_hands_it_back_and_that_is_no_death(bench: Bench) -> None:
    made = trigger_tried(bench)
    for _ in range(DEATHS + 1):
        asked = iter([True, False, False])
        assert work_on_computations(bench.ctx, lambda asked=asked: next(asked)) == 1  # type: ignore[misc]  # mypy knows no type of a default
        back = shown(bench, made)
        assert (back.state, back.worked_at, back.deaths) == (JobState.WAITING, None, 0)
    assert work_on_computations(bench.ctx) == 1
    assert shown(bench, made).state is JobState.DONE


# A process of a worker.


def test_a_process_does_them_beside_its_tasks_however_often_it_is_asked(bench: Bench) -> None:
    computing = Computing(bench.ctx)
    made = [explained(bench, client_id) for client_id in (1, 2)]
    for _ in range(5):
        computing.begin()
    eventually(lambda: all(shown(bench, one).state is JobState.DONE for one in made))
    # Its thread has ended, and there is another one for what comes later.
    later = explained(bench)
    computing.begin()
    eventually(lambda: shown(bench, later).state is JobState.DONE)
    computing.stop(5)


def test_a_process_that_ends_hands_back_what_it_has_and_begins_nothing_more(bench: Bench) -> None:
    made = trigger_tried(bench)
    stopping: list[Computing] = []
    with ThreadPoolExecutor(1) as pool:

        def stop(_: object) -> None:
            pool.submit(stopping[0].stop, 0).result()

        store: Any = EndingWith(bench.store, stop)
        stopping.append(Computing(replace(bench.ctx, store=store)))
        stopping[0].begin()
        eventually(lambda: shown(bench, made).fence == 1)
        eventually(lambda: shown(bench, made).state is JobState.WAITING)
    assert shown(bench, made).deaths == 0
    stopping[0].begin()
    stopping[0].stop(5)
    assert shown(bench, made).fence == 1


def test_a_process_that_cannot_begin_a_thread_does_so_the_next_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = explained(bench)
    computing = Computing(bench.ctx)

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refused)
        with pytest.raises(RuntimeError):
            computing.begin()
    computing.begin()
    eventually(lambda: shown(bench, made).state is JobState.DONE)
    computing.stop(5)


def test_an_outage_while_it_is_noted_how_far_it_is_ends_no_computation(bench: Bench) -> None:
    made = explained(bench)
    one = begun(bench)
    assert one is not None
    away: Any = FailingStore(bench.store, "note_share", Unavailable("away"))
    seconds = iter([0.0, 2.0])
    ctx = replace(bench.ctx, store=away, clock=lambda: next(seconds))
    note = computations._progress(ctx, one, lambda: True)
    note(0.5)
    assert shown(bench, made).is_open


def test_a_process_without_its_database_goes_on_once_it_is_asked_again(bench: Bench) -> None:
    made = explained(bench)
    away: Any = FailingStore(bench.store, "begin_computation", Unavailable("away"))
    computing = Computing(replace(bench.ctx, store=away))
    computing.begin()
    eventually(lambda: computing._thread is None)
    assert shown(bench, made).state is JobState.WAITING
    assert away.asked
    away._query = ""
    computing.begin()
    eventually(lambda: shown(bench, made).state is JobState.DONE)


# What becomes of it meanwhile.


@pytest.mark.usefixtures("noting")
def test_cancelled_while_a_worker_is_on_it_it_stays_cancelled(bench: Bench) -> None:
    made = trigger_tried(bench)

    def goes_on() -> bool:
        if shown(bench, made).state is JobState.RUNNING:
            cancel_computation(bench.ctx, ANA, only([1]), made.id)
        return True

    work_on_computations(bench.ctx, goes_on)
    ended = shown(bench, made)
    assert (ended.state, ended.result, ended.cancelled_by) == (JobState.CANCELLED, None, "Ana")
    assert ended.words == "Ana cancelled it."
    with pytest.raises(Refused, match=f"Computation {made.id} has ended already: it is cancelled"):
        cancel_computation(bench.ctx, ANA, only([1]), made.id)


def test_cancelled_just_before_its_end_it_stays_cancelled(bench: Bench) -> None:
    made = explained(bench)
    held = begun(bench)
    assert held is not None
    cancel_computation(bench.ctx, ANA, only([1]), made.id)
    ended = bench.store.transact(
        lambda tx: tx.end_computation(held.id, held.fence, JobState.DONE, result="{}")
    )
    assert (ended, shown(bench, made).state) == (False, JobState.CANCELLED)


def test_cancelled_before_it_is_begun_nobody_begins_it(bench: Bench) -> None:
    made = explained(bench)
    cancel_computation(bench.ctx, ANA, only([1]), made.id)
    assert not is_any_computation_idle(bench.ctx)
    assert work_on_computations(bench.ctx) == 0


def test_a_trigger_that_is_deleted_meanwhile_is_tried_as_it_was(bench: Bench) -> None:
    stored = bench.trigger(condition="user_created")
    bench.ingest(an_event_for("user_created"))
    made = create_trigger_simulation(
        *(bench.ctx, ANA, 1, stored.criteria),
        trigger_id=stored.id,
        since=datetime.now(UTC) - HOUR,
        until=None,
    )
    bench.delete_trigger(stored.id)
    work_on_computations(bench.ctx)
    result = shown(bench, made).result
    assert result is not None
    assert (result["trigger_id"], len(result["items"])) == (stored.id, 1)


def test_an_integration_that_is_deleted_meanwhile_cannot_be_explained(bench: Bench) -> None:
    made = explained(bench)
    number = made.asked["integration_id"]
    bench.delete_integration(number, reason="")
    work_on_computations(bench.ctx)
    failed = shown(bench, made)
    assert (failed.state, failed.problem) == (
        JobState.FAILED,
        f"There is no integration {number}.",
    )


# Limits and scopes.


def test_a_client_has_two_open_at_most_also_where_more_are_asked_for_at_once(bench: Bench) -> None:
    integration = bench.integration()

    def ask(_: int) -> str | None:
        try:
            create_explanation(bench.ctx, ANA, only([1]), integration)
        except Refused as error:
            return str(error)
        return None

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(6)))
    assert answers.count(None) == 2
    assert set(answers) == {
        None,
        "2 computations are open already; cancel one or wait for an end.",
    }
    assert explained(bench, 2).client_id == 2  # another client's are others
    create_policy_simulation(bench.ctx, OPS, Policy(), datetime.now(UTC) - HOUR)
    work_on_computations(bench.ctx)
    assert ask(0) is None


def test_of_a_client_so_many_that_have_ended_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_of_computations, "KEPT_AT_MOST", 2)
    theirs = explained(bench, 2)
    made = []
    for _ in range(4):
        work_on_computations(bench.ctx)
        made.append(explained(bench).id)
    left = [one.id for one in list_computations(bench.ctx, EVERY_CLIENT).items]
    assert left == [*reversed(made[1:]), theirs.id]


def test_prune_deletes_what_ended_long_ago_and_nothing_that_is_open(bench: Bench) -> None:
    old = explained(bench)
    work_on_computations(bench.ctx)
    new, standing = explained(bench), explained(bench)
    begun(bench)
    cancel_computation(bench.ctx, ANA, only([1]), new.id)
    bench.sql("UPDATE computations SET created_at = '2020-01-01'")
    bench.sql(
        "UPDATE computations SET ended_at = ended_at - interval '8 days' WHERE id = :id", id=old.id
    )
    bench.prune()
    left = [one.id for one in list_computations(bench.ctx, EVERY_CLIENT).items]
    assert left == [standing.id, new.id]


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        (HOUR, None, "since: it lies ahead; give a time that is past."),
        (-HOUR, -2 * HOUR, "since: it is not before until."),
        (-timedelta(days=91), None, "since: what happened is kept 90 d; give a later time."),
    ],
)
def test_a_time_of_which_nothing_is_kept_is_refused(
    bench: Bench, since: timedelta, until: timedelta | None, sentence: str
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Refused) as refused:
        create_trigger_simulation(
            *(bench.ctx, ANA, 1, criteria_of("user_created")),
            trigger_id=None,
            since=now + since,
            until=None if until is None else now + until,
        )
    assert str(refused.value) == sentence


def test_another_clients_is_not_there_and_one_of_all_clients_for_operators_alone(
    bench: Bench,
) -> None:
    made = explained(bench)
    of_all = create_policy_simulation(bench.ctx, OPS, Policy(), datetime.now(UTC) - HOUR)

    def listed(scope: Scope, **asked: Any) -> list[int]:
        return [one.id for one in list_computations(bench.ctx, scope, **asked).items]

    for scope, one in ((only([2]), made), (only([1, 2]), of_all)):
        with pytest.raises(NotFound, match=f"There is no computation {one.id}"):
            show_computation(bench.ctx, scope, one.id)
        with pytest.raises(NotFound, match=f"There is no computation {one.id}"):
            cancel_computation(bench.ctx, ANA, scope, one.id)
    assert listed(only([1, 2])) == [made.id]
    assert listed(EVERY_CLIENT) == [of_all.id, made.id]
    assert listed(EVERY_CLIENT, client_id=1) == [made.id]
    assert listed(EVERY_CLIENT, cursor=of_all.id) == [made.id]
    with pytest.raises(NotFound, match="There is no integration"):
        create_explanation(bench.ctx, ANA, only([2]), made.asked["integration_id"])
