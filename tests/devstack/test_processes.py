"""Programs are waited for with their words, and end with everything that they started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
from build import eventually
from chaos.killable import is_alive

from devstack.families import family
from wallarm_notify.devstack.processes import CannotStart, NotInTime, Process, end

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = "trap '' TERM; echo up; sleep 60"
LEAVES_A_CHILD = "sleep 60 & echo up; trap 'exit 3' TERM; wait"


def shell(script: str, folder: Path, name: str = "one") -> Process:
    return Process(["sh", "-c", script], folder / f"{name}.log")


def test_words_are_waited_for_and_found_also_in_what_has_ended(tmp_path: Path) -> None:
    process = shell("echo one; echo two", tmp_path)
    process.wait_for("two")
    eventually(process.has_ended, 60, "it ended")
    process.wait_for("one")
    assert process.stop() == 0


def test_the_error_for_a_program_that_ends_too_early_has_its_output(tmp_path: Path) -> None:
    process = shell("echo that is wrong >&2; exit 5", tmp_path)
    with pytest.raises(CannotStart, match="one ended with 5:\nthat is wrong"):
        process.wait_for(" ready.")
    process.kill()


def test_what_it_leaves_behind_is_killed_when_its_end_is_reported(tmp_path: Path) -> None:
    process = shell("sleep 60 & echo $!; kill -9 $$", tmp_path)
    with pytest.raises(CannotStart, match="one ended with -9"):
        process.wait_for(" ready.")
    left = psutil.Process(int(process.text()))
    assert is_alive(left)
    process.kill()
    eventually(lambda: not is_alive(left), 60, "its end")


def test_words_that_do_not_come_are_named(tmp_path: Path) -> None:
    process = shell("sleep 60", tmp_path)
    with pytest.raises(NotInTime, match=r"« ready\.» in the log of one: not within 0\.1 s"):
        process.wait_for(" ready.", 0.1)
    assert process.stop() == -signal.SIGTERM


def test_what_does_not_end_when_it_is_asked_is_killed(tmp_path: Path) -> None:
    process = shell(STUBBORN, tmp_path)
    process.wait_for("up")
    assert process.stop(0.2) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_it_started_goes_with_it(tmp_path: Path, how: str) -> None:
    process = shell(LEAVES_A_CHILD, tmp_path)
    process.wait_for("up")
    whole = family(process.pid)
    assert len(whole) == 2
    getattr(process, how)()
    assert process.popen.returncode == (3 if how == "stop" else -signal.SIGKILL)
    eventually(lambda: not any(map(is_alive, whole)), 60, "nothing is left")


def test_several_are_asked_together_and_waited_for_once(tmp_path: Path) -> None:
    several = [shell(STUBBORN, tmp_path, f"stubborn{n}") for n in range(3)]
    several.append(shell("trap 'exit 3' TERM; echo up; sleep 60 & wait", tmp_path, "obedient"))
    for process in several:
        process.wait_for("up")
    began = time.monotonic()
    end(several, 2)
    assert time.monotonic() - began < 5, "not one wait after the other"
    assert [p.popen.returncode for p in several] == [*[-signal.SIGKILL] * 3, 3]


def test_signals_are_tried_in_turn(tmp_path: Path) -> None:
    process = shell("trap '' TERM; trap 'exit 4' INT; echo up; sleep 60 & wait", tmp_path)
    process.wait_for("up")
    end([process], 0.2, signals=[signal.SIGTERM, signal.SIGINT])
    assert process.popen.returncode == 4


def test_programs_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from wallarm_notify.devstack.processes import Process
Process(["sleep", "60"], Path({str(tmp_path / "sleep.log")!r}))
print("up", flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        started = family(parent.pid)[1:]
        assert [process.name() for process in started] == ["sleep"]
        parent.kill()
    eventually(lambda: not any(map(is_alive, started)), 60, "its end")
