"""What this pipeline's rate becomes as things grow: rows, integrations, unmatched events, retention.

    python -m benchmarks.growth [--parts stored,integrations,unmatched,indexes,prune] [--events 10000] [--json]

Each part compares (e), events in batches of 100, with itself, in turn, round after round; the figures are
medians, and medians of the ratios within a round. Every run's ledger must balance.

``stored``: on a database that holds --stored delivered notifications of the last 89 days, with their
events and attempts, and on one that holds only what the rounds before have left.

``integrations``: with 1, 100 and 10,000 integrations and as many clients, each on a stack of its own,
with a rate limit of 1,000,000 a minute: no notification waits for a grant, and the code of the limit runs.

``unmatched``: events of clients without an integration, until the last of them is taken in, and events
that are delivered, until the last is at the sink.

``indexes``: without the indexes that only listings read, and with them.

``prune``: while PRUNE, as beat calls it, deletes what is older than the retention, and while the same rows
are there and not old enough. A run of this part is ten times as long. --old events are there to be deleted in
a round, more than PRUNE gets done; they are filled up between the rounds. The rate limit is as high.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from benchmarks.contenders import BATCH, WITHIN, batched, slices
from benchmarks.indexes import OF_LISTINGS
from benchmarks.ours import at_work, event
from benchmarks.stack import CORES, BenchmarkStack, Void, benchmark_stack, say
from benchmarks.stored import settle, store
from wallarm_notify.devstack.processes import wait_until
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.settings import PREFIX
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST

INTEGRATIONS: Final = 1000
NUMBERS: Final = (1, 100, 10_000)
NO_RATE_LIMIT: Final = 1_000_000

PRUNING: Final = 10
"""How many times as long a run of this part is, so that it lasts several of beat's intervals."""

RETENTION: Final = PREFIX + "RETENTION_DAYS"
OLDER: Final = timedelta(days=100)
OLDEST: Final = timedelta(days=110)
OLD: Final = "SELECT count(*) FROM events WHERE received_at < now() - interval '90 days'"


@dataclass(frozen=True)
class Size:
    """How much is done."""

    events: int
    rounds: int
    stored: int
    old: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--parts", default=",".join(PARTS), help="by commas")
    parser.add_argument("--events", type=int, default=10_000, help="in a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stored", type=int, default=1_000_000, help="notifications")
    parser.add_argument("--old", type=int, default=300_000, help="events that PRUNE may delete")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    names = options.parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))}: none of {', '.join(PARTS)}")
    size = Size(options.events, options.rounds, options.stored, options.old)
    try:
        result = result_of(size, names)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    print(json.dumps(result, indent=2) if options.json else "\n".join(table(result)))
    return 0


def result_of(size: Size, names: Sequence[str]) -> dict[str, Any]:
    """Return what the parts of these names measure. Raise Void."""
    parts = {name: PARTS[name](size) for name in names}
    return {"events": size.events, "cores": CORES, "parts": parts}


def stored(size: Size) -> dict[str, Any]:
    """Compare an empty database and a full one. Raise Void."""
    with benchmark_stack() as empty, benchmark_stack() as full:
        for one in (empty, full):
            one.make_integrations(INTEGRATIONS)
        store(full, size.stored, newest=timedelta(days=1), oldest=timedelta(days=89))
        rates = _in_turn(
            size,
            {
                "empty": lambda: batched(empty, size.events),
                f"{size.stored:,} stored": lambda: batched(full, size.events),
            },
        )
    return {"rates": rates, "ratios": _ratios(rates)}


def integrations(size: Size) -> dict[str, Any]:
    """Compare one integration, a hundred and ten thousand. Raise Void."""
    with ExitStack() as opened:
        runs: dict[str, Callable[[], float]] = {}
        for number in NUMBERS:
            one = opened.enter_context(benchmark_stack(rate_limit_per_minute=NO_RATE_LIMIT))
            say(f"making {number} integrations")
            one.make_integrations(number)
            runs[f"{number:,} integration{'s' * (number > 1)}"] = _batched(one, size)
        rates = _in_turn(size, runs)
    spread = statistics.median(max(turn) / min(turn) for turn in zip(*rates.values(), strict=True))
    return {"rates": rates, "ratios": _ratios(rates), "dearest_over_cheapest": spread}


def unmatched(size: Size) -> dict[str, Any]:
    """Compare events that are delivered, and events that no integration subscribes to. Raise Void."""
    with benchmark_stack() as one:
        one.make_integrations(INTEGRATIONS)
        rates = _in_turn(
            size,
            {
                "delivered": _batched(one, size),
                "match nothing": lambda: _taken_in(one, size.events),
            },
        )
    return {"rates": rates, "ratios": _ratios(rates)}


