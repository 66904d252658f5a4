"""Every fault at every step of the way: nothing is lost, nothing pages twice (spec 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from build import eventually

from chaos.armed import POINTS
from chaos.outside import FAULTS, commit_cut, statement_cut
from chaos.scene import INGESTED_WITHIN, LATER_WITHIN, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import World
    from chaos.report import Report

pytestmark = pytest.mark.timeout(400)

SAMPLE: Final = {
    ("kill_child", "ingest.before_commit"),
    ("kill_worker", "ingest.begun"),
    ("kill_worker", "ingest.committed"),
    ("kill_worker", "dispatcher.handed"),
    ("kill_worker", "send.answered"),
    ("kill_child", "record.committed"),
    ("broker killed and restarted", "ingest.committed"),
    ("broker emptied", "ingest.committed"),
    ("broker out of memory", "record.committed"),
    ("database killed and restarted", "record.before_commit"),
    ("connections cut", "claim.before_commit"),
    ("database read-only", "ingest.begun"),
    ("every message doubled", "claim.begun"),
}
"""What CI plays of the matrix; the whole is `make chaos`."""


def cases(faults: tuple[str, ...], steps: tuple[str, ...] = POINTS) -> list[object]:
    return [
        pytest.param(
            fault,
            step,
            id=f"{fault} at {step}",
            marks=[pytest.mark.sample] if (fault, step) in SAMPLE else [],
        )
        for fault in faults
        for step in steps
    ]


BEFORE_COMMIT: Final = ("ingest.begun", "ingest.before_commit")


def bound(step: str) -> float:
    """How long it may take (spec 7)."""
    return INGESTED_WITHIN if step in BEFORE_COMMIT else LATER_WITHIN


def fail_at_first(scene: Scene) -> None:
    """The first requests are refused, so that there is a next link of the chain to lose."""
    scene.system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 25}])


@pytest.mark.parametrize(("fault", "step"), cases(("kill_child", "kill_worker")))
def test_a_worker_is_killed(
    make_scene: Callable[..., Scene], report: Report, fault: str, step: str
) -> None:
    scene = make_scene()
    fail_at_first(scene)
    worker = scene.start_armed((step, fault))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    happened = "the child was replaced"
    if fault == "kill_worker":
        worker.popen.wait(10)
        scene.system.start_worker()
        happened = "another worker took over"
    name = f"`kill -9` of a {fault.removeprefix('kill_')}"
    scene.end_well(report, name, step, happened, within=bound(step))


INGESTS: Final = "events,celery"
DELIVERS: Final = "notifications,retries,upkeep"


@pytest.mark.parametrize(
    ("step", "armed", "others"),
    [
        ("ingest.committed", INGESTS, DELIVERS),
        pytest.param("ingest.published", INGESTS, DELIVERS, marks=pytest.mark.sample),
        pytest.param("claim.begun", DELIVERS, INGESTS, marks=pytest.mark.sample),
        ("claim.before_commit", DELIVERS, INGESTS),
        ("claim.committed", DELIVERS, INGESTS),
        ("dispatcher.handed", DELIVERS, INGESTS),
    ],
)
def test_a_worker_is_killed_where_events_are_routed_on_one_node_and_delivered_on_another(
    make_scene: Callable[..., Scene], report: Report, step: str, armed: str, others: str
) -> None:
    """There first attempts are claimed by message, and not in the transaction that makes them."""
    scene = make_scene()
    fail_at_first(scene)
    worker = scene.start_armed((step, "kill_worker"), queues=armed)
    scene.system.start_worker("-Q", others)
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    worker.popen.wait(10)
    scene.system.start_worker("-Q", armed)
    name = "`kill -9` of a worker, nodes apart"
    scene.end_well(report, name, step, "another worker took over", within=bound(step))


@pytest.mark.parametrize(("fault", "step"), cases(tuple(FAULTS)))
def test_the_rest_of_the_world_fails_while_a_worker_is_there(
    make_scene: Callable[..., Scene], world: World, report: Report, fault: str, step: str
) -> None:
    scene = make_scene()
    fail_at_first(scene)
    scene.start_armed((step, "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    if fault == "broker emptied":
        # What is not committed yet is the broker's alone: the spec promises it from the commit on.
        if step in BEFORE_COMMIT:
            scene.go_on()
        eventually(lambda: scene.system.ledger().received >= scene.expected.events, 30, "all in")
    happened = FAULTS[fault](scene, world)
    scene.go_on()
    scene.end_well(report, fault, step, happened, within=bound(step))


@pytest.mark.parametrize(
    ("step", "table"),
    [
        pytest.param("ingest.begun", "events", marks=pytest.mark.sample),
        ("ingest.begun", "notifications"),
        ("claim.begun", "notifications"),
        ("claim.committed", "attempts"),
        ("ingest.begun", "counts"),
    ],
)
def test_a_connection_is_cut_in_the_middle_of_a_statement(
    make_scene: Callable[..., Scene], world: World, report: Report, step: str, table: str
) -> None:
    scene = make_scene()
    fail_at_first(scene)
    scene.start_armed((step, "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    happened = statement_cut(scene, world, table)
    scene.end_well(report, f"cut mid-statement on {table}", step, happened, within=bound(step))


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("ingest.before_commit", marks=pytest.mark.sample),
        "claim.before_commit",
        "record.before_commit",
    ],
)
def test_a_connection_is_cut_before_it_hears_that_its_commit_is_done(
    make_scene: Callable[..., Scene], world: World, report: Report, step: str
) -> None:
    scene = make_scene()
    fail_at_first(scene)
    scene.start_armed((step, "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    happened = commit_cut(scene, world)
    scene.end_well(report, "commit in doubt", step, happened, within=bound(step))


@pytest.mark.parametrize(
    "step",
    [
        "ingest.before_commit",
        "claim.before_commit",
        "claim.committed",
        "dispatcher.handed",
        pytest.param("send.answered", marks=pytest.mark.sample),
        "record.before_commit",
    ],
)
def test_a_worker_stalls_for_longer_than_its_lease_and_goes_on(
    make_scene: Callable[..., Scene], report: Report, step: str
) -> None:
    """In the middle of a transaction too: its locks go with the transaction after 10 s."""
    scene = make_scene()
    fail_at_first(scene)
    scene.start_armed((step, "pause"))
    scene.start_beat()
    scene.emit()
    scene.wait_for_point(step)
    scene.system.start_worker()
    seconds = scene.wait_for_all(bound(step))
    scene.go_on()
    # What it comes back with is late, and must change nothing.
    scene.wait_for_return(step)
    findings = scene.judge()
    happened = "another worker took over; what the first came back with changed nothing"
    report.add("a worker stalls past its lease", step, happened, seconds, findings)
    assert findings == []
