"""The network between a worker and PagerDuty fails, in every way the sandbox knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.report import Report
    from chaos.scenario import Scenario

FAULTS: Final[dict[str, dict[str, Any]]] = {
    "request hung": {"kind": "hang", "delay": 5},
    "request hung after it was taken": {"kind": "hang", "delay": 5, "accept": True},
    "connection reset": {"kind": "reset"},
    "connection reset after the request was read": {"kind": "reset", "accept": True},
    "connection closed without an answer": {"kind": "close", "accept": True},
    "answer dripping past the deadline": {"kind": "drip", "delay": 0.5},
    "taken, and answered 500": {"kind": "status", "status": 500, "accept": True},
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after": 2},
}
SAMPLE: Final = {"connection reset after the request was read", "request hung after it was taken"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(name, id=name, marks=[pytest.mark.sample] if name in SAMPLE else [])
        for name in FAULTS
    ],
)
def test_the_network_fails(
    make_scenario: Callable[..., Scenario], report: Report, fault: str
) -> None:
    scenario = make_scenario()
    scenario.system.sandbox.set_faults([{**FAULTS[fault], "times": 30}])
    scenario.system.start_worker()
    scenario.start_beat()
    scenario.emit()
    scenario.end_well(report, fault, "send", "sent again under the same dedup key")
