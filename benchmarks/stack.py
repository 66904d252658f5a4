"""The stack of a comparison: one database, one broker, and a sink in place of PagerDuty."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

from celery import Celery
from sqlalchemy import create_engine, text

from benchmarks.sink import SINK
from wallarm_notify.devstack.pgbouncer import PgBouncer
from wallarm_notify.devstack.processes import Process, folder_of_tasks, wait_until
from wallarm_notify.devstack.stack import PATIENCE, Stack, broker, database
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.integration import Draft, IntegrationKey, parse_subscriptions
from wallarm_notify.store import Transaction, migrations

CORES = os.cpu_count() or 1


class Void(NotifyError):
    """The error that what was measured is not what was meant; the text says why."""


def say(line: str) -> None:
    """Print how far a measurement is to standard error."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Sink:
    """The sink's control: see ``benchmarks.sink``."""

    url: str

    def seen(self) -> dict[str, Any]:
        """Return what came since it last forgot."""
        return dict(self._ask("GET", "seen"))

    def under_way(self, since: float) -> list[float]:
        """Return how many seconds each event was under way that was sent at ``since`` or later."""
        return [took for sent, took in self._ask("GET", "under-way") if sent >= since]

    def forget(self) -> None:
        """Have it begin again from zero."""
        self._ask("DELETE", "seen")

    def wait_for(self, requests: int, within: float) -> dict[str, Any]:
        """Wait until so many requests have come; return what came. Raise NotInTime."""
        return wait_until(
            lambda: seen if (seen := self.seen())["requests"] >= requests else None,
            within,
            f"{requests} requests",
        )

    def _ask(self, method: str, path: str) -> Any:
        with urlopen(Request(f"{self.url}/{path}", method=method), timeout=10) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())


class BenchmarkStack(Stack):
    """Everything that contenders share: a stack with the sink for PagerDuty."""

    def __init__(self, folder: Path, sink: Sink, **settings: object) -> None:
        super().__init__(folder, pagerduty_url=sink.url, **settings)
        self.sink = sink
        self.environment[SINK] = f"{sink.url}/v2/enqueue"
        self._engine = create_engine(self.settings.database(), pool_size=1)
        self.keys: list[IntegrationKey] = []
        self.last_sink_share = 0.0
        """The share of the machine's CPU that the sink used when it was last waited for."""

    def make_integrations(self, number: int) -> None:
        """Make an integration of each client, 1 to ``number``, and the first version of its rules.

        Each subscribes to security issues.
        """
        self.keys = [IntegrationKey(key_of(client)) for client in range(1, number + 1)]

        def work(tx: Transaction) -> None:
            for client, key in enumerate(self.keys, 1):
                draft = Draft(
                    client_id=client,
                    region="us",
                    subscriptions=parse_subscriptions(("security_issue",)),
                    enabled=True,
                    name=f"integration {client}",
                )
                tx.insert_integration(draft, key, by="a benchmark")
                tx.raise_rules_version(client)

        self.wiring.store.transact(work)

    @contextmanager
    def producer(self) -> Iterator[Callable[..., object]]:
        """Yield Celery's ``send_task`` on a connection of its own, which stays open."""
        with Celery(broker=self.broker_url) as app:
            app.conf.task_create_missing_queue_type = self.settings.events_queue_type
            with app.producer_or_acquire() as one:
                yield partial(app.send_task, producer=one)

    def number(self, query: str) -> int:
        """Return the single number that ``query`` yields."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    def text(self, query: str) -> str:
        """Return the single text that ``query`` yields, or an empty one where it is null."""
        with self._engine.connect() as connection:
            return str(connection.exec_driver_sql(query).scalar_one() or "")

    def execute(self, statement: str, **parameters: Any) -> int:
        """Run one statement that commits by itself, within ten minutes; return how many rows it touched."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = '10min'"))
            return connection.execute(text(statement), parameters).rowcount

    def open_notifications(self) -> int:
        """Return how many notifications have not ended."""
        return self.number("SELECT count(*) FROM notifications WHERE finished_at IS NULL")

    def counted(self, kind: str) -> int:
        """Return one of the ledger's running counters."""
        return self.number(f"SELECT coalesce(sum(value), 0) FROM counts WHERE kind = '{kind}'")  # noqa: S608 - ours

    def close(self, within: float = PATIENCE) -> None:
        """End its processes, and close the connections to the database."""
        super().close(within)
        self._engine.dispose()


def key_of(client: int) -> str:
    """Return the key of the client's integration."""
    return f"{client:032x}"


@contextmanager
def benchmark_stack(
    *,
    delay: float = 0.0,
    hang: str = "",
    broker_url: str | None = None,
    pooled: bool = False,
    **settings: object,
) -> Iterator[BenchmarkStack]:
    """Yield a stack on servers of its own, or with a database on the server that the environment names.

    The sink answers after ``delay`` seconds, and requests with the key ``hang`` never. Several stacks may be
    up at once. The broker is the one at ``broker_url``, or one of its own; ``pooled`` puts a PgBouncer before
    the database.
    """
    with ExitStack() as parts:
        url = parts.enter_context(database(os.environ))
        migrations.upgrade(url)
        if pooled:
            url = parts.enter_context(PgBouncer(url)).url
        # A broker that the environment names would be shared by stacks that are up at once.
        broker_url = broker_url or parts.enter_context(broker({}))
        folder = Path(parts.enter_context(TemporaryDirectory()))
        words = ["-m", "benchmarks.sink", "--delay", str(delay), "--hang", hang]
        sink = Process([sys.executable, *words], folder / "sink.log", folder=folder_of_tasks())
        parts.callback(sink.stop)
        sink.wait_for("\n", 10)
        made = BenchmarkStack(
            folder,
            Sink(f"http://127.0.0.1:{sink.text().split()[0]}"),
            database_url=url,
            broker_url=broker_url,
            **settings,
        )
        parts.callback(made.close)
        yield made
