"""What 99 healthy integrations notice of one that hangs.

    python -m benchmarks.isolation [--rate 50] [--times 10] [--seconds 30] [--rounds 3] [--json]

An open loop, one event a message: --rate events a second spread evenly over the healthy ones, first
alone, then, round after round, beside one more integration whose requests are never answered: at 15 s, our
deadline, they are given up, so that 30 s of hanging would be the same. It gets --times the traffic of
*one* healthy integration; --times 990 makes that ten times the traffic of *all* of them together.
The healthy ones begin three seconds earlier, and those seconds do not count; that the other one begins to
hang, does. Measured is from the producer's call to the sink's first byte.

At the end of a run the one that hangs is disabled, which cancels what waits for it, so that every
notification ends and the ledger can be held against every event; a run where it does not balance is void.
"""

import argparse
import heapq
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis import Redis

from benchmarks.contenders import WITHIN
from benchmarks.open_loop import WARM_UP, evenly, how_many, on_time, p50_and_p99
from benchmarks.ours import at_work, event
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, key_of, say
from wallarm_notify.devstack.processes import wait_until
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

HEALTHY: Final = 99
HANGING: Final = HEALTHY + 1
FIGURES: Final = ("p50", "p99")

OWN_EVENTS: Final = 1
"""How many events of our own come: that of the disabling, which no integration here subscribes to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=50.0, help="events a second, healthy ones")
    parser.add_argument("--times", type=float, default=10.0, help="a healthy one's traffic")
    parser.add_argument("--seconds", type=float, default=30.0, help="of sending, a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        result = measured(options.rate, options.times, options.seconds, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def measured(rate: float, times: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the healthy integrations' milliseconds by round, without the hanging one and with it.

    Raise Void.
    """
    runs: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    with benchmark_stack(hang=key_of(HANGING)) as one:
        one.make_integrations(HANGING)
        for number in range(1, rounds + 1):
            for name, hanging in (("without", 0.0), ("with", times * rate / HEALTHY)):
                runs[name].append(_played(one, rate, hanging, seconds))
                figures = ", ".join(f"{f} {ms:,.1f}" for f, ms in runs[name][-1].items())
                say(f"round {number} of {rounds}: {name} the one that hangs: {figures}")
    return {
        "rate": rate,
        "hanging_rate": times * rate / HEALTHY,
        "seconds": seconds,
        "cores": CORES,
        "milliseconds": runs,
        "ratios": {
            figure: statistics.median(
                beside[figure] / alone[figure]
                for beside, alone in zip(runs["with"], runs["without"], strict=True)
            )
            for figure in FIGURES
        },
    }


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        (
            f"{HEALTHY} healthy integrations, {result['rate']:,.1f} events/s altogether, and one that hangs, "
            f"{result['hanging_rate']:,.1f} events/s, on {result['cores']} cores; from the producer's call to "
            "the sink's first byte, of the healthy ones, in ms:"
        ),
        "",
        "| | p50, median | p99, median | rounds, p50 / p99 | requests that hung |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, runs in result["milliseconds"].items():
        p50, p99 = (statistics.median(run[figure] for run in runs) for figure in FIGURES)
        rounds = ", ".join(f"{run['p50']:,.1f} / {run['p99']:,.1f}" for run in runs)
        hung = ", ".join(f"{run['hung']:,.0f}" for run in runs)
        lines.append(f"| {name} the one that hangs | {p50:,.1f} | {p99:,.1f} | {rounds} | {hung} |")
    ratios = result["ratios"]
    return [
        *lines,
        "",
        (
            f"Medians of the ratios with/without, rounds paired: p50 {ratios['p50']:.2f}, "
            f"p99 {ratios['p99']:.2f}."
        ),
    ]


def _played(stack: BenchmarkStack, rate: float, hanging: float, seconds: float) -> dict[str, float]:
    """Return a run's figures of the healthy integrations, and how many requests hung."""
    healthy, hung = how_many(rate, seconds), how_many(hanging, seconds - WARM_UP)
    due = heapq.merge(
        ((at, n % HEALTHY + 1) for at, n in evenly(rate, seconds)),
        ((at, HANGING) for at, _ in evenly(hanging, seconds - WARM_UP, start=WARM_UP)),
    )
    received = stack.counted("received")
    stack.sink.forget()
    with at_work(stack, healthy + (hung + OWN_EVENTS if hung else 0)):
        began = time.time()
        with stack.producer() as send:
            for n, client in enumerate(on_time(due)):
                send(INGEST, kwargs={"events": [event(n, client)]}, queue=EVENTS_QUEUE)
        seen = stack.sink.wait_for(healthy, WITHIN)
        if seen["requests"] != healthy:
            raise Void(f"{seen['requests']} requests for {healthy} events")
        if hung:
            if not seen["hanging"]:
                raise Void("no request hung")
            # What comes in later would hang after all.
            goal = received + healthy + hung
            wait_until(lambda: stack.counted("received") >= goal, WITHIN, f"{goal} events")
            stack.run_command("integrations", "disable", _number(stack))
    if hung:
        stack.run_command("integrations", "enable", _number(stack))
    # Countdowns of what was cancelled are no part of the next run.
    with Redis.from_url(stack.broker_url) as redis:
        redis.flushdb()
    return {**p50_and_p99(stack.sink.under_way(began + WARM_UP)), "hung": seen["hanging"]}


def _number(stack: BenchmarkStack) -> str:
    """Return the id of the integration that hangs."""
    return str(stack.number(f"SELECT id FROM integrations WHERE client_id = {HANGING}"))  # noqa: S608 - ours


if __name__ == "__main__":
    sys.exit(main())
