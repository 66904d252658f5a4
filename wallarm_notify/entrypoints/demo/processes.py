"""A real worker, a real beat, and commands, as processes that never outlive the demo."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from wallarm_notify.domain.errors import NotifyError

_NODE: Final = "demo@%h"
_COMMANDS: Final = {
    "worker": ("worker", "--hostname", _NODE, "--loglevel", "INFO"),
    "beat": ("beat", "--loglevel", "INFO"),
}
_PATIENCE: Final = 6.0
"""Seconds between asking a process to end and killing it."""
_PROGRAM: Final = "from wallarm_notify.entrypoints.cli import main; main()"
_COMMAND_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 15


class Crew:
    """A Celery worker for every queue, and beat, each in a session of its own.

    ``environ`` is all they see; their logs go to files in ``logs``. Where Linux has ``setpriv``
    they end, too, when this process is killed with SIGKILL: start them in the main thread.
    """

    def __init__(self, environ: Mapping[str, str], logs: Path) -> None:
        self._environ = dict(environ)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start both; they are ready some seconds later. Raises NotifyError where they are not installed."""
        folder = _folder_of_tasks()
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        for name, arguments in _COMMANDS.items():
            with self._log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(  # noqa: S603 - our own command line
                    [*guard, sys.executable, "-m", "celery", "-A", "tasks", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=self._environ,
                    start_new_session=True,
                )

    def run_command(self, *words: str) -> str:
        """What the command ``wallarm-notify`` prints. Raises NotifyError where it fails."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-c", _PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=_folder_of_tasks(),
            env=self._environ,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            raise NotifyError(f"wallarm-notify {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def stop(self) -> None:
        """End both: ask, then kill. Nothing happens where they ended already."""
        for process in self._running.values():
            if not _has_ended(process):
                os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        for process in self._running.values():
            _reap(process, deadline)
        self._running.clear()

    def ended(self) -> list[str]:
        """Which of the two ended by themselves."""
        return [name for name, process in self._running.items() if _has_ended(process)]

    def tails(self) -> str:
        """The last lines of their logs."""
        return "\n".join(
            f"--- the end of the log of {name}:\n{_tail(self._log(name))}" for name in _COMMANDS
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _folder_of_tasks() -> Path:
    """Return where ``tasks`` and ``celeryconfig`` lie, without importing them."""
    spec = importlib.util.find_spec("tasks")
    if spec is None or spec.origin is None:
        raise NotifyError(
            "There is no module «tasks», so no worker can be started; install the checkout: make setup"
        )
    return Path(spec.origin).parents[1]


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell without reaping it: until it is reaped its group's number is nobody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _reap(process: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait until ``deadline``; then whatever is left of its group is killed."""
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: Path) -> str:
    if not log.exists():
        return "(none)"
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
