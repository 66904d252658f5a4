"""Replay jobs: exact whatever workers do, gone on with where one dies, and at an end when somebody says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as with_fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, an_event
from meanwhile import EndingWith, Held

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.replay_job import JobState, ReplayJob
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services import replay, replay_jobs
from wallarm_notify.services.replay_jobs import (
    cancel_replay_job,
    create_replay_job,
    do_replay_slice,
    list_replay_jobs,
    revive_replay_jobs,
    show_replay_job,
    work_on_replay_jobs,
)
from wallarm_notify.services.sweep import sweep

if TYPE_CHECKING:
    from wallarm_notify.services.context import Context

ANA = Actor("Ana", Role.ADMINISTRATOR, Source.API)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "SLICE", 2)
    monkeypatch.setattr(replay_jobs, "SLICE", 2)


def skipped(bench: Bench, number: int, client_id: int = 1) -> int:
    """Return an enabled integration with so many skipped notifications."""
    integration = bench.integration(enabled=False, client_id=client_id)
    bench.ingest(*(an_event(client_id=client_id) for _ in range(number)))
    bench.enable_integration(integration)
    return integration


def made(bench: Bench, integration: int, **fields: Any) -> ReplayJob:
    return create_replay_job(bench.ctx, ANA, only([1]), Wanted(integration, **fields))


def shown(bench: Bench, job: ReplayJob) -> ReplayJob:
    return show_replay_job(bench.ctx, EVERY_CLIENT, job.id)


def runs(bench: Bench) -> list[int]:
    """The run of each notification: 2 once it was replayed."""
    return [row["run"] for row in bench.sql("SELECT run FROM notifications ORDER BY id")]


def test_a_job_says_who_replays_what_and_how_long_it_takes(bench: Bench) -> None:
    integration = skipped(bench, 12)
    job = made(bench, integration, states=(State.SKIPPED,))
    ids = [row["id"] for row in bench.sql("SELECT id FROM notifications ORDER BY id")]
    limit = bench.ctx.settings.rate_limit_per_minute
    assert (job.actor, job.client_id, job.wanted.states) == (ANA, 1, (State.SKIPPED,))
    assert (job.extent.total, job.extent.last_id) == (12, ids[-1])
    assert list(job.extent.sample) == ids[:10]
    assert job.takes_at_least.total_seconds() == -(-12 * 60 // limit)
    assert (job.state, job.replayed, runs(bench)) == (JobState.WAITING, 0, [1] * 12)
    assert bench.publisher.replays_requested == 1


def test_it_is_worked_on_slice_by_slice_to_its_end(bench: Bench) -> None:
    job = made(bench, skipped(bench, 5))
    seen = []
    while do_replay_slice(bench.ctx) is not None:
        now = shown(bench, job)
        seen.append((now.state, now.replayed))
    assert seen == [(JobState.RUNNING, 2), (JobState.RUNNING, 4), (JobState.DONE, 5)]
    assert shown(bench, job).ended_at is not None
    assert runs(bench) == [2] * 5
    assert len(bench.publisher.ids()) == 5
    lines = bench.sql("SELECT actor, source FROM activity WHERE action = 'replayed'")
    assert {(line["actor"], line["source"]) for line in lines} == {("Ana", "api")}
    assert bench.ledger().findings == []


def test_what_is_missed_after_it_was_made_is_none_of_it(bench: Bench) -> None:
    integration = skipped(bench, 3)
    job = made(bench, integration)
    bench.disable_integration(integration, user="Ana", reason="")
    bench.ingest(an_event())
    bench.enable_integration(integration)
    assert work_on_replay_jobs(bench.ctx) == 3
    assert shown(bench, job).state is JobState.DONE
    assert runs(bench) == [2, 2, 2, 1]


def test_an_integration_has_one_job_at_a_time(bench: Bench) -> None:
    integration = skipped(bench, 1)
    made(bench, integration)
    with pytest.raises(Refused, match="is being replayed to already"):
        made(bench, integration)
    work_on_replay_jobs(bench.ctx)
    assert made(bench, integration).extent.total == 0


def test_two_workers_never_do_a_slice_twice(bench: Bench) -> None:
    job = made(bench, skipped(bench, 5))
    held = Held(bench.store)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(do_replay_slice, held.bench(bench).ctx)
        assert held.is_held.wait(9)
        # The other one finds the only job taken, and does not wait for it.
        assert do_replay_slice(bench.ctx) is None
        held.goes_on.set()
        assert first.result() == 2
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: do_replay_slice(bench.ctx), range(8)))
    work_on_replay_jobs(bench.ctx)
    assert sum(done_ or 0 for done_ in done) <= 3
    assert (shown(bench, job).replayed, runs(bench)) == (5, [2] * 5)
    assert bench.ledger().findings == []


def test_workers_at_once_work_on_different_jobs(bench: Bench) -> None:
    first = made(bench, skipped(bench, 2))
    second = create_replay_job(bench.ctx, ANA, EVERY_CLIENT, Wanted(skipped(bench, 2, client_id=2)))
    held = Held(bench.store)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(do_replay_slice, held.bench(bench).ctx)
        assert held.is_held.wait(9)
        assert do_replay_slice(bench.ctx) == 2
        held.goes_on.set()
        assert other.result() == 2
    assert [shown(bench, job).replayed for job in (first, second)] == [2, 2]


class Killed(BaseException):
    """The end of a worker."""


def test_a_worker_that_is_killed_in_a_slice_leaves_nothing_half_done(bench: Bench) -> None:
    job = made(bench, skipped(bench, 5))
    do_replay_slice(bench.ctx)

    def die(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        do_replay_slice(over(bench, EndingWith(bench.store, die)))
    assert (shown(bench, job).replayed, runs(bench)) == (2, [2, 2, 1, 1, 1])
    assert work_on_replay_jobs(bench.ctx) == 3


def over(bench: Bench, store: Any) -> Context:
    return with_fields(bench.ctx, store=store)


def test_sweep_goes_on_with_a_job_that_nobody_works_on(bench: Bench) -> None:
    job = made(bench, skipped(bench, 1))
    sweep(bench.ctx)
    assert shown(bench, job).state is JobState.WAITING
    bench.sql("UPDATE replay_jobs SET created_at = now() - interval '1 minute'")
    bench.sql("DELETE FROM upkeep_runs")
    sweep(bench.ctx)
    assert shown(bench, job).state is JobState.DONE


def test_a_task_ends_after_a_while_and_has_another_go_on(bench: Bench) -> None:
    made(bench, skipped(bench, 5))
    bench.publisher.replays_requested = 0
    assert work_on_replay_jobs(bench.ctx, works_for=-timedelta(seconds=1)) == 2
    assert bench.publisher.replays_requested == 1


def test_cancelled_it_stops_after_the_present_slice(bench: Bench) -> None:
    job = made(bench, skipped(bench, 5))
    held = Held(bench.store)
    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(do_replay_slice, held.bench(bench).ctx)
        assert held.is_held.wait(9)
        cancelling = pool.submit(cancel_replay_job, bench.ctx, ANA, only([1]), job.id)
        held.goes_on.set()
        assert working.result() == 2
        ended = cancelling.result()
    assert (ended.state, ended.replayed, ended.cancelled_by) == (JobState.CANCELLED, 2, "Ana")
    assert work_on_replay_jobs(bench.ctx) == 0
    assert runs(bench) == [2, 2, 1, 1, 1]
    with pytest.raises(Refused, match="is cancelled"):
        cancel_replay_job(bench.ctx, ANA, only([1]), job.id)


def test_where_its_integration_is_disabled_meanwhile_it_has_failed_and_says_why(
    bench: Bench,
) -> None:
    integration = skipped(bench, 3)
    job = made(bench, integration)
    bench.disable_integration(integration, user="Ana", reason="")
    assert work_on_replay_jobs(bench.ctx) == 0
    failed = shown(bench, job)
    assert failed.state is JobState.FAILED
    assert failed.problem == f"Integration {integration} is disabled."
    with pytest.raises(Refused, match="is disabled"):
        made(bench, integration)


def test_another_clients_job_is_not_there(bench: Bench) -> None:
    job = made(bench, skipped(bench, 1))
    with pytest.raises(NotFound, match=f"There is no replay {job.id}"):
        cancel_replay_job(bench.ctx, ANA, only([2]), job.id)
    assert list_replay_jobs(bench.ctx, only([2])).items == []


def test_jobs_are_listed_page_by_page_the_newest_first(bench: Bench) -> None:
    integration = skipped(bench, 1)
    jobs = []
    for _ in range(3):
        jobs.append(made(bench, integration).id)
        work_on_replay_jobs(bench.ctx)
    page = list_replay_jobs(bench.ctx, EVERY_CLIENT, limit=2)
    rest = list_replay_jobs(bench.ctx, EVERY_CLIENT, limit=2, cursor=page.following)
    assert [job.id for job in (*page.items, *rest.items)] == jobs[::-1]
    assert rest.following is None


def test_jobs_of_long_ago_are_forgotten_and_open_ones_never(bench: Bench) -> None:
    old, integration = skipped(bench, 1), skipped(bench, 1)
    made(bench, old)
    work_on_replay_jobs(bench.ctx)
    standing = made(bench, integration)
    bench.sql(
        "UPDATE replay_jobs SET created_at = '2020-01-01', ended_at = ended_at - interval '1 year'"
    )
    revive_replay_jobs(bench.ctx)
    assert [job.id for job in list_replay_jobs(bench.ctx, EVERY_CLIENT).items] == [standing.id]
