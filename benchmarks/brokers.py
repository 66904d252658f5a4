"""Events on one broker beside the others: Redis, and RabbitMQ with classic and with quorum queues.

    python -m benchmarks.brokers [--only backlog,batches,emit,emit_many,latency] [--rounds 9] [--events 5000] [--json]

``backlog``: events that match nothing, each in a message of its own, lie in the queue; a worker of as many
processes as cores takes them. ``batches``: the same with four times as many events, a hundred in a message. Both are
events a second, from the first store to the last. ``emit`` and ``emit_many``: events a second of one producer with
one event in a message. ``latency``: see ``benchmarks.latency``, contender (f). All brokers in turn, round after round;
medians, and medians of the ratios to Redis within a round. RabbitMQ has to be installed.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from uuid import uuid4

from benchmarks import latency
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.devstack.processes import end, wait_until
from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.devstack.stack import PATIENCE
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.producer import Producer
from wallarm_notify.services.ledger import recount

BROKERS: Final = ("redis", "classic", "quorum")
QUEUES: Final = "events,celery"
WITHIN: Final = 120.0
IN_A_BATCH: Final = 100
LATENCY_SECONDS: Final = 13.0

Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join(PARTS), help="by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"--only: {', '.join(sorted(unknown))}: none of {', '.join(PARTS)}")
    try:
        result = measured(names, options.events, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def backlog(stack: BenchmarkStack, events: int) -> Figures:
    """Return how many single events a second a worker stores. Raise Void."""
    return {"events/s": _stored(stack, events, batch_size=1)}


def batches(stack: BenchmarkStack, events: int) -> Figures:
    """Return how many events a second a worker stores that come a hundred in a message. Raise Void."""
    return {"events/s": _stored(stack, events * 4, batch_size=IN_A_BATCH)}


def emit(stack: BenchmarkStack, events: int) -> Figures:
    """Return how many events a second a producer emits that waits for each."""
    with _producer(stack, batch_size=1) as producer:
        producer.emit(_unmatched())
        began = time.perf_counter()
        for _ in range(events // 5):
            producer.emit(_unmatched())
        took = time.perf_counter() - began
    take_away(stack, events // 5 + 1)
    return {"events/s": events // 5 / took}


def emit_many(stack: BenchmarkStack, events: int) -> Figures:
    """Return how many events a second a producer emits, each in a message of its own, with one call."""
    given = [_unmatched() for _ in range(events)]
    with _producer(stack, batch_size=1) as producer:
        producer.emit(_unmatched())
        began = time.perf_counter()
        producer.emit_many(given)
        took = time.perf_counter() - began
    take_away(stack, events + 1)
    return {"events/s": events / took}


def under_way(stack: BenchmarkStack, events: int) -> Figures:
    """Return the latency at 100 events a second, in milliseconds. Raise Void."""
    del events
    return latency.single(stack, 100.0, LATENCY_SECONDS)


PARTS: Final[dict[str, Callable[[BenchmarkStack, int], Figures]]] = {
    "backlog": backlog,
    "batches": batches,
    "emit": emit,
    "emit_many": emit_many,
    "latency": under_way,
}


def measured(names: Sequence[str], events: int, rounds: int) -> dict[str, Any]:
    """Return the figures by part, broker and round. Raise Void."""
    runs: dict[str, dict[str, list[Figures]]] = {
        name: {broker: [] for broker in BROKERS} for name in names
    }
    with ExitStack() as parts:
        stacks = parts.enter_context(_stacks())
        for number in range(1, rounds + 1):
            for name in names:
                for broker, stack in stacks.items():
                    found = PARTS[name](stack, events)
                    runs[name][broker].append(found)
                    say(f"round {number} of {rounds}: {name}, {broker}: {_words(found)}")
    return {"events": events, "cores": CORES, "runs": runs, "ratios": _ratios(runs)}


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        (
            f"Backlogs of {result['events']:,} events on {result['cores']} cores; medians, and medians of the "
            "ratios to Redis:"
        ),
        "",
        "| | "
        + " | ".join(BROKERS)
        + " | "
        + " | ".join(f"{b} / redis" for b in BROKERS[1:])
        + " |",
        "| --- " * (2 * len(BROKERS)) + "|",
    ]
    for name, ratios in result["ratios"].items():
        part, _, figure = name.partition(", ")
        medians = [
            f"{statistics.median(run[figure] for run in result['runs'][part][broker]):,.1f}"
            for broker in BROKERS
        ]
        cells = [name, *medians, *(f"{ratios[broker]:.2f}" for broker in BROKERS[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


@contextmanager
def _stacks() -> Iterator[dict[str, BenchmarkStack]]:
    with ExitStack() as parts:
        rabbitmq = parts.enter_context(RabbitMQ())
        stacks = {"redis": parts.enter_context(benchmark_stack())}
        for queue_type in BROKERS[1:]:
            rabbitmq.control("add_vhost", queue_type)
            rabbitmq.control("set_permissions", "-p", queue_type, "guest", ".*", ".*", ".*")
            url = rabbitmq.url.removesuffix("//") + f"/{queue_type}"
            stacks[queue_type] = parts.enter_context(
                benchmark_stack(broker_url=url, events_queue_type=queue_type)
            )
        for stack in stacks.values():
            stack.make_integrations(latency.INTEGRATIONS)
        yield stacks


def _stored(stack: BenchmarkStack, events: int, batch_size: int) -> float:
    with _producer(stack, batch_size=batch_size) as producer:
        producer.emit_many(_unmatched() for _ in range(events))
    before = stack.number(
        "SELECT coalesce((extract(epoch FROM max(received_at)) * 1000000)::bigint, 0) FROM events"
    )
    take_away(stack, events)
    took = stack.number(
        "SELECT (extract(epoch FROM max(received_at) - min(received_at)) * 1000000)::bigint FROM events "  # noqa: S608 - ours
        f"WHERE received_at > to_timestamp({before} / 1000000.0)"
    )
    return events / took * 1_000_000


def take_away(stack: BenchmarkStack, events: int) -> None:
    """Have a worker store what lies in the queue. Raise Void where it is another number, or something is wrong."""
    before = stack.counted("received")
    worker = stack.start_worker("-Q", QUEUES, name="ingest", concurrency=CORES)
    try:
        wait_until(
            lambda: stack.counted("received") - before >= events, WITHIN, f"{events} events stored"
        )
    finally:
        end([worker], PATIENCE)
    ledger = recount(stack.wiring.context, EVERY_CLIENT)
    if ledger.findings or ledger.received - before != events:
        raise Void(f"{ledger.received - before} received of {events}, {ledger.findings}")


@contextmanager
def _producer(stack: BenchmarkStack, batch_size: int) -> Iterator[Producer]:
    with Producer(
        stack.broker_url, batch_size=batch_size, queue_type=stack.settings.events_queue_type
    ) as producer:
        yield producer


def _unmatched() -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "client_id": 1,
        "type": "rule.created",
        "occurred_at": "2026-03-01T12:00:00+00:00",
        "rule_id": 7,
    }


def _ratios(runs: Mapping[str, Mapping[str, Sequence[Figures]]]) -> dict[str, Figures]:
    """Return, by part and figure, the median of each broker's ratios to Redis."""
    return {
        f"{name}, {figure}": {
            broker: statistics.median(
                run[figure] / redis[figure]
                for run, redis in zip(by_broker[broker], by_broker["redis"], strict=True)
            )
            for broker in BROKERS[1:]
        }
        for name, by_broker in runs.items()
        for figure in by_broker["redis"][0]
    }


def _words(figures: Figures) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())


if __name__ == "__main__":
    sys.exit(main())
