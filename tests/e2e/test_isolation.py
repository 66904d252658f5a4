"""One slow or hanging integration holds up nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.system import System, a_key, an_event, eventually, sandbox_times

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
    system.emit(*(an_event(client_id=client) for _ in range(30) for client in (1, 1, 1, 2)))
    eventually(
        lambda: sum(len(sandbox_times(system.sandbox, key)) for key in healthy) == 300,
        15,
        "300 alerts of the healthy",
    )
    first = min(sandbox_times(system.sandbox, hanging))
    last = max(max(sandbox_times(system.sandbox, key)) for key in healthy)
    # Far less than what the hanging one would take alone, even all side by side, let alone in turn.
    assert last - first < 4


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
    system.emit(*(an_event() for _ in range(60)))
    system.wait_for_states(60, delivered=60)
    assert len(system.sandbox.alerts(key.reveal())) == 60
    assert all(a["triggers"] == 1 for a in system.sandbox.alerts())
    assert system.ledger().findings == []
