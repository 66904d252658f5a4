"""Who is asked to stop ends what it is at, says nothing of errors, and ends with 0."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from e2e.system import System, a_key, an_event, eventually

if TYPE_CHECKING:
    from e2e.system import Process

ASKED = [signal.SIGINT, signal.SIGTERM]


def ask(process: Process, number: signal.Signals) -> tuple[int, str]:
    """Sends a signal to the whole process group, as a terminal, ``timeout`` and systemd do."""
    os.killpg(process.popen.pid, number)
    return process.popen.wait(30), process.text()


@pytest.mark.parametrize("number", ASKED)
def test_a_worker_ends_what_is_under_way(system: System, number: signal.Signals) -> None:
    system.integration(a_key())
    system.sandbox.set_faults([{"kind": "slow", "delay": 2}])
    worker = system.start_worker()
    system.emit(an_event())
    eventually(system.sandbox.requests, 10, "a request under way")
    status, said = ask(worker, number)
    assert (status, "Traceback" in said, "exited with" in said) == (0, False, False), said
    assert system.states() == {"delivered": 1}


@pytest.mark.parametrize("number", ASKED)
@pytest.mark.parametrize("words", ["upkeep.sweep", "Connected to", " ready."])
def test_a_worker_that_just_begins_ends_without_a_fault(
    system: System, number: signal.Signals, words: str
) -> None:
    worker = system.begin_worker()
    worker.wait_for(words)
    status, said = ask(worker, number)
    assert (status, "Traceback" in said) == (0, False), said


@pytest.mark.parametrize("number", ASKED)
def test_beat_ends_at_once(system: System, number: signal.Signals) -> None:
    beat = system.start_beat()
    beat.wait_for("beat: Starting")
    status, said = ask(beat, number)
    assert (status, "Traceback" in said) == (0, False), said


def test_a_process_that_its_worker_ends_is_ended(system: System) -> None:
    """TERM is the parent's to send: it does where a child's time is up, or at a cold stop."""
    system.integration(a_key())
    system.sandbox.set_faults([{"kind": "hang"}])
    worker = system.start_worker()
    system.emit(an_event())
    eventually(system.sandbox.requests, 10, "a request under way")
    status, said = ask(worker, signal.SIGQUIT)
    assert (status, "Cold shutdown" in said) == (0, True), said
