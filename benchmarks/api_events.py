"""What an event costs that is sent over HTTP, beside ``Producer.emit``: CPU of the process that sends it.

A hundred events a call, on each broker: as JSON to a server of the API, whose time of the CPU the kernel counts, and to
``Producer.emit`` in a process of its own. Both in turn, round after round. Clients without integrations: what counts is
the way to the broker. In the end workers take in all of them, and the ledger has to balance.

    python -m benchmarks.api_events BROKER QUEUE_TYPE CALLS    # what the other process does: prints its seconds
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from benchmarks.api_server import NO_TOKEN_RATE, PRODUCER, ApiServer, Asked, check_served, serving
from benchmarks.brokers import take_away
from benchmarks.ours import event
from benchmarks.stack import BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.devstack.processes import run
from wallarm_notify.devstack.rabbitmq import SERVER, RabbitMQ
from wallarm_notify.producer import Producer

IN_A_CALL: Final = 100
CLIENTS: Final = 1000
WARM: Final = 30
"""So many calls come before those that count: connections are open by then."""

MOST: Final = 1.3
"""So many times the CPU of ``Producer.emit`` an event over HTTP is to cost at most."""


def measured(calls: int, rounds: int, *, rabbitmq: bool) -> dict[str, Any]:
    """Return microseconds of CPU an event, by broker, way and round, and the ratios. Raise Void."""
    found: dict[str, dict[str, list[float]]] = {}
    with _stacks(rabbitmq=rabbitmq) as stacks, ExitStack() as servers:
        there = {name: servers.enter_context(serving(stack)) for name, stack in stacks.items()}
        tokens = {name: server.token(*PRODUCER) for name, server in there.items()}
        for number in range(1, rounds + 1):
            for name, stack in stacks.items():
                ways = found.setdefault(name, {"http": [], "emit": []})
                ways["http"].append(_posted(there[name], tokens[name], calls))
                ways["emit"].append(_emitted(stack, calls))
                words = ", ".join(f"{way} {took[-1]:,.1f} µs" for way, took in ways.items())
                say(f"round {number} of {rounds}: {name}: {words} an event")
                take_away(stack, 2 * (calls + WARM) * IN_A_CALL)
    return {
        "calls": calls,
        "in_a_call": IN_A_CALL,
        "microseconds": found,
        "ratios": {name: _ratio(ways) for name, ways in found.items()},
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        f"Calls of {result['in_a_call']} events, CPU of the process that hands them to the broker, µs an event:",
        "",
        "| broker | `POST events` | `Producer.emit` | ratio, rounds paired | asked |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, ways in result["microseconds"].items():
        http, emit = (statistics.median(ways[way]) for way in ("http", "emit"))
        lines.append(
            f"| {name} | {http:,.1f} | {emit:,.1f} | {result['ratios'][name]:.2f} | ≤ {MOST} |"
        )
    return lines


def emitted(broker: str, queue_type: str, calls: int) -> float:
    """Return how many seconds of this process's CPU ``Producer.emit`` takes for so many calls."""
    given = [_events(call) for call in range(WARM + calls)]
    with Producer(broker, queue_type="quorum" if queue_type == "quorum" else "classic") as producer:
        for events in given[:WARM]:
            producer.emit(*events)
        began = time.process_time()
        for events in given[WARM:]:
            producer.emit(*events)
        return time.process_time() - began


@contextmanager
def _stacks(*, rabbitmq: bool) -> Iterator[dict[str, BenchmarkStack]]:
    """Yield a stack on Redis and, where it is wanted and installed, one on RabbitMQ."""
    with ExitStack() as parts:
        stacks = {"Redis": parts.enter_context(benchmark_stack(api_token_rate=NO_TOKEN_RATE))}
        if rabbitmq and SERVER.exists():
            url = parts.enter_context(RabbitMQ()).url
            stacks["RabbitMQ"] = parts.enter_context(
                benchmark_stack(broker_url=url, api_token_rate=NO_TOKEN_RATE)
            )
        elif rabbitmq:
            say("RabbitMQ is left out: apt-get install rabbitmq-server")
        yield stacks


def _posted(server: ApiServer, token: str, calls: int) -> float:
    """Return how many microseconds of the server's CPU an event takes. Raise Void."""
    asked = [
        Asked(
            "events",
            "/notify/v1/events",
            token,
            method="POST",
            body=json.dumps({"events": _events(call)}),
        )
        for call in range(WARM + calls)
    ]
    check_served(server.ask(asked[:WARM]))
    began = server.cpu()
    check_served(server.ask(asked[WARM:]))
    return (server.cpu() - began) / (calls * IN_A_CALL) * 1e6


def _emitted(stack: BenchmarkStack, calls: int) -> float:
    words = [stack.broker_url, stack.settings.events_queue_type, str(calls)]
    done = run([sys.executable, "-m", "benchmarks.api_events", *words], stack.environ())
    if done.returncode:
        raise Void(f"the producer failed: {done.stderr.strip()}")
    return float(done.stdout) / (calls * IN_A_CALL) * 1e6


def _events(call: int) -> list[dict[str, Any]]:
    first = call * IN_A_CALL
    return [event(n, n % CLIENTS + 1) for n in range(first, first + IN_A_CALL)]


def _ratio(ways: Mapping[str, Sequence[float]]) -> float:
    return statistics.median(a / b for a, b in zip(ways["http"], ways["emit"], strict=True))


if __name__ == "__main__":
    print(emitted(sys.argv[1], sys.argv[2], int(sys.argv[3])))
