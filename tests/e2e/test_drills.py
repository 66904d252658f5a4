"""The schedule of drills, as a worker does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from build import a_key, eventually
from celery import Celery

from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.task_names import DRILL, UPKEEP_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System


def test_what_beat_sends_for_drills_proves_each_integration(
    make_system: Callable[..., System],
) -> None:
    system = make_system(drill_hours=1)
    key = a_key()
    number = system.integration(key)
    system.start_worker()
    with Celery(broker=system.broker_url) as app:
        app.send_task(DRILL, queue=UPKEEP_QUEUE)
    eventually(lambda: is_proven(system, number), 60, "a proof")
    (request,) = system.sandbox.requests(key.reveal())
    assert request["status"] == 202
    assert system.sandbox.alerts(key.reveal()) == []
    assert system.wiring.store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 0


def is_proven(system: System, integration: int) -> bool:
    shown = system.wiring.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    return shown is not None and shown.proven_at is not None
