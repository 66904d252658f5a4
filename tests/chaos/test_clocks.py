"""A clock jumps: beat's, Redis's, PostgreSQL's, ten minutes or an hour, back or ahead. A worker's: test_upkeep."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import pytest
from e2e.system import ROOT, Process, eventually

from chaos.beat_clock import CLOCK_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.report import Report
    from chaos.scene import Scene

pytestmark = pytest.mark.timeout(400)

JUMPS: Final = [
    pytest.param(-600, id="10 min back"),
    pytest.param(-3600, id="1 h back"),
    pytest.param(600, id="10 min ahead"),
    pytest.param(3600, id="1 h ahead"),
]


@pytest.mark.parametrize("seconds", JUMPS)
def test_beats_clock_jumps(make_scene: Callable[..., Scene], report: Report, seconds: int) -> None:
    scene = make_scene()
    clock = scene.folder / "clock"
    clock.write_text("0")
    beat = Process(
        ["beat", "-l", "INFO"],
        {
            **os.environ,
            **scene.system.environment,
            CLOCK_FILE: str(clock),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        },
        scene.folder / "beat.log",
        program=(sys.executable, "-m", "chaos.beat_clock", "-A", "tasks"),
    )
    scene.system.processes.append(beat)

    def sent(errand: str) -> int:
        return beat.text().count(f"Sending due task {errand}")

    eventually(lambda: sent("sweep") >= 3, 20, "beat sweeps")
    clock.write_text(str(seconds))
    before = {errand: sent(errand) for errand in ("sweep", "prune")}
    # SWEEP is due each second here, PRUNE each 5 s: as often as ever, no more and no less.
    eventually(lambda: sent("prune") >= before["prune"] + 2, 15, "beat prunes")
    assert 3 <= sent("sweep") - before["sweep"] <= 15
    # Set right again it goes on too.
    clock.write_text("0")
    before = {errand: sent(errand) for errand in ("sweep", "prune")}
    eventually(lambda: sent("prune") >= before["prune"] + 2, 15, "beat prunes")
    assert 3 <= sent("sweep") - before["sweep"] <= 15
    report.add(f"beat's clock {seconds:+} s", "schedule", "sweep and prune went on", 0, [])
