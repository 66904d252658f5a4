"""One slow or hanging integration holds up nobody else."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    RememberingPublisher,
    a_key,
    a_trigger_draft,
    an_event_object,
    criteria_of,
    eventually,
)
from build import an_event as an_accepted_event

from e2e.system import System, sandbox_times
from wallarm_notify.services.ingest import ingest
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.timing
def test_a_hanging_integration_delays_no_other(make_system: Callable[..., System]) -> None:
    system = make_system(
        request_timeout=4, connect_timeout=2, lease_seconds=10, retry_time_scale=0.01
    )
    hanging, healthy = a_key("hang"), [a_key("ok") for _ in range(10)]
    system.integration(hanging, client_id=1)
    for key in healthy:
        system.integration(key, client_id=2)
    system.sandbox.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    system.start_worker()
    system.emit(*(an_event_object(client_id=client) for _ in range(30) for client in (1, 1, 1, 2)))
    eventually(
        lambda: sum(len(sandbox_times(system.sandbox, key)) for key in healthy) == 300,
        15,
        "300 alerts of the healthy",
    )
    first = min(sandbox_times(system.sandbox, hanging))
    last = max(max(sandbox_times(system.sandbox, key)) for key in healthy)
    # Far less than what the hanging one would take alone, even all side by side, let alone in turn.
    assert last - first < 4


@pytest.mark.timing
def test_a_flood_of_one_client_delays_no_first_attempt_of_another_by_two_seconds(
    make_system: Callable[..., System],
) -> None:
    system = make_system()
    crowd = tuple(system.integration(client_id=1, subscribe=()) for _ in range(100))
    other = a_key("other")
    system.integration(other, client_id=2)
    for _ in range(40):
        draft = a_trigger_draft(*crowd, criteria=criteria_of("api_structure_changed"))
        system.create_trigger(draft)
    system.sandbox.set_faults([{"kind": "slow", "delay": 0.5}], rate_limit=0)
    system.start_worker()
    change = {"type": "api.changed", "method": "GET", "host": "h", "path": "/"}
    emitted: list[tuple[str, float]] = []

    def emit_with(*events: dict[str, Any]) -> None:
        event = an_event_object(client_id=2)
        emitted.append((event["id"], time.time()))
        system.emit(*events, event)

    # The first comes in the same message as the event that makes 4000 notifications.
    emit_with(an_event_object(client_id=1, change_type="added", **change))
    for _ in range(20):
        threading.Event().wait(0.25)
        emit_with()
    eventually(lambda: len(sandbox_times(system.sandbox, other)) == 21, 10, "all of the other's")
    came = {
        request["body"]["payload"]["custom_details"]["event_id"]: request["at_epoch"]
        for request in system.sandbox.requests(other.reveal())
    }
    waited = [came[event_id] - at for event_id, at in emitted]
    assert max(waited) < 2, waited
    assert system.states()["pending"] > 1000  # nothing is dropped, nothing is refused


def test_an_integration_that_was_slow_catches_up_when_it_answers_in_time(
    make_system: Callable[..., System],
) -> None:
    system = make_system(
        request_timeout=5,
        connect_timeout=2,
        lease_seconds=10,
        retry_time_scale=0.01,
        sweep_seconds=1,
    )
    key = a_key()
    system.integration(key)
    system.sandbox.set_faults([{"kind": "slow", "delay": 1.5, "times": 20}])
    system.start_worker()
    system.start_beat()
    system.emit(*(an_event_object() for _ in range(60)))
    system.wait_for_states(60, delivered=60)
    assert len(system.sandbox.alerts(key.reveal())) == 60
    assert all(a["triggers"] == 1 for a in system.sandbox.alerts())
    assert system.ledger().findings == []


def test_a_lost_message_is_found_at_once_beside_a_backlog_behind_a_hanging_integration(
    make_system: Callable[..., System], database_url: str
) -> None:
    system = make_system(
        request_timeout=4,
        connect_timeout=2,
        lease_seconds=10,
        retry_time_scale=0.01,
        sweep_seconds=1,
    )
    hanging, healthy = a_key("hang"), a_key("ok")
    slow = system.integration(hanging, client_id=1)
    system.integration(healthy, client_id=2)
    system.sandbox.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    # What it enqueues is lost, and 150,000 have been waiting behind the hanging one for longer.
    losing = replace(system.wiring.context, publisher=RememberingPublisher())
    ingest(losing, [an_accepted_event(client_id=client) for client in (1, 2)], ())
    with make_engine(database_url).begin() as connection:
        connection.exec_driver_sql(
            "UPDATE integrations SET slow_since = now() WHERE id = %s", (slow,)
        )
        connection.exec_driver_sql(
            """INSERT INTO notifications (client_id, integration_id, event_no, trigger_id, dedup_start, severity,
                   state, disablings, due_at, recheck_at)
               SELECT n.client_id, n.integration_id, n.event_no, g, 0, n.severity, n.state, 0,
                   now() - interval '1 hour', now() - interval '1 hour'
               FROM notifications n, generate_series(1, 150000) g WHERE n.integration_id = %s""",
            (slow,),
        )
        connection.exec_driver_sql(
            "UPDATE notifications SET recheck_at = now() WHERE client_id = 2"
        )
    system.start_worker()
    system.start_beat()
    eventually(lambda: sandbox_times(system.sandbox, healthy), 60, "the lost one was sent")
    eventually(lambda: sandbox_times(system.sandbox, hanging), 60, "one of the others, too")
