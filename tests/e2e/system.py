"""A whole system of real parts: database, broker, sandbox, worker processes and beat."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import redis

from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.integration import Draft, IntegrationKey, parse_subscriptions
from wallarm_notify.domain.views import Filter, ShownNotification
from wallarm_notify.services.ledger import draw_up
from wallarm_notify.settings import Settings
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wallarm_notify.domain.ledger import Ledger
    from wallarm_notify.sandbox.client import SandboxClient

ROOT = Path(__file__).parents[2]
PREFIX = "WALLARM_NOTIFY_"


def eventually(condition: Callable[[], Any], within: float, what: str = "the condition") -> Any:
    """Waits until ``condition`` is true and returns its value; fails after ``within`` seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within:g} s; last: {value!r}")
        pause.wait(0.05)


def a_key(name: str = "") -> IntegrationKey:
    """A well-formed key of its own; ``name`` is its beginning."""
    return IntegrationKey((name + uuid4().hex)[:32])


def an_event(client_id: int = 1, **fields: Any) -> dict[str, Any]:
    """A valid event; a security issue of high risk unless told otherwise."""
    return {
        "id": str(uuid4()),
        "client_id": client_id,
        "type": "security_issue.detected",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "issue_id": "7",
        "title": "Vulnerable version of nginx",
        "risk": "high",
        **fields,
    }


class Process:
    """One worker, beat or other ``program``, in a process group of its own."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        program: Sequence[str] = (sys.executable, "-m", "celery", "-A", "tasks"),
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [*program, *arguments],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, words: str, within: float = 20) -> None:
        def seen() -> bool:
            if self.popen.poll() is not None:
                raise AssertionError(
                    f"it ended with {self.popen.returncode}:\n{self.text()[-3000:]}"
                )
            return words in self.text()

        eventually(seen, within, f"«{words}» in {self.log.name}")

    def kill(self) -> None:
        """kill -9 of the whole group, children included."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)

    def stop(self, within: float = 30) -> int:
        """Warm: TERM, and KILL only when it does not end."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode


class System:
    """What a test drives. ``settings`` are those of every process."""

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        sandbox_url: str,
        client: SandboxClient,
        folder: Path,
        **knobs: float | str,
    ) -> None:
        self.sandbox = client
        self.broker_url = broker_url
        self.folder = folder
        self.environment = {
            PREFIX + "DATABASE_URL": database_url,
            PREFIX + "BROKER_URL": broker_url,
            PREFIX + "PAGERDUTY_US_URL": sandbox_url,
            PREFIX + "PAGERDUTY_EU_URL": sandbox_url,
            PREFIX + "SECRET_KEYS": generate(),
            # With shortened waits whole schedules fail in seconds; tests of the review set it.
            PREFIX + "REVIEW_SECONDS": "3600",
            **{PREFIX + name.upper(): str(value) for name, value in knobs.items()},
        }
        self.processes: list[Process] = []
        self.move_to(database_url)

    def move_to(self, database_url: str) -> None:
        """Works on this database from now on."""
        self.environment[PREFIX + "DATABASE_URL"] = database_url
        self.settings = Settings.model_validate(
            {name.removeprefix(PREFIX).lower(): value for name, value in self.environment.items()}
        )
        self.wiring = Wiring(self.settings)

    def start_worker(self, *arguments: str, concurrency: int = 2, **environment: str) -> Process:
        """One that takes messages."""
        process = self.begin_worker(*arguments, concurrency=concurrency, **environment)
        process.wait_for(" ready.")
        return process

    def begin_worker(self, *arguments: str, concurrency: int = 2, **environment: str) -> Process:
        """One that may not be up yet."""
        number = len(self.processes)
        process = Process(
            [
                *("worker", "-c", str(concurrency), "-n", f"w{number}@test", "-l", "INFO"),
                *arguments,
            ],
            {**os.environ, **self.environment, **environment},
            self.folder / f"worker{number}.log",
        )
        self.processes.append(process)
        return process

    def start_beat(self, **environment: str) -> Process:
        process = Process(
            ["beat", "-l", "INFO"],
            {**os.environ, **self.environment, **environment},
            self.folder / f"beat{len(self.processes)}.log",
        )
        self.processes.append(process)
        return process

    def integration(
        self,
        key: IntegrationKey | None = None,
        client_id: int = 1,
        subscribe: tuple[str, ...] = ("security_issue",),
        region: str = "us",
    ) -> int:
        draft = Draft(
            client_id=client_id,
            region=region,
            subscriptions=parse_subscriptions(subscribe),
            enabled=True,
            user="an administrator",
        )
        return self.wiring.management.create(draft, key or a_key()).id

    def emit(self, *events: dict[str, Any], task: str = "events.ingest") -> None:
        """As any Celery client would: by name, no import of ours."""
        from celery import Celery  # noqa: PLC0415 - a producer of its own

        with Celery(broker=self.broker_url) as producer:
            producer.conf.task_create_missing_queue_type = self.settings.events_queue_type
            # What RabbitMQ has not confirmed is not enqueued.
            producer.conf.broker_transport_options = {"confirm_publish": True}
            producer.send_task(task, kwargs={"events": list(events)}, queue="events")

    def notifications(self, **wanted: Any) -> list[ShownNotification]:
        return self.wiring.store.transact(
            lambda tx: tx.notifications(Filter(**{"limit": 100_000, **wanted}))
        )

    def states(self) -> Counter[str]:
        return Counter(str(n.state) for n in self.notifications())

    def show(self, notification_id: int) -> ShownNotification:
        shown = self.wiring.store.transact(lambda tx: tx.notification(notification_id))
        assert shown is not None
        return shown

    def ledger(self) -> Ledger:
        return draw_up(self.wiring.store)

    def wait_for_states(self, within: float, **states: int) -> None:
        try:
            eventually(lambda: dict(self.states()) == states, within, str(states))
        except AssertionError as error:
            logs = "\n".join(f"{p.log.name}: {p.text()[-1500:]}" for p in self.processes)
            raise AssertionError(f"{error}; states are {dict(self.states())}\n{logs}") from None

    def ask_broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.broker_url)

    def queue_length(self, queue: str) -> int:
        with self.ask_broker() as client:
            return int(client.llen(queue))

    def close(self) -> None:
        """Nothing to be gentle about: what a warm stop does is for the tests that stop warm."""
        for process in self.processes:
            process.kill()
        self.wiring.store.close()


def sandbox_times(client: SandboxClient, key: IntegrationKey) -> list[float]:
    """When each request with ``key`` arrived, in epoch seconds."""
    return [r["at_epoch"] for r in client.requests(key.reveal(), brief=True)]


def pairs(times: list[float]) -> Iterator[float]:
    """The gaps between neighbours."""
    return (b - a for a, b in itertools.pairwise(times))
