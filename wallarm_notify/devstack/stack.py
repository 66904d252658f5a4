"""The stack: a whole installation on this machine, with servers, settings, a PagerDuty and Celery's processes.

The demo, the end-to-end tests, the chaos suite and the benchmarks all run on it.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from wallarm_notify.bootstrap import Wiring, context_of
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import (
    Process,
    celery,
    end,
    folder_of_tasks,
    product_command,
    run,
)
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL
from wallarm_notify.devstack.shared_servers import separate_database, unused_broker
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.settings import ENV_FILE, NO_ENV_FILE, PREFIX, Settings
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.migrations import upgrade

Say = Callable[[str], None]

READY_SECONDS: Final = 120.0
"""How long a worker may take until it takes messages; most of it is Python's start."""

PATIENCE: Final = 20.0
"""Seconds between asking a process to end and killing it."""

_HOST: Final = "devstack"
_NO_VARIABLE: Final = f"{PREFIX}NONE_"
"""A prefix that no variable has: the environment's settings are for another installation."""


def quietly(_what: str) -> None:
    """Print nothing of what is started."""


@contextmanager
def database(environ: Mapping[str, str], say: Say = quietly) -> Iterator[str]:
    """Yield the URL of an empty database: on the server that ``environ`` names, else on an embedded one.

    It is deleted at the end of the block, and other databases of a server that is named stay as they are.
    If its account may not create a database, it is the named one, if that is unused. Raise NotifyError.
    """
    with ExitStack() as running:
        if given := environ.get(DATABASE_URL):
            url, is_new = running.enter_context(separate_database(given))
            say(
                "PostgreSQL of the environment, in a database made for this and dropped after it"
                if is_new
                else "PostgreSQL of the environment, in its own database: what is written there stays"
            )
        else:
            url = running.enter_context(EmbeddedPostgres()).create_database("wallarm_notify")
            say("PostgreSQL started")
        yield url


@contextmanager
def broker(environ: Mapping[str, str], say: Say = quietly) -> Iterator[str]:
    """Yield the URL of a broker that nobody else uses: the one that ``environ`` names, else an embedded one.

    Its queues are emptied at the end of the block. Raise NotifyError if somebody else uses it.
    """
    with ExitStack() as running:
        if url := environ.get(BROKER_URL):
            running.enter_context(unused_broker(url))
            say("Broker of the environment; nobody else may use its database meanwhile")
        else:
            url = running.enter_context(EmbeddedBroker()).url
            say("Broker started")
        yield url


class Stack:
    """An installation: its settings, its parts in this process, and the processes that it starts.

    ``settings`` are named as in ``Settings``; those of the environment are another installation's.
    ``pagerduty_url`` takes the place of PagerDuty in every region. Logs of processes go to ``folder``.
    """

    def __init__(self, folder: Path, *, pagerduty_url: str, **settings: object) -> None:
        given = {
            "pagerduty_us_url": pagerduty_url,
            "pagerduty_eu_url": pagerduty_url,
            "secret_keys": generate(),
            **settings,
        }
        texts: dict[str, Any] = {name: str(value) for name, value in given.items()}
        self.folder = folder
        self.environment = {PREFIX + name.upper(): text for name, text in texts.items()}
        self.settings = Settings(_env_prefix=_NO_VARIABLE, **texts)
        self.wiring = Wiring(self.settings, context_of(self.settings, pooled=True))
        self.broker_url = self.environment[BROKER_URL]
        self.sandbox = SandboxClient(pagerduty_url)
        self.processes: list[Process] = []

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a process: this process's, with this installation's settings, and ``more``.

        Its temporary files go into the folder: what a killed process leaves behind goes with the installation.
        """
        rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        own = {**self.environment, ENV_FILE: NO_ENV_FILE, "TMPDIR": str(self.folder)}
        return {**rest, **own, **more}

    def start(self, name: str, command: Sequence[str], **environment: str) -> Process:
        """Start any program; it ends with the stack, and its log is ``name``.log."""
        process = Process(
            command,
            self.folder / f"{name}.log",
            environ=self.environ(**environment),
            folder=folder_of_tasks(),
        )
        self.processes.append(process)
        return process

    def begin_worker(
        self,
        *words: str,
        name: str | None = None,
        concurrency: int = 2,
        app: str = "tasks",
        **environment: str,
    ) -> Process:
        """Start a worker, for all queues unless ``words`` say otherwise; it is ready some seconds later."""
        name = name or f"worker{len(self.processes)}"
        own = ("-c", str(concurrency), "-n", f"{name}@{_HOST}", "-l", "INFO")
        return self.start(name, celery("worker", *own, *words, app=app), **environment)

    def start_worker(
        self,
        *words: str,
        name: str | None = None,
        concurrency: int = 2,
        app: str = "tasks",
        **environment: str,
    ) -> Process:
        """Start a worker and wait until it takes messages. Raise CannotStart or NotInTime."""
        worker = self.begin_worker(
            *words, name=name, concurrency=concurrency, app=app, **environment
        )
        worker.wait_for(" ready.", READY_SECONDS)
        return worker

    def start_beat(self, *, name: str | None = None, **environment: str) -> Process:
        """Start beat; its first tasks follow a second or two later."""
        name = name or f"beat{len(self.processes)}"
        return self.start(name, celery("beat", "-l", "INFO"), **environment)

    def run_command(self, *words: str) -> str:
        """Return what ``wallarm-notify`` prints. Raise NotifyError if it fails."""
        done = run(product_command(*words), self.environ())
        if done.returncode:
            raise NotifyError(f"wallarm-notify {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ended(self) -> list[str]:
        """Return the names of the processes that have ended by themselves."""
        return [process.name for process in self.processes if process.has_ended()]

    def tails(self) -> str:
        """Return the last lines of every process, each under its name."""
        return "\n".join(
            f"--- the end of the log of {process.name}:\n{process.tail()}"
            for process in self.processes
        )

    def close(self, within: float = PATIENCE) -> None:
        """End its processes, which are killed after so many seconds, and disconnect from the database."""
        end(self.processes, within)
        self.wiring.store.close()


@contextmanager
def sandboxed_stack(
    environ: Mapping[str, str], say: Say, *, patience: float, **settings: object
) -> Iterator[Stack]:
    """Yield a stack with the sandbox for PagerDuty, and no process yet; it ends with the block.

    ``environ`` may name servers; ``say`` gets a line about each part that runs; ``patience``: see
    ``Stack.close``. An exception or Ctrl-C ends it too. SIGTERM ends Python without either: a command that
    must end in order turns it into SystemExit.
    """
    with ExitStack() as parts:
        folder = parts.enter_context(tempfile.TemporaryDirectory(prefix="wallarm-notify-stack-"))
        database_url = parts.enter_context(database(environ, say))
        broker_url = parts.enter_context(broker(environ, say))
        upgrade(database_url)
        say("Database migrated")
        sandbox = parts.enter_context(Sandbox())
        say("Sandbox started, a PagerDuty that is none")
        stack = Stack(
            Path(folder),
            pagerduty_url=sandbox.url,
            database_url=database_url,
            broker_url=broker_url,
            **settings,
        )
        parts.callback(stack.close, patience)
        yield stack
