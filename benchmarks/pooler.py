"""Batches of events, contender (e), with a PgBouncer before the database and without one.

    python -m benchmarks.pooler [--events 4000] [--rounds 9] [--json]

Both in turn, round after round; the median of the ratios within a round. PgBouncer is as installed, pooling by
transaction, on this machine, whose cores it shares; it has to be installed.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.compare import INTEGRATIONS
from benchmarks.contenders import CONTENDERS
from benchmarks.stack import benchmark_stack, say
from wallarm_notify.domain.errors import NotifyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status, 1 where a run was void."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        rates = measured(options.events, options.rounds)
    except NotifyError as error:
        say(f"void: {error}")
        return 1
    ratio = statistics.median(
        pooled / direct for pooled, direct in zip(rates["pooled"], rates["direct"], strict=True)
    )
    if options.json:
        print(json.dumps({"rates": rates, "ratio": ratio}, indent=2))
    else:
        direct, pooled = (statistics.median(rates[way]) for way in ("direct", "pooled"))
        print(f"direct {direct:,.0f} events/s, through PgBouncer {pooled:,.0f}; ratio {ratio:.2f}")
    return 0


def measured(events: int, rounds: int) -> dict[str, list[float]]:
    """Return events a second by way to the database and round. Raise Void."""
    rates: dict[str, list[float]] = {"direct": [], "pooled": []}
    with ExitStack() as parts:
        stacks = {
            way: parts.enter_context(benchmark_stack(pooled=way == "pooled")) for way in rates
        }
        for stack in stacks.values():
            stack.make_integrations(INTEGRATIONS)
        for number in range(1, rounds + 1):
            for way, stack in stacks.items():
                stack.sink.forget()
                rates[way].append(CONTENDERS["e"](stack, events))
                say(f"round {number} of {rounds}: {way}: {rates[way][-1]:,.0f} events/s")
    return rates


if __name__ == "__main__":
    sys.exit(main())
