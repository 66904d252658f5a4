"""How long an event is under way: this pipeline beside a plain Celery task, at 100 events a second.

    python -m benchmarks.latency [--rate 100] [--seconds 20] [--rounds 3] [--json]

An open loop: one event a message, each sent at its time whether or not earlier ones have arrived. Measured
is from the producer's call to the sink's first byte, without the first three seconds; the sink answers
202 at once. Both in turn, round after round; p50 and p99 of each, and the medians of the ratios within a
round. The plain task has one hop and no commit, ours two of each. A run whose ledger does not balance is
void.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks import plain
from benchmarks.contenders import WITHIN, WORDS, plain_worker
from benchmarks.open_loop import WARM_UP, evenly, how_many, on_time, p50_and_p99
from benchmarks.ours import at_work, event
from benchmarks.sink import title
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, say
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

INTEGRATIONS: Final = 1000
FIGURES: Final = ("p50", "p99")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=100.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of sending, a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        result = measured(options.rate, options.seconds, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def post(stack: BenchmarkStack, rate: float, seconds: float) -> dict[str, float]:
    """Return the latency of (c), a plain Celery task an event, in milliseconds. Raise Void."""
    worker = plain_worker(stack)
    with stack.producer() as send:
        figures = played(
            stack,
            rate,
            seconds,
            lambda n: send(
                "plain.post",
                args=[stack.keys[n % INTEGRATIONS].reveal(), title()],
                queue=plain.QUEUE,
            ),
        )
    worker.stop()
    return figures


def single(stack: BenchmarkStack, rate: float, seconds: float) -> dict[str, float]:
    """Return the latency of (f), this pipeline, in milliseconds. Raise Void."""
    with at_work(stack, how_many(rate, seconds)), stack.producer() as send:
        return played(
            stack,
            rate,
            seconds,
            lambda n: send_events(send, [event(n, n % INTEGRATIONS + 1)]),
        )


PLAYERS: Final[dict[str, Callable[[BenchmarkStack, float, float], dict[str, float]]]] = {
    "c": post,
    "f": single,
}


def measured(rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return milliseconds by contender and round. Raise Void."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in PLAYERS}
    with benchmark_stack() as one:
        say(f"making {INTEGRATIONS} integrations")
        one.make_integrations(INTEGRATIONS)
        for number in range(1, rounds + 1):
            for name, play in PLAYERS.items():
                runs[name].append(play(one, rate, seconds))
                say(f"round {number} of {rounds}: ({name}) {_words(runs[name][-1])}")
    return {
        "rate": rate,
        "seconds": seconds,
        "integrations": INTEGRATIONS,
        "cores": CORES,
        "milliseconds": runs,
        "ratios": {
            figure: statistics.median(
                ours[figure] / plainly[figure]
                for ours, plainly in zip(runs["f"], runs["c"], strict=True)
            )
            for figure in FIGURES
        },
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        (
            f"From the producer's call to the sink's first byte, in ms, at {result['rate']:,.0f} events/s for "
            f"{result['integrations']:,} integrations on {result['cores']} cores:"
        ),
        "",
        "| | contender | p50, median | p99, median | rounds, p50 / p99 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, runs in result["milliseconds"].items():
        words = WORDS[name]
        p50, p99 = (statistics.median(run[figure] for run in runs) for figure in FIGURES)
        rounds = ", ".join(f"{run['p50']:,.1f} / {run['p99']:,.1f}" for run in runs)
        lines.append(f"| ({name}) | {words} | {p50:,.1f} | {p99:,.1f} | {rounds} |")
    ratios = result["ratios"]
    return [
        *lines,
        "",
        f"Medians of the ratios (f)/(c), rounds paired: p50 {ratios['p50']:.2f}, p99 {ratios['p99']:.2f}.",
    ]


def send_events(send: Callable[..., object], events: Sequence[Mapping[str, Any]]) -> None:
    """Send events in one message, by Celery's ``send_task``."""
    send(INGEST, kwargs={"events": events}, queue=EVENTS_QUEUE)


def played(
    stack: BenchmarkStack, rate: float, seconds: float, send: Callable[[int], object]
) -> dict[str, float]:
    """Send events at ``rate`` for ``seconds``; return their latency, once the sink has all of them."""
    stack.sink.forget()
    began = time.time()
    for n in on_time(evenly(rate, seconds)):
        send(n)
    events = how_many(rate, seconds)
    seen = stack.sink.wait_for(events, WITHIN)
    if seen["requests"] != events:
        raise Void(f"{seen['requests']} requests for {events} events")
    return p50_and_p99(stack.sink.under_way(began + WARM_UP))


def _words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figures[name]:,.1f} ms" for name in FIGURES)


if __name__ == "__main__":
    sys.exit(main())