def indexes(size: Size) -> dict[str, Any]:
    """Compare a database without the indexes of listings, and one with them. Raise Void."""
    with benchmark_stack() as bare, benchmark_stack() as whole:
        for one in (bare, whole):
            one.make_integrations(INTEGRATIONS)
        bare.execute(f"DROP INDEX {', '.join(OF_LISTINGS)}")
        rates = _in_turn(
            size,
            {
                "without": lambda: batched(bare, size.events),
                "with": lambda: batched(whole, size.events),
            },
        )
    return {"rates": rates, "ratios": _ratios(rates)}


def prune(size: Size) -> dict[str, Any]:
    """Compare the rate while PRUNE deletes with the rate while it has nothing to delete. Raise Void."""
    deleted: list[float] = []
    events = PRUNING * size.events
    with benchmark_stack(rate_limit_per_minute=NO_RATE_LIMIT) as one:
        # A key's grants of the last minute are one row, which must not be what grows here.
        one.make_integrations(NUMBERS[-1])

        def without() -> float:
            store(one, size.old - one.number(OLD), newest=OLDER, oldest=OLDEST)
            one.environment[RETENTION] = "36500"
            return batched(one, events)

        def during() -> float:
            one.environment[RETENTION] = "90"
            rate = batched(one, events, _watched(one, deleted))
            say(f"{deleted[-1]:,.0f} events deleted a second")
            settle(one)
            return rate

        rates = _in_turn(size, {"nothing to prune": without, "much to prune": during})
    return {"rates": rates, "ratios": _ratios(rates), "deleted_per_second": deleted}


PARTS: Final[dict[str, Callable[[Size], dict[str, Any]]]] = {
    "stored": stored,
    "integrations": integrations,
    "unmatched": unmatched,
    "indexes": indexes,
    "prune": prune,
}


def table(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a table in Markdown."""
    lines = [
        f"{result['events']:,} events a run, in batches of {BATCH}, on {result['cores']} cores:",
        "",
        "| part | | events/s, median | µs an event | rounds | ratio, rounds paired |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for part, figures in result["parts"].items():
        for name, rates in figures["rates"].items():
            median = statistics.median(rates)
            rounds = ", ".join(f"{rate:,.0f}" for rate in rates)
            ratio = f"{figures['ratios'][name]:.2f}"
            lines.append(
                f"| {part} | {name} | {median:,.0f} | {1e6 / median:,.0f} | {rounds} | {ratio} |"
            )
    lines += ["", "Ratios are of rates, to the first of the part."]
    if "integrations" in result["parts"]:
        spread = result["parts"]["integrations"]["dearest_over_cheapest"]
        lines.append(f"The dearest number of integrations costs {spread:.2f} times the cheapest.")
    if "unmatched" in result["parts"]:
        cost = 1 / result["parts"]["unmatched"]["ratios"]["match nothing"]
        lines.append(f"An event that matches nothing costs {cost:.2f} of one that is delivered.")
    if "prune" in result["parts"]:
        figures = result["parts"]["prune"]
        lines.append(
            f"PRUNE deleted {', '.join(f'{rate:,.0f}' for rate in figures['deleted_per_second'])} events/s "
            "beside the deliveries."
        )
    return lines


def _in_turn(size: Size, runs: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1, size.rounds + 1):
        for name, run in runs.items():
            rates[name].append(run())
            say(f"round {number} of {size.rounds}: {name}: {rates[name][-1]:,.0f} events/s")
    return rates


def _ratios(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the ratio of each to the first: the median over the rounds."""
    first = next(iter(rates.values()))
    return {
        name: statistics.median(a / b for a, b in zip(some, first, strict=True))
        for name, some in rates.items()
    }


def _batched(one: BenchmarkStack, size: Size) -> Callable[[], float]:
    return lambda: batched(one, size.events)


def _taken_in(one: BenchmarkStack, events: int) -> float:
    """Return the rate of events that match nothing, in events a second."""
    with at_work(one, events):
        beyond = len(one.keys) + 1
        made = [event(n, beyond + n % INTEGRATIONS) for n in range(events)]
        goal = one.counted("unmatched") + events
        with one.producer() as send:
            began = time.time()
            for batch in slices(made):
                send(INGEST, kwargs={"events": batch}, queue=EVENTS_QUEUE)
            taken_in = lambda: one.counted("unmatched") >= goal  # noqa: E731
            wait_until(taken_in, WITHIN, f"{events} events that match nothing")
            return events / (time.time() - began)


@contextmanager
def _watched(one: BenchmarkStack, deleted: list[float]) -> Iterator[None]:
    """Add to ``deleted`` how many events PRUNE deletes a second.

    Raise Void where it deleted none, or there was too little to delete.
    """
    before, began = one.counted("pruned:matched"), time.monotonic()
    yield
    number = one.counted("pruned:matched") - before
    if not number:
        raise Void("PRUNE deleted nothing")
    if not one.number(OLD):
        raise Void("PRUNE had deleted everything before the end: --old must be larger")
    deleted.append(number / (time.monotonic() - began))


if __name__ == "__main__":
    sys.exit(main())
