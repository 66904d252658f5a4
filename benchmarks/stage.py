"""Where a comparison is played: one database, one broker and one sink, and processes that end with it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from celery import Celery
from sqlalchemy import text

from benchmarks.sink import SINK
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.devstack.embedded import DATABASE_URL, EmbeddedBroker, EmbeddedPostgres
from wallarm_notify.devstack.shared_servers import database_of_our_own
from wallarm_notify.domain.integration import Draft, IntegrationKey, parse_subscriptions
from wallarm_notify.settings import Settings
from wallarm_notify.store import Transaction, migrations
from wallarm_notify.store.connection import make_engine
from wallarm_notify.store.encryption import generate

T = TypeVar("T")

PREFIX = "WALLARM_NOTIFY_"
CORES = os.cpu_count() or 1


class Void(Exception):
    """What was measured is not what was meant; the text says why."""


def say(line: str) -> None:
    """How far it is, for who watches."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Sink:
    """The sink's control: see ``benchmarks.sink``."""

    url: str

    def seen(self) -> dict[str, Any]:
        """What came since it last forgot."""
        return dict(self._ask("GET", "seen"))

    def under_way(self, since: float) -> list[float]:
        """How many seconds each was under way that was sent at ``since`` or later."""
        return [took for sent, took in self._ask("GET", "under-way") if sent >= since]

    def forget(self) -> None:
        """From zero."""
        self._ask("DELETE", "seen")

    def wait_for(self, requests: int, within: float) -> dict[str, Any]:
        """Until so many requests have come. Raises Void where they do not."""
        return until(
            lambda: seen if (seen := self.seen())["requests"] >= requests else None,
            within,
            f"{requests} requests",
        )

    def _ask(self, method: str, path: str) -> Any:
        with urlopen(Request(f"{self.url}/{path}", method=method), timeout=10) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())


def until(look: Callable[[], T | None], within: float, what: str) -> T:
    """The first thing that ``look`` finds. Raises Void after ``within`` seconds."""
    deadline = time.monotonic() + within
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Void(f"{what} did not come within {within:.0f} s")
        time.sleep(0.02)
    return found


class Stage:
    """Everything that contenders share; ``environment`` is for every process that it starts."""

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        folder: Path,
        *,
        delay: float,
        hang: str,
        **knobs: float,
    ) -> None:
        self.broker_url = broker_url
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._running: list[subprocess.Popen[bytes]] = []
        self.sink = Sink(self._start_sink(delay, hang))
        self.environment = {
            PREFIX + "DATABASE_URL": database_url,
            PREFIX + "BROKER_URL": broker_url,
            PREFIX + "PAGERDUTY_US_URL": self.sink.url,
            PREFIX + "PAGERDUTY_EU_URL": self.sink.url,
            PREFIX + "SECRET_KEYS": generate(),
            **{PREFIX + name.upper(): str(value) for name, value in knobs.items()},
        }
        named = {n.removeprefix(PREFIX).lower(): v for n, v in self.environment.items()}
        self.wiring = Wiring(Settings.model_validate(named))
        self.environment[SINK] = f"{self.sink.url}/v2/enqueue"
        self._engine = make_engine(database_url, pool_size=1, bounded=False)
        self.keys: list[IntegrationKey] = []
        self.last_sink_share = 0.0
        """The part of the machine that the sink took when it last was waited for."""

    def _start_sink(self, delay: float, hang: str) -> str:
        asked = ["--delay", str(delay), "--hang", hang]
        sink = self.start("sink", ["-m", "benchmarks.sink", *asked])
        log = self.folder / "sink.log"
        until(lambda: log.read_text().strip() or None, 10, "the sink")
        assert sink.poll() is None  # noqa: S101 - it said its port a moment ago
        return f"http://127.0.0.1:{log.read_text().split()[0]}"

    def start(self, name: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """A Python process: see ``start_program``."""
        return self.start_program(name, [sys.executable, *arguments])

    def start_program(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """A process that ends with the stage; what it says is in ``name``.log."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - what the benchmark names
                command,
                env=os.environ | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def start_worker(self, name: str, app: str, queues: str) -> subprocess.Popen[bytes]:
        """A Celery worker of as many processes as there are cores, once it is ready."""
        process = self.start(
            name,
            [
                *("-m", "celery", "-A", app, "worker", "-c", str(CORES), "-n", f"{name}@bench"),
                *("-Q", queues, "-l", "INFO"),
            ],
        )
        log = self.folder / f"{name}.log"
        until(lambda: True if " ready." in log.read_text() else None, 60, f"{name} to be ready")
        return process

    def make_integrations(self, number: int) -> None:
        """One of each client, 1 to ``number``, which wants security issues; in one transaction."""
        self.keys = [IntegrationKey(key_of(client)) for client in range(1, number + 1)]

        def work(tx: Transaction) -> None:
            for client, key in enumerate(self.keys, 1):
                draft = Draft(
                    client_id=client,
                    region="us",
                    subscriptions=parse_subscriptions(("security_issue",)),
                    enabled=True,
                    user="a benchmark",
                    name=f"integration {client}",
                )
                tx.insert_integration(draft, key)

        self.wiring.store.transact(work)

    def command(self, *arguments: str) -> None:
        """Runs ``wallarm-notify``. Raises Void where it fails."""
        program = Path(sys.executable).with_name("wallarm-notify")
        done = subprocess.run(  # noqa: S603 - ours
            [program, *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise Void(f"wallarm-notify {' '.join(arguments)}: {done.stderr.strip()}")

    @contextmanager
    def producer(self) -> Iterator[Callable[..., object]]:
        """Celery's ``send_task`` on a connection of its own, which stays open."""
        with Celery(broker=self.broker_url) as app, app.producer_or_acquire() as one:
            yield partial(app.send_task, producer=one)

    def number(self, query: str) -> int:
        """What ``query`` answers with, a single number."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    def execute(self, statement: str, **parameters: Any) -> int:
        """Runs one statement that commits by itself, within ten minutes; the rows it touched."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = '10min'"))
            return connection.execute(text(statement), parameters).rowcount

    def open_notifications(self) -> int:
        """How many have not ended."""
        return self.number("SELECT count(*) FROM notifications WHERE finished_at IS NULL")

    def counted(self, kind: str) -> int:
        """One of the ledger's running counters."""
        return self.number(f"SELECT coalesce(sum(value), 0) FROM counts WHERE kind = '{kind}'")  # noqa: S608 - ours

    def close(self) -> None:
        """Lets go of the database."""
        self.wiring.store.close()
        self._engine.dispose()

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        """Ends processes, TERM first."""
        for process in processes or self._running:
            if process.poll() is None:
                process.terminate()
        for process in processes or self._running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def key_of(client: int) -> str:
    """The key of the client's integration."""
    return f"{client:032x}"


@contextmanager
def stage(*, delay: float = 0.0, hang: str = "", **knobs: float) -> Iterator[Stage]:
    """A stage on servers of its own, or with a database on the one that the environment names.

    The sink answers after ``delay`` seconds, and who holds the key ``hang`` never; ``knobs`` are settings
    of ours. Several may stand at once.
    """
    with ExitStack() as stack:
        server = os.environ.get(DATABASE_URL) or stack.enter_context(EmbeddedPostgres()).url
        url = stack.enter_context(database_of_our_own(server))[0]
        migrations.upgrade(url)
        broker = stack.enter_context(EmbeddedBroker())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        made = Stage(url, broker.url, folder, delay=delay, hang=hang, **knobs)
        try:
            yield made
        finally:
            made.end()
            made.close()
