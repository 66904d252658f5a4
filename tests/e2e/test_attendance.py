"""A queue that nobody takes from is an error in the log of whoever runs, and of each only once."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from build import eventually

from e2e.system import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System
    from wallarm_notify.devstack.processes import Process

pytestmark = pytest.mark.faults

TESTS = str(ROOT / "tests")
BEGAN = "ERROR queue.unattended queue=retries "
OVER = "INFO queue.attended queue=retries "


def started(system: System, *words: str) -> Process:
    return system.start(words[0], [sys.executable, "-m", "e2e.impatient", *words], PYTHONPATH=TESTS)


def consumed(system: System) -> set[str]:
    """The queues of the nodes that were seen within a minute."""
    nodes = system.wiring.store.transact(
        lambda tx: [n for n in tx.nodes() if (tx.now - n.seen_at).total_seconds() < 60]
    )
    return {queue for node in nodes for queue in node.queues}


def let_most_of_a_minute_pass(system: System) -> None:
    """Make the last heartbeat of nodes that take from ``retries`` older: after a minute they are gone."""
    system.wiring.store.transact(
        lambda tx: tx._do(
            "UPDATE heartbeats SET seen_at = seen_at - interval '55 s' WHERE 'retries' = ANY(queues)"
        )
    )


def test_a_worker_beat_and_the_api_each_say_once_who_is_missing_and_that_it_is_over(
    make_system: Callable[..., System],
) -> None:
    system = make_system(sweep_seconds=5)
    retries = system.start_worker("-Q", "retries", name="retries", concurrency=1)
    eventually(lambda: "retries" in consumed(system), 60, "its heartbeat")
    first = system.start_worker(
        *("-Q", "events,celery,notifications,upkeep", "-I", "e2e.impatient"),
        name="first",
        concurrency=2,
        PYTHONPATH=TESTS,
    )
    beat = started(system, "celery", "-A", "tasks", "beat", "-l", "INFO")
    api = started(system, "wallarm-notify", "serve", "--port", "0")
    watching = (first, beat, api)
    assert not [p for p in watching if "queue." in p.text()]

    retries.kill()
    let_most_of_a_minute_pass(system)
    for process in watching:
        process.wait_for(BEGAN, 120)
        assert "celery -A tasks worker -Q retries" in process.text()

    system.start_worker("-Q", "retries", name="again", concurrency=1)
    for process in watching:
        process.wait_for(OVER, 120)
        assert (process.text().count(BEGAN), process.text().count(OVER)) == (1, 1), process.text()
        assert "unattended queue=events" not in process.text()


def test_beat_that_runs_alone_names_every_queue_that_was_taken_from(system: System) -> None:
    worker = system.start_worker(concurrency=1)
    eventually(partial(has_all, system), 60, "its heartbeat")
    worker.kill()
    let_most_of_a_minute_pass(system)
    beat = started(system, "celery", "-A", "tasks", "beat", "-l", "INFO")
    for queue in ("events", "celery", "notifications", "retries", "upkeep"):
        beat.wait_for(f"ERROR queue.unattended queue={queue} ", 150)


def has_all(system: System) -> bool:
    return len(consumed(system)) == 5
