"""A whole system of real parts, with its input and its results as tests need them."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from administration import Administration
from build import a_key, eventually

from wallarm_notify.devstack.processes import NotInTime
from wallarm_notify.devstack.stack import Stack
from wallarm_notify.domain.integration import Draft, IntegrationKey, parse_subscriptions
from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Filter, ShownNotification
from wallarm_notify.services.ledger import recount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wallarm_notify.domain.ledger import Ledger
    from wallarm_notify.domain.summary_form import SummaryForm
    from wallarm_notify.domain.views import ShownNotification
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.services.context import Context

ROOT = Path(__file__).parents[2]
MANY = 100_000


class System(Stack, Administration):
    """A system that a test drives; ``settings`` are those of every process."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        # With shortened waits whole schedules fail in seconds; tests of the review set it.
        super().__init__(folder, **{"review_seconds": 3600, **settings})

    @property
    def ctx(self) -> Context:  # type: ignore[override]  # it is that of the processes' settings
        return self.wiring.context

    def integration(
        self,
        key: IntegrationKey | None = None,
        client_id: int = 1,
        subscribe: tuple[str, ...] = ("security_issue",),
        region: str = "us",
        summary: SummaryForm | None = None,
    ) -> int:
        draft = Draft(
            client_id=client_id,
            region=region,
            subscriptions=parse_subscriptions(subscribe),
            enabled=True,
            summary=summary,
        )
        return self.create_integration(draft, key or a_key()).id

    def emit(self, *events: dict[str, Any], task: str = "events.ingest") -> None:
        """Emit events as any Celery client would: by the task's name, without this package."""
        from celery import Celery  # noqa: PLC0415 - a producer of its own

        with Celery(broker=self.broker_url) as producer:
            producer.conf.task_create_missing_queue_type = self.settings.events_queue_type
            # What RabbitMQ has not confirmed is not enqueued.
            producer.conf.broker_transport_options = {"confirm_publish": True}
            producer.send_task(task, kwargs={"events": list(events)}, queue="events")

    def notifications(self, **wanted: Any) -> list[ShownNotification]:
        return self.wiring.store.transact(
            lambda tx: tx.notifications(EVERY_CLIENT, Filter(**wanted), Slice(None, MANY, MANY))
        ).items

    def states(self) -> Counter[str]:
        return Counter(str(n.state) for n in self.notifications())

    def show(self, notification_id: int) -> ShownNotification:
        shown = self.wiring.store.transact(
            lambda tx: tx.notification(EVERY_CLIENT, notification_id)
        )
        assert shown is not None
        return shown

    def ledger(self) -> Ledger:
        return recount(self.wiring.context, EVERY_CLIENT)

    def wait_for_states(self, within: float, **states: int) -> None:
        try:
            eventually(lambda: dict(self.states()) == states, within, str(states))
        except NotInTime as error:
            states = dict(self.states())
            raise AssertionError(f"{error}; states are {states}\n{self.tails()}") from None

    def ask_broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.broker_url)

    def queue_length(self, queue: str) -> int:
        with self.ask_broker() as client:
            return int(client.llen(queue))

    def close(self, within: float = 0) -> None:
        """Kill what runs: a warm stop is for the tests that are about it."""
        for process in self.processes:
            process.kill()
        super().close(within)


def sandbox_times(client: SandboxClient, key: IntegrationKey) -> list[float]:
    """Return when each request with ``key`` arrived, in epoch seconds."""
    return [r["at_epoch"] for r in client.requests(key.reveal(), brief=True)]


def pairs(times: list[float]) -> Iterator[float]:
    """Yield the gaps between neighbours, in seconds."""
    return (b - a for a, b in itertools.pairwise(times))
