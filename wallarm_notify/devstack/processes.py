"""Programs on this machine: each in its own session, its output in a log, ended with this process.

So Ctrl-C at a terminal reaches this process alone, which ends the others in order. If Linux has
``setpriv``, a program also ends when the process that started it is killed with SIGKILL. To Linux "the
process" is the thread that started the program: start programs in the main thread.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from wallarm_notify.domain.errors import NotifyError

if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")

_COMMAND: Final = "from wallarm_notify.entrypoints.cli import main; main()"
_COMMAND_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.02
_TAIL_LINES: Final = 20


class CannotStart(NotifyError):
    """A program is not installed, could not start, or ended before it was ready."""


class NotInTime(NotifyError):
    """Something did not happen in time; the text names it."""


def wait_until(look: Callable[[], T | None], within: float, what: str) -> T:
    """Return the first true value of ``look``. Raise NotInTime if there is none ``within`` so many seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {within:g} s; last: {found!r}")
        time.sleep(_POLL_SECONDS)
    return found


def last_lines(text: str) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def exit_status_of(pid: int) -> int | None:
    """Return a child's exit status, or minus the signal that ended it; None while it runs.

    It is not reaped: no other process has its id.
    """
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


class Process:
    """A started program; its name is that of its ``log``, without the extension.

    ``environ`` is its environment and ``account`` its user, both this process's by default;
    ``when_orphaned`` names the signal that ends it after this process.
    """

    def __init__(
        self,
        command: Iterable[str | Path],
        log: Path,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        account: pwd.struct_passwd | None = None,
        when_orphaned: str = "TERM",
    ) -> None:
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", when_orphaned, "--"] if setpriv else []
        self.log = log
        with self._output() as output:
            self.popen = subprocess.Popen(  # noqa: S603 - this project's own command line
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environ,
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )

    def _output(self) -> BinaryIO:
        """Return where the program writes to."""
        return self.log.open("wb")

    @property
    def name(self) -> str:
        """The name of its log, without the extension."""
        return self.log.stem

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        return self.popen.pid

    def text(self) -> str:
        """Return all of its output."""
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """Return the last lines of its output."""
        return last_lines(self.text())

    def exit_status(self) -> int | None:
        """Return its exit status, or minus the signal that ended it; None while it runs.

        It is not reaped: until it is, no other process has the id of its group.
        """
        if self.popen.returncode is not None:
            return self.popen.returncode
        return exit_status_of(self.pid)

    def has_ended(self) -> bool:
        """Return whether it has ended, by itself or not."""
        return self.exit_status() is not None

    def check_runs(self) -> None:
        """Raise CannotStart, with the end of its log, if it has ended."""
        if (status := self.exit_status()) is not None:
            raise CannotStart(f"{self.name} ended with {status}:\n{self.tail()}")

    def wait_for(self, words: str, within: float = 60.0) -> None:
        """Wait until its log has ``words``. Raise CannotStart if it ends before, NotInTime if it takes too long."""

        def has_words() -> bool:
            ended = self.has_ended()  # before the look, so that nothing is written after it
            seen = words in self.text()
            if ended and not seen:
                self.check_runs()
            return seen

        wait_until(has_words, within, f"«{words}» in the log of {self.name}")

    def stop(self, within: float = 60.0) -> int:
        """End it with SIGTERM, or with SIGKILL after so many seconds; return its exit status."""
        end([self], within)
        return self.popen.wait()

    def kill(self) -> None:
        """End it as in a crash: SIGKILL to everything left of its group."""
        if self.popen.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # everything has ended
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()


def end(
    processes: Sequence[Process], within: float, *, signals: Sequence[int] = (signal.SIGTERM,)
) -> None:
    """Send all of them each of ``signals`` in turn, wait after each, and kill what is left."""
    try:
        for number in signals:
            for process in processes:
                if not process.has_ended():
                    os.kill(process.pid, number)
            with suppress(NotInTime):
                wait_until(lambda: all(one.has_ended() for one in processes), within, "the end")
                break
    finally:
        for process in processes:
            process.kill()


def celery(*words: str, app: str = "tasks", quiet: bool = False) -> list[str]:
    """Return the command line of Celery; where it is ``quiet``, without the table at its start."""
    return [sys.executable, "-m", "celery", *(["-q"] if quiet else []), "-A", app, *words]


def product_command(*words: str) -> list[str]:
    """Return the command line of ``wallarm-notify``."""
    return [sys.executable, "-c", _COMMAND, *words]


def run(
    command: Sequence[str | Path], environ: Mapping[str, str], *, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Return the result of a program that can import ``tasks``, run to its end."""
    return subprocess.run(  # noqa: S603 - this project's own command line
        command,
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder_of_tasks(),
        env=environ,
        timeout=_COMMAND_SECONDS,
        check=False,
    )


def folder_of_tasks() -> Path:
    """Return the folder of ``tasks`` and ``celeryconfig``, without importing them."""
    spec = importlib.util.find_spec("tasks")
    if spec is None or spec.origin is None:
        raise CannotStart(
            "There is no module «tasks», so no worker can be started; install the checkout: make setup"
        )
    return Path(spec.origin).parents[1]
