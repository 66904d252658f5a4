"""What is severe is sent at once, whatever waits for the rate limit of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from build import a_key, an_event_object, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System


def test_a_critical_alert_passes_180_low_ones_that_wait_for_the_rate_limit(
    make_system: Callable[..., System],
) -> None:
    system = make_system(rate_limit_per_minute=100)
    key = a_key()
    system.integration(key)
    system.start_worker()
    system.emit(*(an_event_object(title=f"Issue {n}", risk="low") for n in range(180)))
    eventually(lambda: len(system.sandbox.alerts(key.reveal())) == 80, 60, "the low ones' share")
    system.emit(an_event_object(risk="critical"))
    eventually(lambda: len(system.sandbox.alerts(key.reveal())) == 81, 60, "one more")
    severities = [r["body"]["payload"]["severity"] for r in system.sandbox.requests(key.reveal())]
    assert severities == ["info"] * 80 + ["critical"]
    system.wait_for_states(60, delivered=81, pending=100)
